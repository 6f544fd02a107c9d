"""Measure pack_circles() on national markets: python -m tests.benchmarks.circles --help.

Firms in the real communes by population, each with one need and one offer at one place; the edges of a need
are those of find_candidates(). The gap is proven: to the best packing there can be.
"""

import argparse
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from marketplace.matching import find_candidates, pack_circles_within
from marketplace.matching.cycles import find_cycles, graph_of
from marketplace.matching.packing import Problem, by_exchanges
from tests.benchmarks.memory import peak_mebibytes
from tests.benchmarks.national import market

# Firms, edges of each need, seconds.
CASES = (
    (1_000, 10, 20),
    (10_000, 10, 20),
    (50_000, 10, 20),
    (1_000, 30, 60),
    (10_000, 30, 60),
    (50_000, 30, 60),
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    print(
        f"{'firms':>7} {'top':>3} {'edges':>7} {'cycles':>7} {'seconds':>7} {'circles':>7} {'weight':>10} "
        f"{'gap %':>7} {'/simple':>7} {'peak MiB':>8}"
    )
    for firms, top_k, limit in options.case or CASES:
        source, target, weight = edges_of(firms, top_k)
        cycles = find_cycles(graph_of(source, target, weight, firms), options.max_length)
        simple = cycles.weight[by_exchanges(Problem(cycles, None))].sum()
        start = perf_counter()
        packing = pack_circles_within(
            source, target, weight, firms, max_length=options.max_length, seconds=limit
        )
        seconds = perf_counter() - start
        peak = peak_mebibytes()
        print(
            f"{firms:7} {top_k:3} {len(source):7} {len(cycles):7} {seconds:7.1f} {len(packing.circles):7} "
            f"{packing.weight:10.3f} {100 * packing.gap:7.3f} {packing.weight / simple:7.3f} {peak:8.0f}"
        )


def edges_of(firms: int, top_k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return who can help whom, and how well."""
    listings = market(firms, firms, firms=firms)
    edges = find_candidates(listings.needs, listings.offers, listings.policy, top_k=top_k)
    helper, learner = listings.offers.organisation[edges.offer], listings.needs.organisation[edges.need]
    return helper, learner, edges.weight


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case",
        type=int,
        nargs=3,
        action="append",
        metavar=("FIRMS", "EDGES", "SECONDS"),
        help="again and again",
    )
    parser.add_argument("--max-length", type=int, default=3)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
