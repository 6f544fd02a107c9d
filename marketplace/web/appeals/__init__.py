"""Contesting a decision by the link that came with it; the appeals that another moderator answers."""

from marketplace.web.appeals.routes import bp

__all__ = ["bp"]
