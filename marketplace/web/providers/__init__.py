"""Labelled providers: their list, their pages, what firms say of them, and the administrator's side."""

from marketplace.web.providers import administration, desk, reviews
from marketplace.web.providers.routes import bp

__all__ = ["administration", "bp", "desk", "reviews"]
