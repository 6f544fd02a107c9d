"""Collective workshops: what the desk proposes and organises, what the invited answer."""

from marketplace.web.workshops.routes import bp

__all__ = ["bp"]
