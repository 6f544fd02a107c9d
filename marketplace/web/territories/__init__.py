"""What a territory says and decides for itself, its logo, and the sheet that it hands out."""

from marketplace.web.territories.routes import bp

__all__ = ["bp"]
