"""The market in memory answers as the database does, whatever happened, in every process."""

import random
from collections.abc import Callable
from contextvars import Context
from threading import enumerate as enumerate_threads

import pytest
from flask import Flask
from sqlalchemy import delete, select

from marketplace import create_app
from marketplace.extensions import db
from marketplace.models import (
    DeclineReason,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    Match,
    MatchState,
    Organisation,
    Place,
    Territory,
)
from marketplace.models.matches import LIVE
from marketplace.services import listings, live_index, matches, ranking, rounds
from marketplace.services.errors import InvalidTransition, ServiceError
from marketplace.services.ranking import Ranked
from tests.support.builders import CESSON, LIFFRE, LIFFRE_CORMIER, PARIS, RENNES
from tests.support.queries import counted
from tests.support.threads import at_once

SKILLS = ("boutique-en-ligne", "site-vitrine", "nom-de-domaine", "tableur")
PLACES = (int(Place.HELPER | Place.LEARNER), int(Place.REMOTE), int(Place.HELPER | Place.REMOTE))


@pytest.fixture
def from_database(monkeypatch) -> Callable[[Listing], list[Ranked]]:
    """Rank by asking the database only."""

    def rank(listing: Listing) -> list[Ranked]:
        with monkeypatch.context() as patched:
            patched.setattr(live_index, "counterparts", lambda *_, **__: None)
            return ranking.best_for(listing)

    return rank


def told(ranked: list[Ranked]) -> list[tuple[int, dict]]:
    return [(one.listing.id, one.reasons.as_json()) for one in ranked]


class Life:
    """A market where something happens: each step is one act, drawn at random."""

    def __init__(self, market, clock, seed: int) -> None:
        self.market, self.clock, self.random = market, clock, random.Random(seed)
        self.firms = [
            market.organisation(commune=commune, sector=sector)
            for commune in (RENNES, CESSON, LIFFRE, PARIS)
            for sector in ("10.71C", "47.76Z")
        ]

    def step(self) -> None:
        try:
            self.random.choice(
                [self.publish, self.publish, self.publish, self.change, self.pause, self.resume,
                 self.withdraw, self.propose, self.answer, self.let_time_pass, self.run_a_round,
                 self.suspend, self.purge]
            )()  # fmt: skip
        except (ServiceError, InvalidTransition):
            db.session.rollback()

    def publish(self) -> None:
        draw = self.random
        self._build(draw.choice((self.market.need, self.market.offer)))

    def change(self) -> None:
        listing = self._one()
        listing.radius_km, listing.level = self.random.choice((2, 10, 60)), self.random.randint(1, 4)
        listing.skill_id = self.market.skill(self.random.choice(SKILLS)).id
        db.session.commit()

    def pause(self) -> None:
        self._act(listings.pause)

    def resume(self) -> None:
        self._act(listings.resume, ListingState.PAUSED)

    def withdraw(self) -> None:
        self._act(listings.withdraw)

    def propose(self) -> None:
        need = self._one(ListingKind.NEED)
        for found in ranking.best_for(need)[:1]:
            matches.propose(need.id, found.listing.id, by=self.market.speaker(need), reasons=found.reasons)

    def answer(self) -> None:
        live = list(db.session.scalars(select(Match).where(Match.state.in_(LIVE))))
        if not live:
            return
        match = self.random.choice(live)
        side = match.need_id if self.random.random() < 0.5 else match.offer_id
        by = self.market.speaker(db.session.get_one(Listing, side))
        if match.state is MatchState.AGREED:
            self.random.choice((matches.complete, matches.cancel))(match.id, by=by)
        elif self.random.random() < 0.6:
            matches.accept(match.id, by=by)
        else:
            matches.decline(match.id, by=by, reason=DeclineReason.NO_TIME)

    def let_time_pass(self) -> None:
        self.clock.move(days=self.random.choice((1, 11, 40)))
        if self.random.random() < 0.5:  # what expires with time alone is out before anybody says so
            matches.expire_due()
            listings.expire_due()

    def run_a_round(self) -> None:
        rounds.run()

    def suspend(self) -> None:
        firm = db.session.get_one(Organisation, self.random.choice(self.firms).id)
        firm.suspended_at = None if firm.suspended_at else self.clock.now
        db.session.commit()

    def purge(self) -> None:
        """Delete a listing that nobody has met."""
        met = select(Match.need_id).union(select(Match.offer_id))
        free = list(db.session.scalars(select(Listing.id).where(Listing.id.not_in(met))))
        if free:
            gone = self.random.choice(free)
            db.session.execute(delete(ListingSkill).where(ListingSkill.listing_id == gone))
            db.session.delete(db.session.get_one(Listing, gone))
            db.session.commit()

    def _build(self, build) -> None:
        draw = self.random
        extra = draw.sample(SKILLS, 2)
        build(
            organisation=draw.choice(self.firms),
            skill=extra[0],
            extra_skills=extra[1:] if draw.random() < 0.4 else (),
            level=draw.randint(1, 4),
            radius_km=draw.choice((2, 10, 60)),
            places=draw.choice(PLACES),
            avoid_competitors=draw.random() < 0.3,
            **({"capacity": draw.randint(1, 3)} if build == self.market.offer else {}),
        )

    def _act(self, act, state: ListingState = ListingState.PUBLISHED) -> None:
        listing = self._one(state=state)
        act(listing.id, by=self.market.speaker(listing))

    def _one(self, kind: ListingKind | None = None, state: ListingState = ListingState.PUBLISHED) -> Listing:
        query = select(Listing).where(Listing.state == state).order_by(Listing.id)
        found = list(db.session.scalars(query.where(Listing.kind == kind) if kind else query))
        if not found:
            self._build(self.market.offer if kind is ListingKind.OFFER else self.market.need)
            return self._one(kind, ListingState.PUBLISHED)
        return self.random.choice(found)


