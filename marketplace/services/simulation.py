"""What the matcher would make of a market over months, against simpler rules: waiting, distance, shares."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from marketplace.matching.simulation import RULES, Behaviour, Course, simulate
from marketplace.models import SizeClass
from marketplace.services import market
from marketplace.services.populations import RURALITIES, Described, Words

# A territory with fewer feasible needs says nothing about balance.
TERRITORY_MIN_NEEDS = 10
# The part of the helping structures that is looked at for concentration.
TOP_HELPERS = 0.1
OnStep = Callable[[str, float], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Waiting, in weeks, of the needs of one kind of structure that ever had a candidate.

    A need not served counts with what it waited so far: a lower bound.
    """

    needs: int
    coverage: float
    median_wait: float
    p90_wait: float
    longest_wait: float


@dataclass(frozen=True, slots=True)
class Balance:
    """Coverage of the territories with enough needs; `jain`: 1 when all alike (Jain, Chiu and Hawe 1984)."""

    territories: int
    least: float
    median: float
    most: float
    jain: float


@dataclass(frozen=True, slots=True)
class Helpers:
    """How the help is spread over the structures that gave any; `gini`: 0 when all gave alike."""

    structures: int
    most: int
    top_share: float
    gini: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one rule; weeks and km.

    `coverage`: served needs over needs that ever had a candidate. `starved`: needs that had a candidate and
    no proposal in more than `Report.starved_after` rounds; `longest_passed_over`: the most rounds so.
    `seconds_over_firsts`: see Course. `coverage_by_week`, `distance_by_week`, `waiting`: the curves of the
    plot; `waiting[w]` is the share of needs with a candidate that waited more than w weeks.
    """

    served: int
    feasible: int
    coverage: float
    mean_score: float
    mean_distance_km: float
    starved: int
    longest_passed_over: int
    seconds_over_firsts: int
    waits: Mapping[str, Group]
    helpers: Helpers
    most_matches_of_a_structure: int
    territories: Balance
    coverage_by_week: tuple[float, ...]
    distance_by_week: tuple[float, ...]
    waiting: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`rules`: the outcome of each rule over the same population."""

    source: str
    weeks: int
    seed: int
    needs: int
    offers: int
    places: int
    starved_after: int
    behaviour: Behaviour
    rules: Mapping[str, Outcome]

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_text(self) -> str:
        names = list(self.rules)
        head = (
            f"{self.weeks} weekly rounds over {self.source}, seed {self.seed}: "
            f"{self.needs} needs, {self.offers} offers with {self.places} places"
        )
        lines = [head, "", f"{'':<34}" + "".join(f"{name:>13}" for name in names)]
        for label, told in _rows(self.starved_after, self.rules[names[0]].waits):
            lines.append(f"{label:<34}" + "".join(f"{told(self.rules[name]):>13}" for name in names))
        return "\n".join(lines)


def run(
    described: Described,
    *,
    weeks: int,
    seed: int,
    starved_after: int,
    behaviour: Behaviour | None = None,
    on_step: OnStep | None = None,
) -> Report:
    """Run weekly rounds under each rule over the same population and the same luck, and compare."""
    tell = on_step or (lambda _step, _fraction: None)
    policy, habits = market.policy(), behaviour or Behaviour()
    outcomes = {}
    for name, rule in RULES.items():
        course = simulate(
            described.population,
            policy,
            rule,
            weeks=weeks,
            seed=seed,
            behaviour=habits,
            on_week=lambda week, name=name: tell(name, week / weeks),  # type: ignore[misc]
        )
        outcomes[name] = _outcome(described, course, weeks, starved_after)
    offers = described.population.offers
    return Report(
        source=described.source,
        weeks=weeks,
        seed=seed,
        needs=len(described.population.needs),
        offers=len(offers),
        places=int(offers.capacity.sum()),
        starved_after=starved_after,
        behaviour=habits,
        rules=outcomes,
    )


def _outcome(described: Described, course: Course, weeks: int, starved_after: int) -> Outcome:
    served = course.served_week >= 0
    organisation = described.population.offers.organisation
    asking = described.population.needs.organisation
    return Outcome(
        served=int(served.sum()),
        feasible=int(course.feasible.sum()),
        coverage=_share(served, course.feasible),
        mean_score=_mean(course.score[served]),
        mean_distance_km=_mean(course.distance_km[served]),
        starved=int((course.passed_over > starved_after).sum()),
        longest_passed_over=int(course.passed_over.max(initial=0)),
        seconds_over_firsts=course.seconds_over_firsts,
        waits=_waits(described, course),
        helpers=_helpers(organisation[course.offer[served]]),
        most_matches_of_a_structure=int(np.unique(asking[served], return_counts=True)[1].max(initial=0)),
        territories=_balance(described.territory, served, course.feasible),
        coverage_by_week=tuple(_coverage_by_week(described, course, week) for week in range(weeks)),
        distance_by_week=tuple(
            _mean(course.distance_km[served & (course.served_week <= week)]) for week in range(weeks)
        ),
        waiting=tuple(float((course.waited[course.feasible] > week).mean()) for week in range(weeks + 1))
        if course.feasible.any()
        else (),
    )


