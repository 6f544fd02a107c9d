"""A matching round: read the open market, let the matcher decide, write its proposals in one transaction."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select, true, update

from marketplace import clock
from marketplace.extensions import db
from marketplace.matching import Plan, Prices
from marketplace.models import (
    ExchangeCircle,
    Listing,
    ListingKind,
    Match,
    MatchingRound,
    MatchOrigin,
    MatchState,
    Membership,
    MembershipState,
    OutboxMail,
    RoundOutcome,
    RoundPrice,
    Territory,
    User,
)
from marketplace.services import mailer, market, policies
from marketplace.services.errors import NotFound
from marketplace.services.journal import TOUCHED
from marketplace.services.market import Alone, Policies, Reasons, chunks
from marketplace.services.matches import ANSWER_WITHIN
from marketplace.services.policies import Settings
from marketplace.services.work import Work, unit_of_work

OnStep = Callable[[str, float], None]
LOAD, WRITE = "load", "write"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A pair that the matcher chose. `circle`: number of its circle in the plan, None outside one."""

    need_id: int
    offer_id: int
    need_organisation_id: int
    offer_organisation_id: int
    circle: int | None
    reasons: Reasons


@dataclass(frozen=True, slots=True)
class RoundReport:
    """Figures of a round, as the command prints them. `round_id`: None for a dry run.

    Weights are sums of scores. `written` falls short of `matched` when listings changed meanwhile.
    """

    round_id: int | None
    territory: str | None
    needs: int
    offers: int
    edges: int
    matched: int
    circles: int
    written: int
    total_weight: float
    greedy_weight: float
    greedy_matched: int
    first_come_weight: float
    first_come_matched: int
    left_alone: Mapping[str, int]
    seconds: Mapping[str, float]

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_text(self) -> str:
        lines = [
            f"needs {self.needs}, offers {self.offers}, edges {self.edges}",
            f"matched {self.matched} (circles: {self.circles}), written {self.written}",
            f"total weight {self.total_weight:.3f}; "
            f"greedy {self.greedy_weight:.3f} ({self.greedy_matched} matched); "
            f"first come first served {self.first_come_weight:.3f} ({self.first_come_matched} matched)",
            "left alone: " + (", ".join(f"{reason} {n}" for reason, n in self.left_alone.items()) or "none"),
            "seconds: " + ", ".join(f"{step} {seconds:.2f}" for step, seconds in self.seconds.items()),
        ]
        return "\n".join(lines)


def run(
    *,
    territory: str | None = None,
    dry_run: bool = False,
    settings: Settings | None = None,
    scheduler: str | None = None,
    by: User | None = None,
    on_step: OnStep | None = None,
) -> RoundReport:
    """Run a round over the needs of one territory, or of all, and propose its pairs.

    Each need is scored by the settings of its territory. Live matches are not touched and a declined pair
    never comes back. What changed while the matcher computed is checked again before writing. `settings`: in
    a dry run only, instead of those of the territory, or of the nation. `scheduler`: of dask.distributed,
    whose workers find the candidates. `on_step(step, fraction)` follows the progress. Raises NotFound for a
    SIREN that is no territory, FieldError for a setting that cannot be, SchedulerUnreachable.
    """
    if settings is not None and not dry_run:
        raise ValueError("settings are for a dry run: a round follows those that were applied")
    tell = on_step or (lambda _step, _fraction: None)
    started_at, start = clock.now(), perf_counter()
    _require_territory(territory)
    using = market.policies() if settings is None else policies.changed(territory, settings)
    tell(LOAD, 0.0)
    pool = market.load(
        needs=market.is_open() & (Listing.territory_siren == territory if territory else true()),
        offers=market.is_open(),
    )
    tell(LOAD, 1.0)
    loaded = perf_counter()
    closed = market.closed_pairs(pool)
    plan = market.plan(pool, using, excluded=closed, scheduler=scheduler, on_step=on_step)
    proposals = _proposals(pool, using, plan)
    worth = market.prices(pool, using, plan)
    alone = market.left_alone(pool, using, plan, closed, worth)
    computed = perf_counter()
    tell(WRITE, 0.0)
    figures = asdict(plan.figures)
    del figures["seconds"]
    figures["left_alone"] = dict(sorted(Counter(str(one.reason) for one in alone).items()))
    seconds = {LOAD: loaded - start, **plan.figures.seconds}
    round_id, written = None, 0
    if not dry_run:
        kept = _Writer(proposals, prices=_prices(pool, worth), alone=alone).write(
            MatchingRound(
                started_at=started_at,
                finished_at=clock.now(),
                territory_siren=territory,
                started_by_id=by.id if by else None,
                policy=(using.of(territory) if territory else using).to_mapping(),
                figures=figures,
            ),
            by=by,
        )
        round_id, written = kept
    tell(WRITE, 1.0)
    seconds[WRITE] = perf_counter() - computed
    return RoundReport(
        round_id=round_id,
        territory=territory,
        written=written,
        seconds={step: round(value, 4) for step, value in seconds.items()},
        **figures,
    )


