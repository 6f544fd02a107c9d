"""What simpler rules than an optimum would give, on the same edges."""

import numpy as np

from marketplace.matching import _kernels
from marketplace.matching._solver import Graph, falling_order
from marketplace.matching.arrays import Edges
from marketplace.matching.assignment import checked_graph
from marketplace.matching.validation import IntArray


def greedy(edges: Edges, n_needs: int, capacity: IntArray) -> IntArray:
    """Take edges from the heaviest down, each where its need is free and its offer has a place left.

    Parameters
    ----------
    edges : Edges
    n_needs : int
    capacity : (n_offers,) int

    Returns
    -------
    (n_needs,) int
        The offer of each need, −1 where none.

    Raises
    ------
    ValueError
        As assign().

    Notes
    -----
    At least half the largest weight [1]_. Weights are read to the nearest 1e-9; ties go to the smaller row of
    needs, then of offers. O(edges log edges).

    References
    ----------
    .. [1] R. Preis, "Linear time 1/2-approximation algorithm for maximum weighted matching in general
       graphs", STACS 1999.
    """
    graph = checked_graph(edges.need, edges.offer, edges.weight, n_needs, capacity, objective="weight")
    return _taken(graph, _falling(graph))


def first_come(edges: Edges, n_needs: int, capacity: IntArray) -> IntArray:
    """Let needs choose one after the other, in order of rows, the heaviest edge whose offer has a place left.

    Parameters, result and errors as greedy(); ties go to the smaller row of offers. O(edges log edges).
    """
    graph = checked_graph(edges.need, edges.offer, edges.weight, n_needs, capacity, objective="weight")
    return _taken(graph, falling_order(graph.need, graph.offer, graph.spread))


def _falling(graph: Graph) -> IntArray:
    """Return the edges from the heaviest down."""
    pair = graph.need * max(graph.n_offers, 1) + graph.offer
    return falling_order(np.broadcast_to(np.int64(0), pair.shape), pair, graph.spread)


def _taken(graph: Graph, order: IntArray) -> IntArray:
    left, taken = graph.capacity.copy(), np.full(graph.n_needs, -1)
    _kernels.run(_kernels.take_in_order, (graph.need[order], graph.offer[order]), (left, taken))
    return taken
