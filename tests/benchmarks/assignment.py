"""Measure assign() against other solvers on the same graphs: python -m tests.benchmarks.assignment --help.

One process, one run: within a case every method runs in turn, again and again, and medians are compared.
Times are from shuffled edges to the offer of each need; ours sort the edges, the others build their graphs.
"""

import argparse
import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

import networkx as nx
import numpy as np
from ortools.graph.python import min_cost_flow
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from marketplace.matching import Edges, _kernels, assign, first_come, greedy, verify
from tests.benchmarks.markets import FloatArray, IntArray, Market, clustered, spatial

KINDS = {"clustered": clustered, "spatial": spatial}
SIZES = (1_000, 10_000, 50_000, 100_000, 200_000)
# Needs for one offer, which has 1.5 places on average: at 1.5 places and needs are as many, the hardest case.
SCARCITY = (1, 1.5, 2, 4)
UNITS = 10**9
MEGABYTE = 1024
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Method:
    """One way to match.

    `most_edges`: how many it can finish with; `once`: too slow to repeat; `exact`: it finds an optimum.
    """

    name: str
    match: Callable[[Market], IntArray]
    most_edges: int = sys.maxsize
    once: bool = False
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Measure:
    seconds: float
    megabytes: float
    weight: int
    matched: int


def ours(market: Market) -> IntArray:
    with compiled_from(0):
        return assign(market.need, market.offer, market.weight, market.n_needs, market.capacity)


def ours_in_plain_python(market: Market) -> IntArray:
    with compiled_from(sys.maxsize):
        return assign(market.need, market.offer, market.weight, market.n_needs, market.capacity)


def or_tools(market: Market) -> IntArray:
    """Min-cost flow from a source through needs and offers to a sink; a need may also go there directly."""
    n, m = market.n_needs, len(market.capacity)
    needs, offers, source, sink = np.arange(n), n + np.arange(m), n + m, n + m + 1
    edges = len(market.need)
    flow = min_cost_flow.SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        np.concatenate((market.need, np.full(n, source), needs, offers)),
        np.concatenate((n + market.offer, needs, np.full(n, sink), np.full(m, sink))),
        np.concatenate((np.ones(edges + 2 * n, np.int64), market.capacity)),
        np.concatenate((-units_of(market), np.zeros(2 * n + m, np.int64))),
    )
    flow.set_nodes_supplies(np.array([source, sink]), np.array([n, -n]))
    if flow.solve() != flow.OPTIMAL:
        raise RuntimeError("OR-Tools found no optimum")
    taken = np.flatnonzero(flow.flows(arcs[:edges]))
    return scattered(market, market.need[taken], market.offer[taken])


def scipy_sparse(market: Market) -> IntArray:
    """Full matching of least cost: a column for each place, and one more for each need to go without."""
    first = np.concatenate(([0], np.cumsum(market.capacity)))
    copies = market.capacity[market.offer]
    row = np.repeat(market.need, copies)
    column = (
        np.repeat(first[market.offer], copies)
        + np.arange(len(row))
        - np.repeat(np.cumsum(copies) - copies, copies)
    )
    alone = np.arange(market.n_needs)
    costs = np.concatenate((2.0 - np.repeat(market.weight, copies), np.full(market.n_needs, 2.0)))
    rows, columns = np.concatenate((row, alone)), np.concatenate((column, first[-1] + alone))
    rows, columns = min_weight_full_bipartite_matching(csr_array((costs, (rows, columns))))
    taken = columns < first[-1]
    return scattered(market, rows[taken], np.searchsorted(first, columns[taken], side="right") - 1)


def networkx(market: Market) -> IntArray:
    """Maximum-weight matching of a general graph, with a node for each place."""
    graph = nx.Graph()
    for i, j, weight in zip(
        market.need.tolist(), market.offer.tolist(), units_of(market).tolist(), strict=True
    ):
        graph.add_weighted_edges_from(((i, -1), (j, place), weight) for place in range(market.capacity[j]))
    pairs = [sorted(pair, key=lambda node: node[1]) for pair in nx.max_weight_matching(graph)]
    return scattered(market, np.array([i for (i, _), _ in pairs]), np.array([j for _, (j, _) in pairs]))


def by_greed(market: Market) -> IntArray:
    return greedy(edges_of(market), market.n_needs, market.capacity)


def by_turn(market: Market) -> IntArray:
    return first_come(edges_of(market), market.n_needs, market.capacity)


