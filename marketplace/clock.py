"""The one clock of the site: every rule that depends on time asks here, so that tests can move it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current instant, aware, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
