"""Exchange circles: a maximum-weight packing of vertex-disjoint cycles, as kidney exchanges clear."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from marketplace.matching.cycles import LENGTHS, Cycles, find_cycles, graph_of
from marketplace.matching.validation import IntArray, count, integers, same_length, weights


@dataclass(frozen=True, slots=True)
class Packing:
    """Circles with the proof of how good they are.

    `weight`: their sum; `bound`: no packing weighs more; `gap`: bound / weight − 1, 0 when it is proven
    optimal.
    """

    circles: list[tuple[int, ...]]
    weight: float
    bound: float
    gap: float


def pack_circles(
    source: ArrayLike, target: ArrayLike, weight: ArrayLike, n: int, *, max_length: int = 3
) -> list[tuple[int, ...]]:
    """Return vertex-disjoint directed cycles of maximum total weight.

    Parameters
    ----------
    source, target : (m,) array_like of int
        Edges between vertices 0 … n − 1. Of several edges from one vertex to another the heaviest counts;
        loops are ignored, a circle has two members at least.
    weight : (m,) array_like of float
        Positive.
    n : int
        Number of vertices.
    max_length : int
        Longest cycle, 2 to 4.

    Returns
    -------
    list of tuple of int
        The vertices of each cycle along its edges, the smallest first; sorted.

    Raises
    ------
    ValueError
        Naming the argument.

    Notes
    -----
    NP-hard from length 3 on (Abraham, Blum and Sandholm 2007): the time is not bounded, see
    pack_circles_within(). The cycle formulation of that paper is solved by HiGHS (Huangfu and Hall 2018),
    apart for each component of the conflict graph; the optimum is proven to 1e-6.

    The same edges give the same circles, in whatever order they come. Among packings of equal weight: a
    cycle is never chosen when shorter ones inside it weigh as much, nor when the same members in an order
    that is lexicographically smaller do; beyond that it is the one that the solver, which is deterministic,
    meets.
    """
    return pack_circles_within(source, target, weight, n, max_length=max_length).circles


def pack_circles_within(
    source: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike,
    n: int,
    *,
    max_length: int = 3,
    seconds: float | None = None,
) -> Packing:
    """Do as pack_circles(), for `seconds` at most (None: no limit), and prove how good the packing is.

    Never worse than the greedy packing improved by exchanges. With a limit that strikes, two runs may differ.
    """
    n = count("n", n)
    max_length = count("max_length", max_length)
    if not LENGTHS[0] <= max_length <= LENGTHS[1]:
        raise ValueError(f"max_length must be {LENGTHS[0]} to {LENGTHS[1]}, not {max_length}")
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"seconds must be 0 or more, not {seconds}")
    start, end = integers("source", source, low=0, high=n), integers("target", target, low=0, high=n)
    value = weights("weight", weight)
    same_length(source=start, target=end, weight=value)
    return best_packing(find_cycles(graph_of(start, end, value, n), max_length), n, seconds=seconds)


def best_packing(cycles: Cycles, n: int, *, seconds: float | None = None) -> Packing:
    """Return a maximum-weight choice of disjoint cycles."""
    deadline = None if seconds is None else monotonic() + seconds
    chosen, bounds = [np.empty(0, np.int64)], [0.0]
    for rows in _components(cycles, n):
        best, bound = _best_of(cycles.take(rows), deadline)
        chosen.append(rows[best])
        bounds.append(bound)
    rows = np.concatenate(chosen)
    total, bound = float(cycles.weight[rows].sum()), float(np.sum(bounds))
    return Packing(
        circles=sorted(cycles.take(rows).tuples()),
        weight=total,
        bound=max(bound, total),
        gap=max(bound / total - 1, 0.0) if total else 0.0,
    )


def _components(cycles: Cycles, n: int) -> Iterator[IntArray]:
    """Yield the rows of the cycles that share vertices, directly or through others."""
    if not len(cycles):
        return
    first = np.repeat(cycles.vertex[:, :1], LENGTHS[1], axis=1)
    other = np.where(cycles.vertex >= 0, cycles.vertex, first)
    links = csr_array((np.ones(first.size, np.int8), (first.ravel(), other.ravel())), shape=(n, n))
    _, label = connected_components(links, directed=False)
    component = label[cycles.vertex[:, 0]]
    order = np.argsort(component, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(component[order])) + 1)


def _best_of(cycles: Cycles, deadline: float | None) -> tuple[IntArray, float]:
    """Return the chosen rows and an upper bound of their weight."""
    simple = improved(cycles, greedy_packing(cycles))
    if len(cycles) == 1:
        return simple, float(cycles.weight[0])
    left = None if deadline is None else deadline - monotonic()
    if left is not None and left <= 0:
        return simple, float(np.sum(cycles.weight))
    options = {"mip_rel_gap": 0.0} | ({} if left is None else {"time_limit": left})
    members = _incidence(cycles)
    solved = milp(
        -cycles.weight,
        integrality=np.ones(len(cycles)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(members, ub=np.ones(members.shape[0])),
        options=options,
    )
    found = simple if solved.x is None else np.flatnonzero(solved.x > 0.5)  # noqa: PLR2004
    bound = np.inf if solved.mip_dual_bound is None else -solved.mip_dual_bound
    best = found if cycles.weight[found].sum() >= cycles.weight[simple].sum() else simple
    return best, max(float(min(bound, cycles.weight.sum())), float(cycles.weight[best].sum()))


def _incidence(cycles: Cycles) -> csr_array:
    """Return the (vertices, cycles) matrix of who is in which cycle, without empty rows."""
    column, place = np.nonzero(cycles.vertex >= 0)
    _, row = np.unique(cycles.vertex[column, place], return_inverse=True)
    return csr_array((np.ones(len(row)), (row, column)))


def greedy_packing(cycles: Cycles) -> IntArray:
    """Return the rows of the heaviest cycles per member, one after the other, that are still free."""
    order = np.argsort(-cycles.weight / cycles.length, kind="stable")
    taken: set[int] = set()
    chosen = []
    members = cycles.tuples()
    for row in order.tolist():
        if taken.isdisjoint(members[row]):
            taken.update(members[row])
            chosen.append(row)
    return np.sort(np.array(chosen, np.int64))


def improved(cycles: Cycles, chosen: IntArray) -> IntArray:
    """Put a cycle in the place of those that it meets as long as that adds weight."""
    members, weight = cycles.tuples(), cycles.weight.tolist()
    owner = {v: row for row in chosen.tolist() for v in members[row]}
    moved = True
    while moved:
        moved = False
        for row, vertices in enumerate(members):
            met = {owner[v] for v in vertices if v in owner}
            if row in met or weight[row] <= sum(weight[other] for other in met) + 1e-9:
                continue
            for other in met:
                for v in members[other]:
                    del owner[v]
            owner.update(dict.fromkeys(vertices, row))
            moved = True
    return np.array(sorted(set(owner.values())), np.int64)
