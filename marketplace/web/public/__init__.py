"""Pages that anyone can read: home, explanations, legal notices, health checks."""

from marketplace.web.public.routes import bp

__all__ = ["bp"]