@pytest.mark.parametrize("seed", range(2))
def test_after_any_acts_memory_and_database_say_the_same(market, clock, from_database, db_session, seed):
    life = Life(market, clock, seed)
    db_session.get_one(Territory, LIFFRE_CORMIER).policy = {"half_distance_km": 60.0, "skill_floor": 0.75}
    for _ in range(12):
        life.publish()

    for _ in range(25):
        life.step()
        for listing in db_session.scalars(select(Listing).order_by(Listing.id)):
            assert told(ranking.best_for(listing)) == told(from_database(listing)), listing.id


def test_another_process_sees_a_change_at_once(app, market):
    need, offer, other = market.need(), market.offer(), create_app(dict(app.config))
    need_id, offer_id = need.id, offer.id

    assert best_in(other, need_id) == [offer_id]
    assert [one.listing.id for one in ranking.best_for(need)] == [offer_id]

    listings.pause(offer_id, by=market.speaker(offer))
    newer = market.offer().id

    assert best_in(other, need_id) == [newer]
    assert [one.listing.id for one in ranking.best_for(need)] == [newer]
    dispose(other)


def test_a_large_market_is_read_aside_while_the_database_answers(app, market, monkeypatch):
    monkeypatch.setattr(live_index, "READ_AT_ONCE", 0)
    fresh = create_app(dict(app.config))
    need, offer = market.need(), market.offer()
    need_id = need.id

    assert best_in(fresh, need_id) == [offer.id]
    fresh.extensions["live_index"].reader.join()
    assert fresh.extensions["live_index"].index is not None
    assert not any("ORDER BY listing.id" in one for one in questions_of(fresh, need_id))
    dispose(fresh)


@pytest.fixture
def large(app, market, monkeypatch, tmp_path):
    """A market that counts as large, with the folder where processes keep it."""
    monkeypatch.setattr(live_index, "READ_AT_ONCE", 0)
    return {**app.config, "LIVE_INDEX_FOLDER": str(tmp_path)}


def _read_aside(config, need_id: int) -> None:
    """Let a process read the market, and keep it."""
    first = create_app(dict(config))
    best_in(first, need_id)
    first.extensions["live_index"].reader.join()
    _written()
    dispose(first)


def _written() -> None:
    for thread in enumerate_threads():
        if thread.name == "live-index-file":
            thread.join()


def test_a_new_process_starts_from_what_another_kept_and_sees_what_changed_since(market, large):
    need, offer = market.need(), market.offer()
    need_id = need.id
    _read_aside(large, need_id)
    listings.pause(offer.id, by=market.speaker(offer))
    newer = market.offer().id

    fresh = create_app(dict(large))

    assert best_in(fresh, need_id) == [newer]
    assert fresh.extensions["live_index"].reader is None
    dispose(fresh)


