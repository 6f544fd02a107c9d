"""« Simuler un réglage »: what other weights would change for a territory, before they are applied."""

from marketplace.web.tuning.routes import bp

__all__ = ["bp"]
