"""Rows to the matcher's arrays and back: the one module of the services that calls marketplace.matching.

Rounds, rankings and lists all ask here, so that a pair has one score wherever it shows.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import Row, String, and_, bindparam, cast, exists, func, literal, or_, select
from sqlalchemy.sql import ColumnElement

from marketplace import clock, matching
from marketplace.extensions import db
from marketplace.matching import Needs, Offers, Plan, Policy, Prices, SectorTree, SkillGraph
from marketplace.matching.candidates import by_need
from marketplace.matching.distance import KM_PER_DEGREE
from marketplace.matching.distributed import find_candidates_on
from marketplace.matching.shards import Cutter
from marketplace.models import (
    LeftAlone,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    Match,
    MatchState,
    Organisation,
    Sector,
    SeedFile,
    Skill,
    SkillEdition,
    SkillRelation,
    Territory,
)
from marketplace.models.listings import EXTRA_SKILLS_MAX, RADIUS_MAX_KM
from marketplace.models.skills import WORDS_ONLY

# A proposal that nobody answered, or that was given up, rests this long before it may come back.
REST_DAYS = 30
SECTOR_LEVELS = ("section", "division", "group", "class", "subclass")
# Offers told to a need that others got.
LOST_TOLD = 5
# Below SQLite's limit of 32,766 variables in a statement.
CHUNK = 10_000
_REFERENCE_FILES = ("naf.csv", "skills.csv")
_SHARED = tuple(
    field.name for field in fields(Needs) if field.init and field.name in Offers.__dataclass_fields__
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")
Columns = Mapping[str, NDArray[Any]]

# Made once: to build a statement takes longer than to run it.
# Of tables, not of classes: what each question asks first takes a third less so.
_file, _edition, _territory = (model.__table__.c for model in (SeedFile, SkillEdition, Territory))
_match = Match.__table__.c
_DIGESTS = select(_file.name, _file.sha256).where(_file.name.in_(_REFERENCE_FILES))
_EDITION = select(literal("edition"), cast(func.max(_edition.number), String)).where(
    _edition.kind.not_in(WORDS_ONLY)
)
_VERSION = _DIGESTS.union_all(_EDITION)
_CHOSEN = (
    select(_territory.siren, _territory.policy)
    .where(cast(_territory.policy, String) != "{}")
    .order_by(_territory.siren)
)
_CHOSEN_HERE = _CHOSEN.where(_territory.siren.in_(bindparam("sirens", expanding=True)))
_PAIRS = select(_match.need_id, _match.offer_id, _match.state, _match.closed_at)
_OF_NEEDS = _PAIRS.where(_match.need_id.in_(bindparam("ids", expanding=True)))
_OF_OFFERS = _PAIRS.where(_match.offer_id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Part:
    """One criterion of a score. `value` in [0, 1]; `share`: its part of the score, all shares make 1.

    `detail`: the fact behind the value, for the sentence that says it (templates/components/match.html):
    skill "same", "related" or "domain"; level: offered minus wanted; distance: km, or "remote"; sector: the
    deepest NAF level in common, or "none"; availability: half-days in common, or "any"; waiting: days.
    """

    criterion: str
    value: float
    weight: float
    share: float
    detail: str


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why a pair holds together; kept with the match."""

    score: float
    distance_km: float | None
    remote: bool
    need_skill: str
    offer_skill: str
    parts: tuple[Part, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"parts": [asdict(part) for part in self.parts]}


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Which hard rules exclude a pair (names of matching.pairs.RULES), and the numbers that they speak of.

    `distance_km`: None without point; `competitor_km`: how near competitors are refused, −1 if they are not.
    """

    rules: tuple[str, ...]
    distance_km: float | None
    need_radius_km: int
    offer_radius_km: int
    need_level: int
    offer_level: int
    need_places: int
    offer_places: int
    need_skill: str
    offer_skill: str
    competitor_km: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"rules": list(self.rules)}


@dataclass(frozen=True, slots=True)
class Alone:
    """A need that a round left alone, why, and the offers that it lost: id, loss (RoundOutcome.lost)."""

    need_id: int
    reason: LeftAlone
    lost: tuple[tuple[int, float | None], ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """A number of a policy, between its bounds."""

    name: str
    value: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Settings:
    """What a policy is made of, as the page about the matcher tells it. `version`: of rules and formulas."""

    version: str
    weights: tuple[Setting, ...]
    others: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """Skills and sectors as the matcher counts them: by row."""

    skills: SkillGraph
    sectors: SectorTree
    skill_row: Mapping[int, int]
    skill_labels: Sequence[str]
    related: frozenset[tuple[int, int]]
    sector_row: Mapping[str, int]
    sector_path: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Market:
    """Open needs and offers, as arrays sorted by id."""

    needs: Needs
    offers: Offers
    reference: Reference
    # The territory of each need, whose settings score its pairs.
    territories: Sequence[str | None]

    def need_rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        return np.searchsorted(self.needs.id, ids)

    def offer_rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        return np.searchsorted(self.offers.id, ids)


@dataclass(frozen=True, slots=True)
class Policies:
    """Whose settings score which needs: those of the need's territory if it chose some, else the nation's."""

    national: Policy
    own: Mapping[str, Policy]

    def of(self, territory: str | None) -> Policy:
        return self.own.get(territory, self.national) if territory else self.national

    def all(self) -> list[Policy]:
        return [self.national, *self.own.values()]

    def to_mapping(self) -> dict[str, Any]:
        """Return them as JSON, to keep with a round."""
        own = {siren: policy.to_mapping() for siren, policy in self.own.items()}
        return self.national.to_mapping() | ({"territories": own} if own else {})

    @classmethod
    def from_mapping(cls, kept: Mapping[str, Any], *, known: Reference) -> "Policies":
        """Return those that to_mapping() kept, or a single policy, which then rules everywhere."""
        read = partial(Policy.from_mapping, skills=known.skills, sectors=known.sectors)
        national = {name: value for name, value in kept.items() if name != "territories"}
        own = {siren: read(one) for siren, one in kept.get("territories", {}).items()}
        return cls(national=read(national), own=own)


def has_room() -> ColumnElement[bool]:
    """Return the condition of a listing that can take one more match."""
    return and_(
        Listing.state == ListingState.PUBLISHED,
        Listing.live_matches < Listing.capacity,
        or_(
            Listing.total_limit.is_(None),
            Listing.live_matches + Listing.completed_matches < Listing.total_limit,
        ),
    )


def is_open() -> ColumnElement[bool]:
    """Return the condition of a listing that rounds and rankings may use now."""
    return and_(has_room(), Listing.expires_at > clock.now(), is_online())


def is_online() -> ColumnElement[bool]:
    """Return the condition of a listing that shows, whether or not it has room."""
    suspended = exists().where(
        Organisation.id == Listing.organisation_id, Organisation.suspended_at.is_not(None)
    )
    return and_(Listing.state == ListingState.PUBLISHED, ~suspended.correlate(Listing))


def load(*, needs: ColumnElement[bool], offers: ColumnElement[bool], at: datetime | None = None) -> Market:
    """Return the listings that meet the two conditions as arrays. `at`: see of_columns()."""
    known = reference()
    asking = columns(ListingKind.NEED, needs, known=known)
    return of_columns(asking, columns(ListingKind.OFFER, offers, known=known), known=known, at=at)


def columns(kind: ListingKind, condition: ColumnElement[bool], *, known: Reference | None = None) -> Columns:
    """Return the listings of one side that meet the condition, sorted by id, as columns for of_columns().

    Those that Needs and Offers hold, but for the time waited, which goes on; `room`: matches that each can
    take now; `expires` and `published`: see microseconds(); `territory`: SIREN or None. `known`: reference()
    when the caller has it.
    """
    known = known or reference()
    rows = _rows(kind, condition)
    shared = _shared(rows, known)
    if kind is ListingKind.OFFER:
        return shared
    return shared | {
        "urgency": np.array([row.urgency or 1 for row in rows], np.int64),
        "published": np.array([microseconds(row.published_at or clock.now()) for row in rows], np.int64),
        "territory": np.array([row.territory_siren for row in rows], np.object_),
    }


def of_columns(
    needs: Columns, offers: Columns, *, known: Reference | None = None, at: datetime | None = None
) -> Market:
    """Return a market from columns(). `at`: the moment up to which needs have waited; None: now."""
    waited = np.maximum((microseconds(at or clock.now()) - needs["published"]) / 1e6 / 86_400, 0.0)
    room = offers["room"]
    if "point" in needs and "point" in offers:
        asking = Needs.of_board({**needs, "waiting_days": waited})
        giving = Offers.of_board({**offers, "capacity": room})
    else:
        shared, theirs = ({name: side[name] for name in _SHARED} for side in (needs, offers))
        asking = Needs(**shared, urgency=needs["urgency"], waiting_days=waited)
        giving = Offers(**theirs, capacity=room)
    return Market(
        needs=asking,
        offers=giving,
        reference=known or reference(),
        territories=needs["territory"].tolist(),
    )


def microseconds(moment: datetime | None) -> int:
    """Return the microseconds since 1970; 0 for no moment."""
    return (moment - _EPOCH) // timedelta(microseconds=1) if moment else 0


def reference() -> Reference:
    """Return skills and sectors, read once per process for each loading of the files and each edition."""
    version = tuple(sorted((name, mark or "") for name, mark in db.session.execute(_VERSION)))
    return _read_reference(str(db.engine.url), version)


def policy(territory: Territory | None = None, *, known: Reference | None = None) -> Policy:
    """Return the policy of a territory, or the nation's. `known`: reference() when the caller has it."""
    known = known or reference()
    overrides = territory.policy if territory else {}
    return Policy.from_mapping(overrides, skills=known.skills, sectors=known.sectors)


