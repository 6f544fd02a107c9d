"""Who plays in the demonstration market and what they say. No database, no clock.

The same seed, towns and sizes give the same firms, word for word.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import cos, pi, radians, sin, sqrt
from random import Random
from typing import TypeVar

from marketplace.models import ListingKind, ListingState, OrganisationKind, Place, SizeClass
from marketplace.models.listings import HALF_DAYS, TITLE_MAX
from marketplace.services import prechecks
from marketplace.services.demo_tables import Row, Trade, read_tables

NEED, OFFER = ListingKind.NEED, ListingKind.OFFER
# Sides that a firm takes, and their shares; firms of both sides are what circles are made of.
SIDES: tuple[tuple[tuple[ListingKind, ...], int], ...] = (((NEED,), 32), ((OFFER,), 24), ((NEED, OFFER), 44))
_H, _L, _R = Place.HELPER, Place.LEARNER, Place.REMOTE
PLACES = ((_H | _L, 40), (_H | _L | _R, 35), (_H, 9), (_L, 7), (_L | _R, 5), (_R, 4))
LISTINGS_OF_A_SIDE = ((1, 55), (2, 31), (3, 14))
EXTRA_SKILLS = ((0, 68), (1, 24), (2, 8))
RADII_KM = ((5, 8), (10, 22), (15, 20), (20, 28), (30, 16), (50, 6))
LEVELS = {NEED: ((1, 34), (2, 44), (3, 18), (4, 4)), OFFER: ((2, 26), (3, 48), (4, 26))}
URGENCIES = ((1, 52), (2, 33), (3, 15))
CAPACITIES = ((1, 38), (2, 34), (3, 18), (4, 7), (6, 3))
COMPETITOR_RADII_KM = ((5, 30), (10, 40), (20, 20), (30, 10))
SIZES = ((SizeClass.NONE, 22), (SizeClass.MICRO, 52), (SizeClass.SMALL, 21), (SizeClass.MEDIUM, 5))
CHANCES = {
    "paused": 0.02,
    "total_limit": 0.3,
    "permanent": 0.2,
    "avoid_competitors": 0.15,
    "any_time": 0.4,
    "saturday": 0.1,
    "listed_name": 0.4,
    "trade_last": 0.3,
    "sentence": 0.75,
}
AGE_MAX_HOURS, AGE_USUAL_HOURS, PENDING_AGE_MAX_HOURS = 50 * 24, 9 * 24, 90
# How many listings wait for the moderator of the territory that reads first; every second one is flagged.
PENDING_MIN, PENDING_MAX, PENDING_SHARE = 16, 60, 0.04
PENDING_EVERY_MIN = 4
KM_PER_DEGREE = 111.2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Town:
    """A commune where firms settle."""

    insee: str
    name: str
    territory_siren: str | None
    population: int
    lat: float
    lon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A listing before it is written. `age_hours`: how long ago it was sent."""

    kind: ListingKind
    state: ListingState
    skill: str
    extra_skills: tuple[str, ...]
    level: int
    title: str
    description: str
    places: int
    radius_km: int
    availability: int
    urgency: int | None
    capacity: int
    total_limit: int | None
    is_permanent: bool
    avoid_competitors: bool
    competitor_radius_km: int
    flags: tuple[str, ...]
    age_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """A structure with its listings. `key`: its name in cast_firms.csv; empty for the crowd."""

    key: str
    name: str
    kind: OrganisationKind
    size_class: SizeClass
    sector_code: str
    town: Town
    lat: float
    lon: float
    address: str
    person: str
    drafts: tuple[Draft, ...]


