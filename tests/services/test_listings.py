"""The life of a listing: who does what to it, in which state, and what follows."""

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    DecisionAction,
    DecisionGround,
    Listing,
    ListingKind,
    ListingState,
    Match,
    MatchState,
    MembershipState,
    ModerationDecision,
    ModerationMode,
    User,
)
from marketplace.services import listings, matches, ranking
from marketplace.services.errors import (
    CapacityReached,
    FieldError,
    InvalidTransition,
    NotAllowed,
    NotFound,
    TokenExpired,
)
from marketplace.services.listings import ListingOver, ListingSheet
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.queries import counted
from tests.support.threads import at_once

S = ListingState
NEED, OFFER = ListingKind.NEED, ListingKind.OFFER
TOLD = "Je voudrais vendre mes confitures sur internet, je ne sais pas par où commencer."
OTHER = "Nous aimerions prendre les commandes en ligne et préparer les paniers la veille."


def sheet(market, *, skill="boutique-en-ligne", extra=(), **fields):
    told = {
        "skill_id": market.skill(skill).id,
        "extra_skill_ids": tuple(market.skill(slug).id for slug in extra),
        "level": 2,
        "title": "Vendre en ligne",
        "description": TOLD,
        "places": 3,
        "radius_km": 20,
    }
    return ListingSheet(**(told | fields))


def same_as(listing, **fields):
    """Return the sheet that leaves the listing as it is, but for `fields`."""
    names = listings._OF_SHEET
    return ListingSheet(**({name: getattr(listing, name) for name in names} | fields))


def publish(market, kind=NEED, *, organisation=None, as_draft=False, **fields):
    organisation = organisation or market.organisation()
    return listings.publish(
        kind,
        sheet(market, **fields),
        organisation_id=organisation.id,
        by=market.speaker(organisation),
        as_draft=as_draft,
    )


def read_again(listing):
    db.session.rollback()
    return db.session.get(Listing, listing.id, populate_existing=True)


def listing_of(listing_id):
    return db.session.get(Listing, listing_id)


def templates(outbox):
    return [mail.template for mail in outbox.all()]


# ---- publishing ----


def test_a_clean_text_is_online_at_once_where_texts_are_read_afterwards(market, outbox, clock):
    market.open_territory(mode=ModerationMode.AFTER)
    listing = publish(market)
    assert (listing.state, listing.flags) == (S.PUBLISHED, [])
    assert (listing.published_at, listing.expires_at) == (clock.now, clock.now + timedelta(days=90))
    assert templates(outbox) == ["listing_published"]


def test_every_text_waits_where_texts_are_read_first(market, outbox, clock):
    market.open_territory(mode=ModerationMode.BEFORE)
    listing = publish(market)
    assert (listing.state, listing.submitted_at, listing.published_at) == (S.PENDING, clock.now, None)
    assert templates(outbox) == ["listing_received"]


def test_every_text_waits_where_no_territory_is_open(market):
    assert publish(market).state is S.PENDING


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("Appelez-moi au 06 12 34 56 78 pour en parler ensemble.", ["phone"]),
        ("Écrivez à lea@boulangerie.example pour en parler.", ["email"]),
        ("Tout est expliqué sur www.boulangerie, regardez bien.", ["link"]),
        ("Je peux donner 20 € pour une heure de votre temps.", ["price"]),
    ],
)
def test_a_flagged_text_waits_everywhere_and_its_author_is_told_why(market, outbox, text, flags):
    market.open_territory(mode=ModerationMode.AFTER)
    listing = publish(market, description=text)
    assert (listing.state, listing.flags) == (S.PENDING, flags)
    assert "contrôle automatique" in outbox.all()[0].text


def test_a_text_that_repeats_another_waits(market):
    market.open_territory(mode=ModerationMode.AFTER)
    publish(market)
    assert publish(market).flags == ["repeat"]


def test_the_author_can_know_beforehand_what_will_make_the_text_wait(market):
    organisation = market.organisation()
    told = sheet(market, description="Appelez-moi au 06 12 34 56 78, ce sera plus simple.")
    assert listings.foresee(NEED, told, organisation_id=organisation.id) == ["phone"]
    assert listings.foresee(NEED, sheet(market), organisation_id=organisation.id) == []
    assert db.session.scalar(select(Listing.id)) is None


