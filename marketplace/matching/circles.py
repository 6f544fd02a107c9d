"""Exchange circles: a maximum-weight packing of vertex-disjoint cycles, as kidney exchanges clear."""

from dataclasses import dataclass
from time import monotonic

from numpy.typing import ArrayLike

from marketplace.matching.cycles import LENGTHS, Cycles, find_cycles, graph_of
from marketplace.matching.packing import chosen_cycles
from marketplace.matching.validation import count, integers, same_length, weights

# A smaller gap is what rounding leaves: the optimum is proven.
PROVEN = 1e-7


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
    pack_circles_within(). The cycle formulation of that paper, without cycles that no packing needs; its
    linear relaxation is solved once, and where it is not whole each group of cycles that hang together goes
    through branch and bound, both by HiGHS (Huangfu and Hall 2018). The optimum is proven to 1e-6.

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

    Large groups are then rounded from the relaxation and searched neighbourhood by neighbourhood, before
    branch and bound gets the time left. Never worse than the greedy packing improved by exchanges. When the
    limit strikes, two runs may differ. A limit too short for the relaxation leaves a weak bound.
    """
    start = monotonic()
    n = count("n", n)
    max_length = count("max_length", max_length)
    if not LENGTHS[0] <= max_length <= LENGTHS[1]:
        raise ValueError(f"max_length must be {LENGTHS[0]} to {LENGTHS[1]}, not {max_length}")
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"seconds must be 0 or more, not {seconds}")
    one, other = integers("source", source, low=0, high=n), integers("target", target, low=0, high=n)
    value = weights("weight", weight)
    same_length(source=one, target=other, weight=value)
    cycles = find_cycles(graph_of(one, other, value, n), max_length)
    return best_packing(cycles, deadline=None if seconds is None else start + seconds)


def best_packing(cycles: Cycles, *, deadline: float | None = None, is_exact: bool = True) -> Packing:
    """Return disjoint cycles of the largest weight: see packing.chosen_cycles()."""
    chosen = chosen_cycles(cycles, deadline=deadline, is_exact=is_exact)
    kept = cycles.take(chosen.rows)
    total = float(kept.weight.sum())
    gap = chosen.bound / total - 1 if total else 0.0
    return Packing(
        circles=sorted(kept.tuples()),
        weight=total,
        bound=max(chosen.bound, total),
        gap=gap if gap > PROVEN else 0.0,
    )
