"""Reporting a listing, a structure or a message; the cases that moderators answer."""

from marketplace.web.reports.routes import bp

__all__ = ["bp"]
