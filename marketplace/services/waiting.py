"""How long things wait, where some wait still."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A share such as 0.9 is not exact in binary.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Wait:
    """`days` passed; `is_over`: what was waited for came. False: it had not when the wait was last seen."""

    days: float
    is_over: bool


def quantile(waits: Sequence[Wait], share: float) -> float | None:
    """Return after how many days this share of the waits is over; None where it is not reached yet.

    By the product-limit estimate (Kaplan and Meier 1958): who still waits, or gave up, counts for the time
    they were seen to wait. To leave them out would tell only of those who were served, and too well.
    O(n log n).
    """
    days = np.sort([wait.days for wait in waits])
    moments, ended = np.unique([wait.days for wait in waits if wait.is_over], return_counts=True)
    at_risk = len(days) - np.searchsorted(days, moments)
    over = 1 - np.cumprod(1 - ended / at_risk)
    reached = moments[over >= share - _ROUNDING]
    return float(reached[0]) if len(reached) else None
