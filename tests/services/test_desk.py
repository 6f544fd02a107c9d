"""The queue of a territory: what it holds, in which order, and what it tells of each listing."""

from datetime import timedelta

import pytest

from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    DecisionGround,
    Listing,
    ListingKind,
    ListingState,
    Report,
    ReportCase,
    ReportCategory,
)
from marketplace.services import desk, listings, moderation
from marketplace.services.desk import QueueFilters, QueueView
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.listings import ListingSheet
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, PARIS, RENNES_METROPOLE
from tests.support.queries import counted

A, S = DecisionAction, ListingState


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


def waiting(by, **filters):
    page = desk.queue(by=by, filters=QueueFilters(**filters), page=1)
    return [item.listing.id for item in page.items]


def flags_in(by, **filters):
    page = desk.queue(by=by, filters=QueueFilters(**filters), page=1)
    return {item.listing.id: item.flags for item in page.items}


def decide(listing, action, *, by):
    reasons = {} if action is A.APPROVE else {"ground": DecisionGround.UNCLEAR, "facts": "Trop court."}
    return moderation.decide(listing.id, action, by=by, version=moderation.version_of(listing), **reasons)


def following(listing, by):
    return desk.neighbours(listing.id, by=by, filters=QueueFilters()).next


def sheet_of(listing, **changes):
    told = {
        name: getattr(listing, name)
        for name in ("skill_id", "level", "title", "description", "places", "radius_km")
    }
    return ListingSheet(**{**told, "urgency": 1, **changes})


def send_back(market, moderator, listing, **changes):
    """Ask for changes, and let the author make them."""
    decide(listing, A.REQUEST_CHANGES, by=moderator)
    listings.change(listing.id, sheet_of(listing, **changes), by=market.speaker(listing))


def reported(listing):
    case = ReportCase(listing_id=listing.id, territory_siren=listing.territory_siren, snapshot={})
    db.session.add(case)
    db.session.flush()
    report = {"category": ReportCategory.COMMERCIAL, "explanation": "Il vend.", "name": "Léa Pain"}
    db.session.add(Report(case_id=case.id, email="lea@boulangerie.example", **report))
    db.session.commit()


def test_the_oldest_waits_first(market, moderator, clock):
    new = market.need(state=S.PENDING, submitted_at=clock.now)
    old = market.offer(state=S.PENDING, submitted_at=clock.now - timedelta(days=2))

    assert waiting(moderator) == [old.id, new.id]


def test_the_queue_holds_what_waits_in_the_territory_and_nothing_else(market, moderator):
    here = market.need(state=S.PENDING)
    market.need(state=S.PUBLISHED)
    market.need(state=S.PENDING, organisation=market.organisation(commune=LIFFRE))

    assert waiting(moderator) == [here.id]


def test_the_queue_can_be_cut_by_kind_or_show_what_is_online(market, moderator):
    need, offer = market.need(state=S.PENDING), market.offer(state=S.PENDING)
    online = market.offer()

    assert waiting(moderator, kind=ListingKind.NEED) == [need.id]
    assert waiting(moderator, kind=ListingKind.OFFER) == [offer.id]
    assert waiting(moderator, view=QueueView.ONLINE) == [online.id]


def test_the_administrator_sees_all_or_only_what_nobody_nearer_moderates(market, moderator):
    here = market.need(state=S.PENDING)
    elsewhere = market.need(state=S.PENDING, organisation=market.organisation(commune=PARIS))
    admin = market.admin()

    assert waiting(admin) == [here.id, elsewhere.id]
    assert waiting(admin, national=True) == [elsewhere.id]
    assert waiting(moderator, national=True) == []


def test_the_queue_comes_in_pages(market, moderator):
    for _ in range(desk.QUEUE_PAGE + 1):
        market.need(state=S.PENDING)

    first = desk.queue(by=moderator, filters=QueueFilters(), page=1)
    last = desk.queue(by=moderator, filters=QueueFilters(), page=10**9)

    assert (first.total, first.pages, len(first.items)) == (
        desk.QUEUE_PAGE + 1,
        2,
        desk.QUEUE_PAGE,
    )
    assert (last.number, len(last.items)) == (2, 1)


def test_the_queue_asks_the_same_number_of_questions_whatever_it_holds(market, moderator):
    market.need(state=S.PENDING)
    db.session.expire_all()
    with counted() as few:
        desk.queue(by=moderator, filters=QueueFilters(), page=1)
    for _ in range(8):
        market.offer(state=S.PENDING, extra_skills=["tableur"])
    db.session.expire_all()

    with counted() as many:
        desk.queue(by=moderator, filters=QueueFilters(), page=1)

    assert int(many) == int(few)


