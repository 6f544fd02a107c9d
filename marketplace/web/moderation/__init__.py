"""The desk of a territory: what waits, and what is decided."""

from marketplace.web.moderation.routes import bp

__all__ = ["bp"]
