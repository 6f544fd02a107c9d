"""Search over what is online: words, with slips forgiven, and the filters of lists; ranked, counted, paged.

The database's full text says which listings hold the words; the facts about them are in memory
(services.search_entries). docs/search.md tells the formula and what was measured.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select, text

from marketplace import clock
from marketplace.extensions import db
from marketplace.matching.distance import KM_PER_DEGREE
from marketplace.models import (
    Commune,
    ListingKind,
    Organisation,
    SearchEntry,
    Sector,
    SizeClass,
    Skill,
    Territory,
    Venue,
)
from marketplace.services import directory, market, search_entries, search_words, skills
from marketplace.services.directory import PER_PAGE, VENUE_PLACES, Filters, Results, Sort
from marketplace.services.paging import Page
from marketplace.services.search_entries import Entries, FloatArray, IntArray
from marketplace.services.search_words import Term

# The score: text, nearness and freshness, each in [0, 1], by these shares.
TEXT_SHARE, NEAR_SHARE, FRESH_SHARE = 0.6, 0.25, 0.15
# Nearness and freshness halve with each of these.
HALF_DISTANCE_KM, HALF_LIFE_DAYS = 15.0, 30.0
# What a word is worth by where it stands.
IN_TITLE, IN_SKILL, IN_TEXT = 1.0, 0.8, 0.5
# What a listing is worth when the whole sentence means its skill.
MEANT = 0.5
# From how many words on, and how sure.
SENTENCE_MIN, SURE_ENOUGH = 2, 0.5
# Values of a facet that are shown, the most frequent ones.
FACET_MAX = 8
DAY = 86_400.0
# Degrees of latitude that a box is wider than its circle, for what rounding takes away.
_MARGIN = 0.001
Mask = NDArray[np.bool_]
Key = TypeVar("Key", int, str)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many listings each choice would leave: by kind, venue, domain (slug), skill (id) and territory.

    A filter in use does not narrow its own counts: they say what to choose instead.
    """

    kinds: Mapping[ListingKind, int]
    venues: Mapping[Venue, int]
    domains: Mapping[str, int]
    skills: Mapping[int, int]
    territories: Mapping[Territory, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_partial`: nothing holds all the words, so the nearest to them are shown."""

    results: Results
    counts: Counts
    terms: Sequence[Term]
    is_partial: bool

    @property
    def corrected(self) -> list[tuple[str, str]]:
        """Return the words that were read as others, each with the nearest of them."""
        return [(term.written, term.forms[0]) for term in self.terms if term.is_corrected and term.forms]


@dataclass(frozen=True, slots=True)
class _Hits:
    """Entries with what the words are worth in them, in [0, 1], and `coverage`: how many words they hold."""

    entries: Entries
    score: FloatArray
    coverage: IntArray


def find(kind: ListingKind | None, filters: Filters, *, page: int = 1, size: int = PER_PAGE) -> Answer:
    """Return one page of the listings, of both kinds when `kind` is None, and the counts of all.

    A number outside the pages gives the nearest one. Raises RuntimeError inside a unit of work.
    """
    terms = search_words.read(filters.words)
    hits = _hits(terms)
    sieve = _sieve(hits.entries, kind, filters)
    is_partial = bool(terms) and not (sieve.all() & (hits.coverage == len(terms))).any()
    if is_partial:
        hits = _with_meant(hits, terms, filters.words)
        sieve = _sieve(hits.entries, kind, filters)
    sieve = replace(sieve, fixed=sieve.fixed & (hits.coverage >= _enough(terms, is_partial)))
    rows = np.flatnonzero(sieve.all())
    ids = hits.entries.listing[_order(hits, sieve, rows, filters.sort)]
    results = _results(ids, filters, page, size, has_more=len(rows) > directory.COUNT_MAX)
    return Answer(results, sieve.counts(), terms, is_partial and len(rows) > 0)


def new(kind: ListingKind | None, filters: Filters, *, since: datetime) -> list[int]:
    """Return the listings published after `since` that hold all the words and pass, the best first."""
    ids = search_entries.told(
        select(search_entries.ids()).where(SearchEntry.published_at > since.timestamp())
    )
    terms = search_words.read(filters.words)
    hits = _hits(terms, among=ids)
    sieve = _sieve(hits.entries, kind, filters)
    rows = np.flatnonzero(sieve.all() & (hits.coverage >= len(terms)))
    return [int(key) for key in hits.entries.listing[_order(hits, sieve, rows, filters.sort)]]


@dataclass(frozen=True, slots=True)
class _Sieve:
    """Which entries pass. `fixed`: what no facet changes; `choices`: the filters that facets offer."""

    entries: Entries
    distance_km: FloatArray
    fixed: Mask
    choices: Mapping[str, Mask]

    def all(self) -> Mask:
        return self.without()

    def without(self, *names: str) -> Mask:
        """Return what passes when these choices are open."""
        passing = self.fixed.copy()
        for name, mask in self.choices.items():
            if name not in names:
                passing &= mask
        return passing

    def counts(self) -> Counts:
        kinds = self.entries.is_offer[self.without("kind")]
        places = self.entries.places[self.without("venue")]
        territories = self.entries.territory[self.without("territory")]
        return Counts(
            kinds={kind: int((kinds == _is_offer(kind)).sum()) for kind in ListingKind},
            venues={venue: int((places & int(bits) != 0).sum()) for venue, bits in VENUE_PLACES.items()},
            domains=self._domains(),
            skills=_most(_tally(*self._skills("skill"))),
            territories=_by_territory(_tally(territories)),
        )

    def _skills(self, *free: str) -> list[IntArray]:
        """Return the skills, and those besides, of what passes when these choices are open; 0 for none."""
        passing = self.without(*free)
        return [column[passing] for column in _skills_of(self.entries)]

    def _domains(self) -> dict[str, int]:
        """Count each domain once a listing."""
        domain_of = _domains()
        slugs = list(dict.fromkeys(domain_of.values()))
        number = np.zeros(max(domain_of, default=0) + 1, np.int64)
        for skill, slug in domain_of.items():
            number[skill] = slugs.index(slug) + 1
        first, second, third = (number[skills] for skills in self._skills("skill", "domain"))
        second[second == first] = 0
        third[(third == first) | (third == second)] = 0
        return _most({slugs[key - 1]: count for key, count in _tally(first, second, third).items()})


def _hits(terms: Sequence[Term], among: IntArray | None = None) -> _Hits:
    """Return the entries that hold one of the terms, of these ids only when they are given."""
    if not terms:
        ids = search_entries.told(select(search_entries.ids())) if among is None else among
        none = np.zeros(len(ids))
        return _Hits(search_entries.get(ids), none, none.astype(np.int64))
    anywhere = [_holding("text", [*term.forms, *_numbers(term.skills)]) for term in terms]
    ids = np.unique(np.concatenate(anywhere))
    entries = search_entries.get(ids if among is None else np.intersect1d(ids, among))
    worth = [_worth(entries, term, own) for term, own in zip(terms, anywhere, strict=True)]
    score = np.sum(worth, axis=0) / len(terms)
    return _Hits(entries, score, np.sum([each > 0 for each in worth], axis=0))


def _worth(entries: Entries, term: Term, ids: IntArray) -> FloatArray:
    """Return what a word is worth in each entry, 0 where it is not, by the best place it stands in."""
    worth = np.where(np.isin(entries.id, ids), IN_TEXT, 0.0)
    if term.skills:
        worth[_are_about(entries, term.skills)] = IN_SKILL
    if term.forms:
        worth[np.isin(entries.id, _holding("title", term.forms))] = IN_TITLE
    return worth


def _with_meant(hits: _Hits, terms: Sequence[Term], words: str) -> _Hits:
    """Add the listings of the skill that the words mean as a sentence; they count as holding all of them."""
    if len(terms) < SENTENCE_MIN:
        return hits
    meant = [skill.slug for skill in skills.suggest(words, limit=1) if skill.score >= SURE_ENOUGH]
    keys = list(db.session.scalars(select(Skill.id).where(Skill.slug.in_(meant))))
    if not keys:
        return hits
    ids = np.union1d(hits.entries.id, _holding("text", _numbers(keys)))
    entries = search_entries.get(ids)
    score, coverage = np.zeros(len(ids)), np.zeros(len(ids), np.int64)
    before = np.searchsorted(ids, hits.entries.id)
    score[before], coverage[before] = hits.score, hits.coverage
    of_meant = _are_about(entries, keys)
    score[of_meant] = np.maximum(score[of_meant], MEANT)
    coverage[of_meant] = search_words.TERMS_MAX
    return _Hits(entries, score, coverage)


def _enough(terms: Sequence[Term], is_partial: bool) -> int:
    """Return how many of the words a listing must hold: all, or half where none does."""
    return -(-len(terms) // 2) if is_partial else len(terms)


def _numbers(skill_ids: Collection[int]) -> list[str]:
    """Return skills as they stand among the words of an entry."""
    return [f"skill{key}" for key in sorted(skill_ids)]


def _holding(field: str, words: Sequence[str]) -> IntArray:
    """Return the entries whose title or text holds one of the words."""
    if not words:
        return np.empty(0, np.int64)
    if db.engine.dialect.name == "postgresql":
        query = func.to_tsquery("french", " | ".join(words))
        return search_entries.told(
            select(search_entries.ids()).where(getattr(SearchEntry, field).op("@@")(query))
        )
    quoted = " OR ".join(f'"{word}"' for word in words)
    rows = text("SELECT group_concat(rowid) FROM search_text WHERE search_text MATCH :match")
    return search_entries.told(rows.bindparams(match=f"{field} : ({quoted})"))


def _sieve(entries: Entries, kind: ListingKind | None, filters: Filters) -> _Sieve:
    choices: dict[str, Mask] = {}
    if kind:
        choices["kind"] = entries.is_offer == _is_offer(kind)
    if filters.skill:
        choices["skill"] = _are_about(entries, [filters.skill.id])
    if filters.domain:
        of_domain = [key for key, slug in _domains().items() if slug == filters.domain.slug]
        choices["domain"] = _are_about(entries, of_domain)
    if filters.venue:
        choices["venue"] = np.bitwise_and(entries.places, int(VENUE_PLACES[filters.venue])).astype(bool)
    if filters.territory:
        choices["territory"] = entries.territory == search_entries.code(filters.territory.siren)
    fixed: Mask = entries.expires > clock.now().timestamp()
    if filters.sector:
        fixed &= np.isin(entries.sector, _of_sector(filters.sector))
    if filters.size:
        fixed &= np.isin(entries.organisation, _of_size(filters.size))
    distance_km = np.full(len(entries), np.inf)
    if filters.near:
        fixed &= _around(entries, filters.near, filters.radius_km, distance_km)
    return _Sieve(entries, distance_km, fixed, choices)


def _around(entries: Entries, near: Commune, radius_km: float, distance_km: FloatArray) -> Mask:
    """Return what is within the radius, and write how far it is; the commune itself if it has no point."""
    if near.lat is None or near.lon is None:
        return np.isin(entries.commune, search_entries.code(near.insee))
    rows = np.flatnonzero(np.abs(entries.lat - near.lat) <= radius_km / KM_PER_DEGREE + _MARGIN)
    distance_km[rows] = market.distances_km(near.lat, near.lon, entries.lat[rows], entries.lon[rows])
    within: Mask = distance_km <= radius_km
    return within


def _order(hits: _Hits, sieve: _Sieve, rows: IntArray, sort: Sort) -> IntArray:
    """Return the rows that can be shown, the best, nearest or newest first; of equals the newest first."""
    published, listing = hits.entries.published, hits.entries.listing
    if sort is Sort.DATE:
        worst = -published[rows]
    elif sort is Sort.DISTANCE:
        worst = sieve.distance_km[rows]
    else:
        worst = -_score(hits, sieve, rows)
    if len(rows) > directory.COUNT_MAX:  # sorting all would take longer than finding them
        rank = directory.COUNT_MAX - 1
        kept = np.flatnonzero(worst <= np.partition(worst, rank)[rank])
        rows, worst = rows[kept], worst[kept]
    ranked: IntArray = rows[np.lexsort((-listing[rows], -published[rows], worst))]
    return ranked


def _score(hits: _Hits, sieve: _Sieve, rows: IntArray) -> FloatArray:
    age_days = np.maximum(clock.now().timestamp() - hits.entries.published[rows], 0) / DAY
    score: FloatArray = (
        TEXT_SHARE * hits.score[rows]
        + NEAR_SHARE * np.exp2(-sieve.distance_km[rows] / HALF_DISTANCE_KM)
        + FRESH_SHARE * np.exp2(-age_days / HALF_LIFE_DAYS)
    )
    return score


def _results(ids: IntArray, filters: Filters, page: int, size: int, *, has_more: bool) -> Results:
    total = min(len(ids), directory.COUNT_MAX)
    pages = max(1, -(-total // size))
    number = min(max(page, 1), pages)
    shown = [int(key) for key in ids[:total][(number - 1) * size : number * size]]
    return Results(Page(directory.load(shown, filters.near), number, pages, total), has_more=has_more)


def _of_sector(sector: Sector) -> IntArray:
    if sector.level == "section":
        known = frozenset(db.session.scalars(select(Sector.code).where(Sector.section == sector.code)))
        return search_entries.codes(known.__contains__)
    return search_entries.codes(lambda value: value.startswith(sector.code))


def _of_size(size: SizeClass) -> IntArray:
    """Asked each time, as a structure grows without its listings changing."""
    return search_entries.told(
        select(search_entries.joined(Organisation.id)).where(Organisation.size_class == size)
    )


def _skills_of(entries: Entries) -> tuple[IntArray, IntArray, IntArray]:
    return entries.skill, entries.skill_2, entries.skill_3


def _are_about(entries: Entries, skill_ids: Collection[int]) -> Mask:
    """Return which entries have one of these skills, first or besides."""
    columns = _skills_of(entries)
    wanted = np.zeros(max((int(column.max(initial=0)) for column in columns), default=0) + 1, np.bool_)
    wanted[[key for key in skill_ids if key < len(wanted)]] = True
    found: Mask = wanted[columns[0]] | wanted[columns[1]] | wanted[columns[2]]
    return found


def _domains() -> dict[int, str]:
    """Return the domain of each skill, in the order of domains and skills."""
    return {key: slug for key, slug in db.session.execute(select(Skill.id, Skill.domain_slug))}


def _is_offer(kind: ListingKind) -> int:
    return int(kind is ListingKind.OFFER)


def _tally(*columns: IntArray) -> dict[int, int]:
    """Count the numbers in the columns together; 0 stands for none."""
    numbers = np.bincount(np.concatenate(columns))
    return {int(key): int(numbers[key]) for key in np.flatnonzero(numbers) if key}


def _by_territory(numbers: Mapping[int, int]) -> dict[Territory, int]:
    named = search_entries.values(numbers)
    sirens = _most({siren: numbers[key] for key, siren in named.items()})
    found = db.session.scalars(select(Territory).where(Territory.siren.in_(sirens)))
    territories = {territory.siren: territory for territory in found}
    return {territories[siren]: number for siren, number in sirens.items()}


def _most(numbers: Mapping[Key, int]) -> dict[Key, int]:
    """Return the FACET_MAX most frequent, the most frequent first."""
    some = [(key, number) for key, number in numbers.items() if number]
    return dict(sorted(some, key=lambda pair: (-pair[1], str(pair[0])))[:FACET_MAX])
