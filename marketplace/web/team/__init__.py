"""The team of a territory: who moderates, who is in charge, who is invited."""

from marketplace.web.team.routes import bp

__all__ = ["bp"]
