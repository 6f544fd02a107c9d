"""Weekly rounds over a market that lives: listings come, people answer or not, exchanges end.

No clock; all chance comes from a seed, and the same pair or listing meets the same luck whatever the rule
that pairs, so that rules can be compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.assignment import assign
from marketplace.matching.baselines import first_come, greedy
from marketplace.matching.candidates import find_candidates
from marketplace.matching.fairness import DAYS_PER_WEEK
from marketplace.matching.pairs import facts_of
from marketplace.matching.planning import plan_round
from marketplace.matching.policy import Policy
from marketplace.matching.scoring import is_remote
from marketplace.matching.validation import BoolArray, FloatArray, IntArray, count, same_length

Pairs = tuple[IntArray, IntArray]
# The feasible pairs of a round, and the rows of those it proposes.
Rule = Callable[[Needs, Offers, Policy, Pairs], tuple[Edges, IntArray]]
# Streams of chance: what is drawn for one thing never shifts what is drawn for another.
_ANSWERS, _NEED_LIVES, _OFFER_LIVES = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Population:
    """All that is ever published, sorted by week.

    `need_week`, `offer_week`: (n,) int, of publication, below 0 for those already there. `waiting_days` of
    the needs is not read; the capacity of an offer is what it takes at a time.
    """

    needs: Needs
    offers: Offers
    need_week: IntArray
    offer_week: IntArray

    def __post_init__(self) -> None:
        same_length(needs=self.needs.id, need_week=self.need_week)
        same_length(offers=self.offers.id, offer_week=self.offer_week)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How people answer: assumptions, until there are figures.

    Attributes
    ----------
    agree_base, agree_slope
        A proposal of score s is agreed on by both sides with probability agree_base + agree_slope · s.
    decline_share
        Part of the other proposals that somebody declines; the rest gets no answer.
    silence_weeks, rest_weeks
        How long a proposal without answer holds its places, and how long its pair then rests.
    exchange_weeks
        How long an agreed exchange holds its place.
    life_weeks, renew
        After so many weeks a listing ends, unless its author renews it, with this probability.
    """

    agree_base: float = 0.2
    agree_slope: float = 0.6
    decline_share: float = 0.5
    silence_weeks: int = 2
    rest_weeks: int = 4
    exchange_weeks: int = 3
    life_weeks: int = 13
    renew: float = 0.7


@dataclass(frozen=True, slots=True)
class Course:
    """What became of a population under one rule.

    Attributes
    ----------
    served_week : (needs,) int
        Week of the round whose proposal was agreed on; −1 for none.
    waited : (needs,) int
        Weeks from publication to that round; for the others to the end, or to when the listing ended.
    feasible : (needs,) bool
        Whether the need ever had a candidate with a free place.
    passed_over : (needs,) int
        Rounds in which it had one and got no proposal.
    offer : (needs,) int
        Row of the offer that helped; −1 for none.
    score : (needs,) float
        Of that pair, in the round; NaN for none.
    distance_km : (needs,) float
        The way between that pair; NaN for none, and for a remote exchange.
    seconds_over_firsts : int
        Proposals beyond the first of a structure in a round, for a place that one without any could use.
    """

    served_week: IntArray
    waited: IntArray
    feasible: BoolArray
    passed_over: IntArray
    offer: IntArray
    score: FloatArray
    distance_km: FloatArray
    seconds_over_firsts: int


def simulate(
    population: Population,
    policy: Policy,
    rule: Rule,
    *,
    weeks: int,
    seed: int,
    behaviour: Behaviour | None = None,
    on_week: Callable[[int], None] | None = None,
) -> Course:
    """Run one round a week and let people answer.

    Parameters
    ----------
    population : Population
    policy : Policy
    rule : callable
        One of RULES, or another that pairs: (needs, offers, policy, excluded) → (edges, chosen rows of them).
    weeks : int
        Rounds, from week 0.
    seed : int
        0 or more. The same seed gives the same course.
    behaviour : Behaviour, optional
    on_week : callable, optional
        Called with the number of weeks done.

    Raises
    ------
    ValueError
        If `weeks` or `seed` is not a whole number from 0.
    """
    run = _Run(population, policy, rule, count("seed", seed), behaviour or Behaviour())
    for week in range(count("weeks", weeks)):
        run.round(week)
        if on_week:
            on_week(week + 1)
    return run.course(weeks)


