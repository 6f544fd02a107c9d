"""What simpler rules would do."""

import numpy as np

from marketplace.matching.arrays import Edges
from marketplace.matching.validation import IntArray


def greedy(edges: Edges, n_needs: int, capacity: IntArray) -> IntArray:
    return _take(edges, np.argsort(-edges.weight, kind="stable"), n_needs, capacity)


def first_come(edges: Edges, n_needs: int, capacity: IntArray) -> IntArray:
    return _take(edges, np.lexsort((-edges.weight, edges.need)), n_needs, capacity)


def _take(edges: Edges, order: IntArray, n_needs: int, capacity: IntArray) -> IntArray:
    left, found = capacity.copy(), np.full(n_needs, -1)
    for e in order.tolist():
        i, j = edges.need[e], edges.offer[e]
        if found[i] < 0 and left[j] > 0:
            found[i], left[j] = j, left[j] - 1
    return found