def test_after_a_decision_the_next_oldest_comes(market, moderator, clock):
    old, middle, new = (
        market.need(state=S.PENDING, submitted_at=clock.now - timedelta(days=days)) for days in (3, 2, 1)
    )

    decide(middle, A.APPROVE, by=moderator)
    assert following(middle, moderator) == new.id
    decide(new, A.APPROVE, by=moderator)
    assert following(new, moderator) == old.id
    decide(old, A.APPROVE, by=moderator)
    assert following(old, moderator) is None


def test_what_comes_back_after_changes_is_on_top_with_its_differences(market, moderator, clock):
    old = market.need(state=S.PENDING, submitted_at=clock.now - timedelta(days=9))
    back = market.need(state=S.PENDING, description="Je veux vendre du miel en ligne, mais comment faire ?")
    send_back(
        market, moderator, back, description="Je veux vendre du pain en ligne, mais comment faire ?", level=3
    )

    page = desk.queue(by=moderator, filters=QueueFilters(), page=1)

    first, second = page.items
    assert (first.listing.id, second.listing.id) == (back.id, old.id)
    assert "returned" in first.flags
    text, level = first.changes
    assert [(part.kind, part.text) for part in text.parts if part.kind != "same"] == [
        ("removed", "miel"),
        ("added", "pain"),
    ]
    assert (level.name, level.before, level.after) == ("level", 2, 3)
    assert list(second.changes) == []


def test_what_was_approved_and_changed_later_is_no_return(market, moderator):
    listing = market.need(state=S.PENDING)
    send_back(market, moderator, listing, title="Vendre mes confitures en ligne")
    decide(db.session.get(Listing, listing.id), A.APPROVE, by=moderator)
    market.open_territory(mode=listings.ModerationMode.BEFORE)
    listings.change(
        listing.id, sheet_of(listing, title="Vendre mes biscuits en ligne"), by=market.speaker(listing)
    )

    (item,) = desk.queue(by=moderator, filters=QueueFilters(), page=1).items
    assert "returned" not in item.flags


@pytest.mark.parametrize("flag", ["phone", "email", "link", "price", "commercial", "repeat"])
def test_the_queue_can_be_cut_by_what_the_check_saw(market, moderator, flag):
    other = "link" if flag != "link" else "price"
    seen = market.need(state=S.PENDING, flags=[flag])
    market.need(state=S.PENDING, flags=[other])

    assert waiting(moderator, flag=flag) == [seen.id]


def test_the_first_listing_of_a_structure_is_told(market, moderator):
    known = market.organisation()
    market.offer(organisation=known)
    of_known, of_new = market.need(organisation=known, state=S.PENDING), market.need(state=S.PENDING)

    flags = {
        item.listing.id: item.flags for item in desk.queue(by=moderator, filters=QueueFilters(), page=1).items
    }

    assert (flags[of_known.id], flags[of_new.id]) == ([], ["first_listing"])
    assert waiting(moderator, flag="first_listing") == [of_new.id]


def test_a_structure_whose_first_listing_was_refused_is_still_new(market, moderator):
    firm = market.organisation()
    market.need(organisation=firm, state=S.REJECTED)
    second = market.need(organisation=firm, state=S.PENDING)

    assert waiting(moderator, flag="first_listing") == [second.id]


def test_a_reported_listing_is_told(market, moderator):
    quiet, loud = market.offer(), market.offer()
    reported(loud)

    online = {"view": QueueView.ONLINE}
    assert waiting(moderator, flag="reported", **online) == [loud.id]
    flags = {
        item.listing.id: item.flags
        for item in desk.queue(by=moderator, filters=QueueFilters(**online), page=1).items
    }
    assert ("reported" in flags[loud.id], "reported" in flags[quiet.id]) == (True, False)


def test_the_case_of_a_reported_listing_is_one_step_away(market, moderator):
    listing = market.offer()
    case = market.case(listing)
    assert desk.review(listing.id, by=moderator).case_id == case.id
    assert desk.review(market.offer().id, by=moderator).case_id is None


def test_the_queue_can_be_cut_by_skill_domain_territory_and_age(market, moderator, clock):
    shop = market.need(state=S.PENDING, submitted_at=clock.now - timedelta(days=8))
    sheet = market.need(state=S.PENDING, skill="tableur", submitted_at=clock.now - timedelta(days=2))
    liffre = market.need(
        state=S.PENDING, organisation=market.organisation(commune=LIFFRE), submitted_at=clock.now
    )
    admin = market.admin()

    assert waiting(moderator, skill_id=market.skill("tableur").id) == [sheet.id]
    assert waiting(moderator, domain=market.skill("boutique-en-ligne").domain_slug) == [shop.id]
    assert waiting(admin, territory=LIFFRE_CORMIER) == [liffre.id]
    assert waiting(moderator, territory=LIFFRE_CORMIER) == []
    assert waiting(admin, older_than_days=7) == [shop.id]
    assert waiting(admin, older_than_days=1) == [shop.id, sheet.id]


