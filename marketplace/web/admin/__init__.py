"""What the national administrator alone does."""

from marketplace.web.admin.routes import bp

__all__ = ["bp"]
