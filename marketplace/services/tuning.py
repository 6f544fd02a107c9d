"""What other settings would have made of the last round, before they are applied."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, or_, select, true
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import Commune, Listing, Match, MatchingRound, Place, User
from marketplace.models.matches import LIVE
from marketplace.services import market, policies
from marketplace.services.market import Market, Policies, chunks
from marketplace.services.policies import Settings

# How many needs of each kind are named; all are counted.
NAMED = 50
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Half:
    """A round under one of the two settings; `mean_distance_km` over exchanges on site, None without any."""

    matched: int
    circles: int
    mean_distance_km: float | None
    total_weight: float


@dataclass(frozen=True, slots=True)
class Counterpart:
    """`distance_km`: the way to it; None when they would meet remotely."""

    offer_id: int
    title: str
    distance_km: float | None


@dataclass(frozen=True, slots=True)
class Shift:
    """A need whose pair changes; None: no pair."""

    need_id: int
    title: str
    before: Counterpart | None
    after: Counterpart | None


@dataclass(frozen=True, slots=True)
class Shifts:
    """How many needs, and the first of them by id."""

    count: int
    named: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The last round played again under the present settings and under others.

    `gains`: needs that only the other settings pair; `losses`: those that they leave alone; `moved`: those
    paired with another offer. `round_id`: the round whose proposals were put back, None before any.
    """

    territory: str | None
    round_id: int | None
    needs: int
    before: Half
    after: Half
    gains: Shifts
    losses: Shifts
    moved: Shifts

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_text(self) -> str:
        replayed = (
            f"round {self.round_id} played again" if self.round_id else "no round so far: the present market"
        )
        return "\n".join(
            [
                f"{replayed}, {self.needs} needs: present settings → these",
                f"matched {self.before.matched} → {self.after.matched}, "
                f"circles {self.before.circles} → {self.after.circles}",
                f"mean distance {_km(self.before)} → {_km(self.after)}",
                f"needs that gain a pair: {self.gains.count}; lose it: {self.losses.count}; "
                f"get another: {self.moved.count}",
            ]
        )


def preview(siren: str, settings: Settings, *, by: User) -> Comparison:
    """Compare for somebody who may change the settings of the territory. Raises NotFound, FieldError."""
    policies.territory_of(siren, by=by)
    return compare(siren, settings)