def test_a_form_sent_twice_makes_one_listing(market, clock):
    firm = market.organisation()
    first = publish(market, organisation=firm)
    assert publish(market, organisation=firm) == first
    clock.move(minutes=2)
    assert publish(market, organisation=firm) != first


def test_a_form_sent_twice_at_once_makes_one_listing(app, market, outbox):
    firm = market.organisation()
    told, firm_id, person_id = sheet(market), firm.id, market.speaker(firm).id

    def send():
        return listings.publish(
            NEED, told, organisation_id=firm_id, by=db.session.get_one(User, person_id)
        ).id

    first, second = at_once(app, send, send)
    assert first == second
    assert len(outbox.all()) == 1


def test_a_draft_can_be_followed_at_once_by_the_same_text_published(market):
    market.open_territory()
    firm = market.organisation()
    publish(market, organisation=firm, as_draft=True)
    assert publish(market, organisation=firm).state is S.PUBLISHED


def test_a_colleague_or_another_structure_may_say_the_same(market):
    first = publish(market)
    other = market.organisation(manager=db.session.get(User, first.author_id))
    assert publish(market, organisation=other) != first


def test_a_draft_is_seen_by_nobody_and_told_to_nobody(market, outbox):
    market.open_territory()
    listing = publish(market, as_draft=True)
    assert (listing.state, outbox.all()) == (S.DRAFT, [])


def test_a_listing_stands_where_its_structure_stands(market):
    firm = market.organisation(commune=LIFFRE, sector="10.71C")
    listing = publish(market, organisation=firm)
    assert (listing.commune_insee, listing.territory_siren) == (LIFFRE, LIFFRE_CORMIER)
    assert (listing.sector_code, listing.lat, listing.lon) == ("10.71C", firm.lat, firm.lon)


def test_further_skills_are_kept_in_order_without_doubles(market):
    listing = publish(market, extra=("emailing", "boutique-en-ligne", "fiches-produits", "emailing"))
    shown = listings.own(listing.id, by=market.speaker(listing))
    assert [(each.rank, each.skill.slug) for each in shown.extra_skills] == [
        (1, "emailing"), (2, "fiches-produits"),
    ]  # fmt: skip


def test_a_need_is_for_one_exchange_whatever_is_sent(market):
    listing = publish(market, capacity=9, total_limit=9, is_permanent=True)
    assert (listing.capacity, listing.total_limit, listing.is_permanent, listing.urgency) == (
        1,
        None,
        False,
        1,
    )


def test_an_offer_is_never_urgent(market):
    assert publish(market, OFFER, urgency=3).urgency is None


def test_a_permanent_offer_lives_a_year(market, clock):
    market.open_territory()
    offer = publish(market, OFFER, is_permanent=True)
    assert offer.expires_at == clock.now + timedelta(days=365)


def test_one_publishes_for_ones_own_structures_only(market, outbox):
    firm = market.organisation()
    asker = market.employee(firm, state=MembershipState.REQUESTED)
    for person in (market.user(), market.speaker(market.organisation()), market.moderator(), asker):
        with pytest.raises(NotFound):
            listings.publish(NEED, sheet(market), organisation_id=firm.id, by=person)
    assert (db.session.scalar(select(Listing.id)), outbox.all()) == (None, [])


def test_an_unconfirmed_person_publishes_nothing(market):
    firm = market.organisation()
    person = market.employee(firm, user=market.user(confirmed=False))
    with pytest.raises(NotAllowed):
        listings.publish(NEED, sheet(market), organisation_id=firm.id, by=person)


def test_a_suspended_structure_publishes_nothing(market, clock):
    with pytest.raises(NotAllowed):
        publish(market, organisation=market.organisation(suspended_at=clock.now))


