"""Sparse graphs of needs and offers for the tests of assignments, and slow answers to compare with."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

NANO = 1e-9


@dataclass(frozen=True, slots=True)
class Market:
    """The arguments of assign(): edges between `n_needs` needs and offers of these capacities."""

    need: NDArray[np.int64]
    offer: NDArray[np.int64]
    weight: NDArray[np.float64]
    n_needs: int
    capacity: NDArray[np.int64]

    @property
    def arguments(self) -> tuple[object, ...]:
        return self.need, self.offer, self.weight, self.n_needs, self.capacity

    @property
    def best(self) -> dict[tuple[int, int], int]:
        """The weight of each pair in units of 1e-9, that of its heaviest edge."""
        weights: dict[tuple[int, int], int] = {}
        for i, j, w in zip(self.need.tolist(), self.offer.tolist(), self.weight.tolist(), strict=True):
            weights[i, j] = max(weights.get((i, j), 0), round(w / NANO), 1)
        return weights

    def with_edges(self, order: NDArray[np.int64]) -> "Market":
        return replace(self, need=self.need[order], offer=self.offer[order], weight=self.weight[order])

    def value(self, assignment: NDArray[np.int64]) -> tuple[int, int]:
        """Return how many needs are served, and the sum of their weights in units of 1e-9."""
        best = self.best
        pairs = [(i, j) for i, j in enumerate(assignment.tolist()) if j >= 0]
        load = np.bincount([j for _, j in pairs], minlength=len(self.capacity))
        assert (load <= self.capacity).all()
        return len(pairs), sum(best[pair] for pair in pairs)


def random_market(
    random: np.random.Generator,
    n_needs: int,
    n_offers: int,
    n_edges: int,
    *,
    weights: str = "any",
    most: int = 3,
) -> Market:
    """Return a market with edges at random.

    Weights: "any" in (0, 1]; "ties", a few quarters; "near", 0.5 and up to three units of 1e-9 more; "high",
    0.9 to 1.
    """
    drawn = {
        "any": lambda: 1 - random.random(n_edges),
        "ties": lambda: random.integers(1, 5, n_edges) / 4,
        "near": lambda: 0.5 + random.integers(0, 4, n_edges) * NANO,
        "high": lambda: 0.9 + random.random(n_edges) / 10,
    }[weights]()
    return Market(
        random.integers(0, n_needs, n_edges),
        random.integers(0, n_offers, n_edges),
        drawn,
        n_needs,
        random.integers(0, most + 1, n_offers),
    )


@st.composite
def markets(draw: st.DrawFn, *, most_needs: int = 6, most_offers: int = 5, most_edges: int = 16) -> Market:
    """Draw small markets: scarce on either side, with ties, doubled edges, listings that nobody wants."""
    n_needs, n_offers = draw(st.integers(0, most_needs)), draw(st.integers(0, most_offers))
    room = most_edges if n_needs and n_offers else 0
    weight = st.one_of(
        st.sampled_from([0.25, 0.5, 1.0]),
        st.integers(0, 3).map(lambda steps: 0.5 + steps * NANO),
        st.floats(NANO, 1.0),
    )
    edge = st.tuples(st.integers(0, max(n_needs - 1, 0)), st.integers(0, max(n_offers - 1, 0)), weight)
    edges = draw(st.lists(edge, max_size=room))
    capacity = draw(st.lists(st.integers(0, 3), min_size=n_offers, max_size=n_offers))
    return Market(
        np.array([i for i, _, _ in edges], np.int64),
        np.array([j for _, j, _ in edges], np.int64),
        np.array([w for _, _, w in edges], np.float64),
        n_needs,
        np.array(capacity, np.int64),
    )


def best_by_trying_all(market: Market, objective: str) -> tuple[int, int]:
    """Return the served needs and the weight of an optimum, by trying every assignment."""
    best = market.best
    choices = [[-1] + [j for (i, j) in best if i == need] for need in range(market.n_needs)]
    found = (0, 0)
    for given in product(*choices):
        load = np.bincount([j for j in given if j >= 0], minlength=len(market.capacity))
        if (load <= market.capacity).all():
            value = (
                sum(j >= 0 for j in given),
                sum(best[i, j] for i, j in enumerate(given) if j >= 0),
            )
            found = max(found, value, key=_rank(objective))
    return found


def best_by_scipy(market: Market, objective: str) -> tuple[int, int]:
    """Return the same from scipy's dense solver: columns are places, and one for each need to stay alone."""
    places = np.repeat(np.arange(len(market.capacity)), np.minimum(market.capacity, market.n_needs))
    best = market.best
    # Doubles hold whole numbers up to 2⁵³ exactly: the bonus and all sums stay below.
    bonus = 10**9 * (market.n_needs + 1) if objective == "coverage" else 0
    worth = np.zeros((market.n_needs, len(places) + market.n_needs))
    for (i, j), weight in best.items():
        worth[i, : -market.n_needs][places == j] = weight + bonus
    rows, columns = linear_sum_assignment(worth, maximize=True)
    taken = worth[rows, columns]
    return int((taken > 0).sum()), int(taken.sum()) - bonus * int((taken > 0).sum())


def same_for(objective: str, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Say whether two values are equal as the objective sees them."""
    return _rank(objective)(one) == _rank(objective)(other)


def _rank(objective: str):  # type: ignore[no-untyped-def]
    return (lambda value: value) if objective == "coverage" else (lambda value: value[1])
