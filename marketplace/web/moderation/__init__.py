"""The desk of a territory: what waits, what is decided, and the reasons that are often given."""

from marketplace.web.moderation import reasons, several, structures
from marketplace.web.moderation.routes import bp

__all__ = ["bp", "reasons", "several", "structures"]
