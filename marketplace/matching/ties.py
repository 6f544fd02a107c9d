"""Among equal scores each need prefers offers in an order of its own."""

import numpy as np
from numpy.typing import NDArray

from marketplace.matching.arrays import Needs, Offers
from marketplace.matching.validation import IntArray


class Wheel:
    """All offers in a circle; each need starts somewhere on it and prefers the offers that it meets first.

    Ids give places that look random. So needs that see the same equal offers spread over them, where the
    smallest ids, or any one order, would crowd on a few. `place`: (n_offers,) from 0; `start`: (n_needs,).
    """

    def __init__(self, needs: Needs, offers: Offers) -> None:
        spots = stirred(offers.id)
        order = np.lexsort((offers.id, spots))
        self.size = max(len(offers), 1)
        self.place = np.empty(len(offers), np.int64)
        self.place[order] = np.arange(len(offers))
        self.start = np.searchsorted(spots[order], stirred(needs.id)) % self.size

    def turn(self, need: IntArray, offer: IntArray) -> IntArray:
        """Return how far each offer is from where the need starts: different for all offers of a need."""
        return np.asarray((self.place[offer] - self.start[need]) % self.size, np.int64)


def stirred(ids: IntArray) -> NDArray[np.uint64]:
    """Return the ids mixed by splitmix64 (Steele, Lea and Flood 2014): an order that looks random."""
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)
