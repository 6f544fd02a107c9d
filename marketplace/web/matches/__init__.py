"""My space, matches, and asking or offering help."""

from marketplace.web.matches.routes import bp

__all__ = ["bp"]
