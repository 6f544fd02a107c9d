"""A whole round: circles and pairs decided together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.baselines import first_come, greedy
from marketplace.matching.candidates import find_candidates
from marketplace.matching.circles import best_packing
from marketplace.matching.cycles import find_cycles, graph_of
from marketplace.matching.fairness import assign_fairly, first_bonus, priority, shared_value
from marketplace.matching.policy import Policy
from marketplace.matching.validation import BoolArray, FloatArray, IntArray

OnStep = Callable[[str, float], None]
Find = Callable[..., Edges]
CANDIDATES, PAIRS, CIRCLES, TOGETHER, BASELINES = "candidates", "pairs", "circles", "together", "baselines"
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts and sums of scores of a round, and what simpler rules would give on the same edges."""

    needs: int
    offers: int
    edges: int
    matched: int
    circles: int
    total_weight: float
    greedy_weight: float
    greedy_matched: int
    first_come_weight: float
    first_come_matched: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a round proposes.

    Attributes
    ----------
    edges
        The feasible pairs that it chose from.
    circles
        Rows of `edges`, circle by circle: the helper of each pair is the learner of the one before.
    matched : (k,) int
        Rows of all chosen pairs, those of circles included; by row of the need.
    figures
        Of the chosen pairs, and of simpler rules; `seconds` by step.
    """

    edges: Edges
    circles: list[tuple[int, ...]]
    matched: IntArray
    figures: Figures


def plan_round(
    needs: Needs,
    offers: Offers,
    policy: Policy,
    *,
    excluded: tuple[ArrayLike, ArrayLike] | None = None,
    objective: str = "weight",
    top_k: int = 30,
    find: Find = find_candidates,
    on_step: OnStep | None = None,
) -> Plan:
    """Choose the pairs and the exchange circles of a round.

    Parameters
    ----------
    needs, offers, policy, excluded, top_k
        See find_candidates().
    objective : str
        "weight" or "coverage": see assign().
    find : callable
        What finds the feasible pairs, instead of find_candidates(): it is called as that is, with the
        listings sorted by id, and must answer alike.
    on_step : callable, optional
        Called with the name of the step and the fraction of it that is done.

    Returns
    -------
    Plan

    Notes
    -----
    A pair is worth its score, plus the priority that its need gained by waiting; the joint objective is the
    sum of worth, plus 1 for each structure with a match when some ask several times (see fairness.py), plus
    `circle_bonus` for each pair inside a circle. A structure is in one circle at most. Circles are packed
    first, on the pairs that score at least `circle_min_weight`, without the places that pairs alone give to
    needs that gained priority; their needs and places are taken out, and assign_fairly() pairs the rest. The
    circles are then dropped, the least valuable first, until the whole costs no more matched needs than the
    part `circle_max_loss` of what pairs alone would match, is worth at least as much as pairs alone by the
    joint objective, and its scores make at least what greedy and first come reach, where pairs alone do
    ("coverage": its matches, theirs). A binary search: at most 1 + log₂(circles) assignments.

    The same listings give the same pairs whatever the order of rows: ties are broken by ids.
    """
    steps = _Steps(on_step)
    by_id = np.argsort(needs.id), np.argsort(offers.id)
    needs, offers = needs.take(by_id[0]), offers.take(by_id[1])
    with steps(CANDIDATES):
        edges = find(
            needs,
            offers,
            policy,
            top_k=top_k,
            excluded=_renumbered(excluded, by_id),
            on_progress=lambda fraction: steps.tell(CANDIDATES, fraction),
        )
    market = _Market(needs, offers, edges, objective, policy)
    with steps(PAIRS):
        alone = market.complete([])
    with steps(BASELINES):
        simple = {
            "greedy": market.rows(greedy(edges, len(needs), offers.capacity)),
            "first_come": market.rows(first_come(edges, len(needs), offers.capacity)),
        }
    with steps(CIRCLES):
        circles = market.circles(alone)
    with steps(TOGETHER):
        kept, matched = market.most_circles(circles, alone, floors=list(simple.values()))
    figures = Figures(
        needs=len(needs),
        offers=len(offers),
        edges=len(edges),
        matched=len(matched),
        circles=len(kept),
        total_weight=market.total(matched),
        greedy_weight=market.total(simple["greedy"]),
        greedy_matched=len(simple["greedy"]),
        first_come_weight=market.total(simple["first_come"]),
        first_come_matched=len(simple["first_come"]),
        seconds=steps.seconds,
    )
    as_given = Edges(by_id[0][edges.need], by_id[1][edges.offer], edges.distance_km, edges.weight)
    return Plan(edges=as_given, circles=kept, matched=matched, figures=figures)


class _Market:
    """The graph of a round and what may be asked of it."""

    def __init__(self, needs: Needs, offers: Offers, edges: Edges, objective: str, policy: Policy) -> None:
        self.needs, self.offers, self.edges = needs, offers, edges
        self.objective, self.policy = objective, policy
        self.priority = priority(needs, policy)
        self.worth = edges.weight + self.priority[edges.need]
        self.bonus = first_bonus(edges.need, needs.organisation)

    def total(self, rows: IntArray) -> float:
        return float(self.edges.weight[rows].sum())

    def value(self, rows: IntArray) -> float:
        """Return what the round makes largest, but for circles."""
        structure = self.needs.organisation[self.edges.need[rows]]
        return shared_value(self.worth[rows], structure, bonus=self.bonus)

    def rows(self, assignment: IntArray) -> IntArray:
        """Return the rows of the edges that an assignment takes."""
        return np.flatnonzero(assignment[self.edges.need] == self.edges.offer)

    def complete(self, circles: list[tuple[int, ...]]) -> IntArray:
        """Return the rows of the circles and of the best pairs beside them."""
        edges = self.edges
        held = np.array([row for circle in circles for row in circle], np.int64)
        capacity = self.offers.capacity - np.bincount(edges.offer[held], minlength=len(self.offers))
        served = np.zeros(len(self.needs), np.bool_)
        served[edges.need[held]] = True
        # All that cannot be chosen any more goes in one copy; without circles nothing is copied.
        left = ~served[edges.need] & (capacity > 0)[edges.offer] if circles else slice(None)
        found = assign_fairly(
            edges.need[left],
            edges.offer[left],
            self.worth[left],
            self.needs.organisation,
            capacity,
            bonus=self.bonus,
            served=self.needs.organisation[served],
            objective=self.objective,
        )
        found[edges.need[held]] = edges.offer[held]
        return self.rows(found)

    def circles(self, alone: IntArray) -> list[tuple[int, ...]]:
        """Return a maximum-weight packing of circles, the most valuable first, as rows of edges."""
        edges, owners = self.edges, np.concatenate((self.offers.organisation, self.needs.organisation))
        structures, number = np.unique(owners, return_inverse=True)
        giver, asker = np.split(number, [len(self.offers)])
        fits = edges.weight >= self.policy.circle_min_weight
        # A structure that only gives, or only asks, is in no circle: out before all is sorted.
        fits &= np.isin(giver, asker)[edges.offer] & np.isin(asker, giver)[edges.need]
        rows = np.flatnonzero(fits & self._spare(alone))
        source, target = giver[edges.offer[rows]], asker[edges.need[rows]]
        graph = graph_of(source, target, self._circle_worth(rows), len(structures))
        keys = source * graph.n + target
        del source, target  # as large as all edges, as the graph is
        cycles = find_cycles(graph, int(self.policy.circle_max_length))
        circles = [np.array(circle) for circle in best_packing(cycles, is_exact=False).circles]
        turns = [circle * graph.n + np.roll(circle, -1) for circle in circles]
        best = iter(self._best_of(rows, keys, np.concatenate([np.empty(0, np.int64), *turns])))
        found = [tuple(islice(best, len(circle))) for circle in circles]
        return sorted(found, key=lambda circle: (-self._circle_worth(np.array(circle)).mean(), circle))

    def _circle_worth(self, rows: IntArray) -> FloatArray:
        """Return what pairs are worth in a circle."""
        return self.worth[rows] + self.policy.circle_bonus

    def _best_of(self, rows: IntArray, keys: IntArray, wanted: IntArray) -> list[int]:
        """Return for each of the keys `wanted` the row of most worth that has it; `keys`: of `rows`."""
        asked, position = np.unique(wanted, return_inverse=True)
        place = np.searchsorted(asked, keys)
        found = np.flatnonzero(np.append(asked, -1)[place] == keys)
        place, found = place[found], rows[found]
        order = np.lexsort((-self._circle_worth(found), place))
        first = np.searchsorted(place[order], np.arange(len(asked)))
        best: list[int] = found[order][first[position]].tolist()
        return best

    def _spare(self, alone: IntArray) -> BoolArray:
        """Say which pairs take no place that pairs alone give to another need that gained priority."""
        patient = alone[self.priority[self.edges.need[alone]] > 0]
        held = np.bincount(self.edges.offer[patient], minlength=len(self.offers))
        spare = (self.offers.capacity > held)[self.edges.offer]
        spare[patient] = True
        return np.asarray(spare, np.bool_)

    def most_circles(
        self, circles: list[tuple[int, ...]], alone: IntArray, *, floors: list[IntArray]
    ) -> tuple[list[tuple[int, ...]], IntArray]:
        """Return the longest start of `circles` found that the rules allow, and all rows chosen with it."""
        few, many = 0, len(circles)
        best = alone
        trial = many
        while few < many:
            matched = self.complete(circles[:trial])
            if self._allowed(matched, circles[:trial], alone, floors):
                few, best = trial, matched
            else:
                many = trial - 1
            trial = (few + many + 1) // 2
        return circles[:few], best

    def _allowed(
        self, matched: IntArray, circles: list[tuple[int, ...]], alone: IntArray, floors: list[IntArray]
    ) -> bool:
        lost = len(alone) - len(matched)
        if lost > self.policy.circle_max_loss * len(alone):
            return False
        bonus = self.policy.circle_bonus * sum(len(circle) for circle in circles)
        if self.value(matched) + bonus < self.value(alone) - _TOLERANCE:
            return False
        if self.objective == "coverage":
            return len(matched) >= max(len(floor) for floor in floors)
        least = min(self.total(alone), max(self.total(floor) for floor in floors))
        return self.total(matched) >= least - _TOLERANCE


class _Steps:
    """Times the steps of a round and tells how far each is."""

    def __init__(self, on_step: OnStep | None) -> None:
        self.tell: OnStep = on_step or (lambda _step, _fraction: None)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = perf_counter()
        self.tell(name, 0.0)
        yield
        self.tell(name, 1.0)
        self.seconds[name] = perf_counter() - start


def _renumbered(
    excluded: tuple[ArrayLike, ArrayLike] | None, by_id: tuple[IntArray, IntArray]
) -> tuple[ArrayLike, ArrayLike] | None:
    """Return the pairs as rows of the listings sorted by id; what is out of range stays so."""
    if excluded is None:
        return None
    renumbered = []
    for rows, order in zip(excluded, by_id, strict=True):
        given = np.asarray(rows)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        known = (
            given.dtype.kind in "iu" and given.ndim == 1 and bool(((given >= 0) & (given < len(order))).all())
        )
        renumbered.append(place[given] if known else given)
    return renumbered[0], renumbered[1]