@pytest.mark.parametrize("words", ["epicerie", "ÉPICERIE fine", "Épicerie  caisse", "oeufs"])
def test_words_are_found_whatever_their_accents(market, moderator, words):
    firm = market.organisation(name="Épicerie fine du Mail")
    found = market.need(
        organisation=firm, state=S.PENDING, title="Tenir une caisse", description="Vendre des œufs frais."
    )
    market.need(state=S.PENDING, title="Tenir une caisse")

    assert waiting(moderator, words=words) == [found.id]


def test_words_that_nothing_says_find_nothing(market, moderator):
    market.need(state=S.PENDING)
    assert waiting(moderator, words="xylophone %_") == []


def test_the_count_is_the_queues(market, moderator):
    for _ in range(3):
        market.need(state=S.PENDING)
    market.offer(state=S.PENDING)

    assert desk.count(by=moderator, filters=QueueFilters()) == 4
    assert desk.count(by=moderator, filters=QueueFilters(kind=ListingKind.OFFER)) == 1
    with pytest.raises(NotAllowed):
        desk.count(by=market.user(), filters=QueueFilters())


def test_a_listing_knows_its_neighbours_in_the_queue(market, moderator, clock):
    first, second, third = (
        market.need(state=S.PENDING, submitted_at=clock.now - timedelta(days=days)) for days in (3, 2, 1)
    )

    def around(listing):
        found = desk.neighbours(listing.id, by=moderator, filters=QueueFilters())
        return found.previous, found.next, found.position, found.total

    assert around(first) == (None, second.id, 1, 3)
    assert around(second) == (first.id, third.id, 2, 3)
    assert around(third) == (second.id, None, 3, 3)


def test_the_next_one_keeps_to_the_filters(market, moderator, clock):
    need = market.need(state=S.PENDING, submitted_at=clock.now - timedelta(days=3))
    market.offer(state=S.PENDING, submitted_at=clock.now - timedelta(days=2))
    other_need = market.need(state=S.PENDING, submitted_at=clock.now - timedelta(days=1))

    decide(need, A.APPROVE, by=moderator)

    found = desk.neighbours(need.id, by=moderator, filters=QueueFilters(kind=ListingKind.NEED))
    assert (found.next, found.total) == (other_need.id, 1)


def test_a_listing_taken_back_before_it_was_sent_stands_nowhere(market, moderator):
    withdrawn = market.need(state=S.WITHDRAWN, submitted_at=None)
    first = market.need(state=S.PENDING)
    assert following(withdrawn, moderator) == first.id


def test_only_territories_with_something_to_read_are_offered(market, moderator):
    market.need(state=S.PENDING)
    market.need(state=S.PENDING, organisation=market.organisation(commune=LIFFRE))
    market.need(state=S.WITHDRAWN, organisation=market.organisation(commune=PARIS))

    assert [t.siren for t in desk.territories(by=moderator)] == [RENNES_METROPOLE]
    assert {t.siren for t in desk.territories(by=market.admin())} == {RENNES_METROPOLE, LIFFRE_CORMIER}


def test_what_the_check_saw_is_quoted_to_who_reads(market, moderator):
    listing = market.need(state=S.PENDING, description="Appelez le 06 12 34 56 78 avant midi, merci à vous.")

    (passage,) = desk.review(listing.id, by=moderator).passages

    assert (passage.flag, passage.words) == ("phone", "06 12 34 56 78")


def test_a_queue_of_returned_and_reported_listings_asks_no_more(market, moderator):
    def asked():
        db.session.expire_all()
        with counted() as count:
            desk.queue(by=moderator, filters=QueueFilters(), page=1)
        return int(count)

    def add():
        listing = market.need(state=S.PENDING)
        send_back(
            market, moderator, listing, skill_id=market.skill("tableur").id, title="Un tout autre titre"
        )
        reported(market.need(state=S.PENDING))

    add()
    few = asked()
    for _ in range(4):
        add()
    assert asked() == few


def test_several_are_read_together_or_not_at_all(market, moderator):
    here, there = (
        market.need(state=S.PENDING),
        market.need(state=S.PENDING, organisation=market.organisation(commune=LIFFRE)),
    )

    assert [listing.id for listing in desk.several([here.id], by=moderator)] == [here.id]
    with pytest.raises(NotFound):
        desk.several([here.id, there.id], by=moderator)
    with pytest.raises(NotFound):
        desk.several([here.id, 2**31 - 1], by=moderator)
    with pytest.raises(FieldError):
        desk.several([], by=moderator)
