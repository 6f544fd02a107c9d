"""The journal: the audit log as its moderators read it, and as a file."""

from marketplace.web.audit.routes import bp

__all__ = ["bp"]
