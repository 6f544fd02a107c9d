"""One's own data: take them along, or delete the account."""

from marketplace.web.personal_data.routes import bp

__all__ = ["bp"]