def test_the_mail_leaves_with_the_listing_or_not_at_all(market, outbox, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError

    monkeypatch.setattr(listings.Work, "audit", fail)
    with pytest.raises(RuntimeError):
        publish(market)
    assert (db.session.scalar(select(Listing.id)), outbox.all()) == (None, [])


def test_the_author_is_told_and_not_their_colleagues(market, outbox):
    firm = market.organisation()
    market.employee(firm)
    publish(market, organisation=firm)
    assert [mail.recipient for mail in outbox.all()] == [market.speaker(firm).email]


def test_colleagues_are_told_once_the_author_has_left(market):
    firm = market.organisation()
    listing, stayer = market.need(organisation=firm), market.employee(firm)
    author = market.speaker(listing)
    assert listings.contacts(listing) == [author]
    listing.author_id = None
    assert listings.contacts(listing) == [author, stayer]


# ---- acts by state ----

ACTS = {
    "change": lambda market, listing, by: listings.change(
        listing.id, same_as(listing, description=OTHER), by=by
    ),
    "pause": lambda market, listing, by: listings.pause(listing.id, by=by),
    "resume": lambda market, listing, by: listings.resume(listing.id, by=by),
    "renew": lambda market, listing, by: listings.renew(listing.id, by=by),
    "withdraw": lambda market, listing, by: listings.withdraw(listing.id, by=by),
}
# What an act makes of a state, in an open territory that reads afterwards.
ALLOWED = {
    (S.DRAFT, "change"): S.PUBLISHED,
    (S.DRAFT, "withdraw"): S.WITHDRAWN,
    (S.PENDING, "change"): S.PENDING,
    (S.PENDING, "withdraw"): S.WITHDRAWN,
    (S.CHANGES_REQUESTED, "change"): S.PENDING,
    (S.CHANGES_REQUESTED, "withdraw"): S.WITHDRAWN,
    (S.PUBLISHED, "change"): S.PUBLISHED,
    (S.PUBLISHED, "pause"): S.PAUSED,
    (S.PUBLISHED, "renew"): S.PUBLISHED,
    (S.PUBLISHED, "withdraw"): S.WITHDRAWN,
    (S.PAUSED, "change"): S.PAUSED,
    (S.PAUSED, "resume"): S.PUBLISHED,
    (S.PAUSED, "renew"): S.PAUSED,
    (S.PAUSED, "withdraw"): S.WITHDRAWN,
    (S.EXPIRED, "renew"): S.PUBLISHED,
    (S.EXPIRED, "withdraw"): S.WITHDRAWN,
}
REFUSED = [case for case in product(S, ACTS) if case not in ALLOWED]


@pytest.mark.parametrize(("state", "act"), ALLOWED)
def test_a_structure_may_do_what_the_state_allows(market, state, act):
    market.open_territory(mode=ModerationMode.AFTER)
    listing = market.need(state=state)

    ACTS[act](market, listing, market.speaker(listing))

    assert read_again(listing).state is ALLOWED[state, act]


@pytest.mark.parametrize(("state", "act"), REFUSED)
def test_a_structure_may_do_nothing_else_and_nothing_changes(market, outbox, state, act):
    listing = market.need(state=state)
    told = listing.description

    with pytest.raises(InvalidTransition):
        ACTS[act](market, listing, market.speaker(listing))

    assert (read_again(listing).state, listing.description, outbox.all()) == (state, told, [])


@pytest.mark.parametrize("state", S)
def test_the_page_offers_exactly_what_the_state_allows(market, state):
    acts = listings.acts_on(market.need(state=state))
    offered = {"change": acts.edit, "pause": acts.pause, "resume": acts.resume, "renew": acts.renew}
    offered["withdraw"] = acts.withdraw
    assert {act for act, possible in offered.items() if possible} == {a for s, a in ALLOWED if s is state}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    "who", ["stranger", "other firm", "asker", "moderator here", "moderator elsewhere", "admin"]
)
def test_nobody_else_acts_on_a_listing(market, act, who):
    market.open_territory()
    firm = market.organisation()
    listing = market.need(organisation=firm)
    person = {
        "stranger": market.user,
        "other firm": lambda: market.speaker(market.organisation()),
        "asker": lambda: market.employee(firm, state=MembershipState.REQUESTED),
        "moderator here": market.moderator,
        "moderator elsewhere": lambda: market.moderator(LIFFRE_CORMIER),
        "admin": market.admin,
    }[who]()

    with pytest.raises(NotFound):
        ACTS[act](market, listing, person)

    assert read_again(listing).state is S.PUBLISHED