def test_what_is_kept_says_the_same_as_the_database(market, clock, large, from_database):
    life = Life(market, clock, 5)
    for _ in range(20):
        life.publish()
    ids = list(db.session.scalars(select(Listing.id).order_by(Listing.id)))
    _read_aside(large, ids[0])
    fresh = create_app(dict(large))

    for listing_id in ids:
        expected = [one.listing.id for one in from_database(db.session.get_one(Listing, listing_id))]
        assert best_in(fresh, listing_id) == expected
    assert fresh.extensions["live_index"].reader is None
    dispose(fresh)


@pytest.mark.parametrize("found", [b"PK\x03\x04 not whole", b"", b"something else"])
def test_a_file_that_cannot_be_read_is_passed_over(market, large, tmp_path, found):
    need, offer = market.need(), market.offer()
    need_id = need.id
    _read_aside(large, need_id)
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(found)

    fresh = create_app(dict(large))

    assert best_in(fresh, need_id) == [offer.id]
    fresh.extensions["live_index"].reader.join()
    _written()
    dispose(fresh)


def test_the_file_follows_a_market_that_changes_much(market, large, tmp_path, monkeypatch):
    monkeypatch.setattr(live_index, "KEPT_EVERY", 2)
    need_id = market.need().id
    _read_aside(large, need_id)
    (path,) = tmp_path.glob("*.npz")
    before = path.read_bytes()
    fresh = create_app(dict(large))
    best_in(fresh, need_id)
    for _ in range(4):
        market.offer()

    best_in(fresh, need_id)
    _written()

    assert path.read_bytes() != before
    dispose(fresh)


def test_one_question_asks_the_database_as_often_whatever_the_market(market):
    need = market.need()
    market.offer()
    ranking.best_for(need)
    with counted() as few:
        ranking.best_for(need)
    for _ in range(10):
        market.offer()
    ranking.best_for(need)

    with counted() as many:
        assert len(ranking.best_for(need)) == 10

    assert int(many) == int(few)


def test_threads_that_ask_and_change_at_once_agree_with_the_database_afterwards(app, market, from_database):
    need = market.need()
    offers = [market.offer() for _ in range(6)]
    key = need.id
    ranking.best_for(need)

    def ask() -> list[int]:
        listing = db.session.get_one(Listing, key)
        return [one.listing.id for _ in range(5) for one in ranking.best_for(listing)]

    def pause(offer_id: int, author_id: int) -> Callable[[], Listing]:
        return lambda: listings.pause(offer_id, by=db.session.get_one(type(market.user()), author_id))

    pauses = [pause(offer.id, market.speaker(offer).id) for offer in offers[:3]]
    done = at_once(app, ask, *pauses, ask)

    assert not [error for error in done if isinstance(error, Exception)]
    need = db.session.get_one(Listing, key)
    assert [one.listing.id for one in ranking.best_for(need)] == [
        one.listing.id for one in from_database(need)
    ]
    assert {one.listing.id for one in ranking.best_for(need)} == {offer.id for offer in offers[3:]}


def test_each_pair_follows_the_settings_of_the_territory_of_its_need(market, db_session):
    far_sighted = db_session.get_one(Territory, LIFFRE_CORMIER)
    far_sighted.policy = {"level_gap": 3}
    db_session.commit()
    here = market.need(organisation=market.organisation(commune=RENNES), level=4)
    there = market.need(organisation=market.organisation(commune=LIFFRE), level=4)
    offer = market.offer(organisation=market.organisation(commune=CESSON), level=2)

    assert [one.listing.id for one in ranking.best_for(offer)] == [there.id]
    assert [one.listing.id for one in ranking.best_for(there)] == [offer.id]
    assert ranking.best_for(here) == []


def best_in(app: Flask, listing_id: int) -> list[int]:
    """Return what another process finds."""

    def ask() -> list[int]:
        with app.app_context():
            listing = db.session.get_one(Listing, listing_id)
            return [one.listing.id for one in ranking.best_for(listing)]

    db.session.rollback()
    return Context().run(ask)


def questions_of(app: Flask, listing_id: int) -> list[str]:
    """Return what another process asks the database for its answer."""

    def ask() -> list[str]:
        with app.app_context(), counted() as selects:
            assert ranking.best_for(db.session.get_one(Listing, listing_id))
            return selects.statements

    db.session.rollback()
    return Context().run(ask)


def dispose(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()
