"""What a territory publishes, lacks and has in reserve: for its elected body, its moderators and anybody.

What is masked. Anybody may read the dashboard; only the territory's moderators and the national administrator
read it in full. For the others, each number of listings, matches, exchanges or structures that is about fewer
than masking.FEWEST structures is masked, « moins de 5 » (a match is about the structures of both its sides),
and with it the smallest other number of a column whose total is told, so that no subtraction gives it back.
So are waiting times measured on the needs of fewer structures, and rates made of a masked number. A zero is
told: it is about nobody. The averages of other territories are told: never of fewer than
comparison.FEWEST_SIMILAR of them. How long moderators take to decide is in the full part only.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, joinedload, load_only
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    DecisionAction,
    Listing,
    ListingKind,
    ListingState,
    Match,
    MatchState,
    ModerationDecision,
    Organisation,
    Skill,
    Territory,
    User,
)
from marketplace.services import comparison, market, rights, waiting
from marketplace.services.comparison import Comparison
from marketplace.services.errors import NotAllowed, NotFound
from marketplace.services.masking import Cell, Count, Hidden, told, told_column
from marketplace.services.waiting import Wait

MONTHS = 12
TERRITORIES_SHOWN = 100
MEDIAN, NINTH_DECILE = 0.5, 0.9
PARIS = ZoneInfo("Europe/Paris")
_DAY = timedelta(days=1)
_WITHOUT_RESULT = (MatchState.DECLINED, MatchState.EXPIRED, MatchState.CANCELLED)
_FIRST_DECISIONS = (DecisionAction.APPROVE, DecisionAction.REQUEST_CHANGES, DecisionAction.REJECT)


@dataclass(frozen=True, slots=True)
class Month:
    """What happened in the month that begins at `start`. `unmet`: matches that ended without an exchange."""

    start: datetime
    needs: Cell
    offers: Cell
    matches: Cell
    exchanges: Cell
    unmet: Cell


@dataclass(frozen=True, slots=True)
class SkillBalance:
    """Needs that wait, offers with room, their free places. `gap`: needs less places, masked as they are."""

    skill: Skill
    needs: Cell
    offers: Cell
    places: Cell

    @property
    def gap(self) -> Cell:
        if isinstance(self.needs, Hidden) or isinstance(self.places, Hidden):
            return Hidden.FEW
        return self.needs - self.places


@dataclass(frozen=True, slots=True)
class Delays:
    """Days: the median and the ninth decile. None where so many still wait that it is not reached."""

    median: float | None
    ninth_decile: float | None


@dataclass(frozen=True, slots=True)
class CommuneFigures:
    """A commune, its structures, and what they have online."""

    commune: Commune
    organisations: Cell
    needs: Cell
    offers: Cell


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the period: `published_*`, `matches`, `exchanges`, `unmet`. Of today: the others."""

    published_needs: Cell
    published_offers: Cell
    matches: Cell
    exchanges: Cell
    unmet: Cell
    organisations: Cell
    needs: Cell
    offers: Cell
    reached: Cell


@dataclass(frozen=True, slots=True)
class ComparedRate:
    """A rate of comparison.Rates by its `name`; `average` None when there is none."""

    name: str
    own: float | Hidden
    average: float | None


@dataclass(frozen=True, slots=True)
class Board:
    """The dashboard as its reader may see it. `waits`: Hidden.FEW when masked, None when there was no need.

    `tension`: skills with more needs than places, the widest gap first; then, by name, those of which the
    gap is not told. `reserve`: skills with more places than needs. `decisions`: in full only.
    """

    territory: Territory
    at: datetime
    in_full: bool
    months: Sequence[Month]
    totals: Totals
    tension: Sequence[SkillBalance]
    reserve: Sequence[SkillBalance]
    waits: Delays | Hidden | None
    decisions: Delays | None
    communes: Sequence[CommuneFigures]
    comparison: Comparison
    compared: Sequence[ComparedRate]


