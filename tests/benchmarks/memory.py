"""What a benchmark tells of memory."""

from resource import RUSAGE_SELF, getrusage

_KIBIBYTES = 1024


def peak_mebibytes() -> float:
    """Return the most memory that this process ever held."""
    return getrusage(RUSAGE_SELF).ru_maxrss / _KIBIBYTES
