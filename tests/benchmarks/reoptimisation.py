"""Measure what one act costs a live assignment: python -m tests.benchmarks.reoptimisation [--needs 100000].

Listings that come are like listings that are there: the same edges, with other weights. Processor time: an
act waits for nothing.
"""

import argparse
import gc
from collections.abc import Callable, Sequence
from time import process_time

import numpy as np

from marketplace.matching import assign, verify
from marketplace.matching.reoptimisation import LiveAssignment
from tests.benchmarks.markets import SEED, FloatArray, IntArray, Market, clustered

ACTS = 1_000
MILLISECONDS = 1e3


class Replay:
    """A market that lives: each act picks a listing at random."""

    def __init__(self, market: Market) -> None:
        self.market, self.random = market, np.random.default_rng(SEED)
        self.live = LiveAssignment(market.need, market.offer, market.weight, market.n_needs, market.capacity)
        self.offers_of = _by(market.need, market.n_needs)
        self.needs_of = _by(market.offer, len(market.capacity))
        self.needs = np.ones(market.n_needs, np.bool_)
        self.offers = np.ones(len(market.capacity), np.bool_)

    def a_need_comes(self) -> Callable[[], object]:
        edges = self.offers_of(self.random.integers(self.market.n_needs))
        edges = edges[self.offers[self.market.offer[edges]]]
        return lambda: self.live.add_need(self.market.offer[edges], self._weights(edges))

    def an_offer_comes(self) -> Callable[[], object]:
        edges = self.needs_of(self.random.integers(len(self.market.capacity)))
        edges = edges[self.needs[self.market.need[edges]]]
        return lambda: self.live.add_offer(1, self.market.need[edges], self._weights(edges))

    def a_need_goes(self) -> Callable[[], object]:
        need = int(self.random.choice(np.flatnonzero(self.needs)))
        self.needs[need] = False
        return lambda: self.live.withdraw_need(need)

    def an_offer_goes(self) -> Callable[[], object]:
        offer = int(self.random.choice(np.flatnonzero(self.offers)))
        self.offers[offer] = False
        return lambda: self.live.withdraw_offer(offer)

    def somebody_declines(self) -> Callable[[], object]:
        assignment = self.live.assignment
        need = int(self.random.choice(np.flatnonzero(assignment >= 0)))
        return lambda: self.live.decline(need, int(assignment[need]))

    def _weights(self, edges: IntArray) -> FloatArray:
        return np.clip(self.market.weight[edges] + self.random.normal(0, 0.02, len(edges)), 0.01, 1.0)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    market = clustered(options.needs, round(options.needs / options.scarcity))
    start = process_time()
    replay = Replay(market)
    gc.freeze()
    print(f"{options.needs} needs, {len(market.capacity)} offers, {len(market.need)} edges: ", end="")
    print(f"opened in {process_time() - start:.1f} s")
    kinds = (
        replay.a_need_comes, replay.an_offer_comes, replay.a_need_goes, replay.an_offer_goes,
        replay.somebody_declines,
    )  # fmt: skip
    print(f"  {'milliseconds':20} {'median':>8} {'p99':>8} {'most':>8}")
    for kind in kinds:
        taken = np.array([_seconds(kind()) for _ in range(options.acts)]) * MILLISECONDS
        name = kind.__name__.replace("_", " ")
        print(f"  {name:20} {np.median(taken):8.3f} {np.percentile(taken, 99):8.3f} {taken.max():8.3f}")
    _compare(replay.live)


def _compare(live: LiveAssignment) -> None:
    """Print what a full run takes, and stop unless the live assignment is proven as good."""
    arguments = (*live.edges, len(live.assignment), live.capacity)
    assign(*arguments)
    print(f"  {'a full run':20} {_seconds(lambda: assign(*arguments)) * MILLISECONDS:8.0f}")
    verify(*arguments, live.assignment, *live.prices)
    print(f"  still optimal: {live.total_weight:.6f}")


def _seconds(act: Callable[[], object]) -> float:
    start = process_time()
    act()
    return process_time() - start


def _by(row: IntArray, n: int) -> Callable[[int], IntArray]:
    """Return a function from a row to its edges."""
    order = np.argsort(row, kind="stable")
    start = np.searchsorted(row[order], np.arange(n + 1))
    return lambda k: order[start[k] : start[k + 1]]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--needs", type=int, default=100_000)
    parser.add_argument("--scarcity", type=float, default=1.0, help="needs per offer")
    parser.add_argument("--acts", type=int, default=ACTS, help="of each kind")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
