"""Measure plan_round() on national markets: python -m tests.benchmarks.rounds --help.

"apart": who asks does not offer, so that there are no circles. "both": each firm asks and offers. Each market
in a process of its own, whose peak memory is told.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from marketplace.matching import plan_round
from marketplace.matching.planning import BASELINES, CANDIDATES, CIRCLES, PAIRS, TOGETHER, Figures
from tests.benchmarks.memory import peak_mebibytes
from tests.benchmarks.national import market

SIZES = (10_000, 50_000, 100_000, 200_000)
KINDS = ("apart", "both")
STEPS = (CANDIDATES, PAIRS, BASELINES, CIRCLES, TOGETHER)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="needs")
    sizes = parser.parse_args(arguments).sizes
    steps = " ".join(f"{step:>10}" for step in STEPS)
    print(f"{'needs':>8} {'firms':>6} {'matched':>8} {'circles':>8} {steps} {'peak MiB':>9}")
    for size in sorted(sizes):
        for kind in KINDS:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                figures, peak = process.submit(_planned, size, kind).result()
            seconds = " ".join(f"{figures.seconds[step]:10.2f}" for step in STEPS)
            print(f"{size:8} {kind:>6} {figures.matched:8} {figures.circles:8} {seconds} {peak:9.0f}")


def _planned(size: int, kind: str) -> tuple[Figures, float]:
    listings = market(size, size, firms=size if kind == "both" else 0)
    figures = plan_round(listings.needs, listings.offers, listings.policy).figures
    return figures, peak_mebibytes()


if __name__ == "__main__":
    main()
