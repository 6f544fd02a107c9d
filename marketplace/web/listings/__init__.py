"""Publishing a need or an offer, and its page."""

from marketplace.web.listings.routes import bp

__all__ = ["bp"]
