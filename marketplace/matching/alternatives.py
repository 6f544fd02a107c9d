"""Why a need has no offer, and which one change of it would open how many."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import AT_HELPER, AT_LEARNER, LEVELS, ON_SITE, REMOTE, Needs, Offers
from marketplace.matching.pairs import PairFacts, broken_rules, facts_of, refusal_km
from marketplace.matching.policy import Policy
from marketplace.matching.validation import BoolArray, FloatArray, IntArray, integers

# What stands between a need and its offers, the nearest to a match first.
OBSTACLES = ("none", "taken", "closed", "radius", "level", "places", "competitor", "several", "skill")
# Radii told: the first that opens an offer, then the first that opens so many, then the widest.
RADIUS_STEPS = (1, 3)
SKILLS_TOLD = 3


@dataclass(frozen=True, slots=True)
class Change:
    """A new value, and how many more offers would fit with it."""

    value: int
    offers: int


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What one need finds among offers, and what it would find were one of its wishes another.

    Attributes
    ----------
    obstacle
        One of OBSTACLES: "none" when an offer fits and has room; "taken" when those that fit are full;
        "closed" when their pairs are; else the one rule that alone excludes some offer; "several" when more
        than one rule excludes each offer of this skill; "skill" when nobody else has it.
    fitting, full, closed
        Offers that no rule excludes: with room, without, and those of closed pairs.
    nearest_km
        Distance to the nearest offer that only its distance excludes; NaN for none.
    radius
        Whole km of the need's own radius, and the offers more than now.
    remote
        Offers more if the need could be served remotely.
    places
        A place more (1 at the helper's, 2 at the learner's), and the offers more.
    level
        A lower level wanted, and the offers more.
    skills
        A further skill wanted (row of the SkillGraph), and the offers more; the most first.
    competitors
        Offers more if the need took competitors.
    """

    obstacle: str
    fitting: int
    full: int
    closed: int
    nearest_km: float
    radius: tuple[Change, ...]
    remote: int
    places: tuple[Change, ...]
    level: tuple[Change, ...]
    skills: tuple[Change, ...]
    competitors: int


def alternatives(
    needs: Needs,
    need: int,
    offers: Offers,
    policy: Policy,
    *,
    rows: ArrayLike | None = None,
    closed: ArrayLike = (),
    max_radius_km: int = 200,
) -> Alternatives:
    """Tell what one need finds, and what one change of it would open.

    Parameters
    ----------
    needs, offers : Needs, Offers
    need : int
        Row of the need.
    policy : Policy
    rows : (n,) array_like of int, optional
        Rows of offers to look at; all, unless told otherwise. Those of other domains change nothing.
    closed : array_like of int
        Rows of offers that may not be proposed to the need again.
    max_radius_km : int
        No wider radius is told.

    Returns
    -------
    Alternatives
        Counts of changes hold offers with room and open pairs only, that do not fit already: with the need
        so changed, and nothing else, explain() excludes just so many fewer of them.

    Raises
    ------
    IndexError
        For a need that is not there.
    ValueError
        Naming an index out of range.

    Notes
    -----
    Each rule is relaxed alone, on all pairs at once. O(n · skills²).
    """
    if not 0 <= need < len(needs):
        raise IndexError(f"no need {need} in {len(needs)}")
    all_rows = np.arange(len(offers)) if rows is None else rows
    offer = np.unique(integers("rows", all_rows, low=0, high=len(offers)))
    shut = np.isin(offer, integers("closed", np.asarray(closed, np.int64), low=0, high=len(offers)))
    return _Pairs(needs, need, offers, offer, policy, shut).told(max_radius_km)