def _waits(described: Described, course: Course) -> dict[str, Group]:
    groups = {"all": _group(course, np.ones(len(course.waited), np.bool_))}
    for size in SizeClass:
        if (described.size == size.value).any():
            groups[f"{size.value} people"] = _group(course, described.size == size.value)
    for rurality in RURALITIES:
        if (described.rurality == rurality).any():
            groups[rurality] = _group(course, described.rurality == rurality)
    return groups


def _group(course: Course, members: NDArray[np.bool_]) -> Group:
    members = members & course.feasible
    waited = course.waited[members]
    if not len(waited):
        return Group(0, 0.0, 0.0, 0.0, 0.0)
    return Group(
        needs=len(waited),
        coverage=_share(course.served_week >= 0, members),
        median_wait=float(np.median(waited)),
        p90_wait=float(np.percentile(waited, 90)),
        longest_wait=float(waited.max()),
    )


def _helpers(organisations: NDArray[np.int64]) -> Helpers:
    """Gini: half the relative mean absolute difference, by the sorted counts."""
    given = np.sort(np.unique(organisations, return_counts=True)[1])
    if not len(given):
        return Helpers(0, 0, 0.0, 0.0)
    n = len(given)
    top = max(1, round(TOP_HELPERS * n))
    return Helpers(
        structures=n,
        most=int(given[-1]),
        top_share=float(given[-top:].sum() / given.sum()),
        gini=float((2 * np.arange(1, n + 1) - n - 1) @ given / (n * given.sum())),
    )


def _balance(territory: Words, served: NDArray[np.bool_], feasible: NDArray[np.bool_]) -> Balance:
    names, counts = np.unique(territory[feasible], return_counts=True)
    coverage = np.array(
        [_share(served, feasible & (territory == name)) for name in names[counts >= TERRITORY_MIN_NEEDS]]
    )
    if not coverage.any():
        return Balance(len(coverage), 0.0, 0.0, 0.0, 1.0)
    return Balance(
        territories=len(coverage),
        least=float(coverage.min()),
        median=float(np.median(coverage)),
        most=float(coverage.max()),
        jain=float(coverage.sum() ** 2 / (len(coverage) * (coverage**2).sum())),
    )


def _coverage_by_week(described: Described, course: Course, week: int) -> float:
    here = course.feasible & (described.population.need_week <= week)
    return _share((course.served_week >= 0) & (course.served_week <= week), here)


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float((part & whole).sum() / max(whole.sum(), 1))


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0


def _rows(starved_after: int, waits: Mapping[str, Group]) -> list[tuple[str, Callable[[Outcome], str]]]:
    rows: list[tuple[str, Callable[[Outcome], str]]] = [
        ("needs served", lambda o: f"{o.served}"),
        ("of those with a candidate", lambda o: f"{o.coverage:.1%}"),
        ("mean score", lambda o: f"{o.mean_score:.3f}"),
        ("mean distance, km", lambda o: f"{o.mean_distance_km:.1f}"),
        (f"passed over in > {starved_after} rounds", lambda o: f"{o.starved}"),
        ("passed over at most, rounds", lambda o: f"{o.longest_passed_over}"),
    ]
    for name in waits:
        rows += [
            (f"wait, {name}: median / 90 %", lambda o, n=name: _wait(o.waits[n])),  # type: ignore[misc]
            ("   served of those", lambda o, n=name: f"{o.waits[n].coverage:.1%}"),  # type: ignore[misc]
        ]
    return [
        *rows,
        ("second matches over firsts", lambda o: f"{o.seconds_over_firsts}"),
        ("most matches of one structure", lambda o: f"{o.most_matches_of_a_structure}"),
        ("structures that helped", lambda o: f"{o.helpers.structures}"),
        ("   most by one", lambda o: f"{o.helpers.most}"),
        (f"   share of the first {TOP_HELPERS:.0%}", lambda o: f"{o.helpers.top_share:.1%}"),
        ("   Gini", lambda o: f"{o.helpers.gini:.3f}"),
        ("coverage of territories, least", lambda o: f"{o.territories.least:.1%}"),
        ("   most", lambda o: f"{o.territories.most:.1%}"),
        ("   Jain's index", lambda o: f"{o.territories.jain:.3f}"),
    ]


def _wait(group: Group) -> str:
    return f"{group.median_wait:g} / {group.p90_wait:g}"
