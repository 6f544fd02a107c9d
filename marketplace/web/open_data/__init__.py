"""The open data: what the files hold, and the files."""

from marketplace.web.open_data.routes import bp

__all__ = ["bp"]