def latest(limit: int = 5) -> list[MatchingRound]:
    """Return the last rounds, the newest first."""
    return list(db.session.scalars(select(MatchingRound).order_by(MatchingRound.id.desc()).limit(limit)))


def _require_territory(siren: str | None) -> None:
    if siren is not None and db.session.get(Territory, siren) is None:
        raise NotFound(f"territory {siren}")


def _proposals(pool: market.Market, using: Policies, plan: Plan) -> list[Proposal]:
    circle_of = {edge: number for number, circle in enumerate(plan.circles) for edge in circle}
    needs, offers, edges = pool.needs, pool.offers, plan.edges
    need, offer = edges.need[plan.matched], edges.offer[plan.matched]
    why = market.reasons(pool, using, need, offer)
    return [
        Proposal(
            need_id=int(needs.id[i]),
            offer_id=int(offers.id[j]),
            need_organisation_id=int(needs.organisation[i]),
            offer_organisation_id=int(offers.organisation[j]),
            circle=circle_of.get(edge),
            reasons=one,
        )
        for edge, i, j, one in zip(plan.matched.tolist(), need, offer, why, strict=True)
        if isinstance(one, Reasons)
    ]


class _Writer:
    """Writes the proposals of a plan that still hold.

    Mails are composed before the transaction: on SQLite nobody else writes while it lasts.
    """

    def __init__(
        self, proposals: list[Proposal], *, prices: dict[int, float | None], alone: list[Alone]
    ) -> None:
        self.proposals, self.prices, self.alone = proposals, prices, alone
        self.mails = dict(_mails(proposals))

    def write(self, row: MatchingRound, *, by: User | None) -> tuple[int, int]:
        """Return the round's id and the number of matches written."""
        with unit_of_work() as work:
            work.add(row)
            kept = _still_valid(work, self.proposals)
            _insert_matches(work, row.id, kept)
            _take_places(work, kept)
            _keep_outcomes(work, row.id, self.prices, self.alone)
            row.figures = {**row.figures, "written": len(kept)}
            work.session.add_all(self._mails_of(kept))
            work.audit("round.run", row, by=by, territory=row.territory_siren, after={"written": len(kept)})
        return row.id, len(kept)

    def _mails_of(self, kept: list[Proposal]) -> Iterable[OutboxMail]:
        if len(kept) == len(self.proposals):
            return self.mails.values()
        return dict(_mails(kept)).values()


def _still_valid(work: Work, proposals: list[Proposal]) -> list[Proposal]:
    """Lock the listings, by id as all acts do, and keep the pairs that still may be.

    A broken circle goes whole.
    """
    ids = sorted({p.need_id for p in proposals} | {p.offer_id for p in proposals})
    room: dict[int, int] = {}
    for chunk in chunks(ids):
        query = (
            select(
                Listing.id,
                Listing.capacity,
                Listing.total_limit,
                Listing.live_matches,
                Listing.completed_matches,
            )
            .where(Listing.id.in_(chunk), market.is_open())
            .order_by(Listing.id)
            .with_for_update(key_share=True)
        )
        for key, capacity, limit, live, done in work.session.execute(query):
            room[key] = min(capacity - live, capacity if limit is None else limit - live - done)
    closed = _closed_since(work, proposals)
    fits = []
    for proposal in proposals:
        pair = (proposal.need_id, proposal.offer_id)
        ok = pair not in closed and all(room.get(key, 0) > 0 for key in pair)
        for key in pair if ok else ():
            room[key] -= 1
        fits.append(ok)
    broken = {p.circle for p, ok in zip(proposals, fits, strict=True) if not ok and p.circle is not None}
    return [p for p, ok in zip(proposals, fits, strict=True) if ok and p.circle not in broken]


def _closed_since(work: Work, proposals: list[Proposal]) -> set[tuple[int, int]]:
    """Return the pairs of these needs that are live, done or declined: ix_match_pair would refuse them."""
    again = (MatchState.EXPIRED, MatchState.CANCELLED)
    closed: set[tuple[int, int]] = set()
    for chunk in chunks([p.need_id for p in proposals]):
        query = select(Match.need_id, Match.offer_id).where(
            Match.need_id.in_(chunk), Match.state.not_in(again)
        )
        closed.update((need_id, offer_id) for need_id, offer_id in work.session.execute(query))
    return closed


def _insert_matches(work: Work, round_id: int, proposals: list[Proposal]) -> None:
    circles = _insert_circles(work, round_id, proposals)
    now = clock.now()
    for chunk in chunks(proposals):
        work.session.execute(insert(Match), [_row(p, round_id, circles, now) for p in chunk])


def _prices(pool: market.Market, worth: Prices) -> dict[int, float | None]:
    """Return the price of each listing that took part, by id."""
    ids = [*pool.needs.id.tolist(), *pool.offers.id.tolist()]
    found = np.concatenate((worth.need, worth.offer)).tolist()
    return {key: None if math.isnan(price) else price for key, price in zip(ids, found, strict=True)}