class _Pairs:
    """The pairs of one need: their facts and what excludes them."""

    def __init__(  # noqa: PLR0917 (as alternatives(), checked)
        self, needs: Needs, need: int, offers: Offers, offer: IntArray, policy: Policy, shut: BoolArray
    ) -> None:
        self.needs, self.need, self.offers, self.offer, self.policy = needs, need, offers, offer, policy
        rows = np.full(len(offer), need)
        self.facts: PairFacts = facts_of(needs, rows, offers, offer, policy)
        self.broken = broken_rules(needs, rows, offers, offer, self.facts, policy)
        self.rules_broken = np.sum(list(self.broken.values()), axis=0)
        self.fits: BoolArray = self.rules_broken == 0
        self.full: BoolArray = offers.capacity[offer] <= 0
        self.shut = shut
        self.usable: BoolArray = ~self.full & ~shut

    def told(self, max_radius_km: int) -> Alternatives:
        fitting = int((self.fits & self.usable).sum())
        full, closed = int((self.fits & self.full & ~self.shut).sum()), int((self.fits & self.shut).sum())
        only_far = self._only("radius") & self.usable
        radius = tuple(self._radii(only_far, max_radius_km))
        remote, places = self._remote(), tuple(self._places())
        level, competitors = tuple(self._levels()), self._competitors()
        if fitting or full or closed:
            obstacle = "none" if fitting else "taken" if full else "closed"
        else:
            found = {
                "radius": only_far.any(),
                "level": self._alone("level"),
                "places": self._alone("places"),
                "competitor": self._alone("competitor"),
                "several": bool((~self.broken["skill"] & ~self.broken["organisation"]).any()),
            }
            obstacle = next((name for name, holds in found.items() if holds), "skill")
        return Alternatives(
            obstacle=obstacle,
            fitting=fitting,
            full=full,
            closed=closed,
            nearest_km=float(self.facts.distance_km[only_far].min()) if only_far.any() else float("nan"),
            radius=radius,
            remote=remote,
            places=places,
            level=level,
            skills=tuple(self._skills()),
            competitors=competitors,
        )

    def _only(self, *rules: str) -> BoolArray:
        """Say which pairs nothing but these rules excludes, and one of them at least."""
        mine = np.sum([self.broken[rule] for rule in rules], axis=0)
        return np.asarray((mine > 0) & (mine == self.rules_broken), np.bool_)

    def _alone(self, rule: str) -> bool:
        return bool((self._only(rule) & self.usable).any())

    def _radii(self, only_far: BoolArray, max_radius_km: int) -> Iterator[Change]:
        """Yield radii that open offers: an offer's own radius stands, whatever the need's."""
        distance = self.facts.distance_km
        meets = (self.facts.common_places & ON_SITE > 0) & (distance <= self.offers.radius_km[self.offer])
        radii = np.sort(np.ceil(distance[only_far & meets]))
        radii = radii[radii <= max_radius_km]
        wanted = {count - 1 for count in RADIUS_STEPS} | {len(radii) - 1}
        steps = dict.fromkeys(int(radii[at]) for at in sorted(wanted) if 0 <= at < len(radii))
        for radius in steps:
            yield Change(radius, int(np.searchsorted(radii, radius, side="right")))

    def _remote(self) -> int:
        if self.needs.places[self.need] & REMOTE:
            return 0
        can = self.offers.places[self.offer] & REMOTE > 0
        return int((self._only("places", "radius") & self.usable & can).sum())

    def _places(self) -> Iterator[Change]:
        reach = np.minimum(self.offers.radius_km[self.offer], self.needs.radius_km[self.need])
        near = self.facts.distance_km <= reach
        for place in (AT_HELPER, AT_LEARNER):
            if self.needs.places[self.need] & place:
                continue
            can = (self.offers.places[self.offer] & place > 0) & near
            opened = int((self._only("places", "radius") & self.usable & can).sum())
            if opened:
                yield Change(place, opened)

    def _levels(self) -> Iterator[Change]:
        offered = self.offers.level[self.offer][self._only("level") & self.usable]
        told = 0
        for level in range(int(self.needs.level[self.need]) - 1, LEVELS[0] - 1, -1):
            opened = int((offered - level >= -self.policy.level_gap).sum())
            if opened > told:
                yield Change(level, opened)
            told = opened

    def _competitors(self) -> int:
        """Count the offers that the need itself refuses as competitors, and that do not refuse it."""
        theirs: FloatArray = refusal_km(self.offers)[self.offer]
        welcome = ~(self.facts.distance_km <= theirs)
        return int((self._only("competitor") & self.usable & welcome).sum())

    def _skills(self) -> list[Change]:
        wanted = self.needs.skills[self.need]
        offered = self.offers.skills[self.offer][self._only("skill") & self.usable]
        if (wanted >= 0).all() or not len(offered):
            return []
        matrix, factor = self.policy.similarity(), self.policy.extra_skill_factor
        found = []
        for skill in np.setdiff1d(offered[offered >= 0], wanted).tolist():
            near = np.where(offered >= 0, matrix[skill][offered], 0.0) * factor
            near[:, 1:] *= factor
            opened = int((near.max(axis=1) >= self.policy.skill_floor).sum())
            if opened:
                found.append(Change(skill, opened))
        return sorted(found, key=lambda change: (-change.offers, change.value))[:SKILLS_TOLD]
