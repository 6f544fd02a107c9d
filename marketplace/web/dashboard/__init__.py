"""The dashboard of a territory: a page for all, more for its moderators, one A4 sheet, each table as CSV."""

from marketplace.web.dashboard.routes import bp

__all__ = ["bp"]
