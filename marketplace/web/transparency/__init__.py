"""The transparency report of a year: page, CSV and JSON."""

from marketplace.web.transparency.routes import bp

__all__ = ["bp"]