def policies(of: Iterable[str | None] | None = None, *, known: Reference | None = None) -> Policies:
    """Return the policies that rule now, of the nation and of the territories that chose theirs.

    `of`: only these territories are asked for, by their SIREN.
    """
    known = known or reference()
    if of is None:
        chosen = db.session.execute(_CHOSEN)
    else:
        chosen = db.session.execute(_CHOSEN_HERE, {"sirens": sorted({siren for siren in of if siren})})
    own = {
        siren: Policy.from_mapping(overrides, skills=known.skills, sectors=known.sectors)
        for siren, overrides in chosen
    }
    return Policies(national=policy(known=known), own=own)


def near_skills(
    known: Reference, skills: NDArray[np.int64], using: Policies | None = None
) -> NDArray[np.bool_]:
    """Return which skills these policies, or any policy that could be, may hold near one of these."""
    if using is None:  # of the same domain, or declared related
        near = known.skills.similarity(related=1.0, same_domain=1.0) > 0
    else:  # few territories change these numbers: most policies say the same
        alike = {(policy.related_skill, policy.same_domain, policy.skill_floor) for policy in using.all()}
        near = np.any(
            [
                known.skills.similarity(related=related, same_domain=same_domain) >= floor
                for related, same_domain, floor in alike
            ],
            axis=0,
        )
    return np.asarray(near[skills[skills >= 0]].any(axis=0), np.bool_)