def by_plan(needs: Needs, offers: Offers, policy: Policy, excluded: Pairs) -> tuple[Edges, IntArray]:
    """The rounds of the site: pairs and circles, with priority and shares."""
    plan = plan_round(needs, offers, policy, excluded=excluded)
    return plan.edges, plan.matched


def by_score_alone(needs: Needs, offers: Offers, policy: Policy, excluded: Pairs) -> tuple[Edges, IntArray]:
    """The largest sum of scores: waiting counts as one criterion among six and no more."""
    edges = find_candidates(needs, offers, policy, excluded=excluded)
    return _chosen(edges, assign(edges.need, edges.offer, edges.weight, len(needs), offers.capacity))


def by_greed(needs: Needs, offers: Offers, policy: Policy, excluded: Pairs) -> tuple[Edges, IntArray]:
    """The best pair first, then the best of those left."""
    edges = find_candidates(needs, offers, policy, excluded=excluded)
    return _chosen(edges, greedy(edges, len(needs), offers.capacity))


def by_arrival(needs: Needs, offers: Offers, policy: Policy, excluded: Pairs) -> tuple[Edges, IntArray]:
    """First come, first served: the oldest need takes its best offer, then the next."""
    edges = find_candidates(needs, offers, policy, excluded=excluded)
    return _chosen(edges, first_come(edges, len(needs), offers.capacity))


RULES: Mapping[str, Rule] = {
    "matcher": by_plan,
    "score alone": by_score_alone,
    "greedy": by_greed,
    "first come": by_arrival,
}


def _chosen(edges: Edges, assignment: IntArray) -> tuple[Edges, IntArray]:
    return edges, np.flatnonzero(assignment[edges.need] == edges.offer)


