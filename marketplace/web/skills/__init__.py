"""The skills reference as the national administrator edits it."""

from marketplace.web.skills.routes import bp

__all__ = ["bp"]