def board(siren: str, *, to: User | None, publicly: bool = False) -> Board:
    """Return the dashboard of a territory: in full for who moderates it, unless they ask for it `publicly`.

    Raises NotFound. The number of queries does not depend on what there is.
    """
    territory = db.session.scalar(
        select(Territory).where(Territory.siren == siren).options(joinedload(Territory.department))
    )
    if territory is None:
        raise NotFound(f"territory {siren}")
    in_full = not publicly and to is not None and rights.moderates(to, siren)
    starts = _month_starts(clock.now())
    monthly = _Monthly(siren, starts)
    communes, today = _communes(siren, in_full=in_full)
    totals = _totals(monthly, today, in_full=in_full)
    balances = _balances(siren, in_full=in_full)
    compared = comparison.compare(territory, since=starts[0])
    return Board(
        territory=territory,
        at=clock.now(),
        in_full=in_full,
        months=_months(monthly, starts, in_full=in_full),
        totals=totals,
        tension=_tension(balances),
        reserve=_reserve(balances),
        waits=_waits(siren, since=starts[0], in_full=in_full),
        decisions=_decisions(siren, since=starts[0]) if in_full else None,
        communes=communes,
        comparison=compared,
        compared=_compared(compared, totals),
    )


def moderated(by: User) -> Sequence[Territory]:
    """Return the territories that the person moderates, by name; for the administrator, the open ones.

    TERRITORIES_SHOWN at most. Raises NotAllowed for no moderator.
    """
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    mine = (
        Territory.is_open
        if rights.is_administrator(by)
        else Territory.siren.in_(rights.territories_moderated(by))
    )
    query = select(Territory).where(mine).order_by(Territory.name).limit(TERRITORIES_SHOWN)
    return db.session.scalars(query).all()