class _Run:
    """The state of one simulation."""

    def __init__(
        self, population: Population, policy: Policy, rule: Rule, seed: int, behaviour: Behaviour
    ) -> None:
        self.population, self.policy, self.rule = population, policy, rule
        self.seed, self.behaviour = seed, behaviour
        n = len(population.needs)
        self.need_end = self._ends(population.need_week, _NEED_LIVES)
        self.offer_end = self._ends(population.offer_week, _OFFER_LIVES)
        # A need is busy until that week; an exchange that was agreed on keeps it for good.
        self.busy_until = np.full(n, -1)
        self.releases: dict[int, list[int]] = {}
        self.taken = np.zeros(len(population.offers), np.int64)
        # Pair → week from which it may be proposed again; None for never.
        self.closed: dict[tuple[int, int], int | None] = {}
        self.attempts: dict[tuple[int, int], int] = {}
        self.served_week, self.offer = np.full(n, -1), np.full(n, -1)
        self.feasible, self.passed_over = np.zeros(n, np.bool_), np.zeros(n, np.int64)
        self.score, self.distance_km = np.full(n, np.nan), np.full(n, np.nan)
        self.seconds_over_firsts = 0

    def round(self, week: int) -> None:
        for freed in self.releases.pop(week, ()):
            self.taken[freed] -= 1
        need_rows, offer_rows = self._open(week)
        if not len(need_rows) or not len(offer_rows):
            return
        needs, offers = self._pool(need_rows, offer_rows, week)
        edges, chosen = self.rule(needs, offers, self.policy, self._excluded(need_rows, offer_rows, week))
        self._note(need_rows, edges, chosen)
        self.seconds_over_firsts += seconds_over_firsts(needs.organisation, edges, chosen)
        need, offer = edges.need[chosen], edges.offer[chosen]
        facts = facts_of(needs, need, offers, offer, self.policy)
        way = np.where(is_remote(facts, self.policy), np.nan, facts.distance_km)
        proposals = zip(need_rows[need], offer_rows[offer], edges.weight[chosen], way, strict=True)
        for row, other, score, km in proposals:
            self._answer((int(row), int(other)), score, km, week)

    def course(self, weeks: int) -> Course:
        until = np.where(self.served_week >= 0, self.served_week, np.minimum(self.need_end, weeks))
        return Course(
            served_week=self.served_week,
            waited=np.maximum(until - self.population.need_week, 0),
            feasible=self.feasible,
            passed_over=self.passed_over,
            offer=self.offer,
            score=self.score,
            distance_km=self.distance_km,
            seconds_over_firsts=self.seconds_over_firsts,
        )

    def _ends(self, published: IntArray, stream: int) -> IntArray:
        """Draw the week in which each listing ends; one there before the start has been renewed so far."""
        random = np.random.default_rng((self.seed, stream))
        lives = random.geometric(max(1 - self.behaviour.renew, 1e-9), len(published))
        return np.asarray(np.maximum(published, 0) + lives * self.behaviour.life_weeks, np.int64)

    def _open(self, week: int) -> Pairs:
        population = self.population
        need = (population.need_week <= week) & (week < self.need_end) & (self.served_week < 0)
        offer = (population.offer_week <= week) & (week < self.offer_end)
        return (
            np.flatnonzero(need & (self.busy_until <= week)),
            np.flatnonzero(offer & (population.offers.capacity > self.taken)),
        )

    def _pool(self, need_rows: IntArray, offer_rows: IntArray, week: int) -> tuple[Needs, Offers]:
        waited = np.asarray((week - self.population.need_week[need_rows]) * DAYS_PER_WEEK, np.float64)
        offers = self.population.offers.take(offer_rows)
        return (
            replace(self.population.needs.take(need_rows), waiting_days=waited),
            replace(offers, capacity=offers.capacity - self.taken[offer_rows]),
        )

    def _excluded(self, need_rows: IntArray, offer_rows: IntArray, week: int) -> Pairs:
        need_at = {row: place for place, row in enumerate(need_rows.tolist())}
        offer_at = {row: place for place, row in enumerate(offer_rows.tolist())}
        pairs = [
            (need_at[need], offer_at[offer])
            for (need, offer), again in self.closed.items()
            if need in need_at and offer in offer_at and (again is None or week < again)
        ]
        array = np.array(pairs, np.int64).reshape(-1, 2)
        return array[:, 0], array[:, 1]

    def _note(self, need_rows: IntArray, edges: Edges, chosen: IntArray) -> None:
        able = np.unique(edges.need)
        self.feasible[need_rows[able]] = True
        left = np.setdiff1d(able, edges.need[chosen])
        self.passed_over[need_rows[left]] += 1

    def _answer(self, pair: tuple[int, int], score: float, km: float, week: int) -> None:
        (need, offer), rules = pair, self.behaviour
        self.attempts[pair] = self.attempts.get(pair, 0) + 1
        agree, decline = np.random.default_rng((self.seed, _ANSWERS, *pair, self.attempts[pair])).random(2)
        if agree < rules.agree_base + rules.agree_slope * score:
            self.served_week[need], self.offer[need] = week, offer
            self.score[need], self.distance_km[need] = score, km
            self._hold(offer, week + rules.exchange_weeks)
        elif decline < rules.decline_share:
            self.closed[pair] = None
        else:
            self.busy_until[need] = week + rules.silence_weeks
            self.closed[pair] = week + rules.silence_weeks + rules.rest_weeks
            self._hold(offer, week + rules.silence_weeks)

    def _hold(self, offer: int, until: int) -> None:
        self.taken[offer] += 1
        self.releases.setdefault(until, []).append(offer)


def seconds_over_firsts(structure: IntArray, edges: Edges, chosen: IntArray) -> int:
    """Count the chosen pairs beyond the first of their structure, for a place that one without any could use.

    `structure`: (needs,) int. The best pair of a structure counts as its first.
    """
    owner = structure[edges.need]
    best_first = chosen[np.lexsort((-edges.weight[chosen], owner[chosen]))]
    further = np.zeros(len(best_first), np.bool_)
    further[1:] = owner[best_first[1:]] == owner[best_first[:-1]]
    wanted = np.unique(edges.offer[~np.isin(owner, owner[chosen])])
    return int(np.isin(edges.offer[best_first[further]], wanted).sum())