@pytest.mark.parametrize("act", ACTS)
def test_a_suspended_structure_does_nothing_to_its_listings(market, clock, act):
    listing = market.need(organisation=market.organisation(suspended_at=clock.now))
    with pytest.raises(NotAllowed):
        ACTS[act](market, listing, market.speaker(listing))


@pytest.mark.parametrize("act", ["pause", "resume", "renew", "withdraw"])
def test_a_listing_that_does_not_exist_is_not_found(market, act):
    missing = Listing(id=2**31 - 1)
    with pytest.raises(NotFound):
        ACTS[act](market, missing, market.user())


def test_a_colleague_acts_for_the_structure_too(market):
    firm = market.organisation()
    listing = market.need(organisation=firm)
    assert listings.pause(listing.id, by=market.employee(firm)).state is S.PAUSED


def test_every_act_leaves_a_line_in_the_audit_log(market):
    listing = market.need()
    by = market.speaker(listing)
    listings.change(listing.id, same_as(listing, radius_km=5), by=by)
    listings.pause(listing.id, by=by)
    listings.resume(listing.id, by=by)
    listings.renew(listing.id, by=by)
    listings.withdraw(listing.id, by=by)
    lines = list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [line.action.partition(".")[2] for line in lines] == [
        "changed", "paused", "resumed", "renewed", "withdrawn",
    ]  # fmt: skip
    assert {(line.actor_id, line.territory_siren) for line in lines} == {(by.id, RENNES_METROPOLE)}
    assert (lines[0].before["radius_km"], lines[0].after["radius_km"]) == (30, 5)


# ---- changing ----


def test_a_draft_is_kept_a_draft_or_sent(market):
    market.open_territory()
    listing = market.need(state=S.DRAFT)
    by = market.speaker(listing)
    listings.change(listing.id, same_as(listing, title="Encore un brouillon"), by=by, submit=False)
    assert (read_again(listing).state, listing.title) == (S.DRAFT, "Encore un brouillon")
    listings.change(listing.id, same_as(listing), by=by)
    assert read_again(listing).state is S.PUBLISHED


def test_changes_asked_for_go_back_to_the_moderator_even_where_texts_are_read_afterwards(market, outbox):
    market.open_territory(mode=ModerationMode.AFTER)
    listing = market.need(state=S.CHANGES_REQUESTED)
    listings.change(listing.id, same_as(listing, description=OTHER), by=market.speaker(listing))
    assert read_again(listing).state is S.PENDING
    assert templates(outbox) == ["listing_received"]


@pytest.mark.parametrize("change", [{"title": "Autre titre"}, {"description": OTHER}, {"skill_id": None}])
@pytest.mark.parametrize("state", [S.PUBLISHED, S.PAUSED])
def test_a_changed_text_is_read_again_where_texts_are_read_first(market, outbox, change, state):
    market.open_territory(mode=ModerationMode.BEFORE)
    listing = market.need(state=state)
    if "skill_id" in change:
        change = {"skill_id": market.skill("emailing").id}
    listings.change(listing.id, same_as(listing, **change), by=market.speaker(listing))
    assert read_again(listing).state is S.PENDING
    assert templates(outbox) == ["listing_received"]


@pytest.mark.parametrize("change", [{"radius_km": 5}, {"level": 1}, {"availability": 3}, {"urgency": 3}])
def test_what_is_no_text_changes_at_once(market, outbox, change):
    market.open_territory(mode=ModerationMode.BEFORE)
    listing = market.need(flags=["price"])
    listings.change(listing.id, same_as(listing, **change), by=market.speaker(listing))
    assert (read_again(listing).state, listing.flags, outbox.all()) == (S.PUBLISHED, ["price"], [])


def test_a_phone_number_added_after_publication_makes_the_listing_wait(market):
    market.open_territory(mode=ModerationMode.AFTER)
    listing = market.need()
    changed = same_as(listing, description="Appelez-moi donc au 06 12 34 56 78, ce sera plus simple.")
    listings.change(listing.id, changed, by=market.speaker(listing))
    assert (read_again(listing).state, listing.flags) == (S.PENDING, ["phone"])


