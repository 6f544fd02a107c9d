"""Structures: create or join one, decide who speaks for it, its public page."""

from marketplace.web.organisations.routes import bp

__all__ = ["bp"]