METHODS = (
    Method("assign", ours),
    Method("assign, no numba", ours_in_plain_python),
    Method("OR-Tools min-cost flow", or_tools),
    Method("scipy sparse matching", scipy_sparse, most_edges=150_000),
    Method("networkx", networkx, most_edges=5_000, once=True),
    Method("greedy", by_greed, exact=False),
    Method("first come", by_turn, exact=False),
)
REFERENCE = "OR-Tools min-cost flow"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    ours(clustered(100, 100))  # what numba compiles, it compiles here
    points: dict[tuple[str, str], list[tuple[int, int, float]]] = {}
    for kind, scarcity, size in product(options.kinds, options.scarcity, options.sizes):
        market = KINDS[kind](size, round(size / scarcity))
        print(
            f"\n{kind}, {size} needs, {round(size / scarcity)} offers, {int(market.capacity.sum())} places, "
            f"{len(market.need)} edges"
        )
        measures = measure(market, options.repeat)
        show(measures)
        _same_optimum(market, measures)
        if scarcity == min(options.scarcity):
            for name, found in measures.items():
                points.setdefault((kind, name), []).append((size, len(market.need), found.seconds))
    print("\ntime grows as a power of the needs and of the edges, least scarce")
    for (kind, name), cases in points.items():
        if len(cases) > 1:
            sizes, edges, times = np.log(np.array(cases, np.float64).T)
            print(f"  {kind:10} {name:24} {slope(sizes, times):5.2f} {slope(edges, times):5.2f}")


def measure(market: Market, repeat: int) -> dict[str, Measure]:
    """Run each method `repeat` times, in turn."""
    methods = [method for method in METHODS if len(market.need) <= method.most_edges]
    seconds: dict[str, list[float]] = {method.name: [] for method in methods}
    found: dict[str, tuple[float, int, int]] = {}
    for turn in range(repeat):
        for method in methods:
            if turn and method.once:
                continue
            with memory() as rise:
                start = perf_counter()
                assignment = method.match(market)
                seconds[method.name].append(perf_counter() - start)
            megabytes = max(rise[0], found.get(method.name, (0.0, 0, 0))[0])
            found[method.name] = (megabytes, *value_of(market, assignment))
    return {name: Measure(median(times), *found[name]) for name, times in seconds.items()}


def show(measures: dict[str, Measure]) -> None:
    print(
        f"  {'':24} {'seconds':>8} {'/OR-Tools':>9} {'peak MB':>8} {'weight':>12} {'/best':>7} {'matched':>8}"
    )
    best = max(each.weight for each in measures.values())
    for name, each in measures.items():
        ratio = each.seconds / measures[REFERENCE].seconds
        print(
            f"  {name:24} {each.seconds:8.3f} {ratio:9.3f} {each.megabytes:8.0f} {each.weight / UNITS:12.4f} "
            f"{each.weight / best:7.4f} {each.matched:8}"
        )


def slope(x: FloatArray, y: FloatArray) -> float:
    """Return the slope of y over x by least squares."""
    return float(np.polyfit(x, y, 1)[0])


def value_of(market: Market, assignment: IntArray) -> tuple[int, int]:
    """Return the weight in units of 1e-9 and the number of matches; each pair has one edge in these
    markets."""
    taken = assignment[market.need] == market.offer
    return int(units_of(market)[taken].sum()), int((assignment >= 0).sum())


def units_of(market: Market) -> IntArray:
    return np.rint(market.weight * UNITS).astype(np.int64)


def scattered(market: Market, need: IntArray, offer: IntArray) -> IntArray:
    assignment = np.full(market.n_needs, -1)
    assignment[need] = offer
    return assignment


def edges_of(market: Market) -> Edges:
    return Edges(market.need, market.offer, np.zeros_like(market.weight), market.weight)


@contextmanager
def compiled_from(edges: int) -> Iterator[None]:
    """Compile from so many edges on."""
    before, _kernels.COMPILE_FROM_EDGES = _kernels.COMPILE_FROM_EDGES, edges
    try:
        yield
    finally:
        _kernels.COMPILE_FROM_EDGES = before


@contextmanager
def memory() -> Iterator[list[float]]:
    """Yield a list that gets by how many MB the process's memory rose at most; NaN where Linux does not
    tell."""
    rise: list[float] = []
    if not CLEAR_REFS.exists():
        yield rise
        rise.append(float("nan"))
        return
    ctypes.CDLL(None).malloc_trim(0)  # what is freed goes back: the next method has to ask for it again
    CLEAR_REFS.write_text("5")  # the highest so far is forgotten
    before = _status("VmRSS")
    yield rise
    rise.append((_status("VmHWM") - before) / MEGABYTE)


def _status(name: str) -> float:
    lines = CLEAR_REFS.with_name("status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(name)))


def _same_optimum(market: Market, measures: dict[str, Measure]) -> None:
    """Stop if exact methods disagree, or if the certificate does not hold."""
    arguments = (market.need, market.offer, market.weight, market.n_needs, market.capacity)
    verify(*arguments, *assign(*arguments, certificate=True))
    exact = {method.name for method in METHODS if method.exact}
    weights = {each.weight for name, each in measures.items() if name in exact}
    if len(weights) > 1:
        raise SystemExit(f"the exact methods disagree: {sorted(weights)}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="needs")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--scarcity", type=float, nargs="+", default=SCARCITY, metavar="N", help="needs per offer"
    )
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