class Script:
    """Composes the firms of one market.

    `related`: the skills near each skill; `read_first`: SIREN of the territory where some listings wait for
    their moderator.
    """

    def __init__(
        self, *, seed: int, towns: Sequence[Town], related: Mapping[str, Sequence[str]], read_first: str
    ) -> None:
        self._dice = _Dice(seed)
        self._towns = towns
        self._town_weights = list(accumulate(town.population for town in towns))
        self._related = related
        self._read_first = read_first
        self._tables = read_tables()
        self._author = _Author(self._dice)
        self._fitting: dict[tuple[str, ListingKind], list[tuple[str, int]]] = {}
        self._town_halls: set[str] = set()
        self._read_first_seen = 0
        self._pending_every = PENDING_EVERY_MIN

    def firms(self, *, needs: int, offers: int, with_cast: bool) -> Iterator[Firm]:
        """Yield firms whose listings make exactly `needs` and `offers`; the cast comes first."""
        self._pending_every = self._rhythm(needs + offers)
        left = {NEED: needs, OFFER: offers}
        for row in self._tables.cast_firms if with_cast else ():
            yield self._cast_firm(row, left)
        while left[NEED] or left[OFFER]:
            yield self._firm(left)

    def _rhythm(self, total: int) -> int:
        """Return every how many listings of the territory that reads first one waits."""
        here = sum(town.population for town in self._towns if town.territory_siren == self._read_first)
        expected = total * here / self._town_weights[-1]
        wanted = min(PENDING_MAX, max(PENDING_MIN, total * PENDING_SHARE))
        return max(PENDING_EVERY_MIN, int(expected / wanted))

    def _cast_firm(self, row: Row, left: dict[ListingKind, int]) -> Firm:
        town = next(town for town in self._towns if town.insee == row["commune"])
        drafts = []
        for told in self._tables.cast_listings:
            kind = ListingKind(told["kind"])
            if told["firm"] == row["key"] and left[kind]:
                left[kind] -= 1
                drafts.append(_cast_draft(told, kind))
        trade, size = self._tables.trades[row["trade"]], SizeClass(row["size_class"])
        return self._settle(trade, town, drafts, key=row["key"], name=row["name"], size=size)

    def _firm(self, left: dict[ListingKind, int]) -> Firm:
        (town,) = self._dice.choices(self._towns, cum_weights=self._town_weights)
        trade = self._trade(town)
        drafts: list[Draft] = []
        taken: set[str] = set()
        for kind, count in self._counts(left).items():
            left[kind] -= count
            drafts += [self._draft(kind, trade, town, taken) for _ in range(count)]
        name = self._firm_name(trade, town)
        return self._settle(trade, town, drafts, key="", name=name, size=self._dice.pick(SIZES))

    def _counts(self, left: Mapping[ListingKind, int]) -> dict[ListingKind, int]:
        """Return how many listings of each kind a firm brings: at least one in all."""
        sides = [side for side in self._dice.pick(SIDES) if left[side]] or [
            side for side in left if left[side]
        ]
        return {side: min(left[side], self._dice.pick(LISTINGS_OF_A_SIDE)) for side in sides}

    def _trade(self, town: Town) -> Trade:
        trades = list(self._tables.trades.values())
        while True:
            (trade,) = self._dice.choices(trades, weights=self._tables.trade_weights)
            if trade.kind is not OrganisationKind.PUBLIC:
                return trade
            if town.insee not in self._town_halls:  # a commune has one
                self._town_halls.add(town.insee)
                return trade

    def _settle(
        self, trade: Trade, town: Town, drafts: Sequence[Draft], *, key: str, name: str, size: SizeClass
    ) -> Firm:
        lat, lon = self._dice.point_near(town)
        names = self._tables.names
        choice = self._dice.choice
        surname = choice(names["surname_start",]) + choice(names["surname_end",])
        return Firm(
            key=key,
            name=name,
            kind=trade.kind,
            size_class=size,
            sector_code=trade.naf,
            town=town,
            lat=lat,
            lon=lon,
            address=f"{self._dice.randint(1, 48)} {choice(names['street',])}",
            person=f"{choice(names['first_name',])} {surname}",
            drafts=tuple(drafts),
        )

    def _firm_name(self, trade: Trade, town: Town) -> str:
        names, dice = self._tables.names, self._dice
        if dice.happens("listed_name"):
            complement = dice.choice(names["complement",])
        else:
            complement = f"des {dice.choice(names['number',])} {dice.choice(names['noun',])}"
        return dice.choice(trade.names).format(of=complement, of_commune=_of(town.name))

    def _draft(self, kind: ListingKind, trade: Trade, town: Town, taken: set[str]) -> Draft:
        dice = self._dice
        skill = self._skill(kind, trade, taken)
        title = self._author.title(kind, skill, trade, town)
        description = self._author.description(kind, skill, trade)
        flags: tuple[str, ...] = ()
        age_max, state = AGE_MAX_HOURS, ListingState.PUBLISHED
        if town.territory_siren == self._read_first and self._waits():
            age_max, state = PENDING_AGE_MAX_HOURS, ListingState.PENDING
            if self._read_first_seen // self._pending_every % 2:
                description, flags = self._author.offend(kind, skill, title, description)
        elif dice.happens("paused"):
            state = ListingState.PAUSED
        if not flags:
            self._author.remember(kind, skill, description)
        capacity = 1 if kind is NEED else dice.pick(CAPACITIES)
        limited = kind is OFFER and dice.happens("total_limit")
        return Draft(
            kind=kind,
            state=state,
            skill=skill,
            extra_skills=self._extra(skill),
            level=dice.pick(LEVELS[kind]),
            title=title,
            description=description,
            places=int(dice.pick(PLACES)),
            radius_km=dice.pick(RADII_KM),
            availability=dice.half_days(),
            urgency=dice.pick(URGENCIES) if kind is NEED else None,
            capacity=capacity,
            total_limit=capacity + dice.randint(1, 8) if limited else None,
            is_permanent=kind is OFFER and dice.happens("permanent"),
            avoid_competitors=dice.happens("avoid_competitors"),
            competitor_radius_km=dice.pick(COMPETITOR_RADII_KM),
            flags=flags,
            age_hours=min(age_max, int(dice.triangular(1, AGE_MAX_HOURS, AGE_USUAL_HOURS))),
        )

    def _waits(self) -> bool:
        self._read_first_seen += 1
        return self._read_first_seen % self._pending_every == 0

    def _skill(self, kind: ListingKind, trade: Trade, taken: set[str]) -> str:
        key = (trade.slug, kind)
        if key not in self._fitting:
            self._fitting[key] = [(s.slug, s.weight[kind]) for s in self._tables.skills if s.fits(trade)]
        while (slug := self._dice.pick(self._fitting[key])) in taken:
            pass
        taken.add(slug)
        return slug

    def _extra(self, skill: str) -> tuple[str, ...]:
        near = list(self._related.get(skill, ()))
        return tuple(self._dice.sample(near, min(len(near), self._dice.pick(EXTRA_SKILLS))))