def test_a_listing_that_waits_keeps_its_place_when_its_text_changes(market, clock):
    listing = market.need(state=S.PENDING, flags=["phone"])
    sent = listing.submitted_at
    clock.move(days=1)
    listings.change(listing.id, same_as(listing, description=OTHER), by=market.speaker(listing))
    assert (read_again(listing).submitted_at, listing.flags) == (sent, [])


def test_only_a_text_that_will_be_read_again_is_foreseen_to_wait(market):
    organisation = market.organisation()
    listing = market.need(organisation=organisation, description="Appelez-moi au 06 12 34 56 78, je suis là.")
    foresee = {"organisation_id": organisation.id, "listing": listing}
    assert listings.foresee(NEED, same_as(listing, radius_km=5), **foresee) == []
    assert listings.foresee(NEED, same_as(listing, title="Autre titre"), **foresee) == ["phone"]
    listing.state = S.DRAFT
    assert listings.foresee(NEED, same_as(listing), **foresee) == ["phone"]


def test_further_skills_are_replaced_and_taken_away(market):
    listing = market.need(extra_skills=("emailing", "fiches-produits"))
    by = market.speaker(listing)
    changed = same_as(listing, extra_skill_ids=(market.skill("fiches-produits").id, market.skill("rgpd").id))
    listings.change(listing.id, changed, by=by)
    assert [e.skill.slug for e in listings.own(listing.id, by=by).extra_skills] == ["fiches-produits", "rgpd"]
    listings.change(listing.id, same_as(listing), by=by)
    db.session.rollback()
    assert listings.own(listing.id, by=by).extra_skills == []


def test_capacity_does_not_fall_below_what_is_under_way(market):
    offer = market.offer(capacity=3)
    for _ in range(2):
        market.match(offer=offer)
    by = market.speaker(offer)
    with pytest.raises(FieldError, match="2 échanges") as refusal:
        listings.change(offer.id, same_as(offer, capacity=1), by=by)
    assert refusal.value.field == "capacity"
    assert read_again(offer).capacity == 3
    assert listings.change(offer.id, same_as(offer, capacity=2), by=by).capacity == 2


