"""Search over needs and know-how, and the searches that people saved."""

from marketplace.web.search.routes import bp

__all__ = ["bp"]
