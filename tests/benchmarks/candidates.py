"""Measure find_candidates() on national markets: python -m tests.benchmarks.candidates --help.

As many needs as offers, in the real communes by population, with the skills and sectors of the site. Beside
it the simple version, which weighs all pairs in reach, up to a size it can bear; both must find the same.
"""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from statistics import median
from time import perf_counter
from unittest import mock

import numpy as np

from marketplace.matching import Edges, candidates, find_candidates
from tests.benchmarks.memory import peak_mebibytes
from tests.benchmarks.national import Market, market

SIZES = (1_000, 10_000, 50_000, 100_000, 200_000)
SIMPLE_UP_TO = 50_000


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    with compiled():  # what numba compiles or loads, it does here
        start = perf_counter()
        _edges(market(10, 10))
        print(f"first call, with the loading of numba: {perf_counter() - start:.2f} s")
    print(f"{'needs':>8} {'edges':>9} {'seconds':>8} {'simple':>8} {'peak MiB':>9}")
    points = []
    for size in sorted(options.sizes):
        listings = market(size, size)
        seconds, edges = timed(listings, options.repeat)
        simple = ""
        if size <= options.simple_up_to:
            with in_plain_numpy():
                slow, found = timed(listings, 1)
            _require_same(edges, found)
            simple = f"{slow:.2f}"
        peak = peak_mebibytes()
        print(f"{size:8} {len(edges):9} {seconds:8.2f} {simple:>8} {peak:9.0f}")
        points.append((size, len(edges), seconds))
        del edges
    if len(points) > 1:
        sizes, edge_counts, times = np.log(np.array(points, np.float64).T)
        print(f"time grows as needs^{_slope(sizes, times):.2f} and as edges^{_slope(edge_counts, times):.2f}")


def timed(listings: Market, repeat: int) -> tuple[float, Edges]:
    """Return the median time, and the edges."""
    seconds: list[float] = []
    found: list[Edges] = []
    for _ in range(repeat):
        found.clear()  # one answer at a time counts for the peak
        start = perf_counter()
        found.append(_edges(listings))
        seconds.append(perf_counter() - start)
    return median(seconds), found[0]


def compiled() -> AbstractContextManager[object]:
    return mock.patch.object(candidates, "COMPILE_FROM_NEEDS", 0)


def in_plain_numpy() -> AbstractContextManager[object]:
    return mock.patch.object(candidates, "COMPILE_FROM_NEEDS", 10**9)


def _edges(listings: Market) -> Edges:
    return find_candidates(listings.needs, listings.offers, listings.policy)


def _require_same(one: Edges, other: Edges) -> None:
    for name in ("need", "offer", "distance_km", "weight"):
        if not np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "distance_km"):
            raise SystemExit(f"the two ways disagree on {name}")


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="needs")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--simple-up-to", type=int, default=SIMPLE_UP_TO, metavar="N")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
