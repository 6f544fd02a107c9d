"""Accounts: sign up, confirm, log in, forgotten password, profile."""

from marketplace.web.accounts import second_factor
from marketplace.web.accounts.routes import bp

__all__ = ["bp", "second_factor"]
