"""Where a territory gives tokens to partners, and a structure lets them publish for it."""

from marketplace.web.partners.routes import bp

__all__ = ["bp"]
