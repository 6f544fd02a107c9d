"""Lists anyone can read: needs, know-how, skills, territories."""

from marketplace.web.directory.routes import bp

__all__ = ["bp"]