class _Dice(Random):
    """Chance, with the shares of this market."""

    def happens(self, what: str) -> bool:
        return self.random() < CHANCES[what]

    def pick(self, weighted: Sequence[tuple[T, int]]) -> T:
        (chosen,) = self.choices(weighted, weights=[weight for _, weight in weighted])
        return chosen[0]

    def half_days(self) -> int:
        """Return any time (0), or two to six half-days, hardly ever at the weekend."""
        if self.happens("any_time"):
            return 0
        weekend = 2 if self.happens("saturday") else 4
        return sum(1 << bit for bit in self.sample(range(HALF_DAYS - weekend), self.randint(2, 6)))

    def point_near(self, town: Town) -> tuple[float, float]:
        """Return a point around the town hall: within 500 m in a village, 2 km in a city."""
        reach = min(2.0, 0.4 + sqrt(town.population / 50_000))
        distance, angle = reach * sqrt(self.random()), 2 * pi * self.random()
        lat = town.lat + distance * cos(angle) / KM_PER_DEGREE
        lon = town.lon + distance * sin(angle) / (KM_PER_DEGREE * cos(radians(town.lat)))
        return round(lat, 5), round(lon, 5)


class _Author:
    """Writes titles and descriptions, and now and then what a pre-check must see."""

    def __init__(self, dice: _Dice) -> None:
        self._dice = dice
        self._tables = read_tables()
        self._last: dict[tuple[ListingKind, str], str] = {}
        self._offences = 0

    def title(self, kind: ListingKind, skill: str, trade: Trade, town: Town) -> str:
        title = self._dice.choice(self._tables.texts[skill, kind, "title"])
        form = self._dice.choice(("{title}", "{title} ({label})", "{title} {at}", "{title} – {label} {at}"))
        full = form.format(title=title, label=trade.label, at=_at(town.name))
        return full if len(full) <= TITLE_MAX else title

    def description(self, kind: ListingKind, skill: str, trade: Trade) -> str:
        choice, sentences = self._dice.choice, self._tables.sentences
        first = [choice(trade.contexts), choice(self._tables.texts[skill, kind, "text"])]
        if self._dice.happens("trade_last"):
            first.reverse()
        parts = ("attempt", "wish", "closing") if kind is NEED else ("proof", "limit", "closing")
        # Nobody says everything, and nobody only two sentences.
        kept = [part for part in parts if self._dice.happens("sentence")] or [parts[1]]
        told = (*first, *(choice(sentences[kind, part]) for part in kept))
        return " ".join(_capital(sentence.format(**trade.words)) for sentence in told)

    def remember(self, kind: ListingKind, skill: str, description: str) -> None:
        self._last[kind, skill] = description

    def offend(
        self, kind: ListingKind, skill: str, title: str, description: str
    ) -> tuple[str, tuple[str, ...]]:
        """Return the text with something that a moderator must see, and the pre-checks that see it."""
        turn = self._offences % (len(self._tables.flagged) + 1)
        self._offences += 1
        if turn == len(self._tables.flagged) and (kind, skill) in self._last:
            return self._last[kind, skill], ("repeat",)
        described = f"{description} {self._tables.flagged[turn % len(self._tables.flagged)]}"
        return described, tuple(prechecks.flags_of(title, described))


def _cast_draft(told: Row, kind: ListingKind) -> Draft:
    number = int(told["urgency_or_capacity"])
    return Draft(
        kind=kind,
        state=ListingState.PUBLISHED,
        skill=told["skill"],
        extra_skills=(),
        level=int(told["level"]),
        title=told["title"],
        description=told["description"],
        places=int(_H | _L),
        radius_km=20,
        availability=0,
        urgency=number if kind is NEED else None,
        capacity=1 if kind is NEED else number,
        total_limit=None,
        is_permanent=False,
        avoid_competitors=False,
        competitor_radius_km=10,
        flags=(),
        age_hours=72,
    )


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _at(commune: str) -> str:
    """« au Rheu », « aux Sorinières », « à Liffré »."""
    for article, joined in (("Le ", "au "), ("Les ", "aux ")):
        if commune.startswith(article):
            return joined + commune.removeprefix(article)
    return f"à {commune}"


def _of(commune: str) -> str:
    """« du Rheu », « des Sorinières », « d’Acigné », « de Liffré »."""
    for article, joined in (("Le ", "du "), ("Les ", "des ")):
        if commune.startswith(article):
            return joined + commune.removeprefix(article)
    return f"d’{commune}" if commune[0] in "AEIOUÉÈÎ" else f"de {commune}"