def compare(siren: str | None, settings: Settings) -> Comparison:
    """Play the last round again under the present settings and under others, over a territory's needs or all.

    Proposals of that round that are still alive are put back, with their places; the rest of the market is as
    it is now. For all territories the settings stand for the nation's. Writes nothing. Raises FieldError.
    """
    others = policies.changed(siren, settings)
    round_id, pairs = _last_pairs(siren)
    pool = _pool(siren, pairs)
    closed = _still_closed(pool, pairs)
    before, after = (_chosen(pool, using, closed) for using in (market.policies(), others))
    return Comparison(
        territory=siren,
        round_id=round_id,
        needs=len(pool.needs),
        before=before.half,
        after=after.half,
        **_shifts(pool, before.pairs, after.pairs),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """`pairs`: row of the need → row of the offer and the way between them."""

    half: Half
    pairs: Mapping[int, tuple[int, float]]


def _chosen(pool: Market, using: Policies, closed: tuple[IntArray, IntArray]) -> _Chosen:
    plan = market.plan(pool, using, excluded=closed)
    need, offer = plan.edges.need[plan.matched], plan.edges.offer[plan.matched]
    ways = market.ways_km(pool, using, need, offer)
    on_site = ways[np.isfinite(ways)]
    return _Chosen(
        half=Half(
            matched=len(need),
            circles=len(plan.circles),
            mean_distance_km=round(float(on_site.mean()), 3) if len(on_site) else None,
            total_weight=round(float(plan.edges.weight[plan.matched].sum()), 6),
        ),
        pairs={i: (j, way) for i, j, way in zip(need.tolist(), offer.tolist(), ways.tolist(), strict=True)},
    )


def _last_pairs(siren: str | None) -> tuple[int | None, list[tuple[int, int]]]:
    """Return the last round over these needs, and its pairs that still hold places here."""
    rounds = select(func.max(MatchingRound.id))
    if siren:
        rounds = rounds.where(
            or_(MatchingRound.territory_siren == siren, MatchingRound.territory_siren.is_(None))
        )
    round_id = db.session.scalar(rounds)
    if round_id is None:
        return None, []
    pairs = (
        select(Match.need_id, Match.offer_id)
        .join(Listing, Match.need_id == Listing.id)
        .where(Match.round_id == round_id, Match.state.in_(LIVE), _here(siren))
    )
    return round_id, [(need_id, offer_id) for need_id, offer_id in db.session.execute(pairs)]


def _pool(siren: str | None, pairs: Sequence[tuple[int, int]]) -> Market:
    """Return the open market with the pairs put back."""
    held_needs, held_offers = [need for need, _ in pairs], [offer for _, offer in pairs]
    pool = market.load(
        needs=or_(market.is_open() & _here(siren), _one_of(held_needs)),
        offers=or_(market.is_open() & _reachable_from(siren), _one_of(held_offers)),
    )
    freed = np.bincount(pool.offer_rows(np.array(held_offers, np.int64)), minlength=len(pool.offers))
    return replace(pool, offers=replace(pool.offers, capacity=pool.offers.capacity + freed))


def _still_closed(pool: Market, pairs: Sequence[tuple[int, int]]) -> tuple[IntArray, IntArray]:
    """Return the closed pairs but for those put back."""
    need, offer = market.closed_pairs(pool)
    keys = need * max(len(pool.offers), 1) + offer
    back = np.array(pairs, np.int64).reshape(-1, 2)
    put_back = pool.need_rows(back[:, 0]) * max(len(pool.offers), 1) + pool.offer_rows(back[:, 1])
    kept = ~np.isin(keys, put_back)
    return need[kept], offer[kept]


def _here(siren: str | None) -> ColumnElement[bool]:
    return Listing.territory_siren == siren if siren else true()


def _one_of(ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition by chunks that fit in a statement."""
    return or_(*(Listing.id.in_(chunk) for chunk in chunks(ids))) if ids else Listing.id.in_([])


def _reachable_from(siren: str | None) -> ColumnElement[bool]:
    """Return a wide condition on offers that needs of the territory may reach; the matcher's rules decide."""
    if siren is None:
        return true()
    corners = select(
        func.min(Commune.lat), func.max(Commune.lat), func.min(Commune.lon), func.max(Commune.lon)
    ).where(Commune.territory_siren == siren)
    box = [float(side) for side in db.session.execute(corners).one() if side is not None]
    remote = Listing.places.op("&")(int(Place.REMOTE)) != 0
    if not box:  # overseas communes without a point
        return remote
    reach = db.session.scalar(select(func.max(Listing.radius_km)).where(_here(siren))) or 0
    south, north, west, east = market.widened(*box, by_km=reach)
    near = Listing.lat.between(south, north) & Listing.lon.between(west, east)
    return or_(near, remote)


def _shifts(
    pool: Market, before: Mapping[int, tuple[int, float]], after: Mapping[int, tuple[int, float]]
) -> dict[str, Any]:
    kinds: dict[str, list[int]] = {"gains": [], "losses": [], "moved": []}
    for need in sorted(before.keys() | after.keys()):
        if need not in before:
            kinds["gains"].append(need)
        elif need not in after:
            kinds["losses"].append(need)
        elif before[need][0] != after[need][0]:
            kinds["moved"].append(need)
    named = {kind: rows[:NAMED] for kind, rows in kinds.items()}
    titles = _titles(pool, [row for rows in named.values() for row in rows], before, after)
    return {
        kind: Shifts(
            count=len(kinds[kind]),
            named=tuple(_shift(pool, row, before.get(row), after.get(row), titles) for row in rows),
        )
        for kind, rows in named.items()
    }


def _shift(
    pool: Market,
    row: int,
    before: tuple[int, float] | None,
    after: tuple[int, float] | None,
    titles: Mapping[int, str],
) -> Shift:
    need_id = int(pool.needs.id[row])
    return Shift(
        need_id, titles[need_id], _counterpart(pool, before, titles), _counterpart(pool, after, titles)
    )


def _counterpart(
    pool: Market, pair: tuple[int, float] | None, titles: Mapping[int, str]
) -> Counterpart | None:
    if pair is None:
        return None
    row, way = pair
    offer_id = int(pool.offers.id[row])
    return Counterpart(offer_id, titles[offer_id], None if math.isnan(way) else round(way, 3))


def _titles(pool: Market, rows: Sequence[int], *halves: Mapping[int, tuple[int, float]]) -> dict[int, str]:
    ids = {int(pool.needs.id[row]) for row in rows}
    ids |= {int(pool.offers.id[half[row][0]]) for half in halves for row in rows if row in half}
    titles: dict[int, str] = {}
    for chunk in chunks(sorted(ids)):
        query = select(Listing.id, Listing.title).where(Listing.id.in_(chunk))
        titles.update({key: title for key, title in db.session.execute(query)})
    return titles


def _km(half: Half) -> str:
    return "none" if half.mean_distance_km is None else f"{half.mean_distance_km:.1f} km"
