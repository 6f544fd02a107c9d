"""Maximum-weight b-matching."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from marketplace.matching.validation import IntArray


def assign(
    need: ArrayLike, offer: ArrayLike, weight: ArrayLike, n_needs: int, capacity: ArrayLike, *, objective: str = "weight",
    certificate: bool = False,
) -> IntArray:
    slots = np.repeat(np.arange(len(capacity)), capacity)
    dense = np.zeros((n_needs, len(slots)))
    bonus = 0.0 if objective == "weight" else 1e3
    for i, j, w in zip(need, offer, weight, strict=True):
        dense[i, slots == j] = w + bonus
    rows, columns = linear_sum_assignment(-dense)
    found = np.full(n_needs, -1)
    for i, s in zip(rows, columns, strict=True):
        if dense[i, s] > 0:
            found[i] = slots[s]
    return found


def verify(*_args: object) -> None: ...