def test_lowering_the_capacity_while_the_last_place_is_taken_never_breaks(app, market):
    offer, need = market.offer(capacity=2), market.need()
    market.match(offer=offer)
    reasons, lower = ranking.reasons(need, offer), same_as(offer, capacity=1)
    offer_id, need_id, of_offer, of_need = (
        offer.id, need.id, market.speaker(offer).id, market.speaker(need).id,
    )  # fmt: skip

    outcomes = at_once(
        app,
        lambda: listings.change(offer_id, lower, by=db.session.get_one(User, of_offer)),
        lambda: matches.propose(need_id, offer_id, by=db.session.get_one(User, of_need), reasons=reasons),
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [type(refusal) for refusal in refused] in ([FieldError], [CapacityReached])
    offer = listing_of(offer_id)
    assert offer.live_matches == offer.capacity


@pytest.mark.parametrize(("limit", "why"), [(1, "déjà faits"), (2, "en cours ou faits")])
def test_the_total_does_not_fall_below_what_is_done_or_under_way(market, limit, why):
    offer = market.offer(capacity=2, total_limit=5)
    market.match(offer=offer, state=MatchState.COMPLETED)
    market.match(offer=offer)
    market.match(offer=offer)
    with pytest.raises(FieldError, match=why) as refusal:
        listings.change(offer.id, same_as(offer, total_limit=limit), by=market.speaker(offer))
    assert refusal.value.field == "total_limit"


def test_a_need_under_way_can_be_reworded(market):
    market.open_territory()
    need = market.need()
    market.match(need=need)
    assert (
        listings.change(need.id, same_as(need, description=OTHER), by=market.speaker(need)).live_matches == 1
    )


def test_an_offer_that_becomes_permanent_lives_a_year_from_then(market, clock):
    offer = market.offer(last_reminder_days=7)
    clock.move(days=85)
    listings.change(offer.id, same_as(offer, is_permanent=True), by=market.speaker(offer))
    assert read_again(offer).expires_at == clock.now + timedelta(days=365)
    assert offer.last_reminder_days is None


# ---- leaving ----


def test_withdrawing_cancels_open_proposals_and_tells_the_other_side(market, outbox):
    match = market.match()
    other = market.speaker(listing_of(match.offer_id))
    listings.withdraw(match.need_id, by=market.speaker(listing_of(match.need_id)))
    db.session.refresh(match)
    assert (match.state, [mail.template for mail in outbox.to(other.email)]) == (
        MatchState.CANCELLED, ["match_cancelled"],
    )  # fmt: skip
    assert db.session.get(Listing, match.offer_id, populate_existing=True).live_matches == 0


def test_withdrawing_leaves_an_agreed_exchange_alone(market):
    match = market.match(state=MatchState.AGREED)
    listings.withdraw(match.offer_id, by=market.speaker(listing_of(match.offer_id)))
    db.session.refresh(match)
    assert match.state is MatchState.AGREED


def test_pausing_leaves_what_is_under_way_alone(market):
    match = market.match()
    listings.pause(match.offer_id, by=market.speaker(listing_of(match.offer_id)))
    db.session.refresh(match)
    assert match.state is MatchState.PROPOSED


def test_withdrawing_and_accepting_at_once_never_fail_nor_lose_count(app, market):
    for _ in range(3):
        match = market.match(state=MatchState.ACCEPTED)
        match_id, need_id, offer_id = match.id, match.need_id, match.offer_id
        of_need, of_offer = (
            market.speaker(listing_of(match.need_id)).id,
            market.speaker(listing_of(match.offer_id)).id,
        )

        outcomes = at_once(
            app,
            lambda key=of_need, listing=need_id: listings.withdraw(listing, by=db.session.get_one(User, key)),
            lambda key=of_offer, one=match_id: matches.accept(one, by=db.session.get_one(User, key)),
        )

        unexpected = [
            o for o in outcomes if isinstance(o, Exception) and not isinstance(o, InvalidTransition)
        ]
        live = match_state(match_id) is MatchState.AGREED
        offer = db.session.get(Listing, offer_id, populate_existing=True)
        assert (unexpected, offer.live_matches) == ([], int(live))


def match_state(match_id):
    return db.session.get(Match, match_id, populate_existing=True).state


# ---- time ----


def test_a_listing_expires_at_its_term_and_its_author_is_told(market, outbox, clock):
    need = market.need()
    clock.move(days=89, hours=23)
    assert listings.expire_due() == 0
    clock.move(hours=1)
    assert listings.expire_due() == 1
    assert (read_again(need).state, templates(outbox)) == (S.EXPIRED, ["listing_expired"])
    assert listings.expire_due() == 0


def test_a_paused_listing_expires_too(market, clock):
    need = market.need(state=S.PAUSED)
    clock.move(days=90)
    assert listings.expire_due() == 1
    assert read_again(need).state is S.EXPIRED


def test_expiry_cancels_open_proposals_and_frees_the_other_side(market, clock):
    match = market.match(need=market.need(expires_at=clock.now + timedelta(days=1)))
    clock.move(days=1)
    assert listings.expire_due() == 1
    db.session.refresh(match)
    assert match.state is MatchState.CANCELLED


@pytest.mark.parametrize("state", [S.DRAFT, S.PENDING, S.FULFILLED, S.WITHDRAWN, S.REMOVED])
def test_time_does_nothing_to_what_does_not_run(market, clock, state):
    market.need(state=state)
    clock.move(days=400)
    assert (listings.expire_due(), listings.remind_due()) == (0, 0)


def test_an_author_is_reminded_seven_days_and_one_day_before_and_no_more(market, outbox, clock):
    market.need()
    told = []
    for day in range(90):
        told += [day] * listings.remind_due()
        told += [day] * listings.remind_due()
        clock.move(days=1)
    assert told == [83, 89]
    assert templates(outbox) == ["listing_reminder", "listing_reminder"]


def test_a_worker_that_slept_sends_the_last_reminder_only(market, outbox, clock):
    market.need()
    clock.move(days=89, hours=12)
    assert listings.remind_due() == 1
    clock.move(hours=6)
    assert listings.remind_due() == 0


def test_a_permanent_offer_is_asked_once_a_year_whether_it_still_holds(market, outbox, clock):
    market.offer(is_permanent=True, expires_at=clock.now + timedelta(days=365))
    clock.move(days=358)
    assert listings.remind_due() == 1
    assert "toujours d’accord" in outbox.all()[0].subject


# ---- renewing ----


def test_renewing_gives_the_whole_life_again_and_its_reminders(market, clock):
    need = market.need(last_reminder_days=1)
    clock.move(days=89)
    listings.renew(need.id, by=market.speaker(need))
    assert (read_again(need).expires_at, need.last_reminder_days) == (clock.now + timedelta(days=90), None)


def test_an_expired_listing_that_is_renewed_is_back_online(market, clock):
    need = market.need(state=S.EXPIRED)
    clock.move(days=120)
    listings.renew(need.id, by=market.speaker(need))
    assert (read_again(need).state, need.expires_at) == (S.PUBLISHED, clock.now + timedelta(days=90))


@pytest.fixture
def reminded(market, outbox, clock):
    """Return a listing near its term, and the token of the reminder that its author got."""
    need = market.need()
    clock.move(days=84)
    listings.remind_due()
    return need, outbox.link(outbox.all()[0]).rsplit("/", 1)[1]


def test_the_link_of_the_reminder_renews_without_logging_in(reminded, clock):
    need, token = reminded
    assert listings.read_renewal(token) == need
    listings.renew_by_mail(token)
    assert read_again(need).expires_at == clock.now + timedelta(days=90)


def test_reading_the_link_renews_nothing(reminded):
    need, token = reminded
    before = need.expires_at
    listings.read_renewal(token)
    assert read_again(need).expires_at == before


def test_the_link_serves_once(reminded):
    _, token = reminded
    listings.renew_by_mail(token)
    for use in (listings.read_renewal, listings.renew_by_mail):
        with pytest.raises(TokenExpired):
            use(token)


def test_the_link_followed_twice_at_once_renews_once(app, reminded):
    _, token = reminded
    outcomes = at_once(app, *[lambda: listings.renew_by_mail(token)] * 2)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Listing", "TokenExpired"]


def test_the_link_still_serves_after_the_term(reminded, clock):
    need, token = reminded
    clock.move(days=10)
    listings.expire_due()
    listings.renew_by_mail(token)
    assert read_again(need).state is S.PUBLISHED


def test_the_link_dies_after_two_months(reminded, clock):
    clock.move(days=61)
    with pytest.raises(TokenExpired):
        listings.read_renewal(reminded[1])


@pytest.mark.parametrize("state", [S.WITHDRAWN, S.FULFILLED, S.REMOVED, S.PENDING])
def test_the_link_does_not_bring_back_what_is_over(market, clock, state):
    need = market.need()
    token = listings.renewal_token(need)
    need.state = state
    db.session.commit()
    for use in (listings.read_renewal, listings.renew_by_mail):
        with pytest.raises(TokenExpired):
            use(token)


def test_the_link_does_not_bring_back_a_suspended_structure(market, clock):
    need = market.need(organisation=market.organisation(suspended_at=clock.now))
    with pytest.raises(TokenExpired):
        listings.renew_by_mail(listings.renewal_token(need))


@pytest.mark.parametrize("token", ["", "x", "WzFd.x.y", "../../etc", "🥖"])
def test_a_link_that_was_cut_or_made_up_is_dead(app, token):
    with pytest.raises(TokenExpired):
        listings.read_renewal(token)


# ---- seeing ----


@pytest.mark.parametrize("state", S)
def test_the_public_sees_what_is_published_and_hears_that_the_rest_is_over(market, state):
    need = market.need(state=state)
    if state is S.PUBLISHED:
        assert listings.show(need.id, to=None) == need
        return
    over = state in (S.EXPIRED, S.FULFILLED)
    with pytest.raises(NotFound) as refusal:
        listings.show(need.id, to=None)
    assert isinstance(refusal.value, ListingOver) is over


@pytest.mark.parametrize("state", [S.WITHDRAWN, S.REJECTED, S.REMOVED])
def test_what_was_online_once_is_said_to_be_over(market, clock, state):
    need = market.need(state=state, published_at=clock.now)
    with pytest.raises(ListingOver):
        listings.show(need.id, to=None)


@pytest.mark.parametrize("state", S)
def test_a_structure_sees_its_listing_in_every_state_and_moderators_once_it_was_sent(market, state):
    firm = market.organisation()
    need = market.need(organisation=firm, state=state)
    for person in (market.speaker(firm), market.employee(firm)):
        assert listings.show(need.id, to=person) == need
    for person in (market.moderator(), market.admin()):
        if state is S.DRAFT:
            with pytest.raises(NotFound):
                listings.show(need.id, to=person)
        else:
            assert listings.show(need.id, to=person) == need


@pytest.mark.parametrize("state", [S.DRAFT, S.PENDING, S.PAUSED, S.CHANGES_REQUESTED])
def test_others_do_not_learn_that_a_listing_exists(market, state):
    need = market.need(state=state)
    for person in (market.user(), market.speaker(market.organisation()), market.moderator(LIFFRE_CORMIER)):
        with pytest.raises(NotFound) as refusal:
            listings.show(need.id, to=person)
        assert not isinstance(refusal.value, ListingOver)


def test_the_counterpart_of_an_exchange_still_sees_the_listing(market):
    match = market.match(state=MatchState.AGREED, need=market.need(state=S.PAUSED))
    assert listings.show(match.need_id, to=market.speaker(listing_of(match.offer_id))).id == match.need_id


def test_the_public_does_not_see_a_suspended_structure(market, clock):
    need = market.need(organisation=market.organisation(suspended_at=clock.now))
    with pytest.raises(NotFound):
        listings.show(need.id, to=None)
    assert listings.show(need.id, to=market.speaker(need)) == need


def test_showing_takes_a_fixed_number_of_queries(market):
    key = market.need(extra_skills=("emailing", "rgpd")).id
    db.session.rollback()
    with counted() as queries:
        shown = listings.show(key, to=None)
        _ = (
            [each.skill.label for each in shown.extra_skills],
            shown.organisation.sector.label,
            shown.territory,
        )
    assert int(queries) == 2


def test_the_structures_listings_take_a_fixed_number_of_queries(market):
    firm = market.organisation()
    for _ in range(5):
        market.need(organisation=firm, extra_skills=("emailing",))
    key = firm.id
    db.session.rollback()
    with counted() as queries:
        found = listings.of_organisations([key])
        _ = [(each.skill.domain.label, each.extra_skills[0].skill.label) for each in found]
    assert (len(found), int(queries)) == (5, 2)


def test_the_last_decision_is_the_one_that_counts(market):
    need = market.need()
    for facts in ("Trop vague.", "Encore trop vague."):
        db.session.add(
            ModerationDecision(
                listing_id=need.id,
                action=DecisionAction.REQUEST_CHANGES,
                ground=DecisionGround.UNCLEAR,
                facts=facts,
                snapshot={},
            )
        )
        db.session.commit()
    assert listings.decision_on(need).facts == "Encore trop vague."
    assert listings.decision_on(market.need()) is None


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"capacity": 3}, 2),
        ({"capacity": 3, "total_limit": 2}, 0),
        ({"capacity": 1}, 0),
        ({"capacity": 5, "total_limit": 4}, 2),
    ],
)
def test_places_left_count_both_limits(market, fields, left):
    offer = market.offer(**fields)
    market.match(offer=offer, state=MatchState.COMPLETED)
    market.match(offer=offer)
    assert listings.places_left(offer) == left


def test_the_usual_radius_is_the_territorys(market):
    firm = market.organisation()
    assert (listings.usual_radius(None), listings.usual_radius(firm)) == (20, 20)
    territory = market.open_territory()
    territory.default_radius_km = 12
    db.session.commit()
    assert listings.usual_radius(firm) == 12