def _keep_outcomes(work: Work, round_id: int, prices: Mapping[int, float | None], alone: list[Alone]) -> None:
    """Replace what an earlier round said of the listings that took part and are still there."""
    reasons = {one.need_id: one for one in alone}
    for chunk in chunks(prices):
        work.session.execute(delete(RoundOutcome).where(RoundOutcome.need_id.in_(chunk)))
        work.session.execute(delete(RoundPrice).where(RoundPrice.listing_id.in_(chunk)))
        there = list(work.session.scalars(select(Listing.id).where(Listing.id.in_(chunk))))
        if there:
            rows = [{"listing_id": key, "round_id": round_id, "price": prices[key]} for key in there]
            work.session.execute(insert(RoundPrice), rows, execution_options={"render_nulls": True})
        outcomes = [_outcome(reasons[key], round_id) for key in there if key in reasons]
        if outcomes:
            work.session.execute(insert(RoundOutcome), outcomes)


def _outcome(one: Alone, round_id: int) -> dict[str, Any]:
    return {
        "need_id": one.need_id,
        "round_id": round_id,
        "reason": one.reason,
        "lost": [{"offer_id": offer_id, "loss": loss} for offer_id, loss in one.lost],
    }


def _insert_circles(work: Work, round_id: int, proposals: list[Proposal]) -> dict[int, int]:
    """Return the row id of each circle number."""
    sizes: dict[int, int] = defaultdict(int)
    for proposal in proposals:
        if proposal.circle is not None:
            sizes[proposal.circle] += 1
    rows = {number: ExchangeCircle(round_id=round_id, size=size) for number, size in sizes.items()}
    work.session.add_all(rows.values())
    work.session.flush()
    return {number: row.id for number, row in rows.items()}


def _row(proposal: Proposal, round_id: int, circles: Mapping[int, int], now: datetime) -> dict[str, Any]:
    circle = proposal.circle
    return {
        "need_id": proposal.need_id,
        "offer_id": proposal.offer_id,
        "need_organisation_id": proposal.need_organisation_id,
        "offer_organisation_id": proposal.offer_organisation_id,
        "state": MatchState.PROPOSED,
        "origin": MatchOrigin.ROUND if circle is None else MatchOrigin.CIRCLE,
        "round_id": round_id,
        "circle_id": None if circle is None else circles[circle],
        "score": proposal.reasons.score,
        "distance_km": proposal.reasons.distance_km,
        "explanation": proposal.reasons.as_json(),
        "expires_at": now + ANSWER_WITHIN,
    }


def _take_places(work: Work, proposals: list[Proposal]) -> None:
    """Count the live matches; the rows are locked, and the CHECK of the table stands behind."""
    taken: dict[int, int] = defaultdict(int)
    for proposal in proposals:
        taken[proposal.need_id] += 1
        taken[proposal.offer_id] += 1
    by_count: dict[int, list[int]] = defaultdict(list)
    for key, count in taken.items():
        by_count[count].append(key)
    for count, keys in by_count.items():
        for chunk in chunks(keys):
            work.session.execute(
                update(Listing)
                .where(Listing.id.in_(chunk))
                .values(live_matches=Listing.live_matches + count, updated_at=Listing.updated_at)
                .execution_options(synchronize_session=False, **{TOUCHED: chunk})
            )


def _mails(proposals: list[Proposal]) -> Iterable[tuple[int, OutboxMail]]:
    """Compose one message per person, whatever the number of proposals they get."""
    speakers = _speakers({o for p in proposals for o in (p.need_organisation_id, p.offer_organisation_id)})
    titles = _titles({key for p in proposals for key in (p.need_id, p.offer_id)})
    told: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for p in proposals:
        for kind, mine, theirs, organisation in (
            (ListingKind.NEED, p.need_id, p.offer_id, p.need_organisation_id),
            (ListingKind.OFFER, p.offer_id, p.need_id, p.offer_organisation_id),
        ):
            line = {
                "kind": kind,
                "mine": titles[mine],
                "theirs": titles[theirs],
                "distance_km": p.reasons.distance_km,
                "remote": p.reasons.remote,
                "in_circle": p.circle is not None,
            }
            for person in speakers[organisation]:
                told[person.id].append(line)
    people = {person.id: person for group in speakers.values() for person in group}
    for key in sorted(told):
        person = people[key]
        yield (
            key,
            mailer.compose(
                "round_proposals", to=person.email, is_bulk=True, person=person, proposals=told[key]
            ),
        )


def _speakers(organisation_ids: set[int]) -> dict[int, list[User]]:
    speakers: dict[int, list[User]] = defaultdict(list)
    for chunk in chunks(sorted(organisation_ids)):
        query = (
            select(Membership.organisation_id, User)
            .join(User, Membership.user_id == User.id)
            .where(Membership.organisation_id.in_(chunk), Membership.state == MembershipState.ACTIVE)
            .order_by(User.id)
        )
        for organisation_id, user in db.session.execute(query):
            speakers[organisation_id].append(user)
    return speakers


def _titles(listing_ids: set[int]) -> dict[int, str]:
    titles: dict[int, str] = {}
    for chunk in chunks(sorted(listing_ids)):
        query = select(Listing.id, Listing.title).where(Listing.id.in_(chunk))
        titles.update({key: title for key, title in db.session.execute(query)})
    return titles