def _month_starts(now: datetime) -> list[datetime]:
    """Return the starts of this month and of the eleven before, in legal time."""
    local = now.astimezone(PARIS)
    count = local.year * 12 + local.month - 1
    return [
        datetime(number // 12, number % 12 + 1, 1, tzinfo=PARIS)
        for number in range(count - MONTHS + 1, count + 1)
    ]


class _Tally:
    """Counts by key, with the structures that each is about."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = defaultdict(int)
        self._organisations: dict[object, set[int]] = defaultdict(set)

    def add(self, key: object, number: int, *organisations: int) -> None:
        self._numbers[key] += number
        if number:
            self._organisations[key].update(organisations)

    def __getitem__(self, key: object) -> Count:
        return Count(self._numbers.get(key, 0), len(self._organisations.get(key, ())))


class _Monthly:
    """What happened, by series and month (0 to 11), and by series over all of them."""

    def __init__(self, siren: str, starts: Sequence[datetime]) -> None:
        self._tally = _Tally()
        for kind, month, organisation, number in db.session.execute(_published(siren, starts)):
            self._add("needs" if kind is ListingKind.NEED else "offers", month, number, organisation)
        for month, asking, helping, number in db.session.execute(_made(siren, starts)):
            self._add("matches", month, number, asking, helping)
        for state, month, asking, helping, number in db.session.execute(_closed(siren, starts)):
            series = "exchanges" if state is MatchState.COMPLETED else "unmet"
            self._add(series, month, number, asking, helping)

    def _add(self, series: str, month: int, number: int, *organisations: int) -> None:
        self._tally.add((series, month), number, *organisations)
        self._tally.add(series, number, *organisations)

    def of(self, series: str) -> list[Count]:
        return [self._tally[series, month] for month in range(MONTHS)]

    def over_all(self, series: str) -> Count:
        return self._tally[series]


def _published(siren: str, starts: Sequence[datetime]) -> Select[ListingKind, int, int, int]:
    return (
        select(
            Listing.kind,
            _month_of(Listing.published_at, starts),
            Listing.organisation_id,
            func.count(),
        )
        .where(Listing.territory_siren == siren, Listing.published_at >= starts[0])
        .group_by(Listing.kind, "month", Listing.organisation_id)
    )


def _made(siren: str, starts: Sequence[datetime]) -> Select[int, int, int, int]:
    return (
        select(
            _month_of(Match.created_at, starts),
            Match.need_organisation_id,
            Match.offer_organisation_id,
            func.count(),
        )
        .join(Listing, Listing.id == Match.need_id)
        .where(Listing.territory_siren == siren, Match.created_at >= starts[0])
        .group_by("month", Match.need_organisation_id, Match.offer_organisation_id)
    )


def _closed(siren: str, starts: Sequence[datetime]) -> Select[MatchState, int, int, int, int]:
    ended = Match.state.in_((MatchState.COMPLETED, *_WITHOUT_RESULT))
    return (
        select(
            Match.state,
            _month_of(Match.closed_at, starts),
            Match.need_organisation_id,
            Match.offer_organisation_id,
            func.count(),
        )
        .join(Listing, Listing.id == Match.need_id)
        .where(Listing.territory_siren == siren, ended, Match.closed_at >= starts[0])
        .group_by(Match.state, "month", Match.need_organisation_id, Match.offer_organisation_id)
    )


def _month_of(column: InstrumentedAttribute[Any], starts: Sequence[datetime]) -> ColumnElement[int]:
    latest_first = [(column >= start, month) for month, start in reversed(list(enumerate(starts)))]
    return case(*latest_first, else_=0).label("month")


def _months(monthly: _Monthly, starts: Sequence[datetime], *, in_full: bool) -> list[Month]:
    names = ("needs", "offers", "matches", "exchanges", "unmet")
    columns = {name: told_column(monthly.of(name), in_full=in_full) for name in names}
    return [
        Month(start, **{name: columns[name][month] for name in names}) for month, start in enumerate(starts)
    ]


def _communes(siren: str, *, in_full: bool) -> tuple[list[CommuneFigures], dict[str, Count]]:
    """Return the figures of each commune by name, and their totals."""
    query = select(Commune).where(Commune.territory_siren == siren).order_by(Commune.search_name)
    communes = db.session.scalars(query).all()
    tally = _today(siren)
    names = ("organisations", "needs", "offers")
    columns = {
        name: told_column([tally[name, commune.insee] for commune in communes], in_full=in_full)
        for name in names
    }
    figures = [
        CommuneFigures(commune, **{name: columns[name][index] for name in names})
        for index, commune in enumerate(communes)
    ]
    reached = sum(bool(tally["organisations", commune.insee].number) for commune in communes)
    totals = {name: tally[name] for name in names}
    return figures, totals | {"reached": Count(reached, totals["organisations"].organisations)}


def _today(siren: str) -> _Tally:
    """Return structures and listings online, by commune and in all."""
    tally = _Tally()
    here = (
        select(Organisation.commune_insee, Organisation.id)
        .join(Commune, Commune.insee == Organisation.commune_insee)
        .where(Commune.territory_siren == siren, Organisation.suspended_at.is_(None))
    )
    for insee, organisation in db.session.execute(here):
        tally.add(("organisations", insee), 1, organisation)
        tally.add("organisations", 1, organisation)
    online = (
        select(Listing.kind, Listing.commune_insee, Listing.organisation_id, func.count())
        .where(Listing.territory_siren == siren, market.is_online(), Listing.expires_at > clock.now())
        .group_by(Listing.kind, Listing.commune_insee, Listing.organisation_id)
    )
    for kind, insee, organisation, number in db.session.execute(online):
        name = "needs" if kind is ListingKind.NEED else "offers"
        tally.add((name, insee), number, organisation)
        tally.add(name, number, organisation)
    return tally


def _totals(monthly: _Monthly, today: Mapping[str, Count], *, in_full: bool) -> Totals:
    over_all = {
        "published_needs": monthly.over_all("needs"),
        "published_offers": monthly.over_all("offers"),
        **{name: monthly.over_all(name) for name in ("matches", "exchanges", "unmet")},
        **today,
    }
    return Totals(**{name: told(count, in_full=in_full) for name, count in over_all.items()})


def _balances(siren: str, *, in_full: bool) -> list[SkillBalance]:
    """Return what waits and what is free for each skill of an open listing, by name."""
    left = Listing.capacity - Listing.live_matches
    left_in_all = Listing.total_limit - Listing.live_matches - Listing.completed_matches
    places = case((left_in_all < left, left_in_all), else_=left)
    query = (
        select(Listing.skill_id, Listing.kind, Listing.organisation_id, func.count(), func.sum(places))
        .where(Listing.territory_siren == siren, market.is_open())
        .group_by(Listing.skill_id, Listing.kind, Listing.organisation_id)
    )
    tally = _Tally()
    for skill, kind, organisation, number, free in db.session.execute(query):
        if kind is ListingKind.NEED:
            tally.add(("needs", skill), number, organisation)
        else:
            tally.add(("offers", skill), number, organisation)
            tally.add(("places", skill), free, organisation)
    skills = db.session.scalars(select(Skill).order_by(Skill.label)).all()
    names = ("needs", "offers", "places")
    columns = {
        name: told_column([tally[name, skill.id] for skill in skills], in_full=in_full) for name in names
    }
    balances = [
        SkillBalance(skill, **{name: columns[name][index] for name in names})
        for index, skill in enumerate(skills)
    ]
    return [each for each in balances if each.needs or each.offers]


def _tension(balances: Iterable[SkillBalance]) -> list[SkillBalance]:
    """Return the skills that lack places, the widest gap first; unknown gaps with needs last, by name."""
    known = [(each, each.gap) for each in balances]
    wanting = [(gap, each) for each, gap in known if not isinstance(gap, Hidden) and gap > 0]
    unknown = [each for each, gap in known if isinstance(gap, Hidden) and each.needs]
    return [each for _, each in sorted(wanting, key=lambda one: -one[0])] + unknown


def _reserve(balances: Iterable[SkillBalance]) -> list[SkillBalance]:
    """Return the skills with more places than needs, the most first."""
    known = [(each.gap, each) for each in balances]
    spare = [(gap, each) for gap, each in known if not isinstance(gap, Hidden) and gap < 0]
    return [each for _, each in sorted(spare, key=lambda one: one[0])]


def _waits(siren: str, *, since: datetime, in_full: bool) -> Delays | Hidden | None:
    """Return how long needs published since then waited for a first match; those that still do count too."""
    first = select(func.min(Match.created_at)).where(Match.need_id == Listing.id).scalar_subquery()
    facts = load_only(
        Listing.organisation_id,
        Listing.published_at,
        Listing.state,
        Listing.expires_at,
        Listing.updated_at,
    )
    query = (
        select(Listing, first.label("matched_at"))
        .where(
            Listing.territory_siren == siren, Listing.kind == ListingKind.NEED, Listing.published_at >= since
        )
        .options(facts)
    )
    rows = db.session.execute(query).all()
    about = Count(len(rows), len({row.Listing.organisation_id for row in rows}))
    if isinstance(told(about, in_full=in_full), Hidden):
        return Hidden.FEW
    waits = [_wait(row.Listing.published_at, row.matched_at, seen=_last_seen(row.Listing)) for row in rows]
    return _delays(waits) if waits else None


def _wait(start: datetime | None, end: datetime | None, *, seen: datetime) -> Wait:
    since = start or seen
    return Wait(max(0.0, ((end or seen) - since) / _DAY), is_over=end is not None)


def _last_seen(need: Listing) -> datetime:
    """Return until when a need without a match waited: now, its term, or when it was taken off."""
    runs = need.state in (ListingState.PUBLISHED, ListingState.PAUSED, ListingState.EXPIRED)
    return min(clock.now(), (runs and need.expires_at) or need.updated_at)


def _decisions(siren: str, *, since: datetime) -> Delays | None:
    """Return how long listings waited for the first decision after they were last sent."""
    query = (
        select(Listing.submitted_at, func.min(ModerationDecision.decided_at).label("decided_at"))
        .join(ModerationDecision, ModerationDecision.listing_id == Listing.id)
        .where(
            ModerationDecision.territory_siren == siren,
            ModerationDecision.action.in_(_FIRST_DECISIONS),
            ModerationDecision.decided_at >= since,
            ModerationDecision.decided_at >= Listing.submitted_at,
        )
        .group_by(Listing.id, Listing.submitted_at)
    )
    waits = [_wait(sent, decided, seen=decided) for sent, decided in db.session.execute(query)]
    return _delays(waits) if waits else None


def _delays(waits: Sequence[Wait]) -> Delays:
    return Delays(waiting.quantile(waits, MEDIAN), waiting.quantile(waits, NINTH_DECILE))


def _compared(found: Comparison, totals: Totals) -> list[ComparedRate]:
    """Set the territory's rates beside the average; one that gives a masked number away is masked too."""
    sources = {
        "needs": totals.published_needs,
        "offers": totals.published_offers,
        "matches": totals.matches,
        "exchanges": totals.exchanges,
        "reached": totals.reached,
    }
    return [
        ComparedRate(
            name=name,
            own=source if isinstance(source, Hidden) else getattr(found.own, name),
            average=getattr(found.average, name) if found.average else None,
        )
        for name, source in sources.items()
    ]