def levels_facing(kind: ListingKind, level: int, using: Policies) -> tuple[int, int]:
    """Return the least and most level that a listing of the other side may have for one of the policies."""
    gap = int(max(policy.level_gap for policy in using.all()))
    least, most = matching.arrays.LEVELS
    return (level - gap, most) if kind is ListingKind.NEED else (least, level + gap)


def settings(using: Policy) -> Settings:
    """Return the numbers of a policy with their bounds."""
    bounds = matching.policy.BOUNDS
    return Settings(
        version=matching.policy.VERSION,
        weights=tuple(
            Setting(name, using.weights[name], least, most)
            for name, (_, least, most) in matching.policy.WEIGHTS.items()
        ),
        others=tuple(
            Setting(name, getattr(using, name), least, most) for name, (least, most) in bounds.items()
        ),
    )


def closed_pairs(market: Market) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return as rows the pairs that may not be proposed: declined or done once, under way, or resting."""
    rested = clock.now().timestamp() - REST_DAYS * 86_400
    resting = (MatchState.EXPIRED, MatchState.CANCELLED)
    found = [
        (need_id, offer_id)
        for need_id, offer_id, state, closed_at in _pairs(market)
        if state not in resting or (closed_at is not None and closed_at.timestamp() > rested)
    ]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    need_ids, offer_ids = np.array(found, np.int64).T
    here = np.isin(need_ids, market.needs.id) & np.isin(offer_ids, market.offers.id)
    return market.need_rows(need_ids[here]), market.offer_rows(offer_ids[here])


def best_pairs(
    market: Market, using: Policies, need_rows: ArrayLike, offer_rows: ArrayLike, *, limit: int
) -> tuple[list[int], list[int]]:
    """Return the best of these pairs that may be proposed, as rows, the best first."""
    need, offer = np.asarray(need_rows, np.int64), np.asarray(offer_rows, np.int64)
    closed = np.stack(closed_pairs(market))
    if closed.size:
        width = max(len(market.offers), 1)
        kept = ~np.isin(need * width + offer, closed[0] * width + closed[1])
        need, offer = need[kept], offer[kept]
    found = [
        matching.feasible(market.needs, need[rows], market.offers, offer[rows], policy)
        for policy, rows in _by_policy(market, using, need)
    ]
    edges = matching.Edges(*(np.concatenate(column) for column in zip(*map(_columns_of, found), strict=True)))
    best = matching.best_first(edges, market.needs, market.offers, limit=limit)
    return best.need.tolist(), best.offer.tolist()


def plan(
    market: Market,
    using: Policies,
    *,
    excluded: tuple[ArrayLike, ArrayLike] | None = None,
    scheduler: str | None = None,
    on_step: Callable[[str, float], None] | None = None,
) -> Plan:
    """Return circles and pairs of a round over the market.

    `excluded`: pairs of rows never to be proposed; the closed pairs, unless told otherwise. Each need's
    pairs are scored by the settings of its territory. Priority and circles follow the nation's when several
    rule, so that no territory can put its own needs before those of another. `scheduler`: address of a
    scheduler of dask.distributed whose workers find the candidates. Raises SchedulerUnreachable.
    """
    closed = closed_pairs(market) if excluded is None else excluded
    ruling = {siren: using.of(siren) for siren in dict.fromkeys(market.territories)}
    alike = len({id(policy) for policy in ruling.values()}) <= 1
    return matching.plan_round(
        market.needs,
        market.offers,
        next(iter(ruling.values()), using.national) if alike else using.national,
        excluded=closed,
        find=_finder(market, using, scheduler),
        on_step=on_step,
    )


def reasons(
    market: Market, using: Policies, need_rows: ArrayLike, offer_rows: ArrayLike
) -> list[Reasons | Exclusion]:
    """Return why each pair has its score, or which rules exclude it, by its need's territory's settings."""
    need, offer = np.asarray(need_rows, np.int64), np.asarray(offer_rows, np.int64)
    told: dict[int, Reasons | Exclusion] = {}
    for policy, rows in _by_policy(market, using, need):
        found = matching.explain_pairs(market.needs, need[rows], market.offers, offer[rows], policy)
        told |= {
            row: _said(market, int(need[row]), int(offer[row]), one)
            for row, one in zip(rows.tolist(), found, strict=True)
        }
    return [told[row] for row in range(len(need))]


def alternatives(
    market: Market, using: Policies, need_row: int = 0, *, in_public: bool = False
) -> matching.Alternatives:
    """Return what a need of the market finds among its offers, and what one change of it would open.

    `in_public`: as if no pair was closed, for those who must not learn who declined whom.
    """
    need, offer = (np.empty(0, np.int64),) * 2 if in_public else closed_pairs(market)
    policy = using.of(market.territories[need_row])
    return matching.alternatives(
        market.needs,
        need_row,
        market.offers,
        policy,
        closed=offer[need == need_row],
        max_radius_km=RADIUS_MAX_KM,
    )


def prices(market: Market, using: Policies, plan: Plan) -> Prices:
    """Return what places were worth in a round over the market: see matching.prices()."""
    return matching.prices(plan, market.needs, market.offers, using.national)


def left_alone(
    market: Market,
    using: Policies,
    plan: Plan,
    closed: tuple[NDArray[np.int64], NDArray[np.int64]],
    worth: Prices,
) -> list[Alone]:
    """Return the needs to which a round over the market proposes nothing, and why.

    `closed`: the pairs of rows that it could not propose; `worth`: its prices().
    """
    edges, needs = plan.edges, market.needs
    served = np.zeros(len(needs), np.bool_)
    served[edges.need[plan.matched]] = True
    firms = set(needs.organisation[served].tolist())
    lost = matching.losses(plan, worth)
    rows_of = _edge_rows(edges.need, len(needs))
    obstacle = _Obstacles(market, using, closed)
    found = []
    for need in np.flatnonzero(~served).tolist():
        rows = rows_of[need]
        reason = LeftAlone.SHARE if int(needs.organisation[need]) in firms else LeftAlone.OUTBID
        if not len(rows):  # "none" cannot be: what fits and is open would have been an edge
            reason = LeftAlone(obstacle.of(need))
        rows = rows[np.argsort(np.nan_to_num(lost[rows], nan=np.inf), kind="stable")][:LOST_TOLD]
        offers = market.offers.id[edges.offer[rows]].tolist()
        losses = [None if np.isnan(loss) else round(loss, 6) for loss in lost[rows].tolist()]
        found.append(Alone(int(needs.id[need]), reason, tuple(zip(offers, losses, strict=True))))
    return found


class _Obstacles:
    """What stands between needs of a market and its offers, those without room included."""

    def __init__(
        self, market: Market, using: Policies, closed: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> None:
        self._market, self._using, self._offers = market, using, _with_full(market.offers)
        self._closed: dict[int, list[int]] = defaultdict(list)
        for need, offer in zip(closed[0].tolist(), closed[1].tolist(), strict=True):
            self._closed[need].append(offer)
        self._near: dict[tuple[int, ...], NDArray[np.int64]] = {}

    def of(self, need: int) -> str:
        told = matching.alternatives(
            self._market.needs,
            need,
            self._offers,
            self._using.of(self._market.territories[need]),
            rows=self._near_offers(self._market.needs.skills[need]),
            closed=self._closed.get(need, ()),
            max_radius_km=RADIUS_MAX_KM,
        )
        return told.obstacle

    def _near_offers(self, skills: NDArray[np.int64]) -> NDArray[np.int64]:
        key = tuple(skills.tolist())
        if key not in self._near:
            wanted, offered = near_skills(self._market.reference, skills, self._using), self._offers.skills
            self._near[key] = np.flatnonzero((wanted[offered] & (offered >= 0)).any(axis=1))
        return self._near[key]


def ways_km(
    market: Market, using: Policies, need_rows: ArrayLike, offer_rows: ArrayLike
) -> NDArray[np.float64]:
    """Return how far the two of each pair would travel to meet; NaN where they would meet remotely."""
    need, offer = np.asarray(need_rows, np.int64), np.asarray(offer_rows, np.int64)
    ways = np.full(len(need), np.nan)
    for policy, rows in _by_policy(market, using, need):
        facts = matching.pairs.facts_of(market.needs, need[rows], market.offers, offer[rows], policy)
        ways[rows] = np.where(matching.scoring.is_remote(facts, policy), np.nan, facts.distance_km)
    return ways


def distances_km(lat: float, lon: float, lats: ArrayLike, lons: ArrayLike) -> NDArray[np.float64]:
    """Return the geodesic distances on WGS 84 from one point to many, in km."""
    return matching.geodesic_km(
        np.float64(lat), np.float64(lon), np.asarray(lats, np.float64), np.asarray(lons, np.float64)
    )


def widened(
    south: float, north: float, west: float, east: float, *, by_km: float
) -> tuple[float, float, float, float]:
    """Return a box of degrees that holds every point within `by_km` of this one."""
    height = by_km / KM_PER_DEGREE
    width = height / max(math.cos(math.radians(max(abs(south), abs(north)) + height)), 0.01)
    return south - height, north + height, west - width, east + width


def chunks(items: Iterable[_T], size: int = CHUNK) -> Iterator[list[_T]]:
    """Cut `items` in lists that fit in one statement."""
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk


def _finder(market: Market, using: Policies, scheduler: str | None) -> Callable[..., matching.Edges]:
    """Return what finds the feasible pairs of the market, whose rows are in order of id, for plan_round()."""
    find = partial(find_candidates_on, scheduler) if scheduler else matching.find_candidates
    groups = list(_by_policy(market, using, np.arange(len(market.needs))))
    if len(groups) == 1:
        return find

    def under_each(
        needs: Needs,
        offers: Offers,
        _national: Policy,
        *,
        top_k: int,
        excluded: tuple[ArrayLike, ArrayLike],
        on_progress: Callable[[float], None],
    ) -> matching.Edges:
        cut = Cutter(needs, offers, excluded=excluded)
        found = []
        for number, (policy, rows) in enumerate(groups, start=1):
            part = cut.shard(rows, policy)
            edges = find(part.needs, part.offers, policy, top_k=top_k, excluded=part.excluded)
            found.append(part.in_market(edges))
            on_progress(number / len(groups))
        return by_need(found)

    return under_each


def _edge_rows(need: NDArray[np.int64], n_needs: int) -> list[NDArray[np.int64]]:
    """Return the rows of the edges of each need."""
    order = np.argsort(need, kind="stable")
    return np.split(order, np.searchsorted(need[order], np.arange(1, n_needs)))


def _with_full(offers: Offers) -> Offers:
    """Return the offers, and after them those online that have no place left."""
    unexpired = and_(is_online(), Listing.expires_at > clock.now(), ~has_room())
    full = columns(ListingKind.OFFER, unexpired)
    both = {name: np.concatenate((getattr(offers, name), full[name])) for name in _SHARED}
    return Offers(**both, capacity=np.concatenate((offers.capacity, full["room"])))


def _by_policy(
    market: Market, using: Policies, need: NDArray[np.int64]
) -> Iterator[tuple[Policy, NDArray[np.int64]]]:
    """Cut pairs, given by their needs, in those that each policy scores: its positions in `need`."""
    if not using.own:
        yield using.national, np.arange(len(need))
        return
    ruling = {row: using.of(market.territories[row]) for row in np.unique(need).tolist()}
    known = {id(policy): policy for policy in ruling.values()} or {0: using.national}
    if len(known) == 1:
        yield next(iter(known.values())), np.arange(len(need))
        return
    keys = np.array([id(ruling[row]) for row in need.tolist()])
    for key, policy in known.items():
        yield policy, np.flatnonzero(keys == key)


def _columns_of(edges: matching.Edges) -> tuple[NDArray[Any], ...]:
    return edges.need, edges.offer, edges.distance_km, edges.weight


def _said(market: Market, need_row: int, offer_row: int, told: matching.Explanation) -> Reasons | Exclusion:
    if told.excluded_by:
        return _excluded(market, need_row, offer_row, told)
    labels = market.reference.skill_labels
    return Reasons(
        score=round(told.score, 6),
        distance_km=None if np.isnan(told.distance_km) else round(told.distance_km, 3),
        remote=told.remote,
        need_skill=labels[told.need_skill],
        offer_skill=labels[told.offer_skill],
        parts=tuple(
            Part(
                criterion=part.criterion,
                value=round(part.value, 4),
                weight=round(part.weight, 4),
                share=round(part.share, 4),
                detail=_detail(part.criterion, market, need_row, offer_row, told),
            )
            for part in told.parts
        ),
    )


def _excluded(market: Market, need_row: int, offer_row: int, told: matching.Explanation) -> Exclusion:
    needs, offers = market.needs, market.offers
    nearness = [refusal(side, row) for side, row in ((needs, need_row), (offers, offer_row))]
    return Exclusion(
        rules=told.excluded_by,
        distance_km=None if np.isnan(told.distance_km) else round(told.distance_km, 3),
        need_radius_km=round(float(needs.radius_km[need_row])),
        offer_radius_km=round(float(offers.radius_km[offer_row])),
        need_level=int(needs.level[need_row]),
        offer_level=int(offers.level[offer_row]),
        need_places=int(needs.places[need_row]),
        offer_places=int(offers.places[offer_row]),
        need_skill=market.reference.skill_labels[int(needs.skills[need_row, 0])],
        offer_skill=market.reference.skill_labels[int(offers.skills[offer_row, 0])],
        competitor_km=max(nearness),
    )


def refusal(listings: Needs | Offers, row: int) -> int:
    """Return how near the listing refuses its competitors, in km; −1 where they are welcome."""
    return round(float(matching.pairs.refusal_km(listings)[row]))


def _detail(criterion: str, market: Market, need_row: int, offer_row: int, told: matching.Explanation) -> str:
    needs, offers = market.needs, market.offers
    match criterion:
        case "skill":
            return _skill_detail(market.reference, told.need_skill, told.offer_skill)
        case "level":
            return str(int(offers.level[offer_row]) - int(needs.level[need_row]))
        case "distance":
            return "remote" if told.remote else f"{told.distance_km:.1f}"
        case "sector":
            return _sector_detail(market.reference, needs.sector[need_row], offers.sector[offer_row])
        case "availability":
            return _availability_detail(needs.availability[need_row], offers.availability[offer_row])
        case _:
            return str(int(needs.waiting_days[need_row]))


def _skill_detail(reference: Reference, wanted: int, offered: int) -> str:
    if wanted == offered:
        return "same"
    return "related" if (wanted, offered) in reference.related else "domain"


def _sector_detail(reference: Reference, one: int, other: int) -> str:
    shared = sum(
        a == b for a, b in zip(reference.sector_path[one], reference.sector_path[other], strict=False)
    )
    return SECTOR_LEVELS[shared - 1] if shared else "none"


def _availability_detail(one: int, other: int) -> str:
    if not one or not other:
        return "any"
    return str((int(one) & int(other)).bit_count())


def _pairs(market: Market) -> Iterator[tuple[int, int, MatchState, datetime | None]]:
    # From the side with fewer listings: a ranking asks for one need among all offers.
    few_needs = len(market.needs.id) <= len(market.offers.id)
    query, ids = (_OF_NEEDS, market.needs.id) if few_needs else (_OF_OFFERS, market.offers.id)
    for chunk in chunks(ids.tolist()):
        yield from ((row[0], row[1], row[2], row[3]) for row in db.session.execute(query, {"ids": chunk}))


def _rows(kind: ListingKind, condition: ColumnElement[bool]) -> list[Row[Any]]:
    """Return the listings sorted by id."""
    query = (
        select(
            Listing.id,
            Listing.organisation_id,
            Listing.skill_id,
            Listing.level,
            Listing.lat,
            Listing.lon,
            Listing.radius_km,
            Listing.places,
            Listing.availability,
            Listing.sector_code,
            Listing.territory_siren,
            Listing.avoid_competitors,
            Listing.competitor_radius_km,
            Listing.urgency,
            Listing.published_at,
            Listing.expires_at,
            Listing.capacity,
            Listing.total_limit,
            Listing.live_matches,
            Listing.completed_matches,
        )
        .where(Listing.kind == kind, condition)
        .order_by(Listing.id)
    )
    return list(db.session.execute(query))


def _shared(rows: Sequence[Row[Any]], reference: Reference) -> dict[str, NDArray[Any]]:
    ids = np.array([row.id for row in rows], np.int64)
    return {
        "id": ids,
        "organisation": np.array([row.organisation_id for row in rows], np.int64),
        "skills": _skills(rows, reference),
        "level": np.array([row.level for row in rows], np.int64),
        "lat": np.array([np.nan if row.lat is None else row.lat for row in rows], np.float64),
        "lon": np.array([np.nan if row.lon is None else row.lon for row in rows], np.float64),
        "radius_km": np.array([row.radius_km for row in rows], np.float64),
        "places": np.array([row.places for row in rows], np.int64),
        "availability": np.array([row.availability for row in rows], np.int64),
        "sector": np.array([reference.sector_row[row.sector_code] for row in rows], np.int64),
        "avoid_competitors": np.array([row.avoid_competitors for row in rows], np.bool_),
        "competitor_radius_km": np.array([row.competitor_radius_km for row in rows], np.float64),
        "room": np.array([_room(row) for row in rows], np.int64),
        "expires": np.array([microseconds(row.expires_at) for row in rows], np.int64),
    }


def _room(row: Row[Any]) -> int:
    """Return how many more matches the listing can take now."""
    room = int(row.capacity - row.live_matches)
    if row.total_limit is not None:
        room = min(room, int(row.total_limit - row.live_matches - row.completed_matches))
    return max(room, 0)


def _skills(rows: Sequence[Row[Any]], reference: Reference) -> NDArray[np.int64]:
    """Return the skills of each listing, main one first, −1 where there is none; shape (n, 3)."""
    skills = np.full((len(rows), 1 + EXTRA_SKILLS_MAX), -1, np.int64)
    position = {row.id: index for index, row in enumerate(rows)}
    for index, row in enumerate(rows):
        skills[index, 0] = reference.skill_row[row.skill_id]
    for chunk in chunks(position):
        extra = select(ListingSkill.listing_id, ListingSkill.rank, ListingSkill.skill_id)
        for listing_id, rank, skill_id in db.session.execute(extra.where(ListingSkill.listing_id.in_(chunk))):
            skills[position[listing_id], rank] = reference.skill_row[skill_id]
    return skills


@lru_cache(maxsize=4)
def _read_reference(_database: str, _version: tuple[tuple[str, str], ...]) -> Reference:
    skills = list(db.session.execute(select(Skill.id, Skill.domain_slug, Skill.label).order_by(Skill.id)))
    skill_row = {row.id: index for index, row in enumerate(skills)}
    domains: dict[str, int] = defaultdict(lambda: len(domains))
    relations = select(SkillRelation.skill_id, SkillRelation.related_id)
    related = frozenset((skill_row[a], skill_row[b]) for a, b in db.session.execute(relations))
    tree = select(Sector.code, Sector.parent_code).order_by(Sector.code)
    parents = {code: parent for code, parent in db.session.execute(tree)}
    sector_row = {code: index for index, code in enumerate(parents)}
    return Reference(
        skills=SkillGraph.from_lists([domains[row.domain_slug] for row in skills], sorted(related)),
        sectors=SectorTree.from_parents([sector_row[p] if p else -1 for p in parents.values()]),
        skill_row=skill_row,
        skill_labels=tuple(row.label for row in skills),
        related=related,
        sector_row=sector_row,
        sector_path=tuple(_path(code, parents) for code in parents),
    )


def _path(code: str, parents: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the codes from the section down to `code`."""
    path = [code]
    while parent := parents[path[-1]]:
        path.append(parent)
    return tuple(reversed(path))
