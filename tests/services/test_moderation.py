"""The queue of a territory, and what decisions do."""

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    DecisionAction,
    DecisionGround,
    InvalidTransition,
    Listing,
    ListingKind,
    ListingState,
    Match,
    MatchState,
    ModerationDecision,
    Organisation,
    ReportCase,
    User,
)
from marketplace.models.matches import LIVE
from marketplace.services import desk, listings, matches, moderation, ranking, search
from marketplace.services.desk import QueueFilters
from marketplace.services.directory import Filters
from marketplace.services.errors import AlreadyDecided, FieldError, NotAllowed, NotFound
from marketplace.services.listings import ListingSheet
from marketplace.services.moderation import Summary
from marketplace.services.statements import Reasons
from marketplace.web.display import date
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.threads import at_once

A, S = DecisionAction, ListingState
REASONS = {"ground": DecisionGround.UNCLEAR, "facts": "Le texte ne dit pas ce qui est cherché."}
ALLOWED = {
    (S.PENDING, A.APPROVE): S.PUBLISHED,
    (S.PENDING, A.REQUEST_CHANGES): S.CHANGES_REQUESTED,
    (S.PENDING, A.REJECT): S.REJECTED,
    (S.PUBLISHED, A.REMOVE): S.REMOVED,
    (S.PAUSED, A.REMOVE): S.REMOVED,
}
REFUSED = [case for case in product(S, A) if case not in ALLOWED and case[0] is not S.DRAFT]


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


def decide(listing, action, *, by, **reasons):
    version = moderation.version_of(listing)
    if action is not A.APPROVE:
        reasons = REASONS | reasons
    return moderation.decide(listing.id, action, by=by, version=version, **reasons)


def waiting(by, **filters):
    page = desk.queue(by=by, filters=QueueFilters(**filters), page=1)
    return [item.listing.id for item in page.items]


def sheet_of(listing, **changes):
    names = ("skill_id", "level", "title", "description", "places", "radius_km")
    told = {name: getattr(listing, name) for name in names}
    return ListingSheet(**{**told, "urgency": 1, **changes})


@pytest.mark.parametrize(("state", "action"), ALLOWED)
def test_a_decision_moves_the_listing(market, moderator, state, action):
    listing = market.need(state=state)

    decide(listing, action, by=moderator)

    assert db.session.get(Listing, listing.id).state is ALLOWED[state, action]


@pytest.mark.parametrize(("state", "action"), REFUSED)
def test_no_other_decision_is_possible_and_nothing_changes(market, moderator, outbox, state, action):
    listing = market.need(state=state)

    with pytest.raises((AlreadyDecided, InvalidTransition)):
        decide(listing, action, by=moderator)

    db.session.rollback()
    assert db.session.get(Listing, listing.id).state is state
    assert db.session.scalar(select(ModerationDecision)) is None
    assert outbox.all() == []


def test_a_draft_is_its_authors_alone(market, moderator):
    draft = market.need(state=S.DRAFT)

    with pytest.raises(NotFound):
        desk.review(draft.id, by=moderator)
    with pytest.raises(NotFound):
        decide(draft, A.APPROVE, by=moderator)


def test_an_approved_listing_starts_its_life_and_its_author_is_told(market, moderator, clock, outbox):
    listing = market.need(state=S.PENDING)
    clock.move(days=3)

    decide(listing, A.APPROVE, by=moderator)

    kept = db.session.get(Listing, listing.id)
    assert (kept.published_at, kept.expires_at) == (clock.now, clock.now + timedelta(days=90))
    (mail,) = outbox.to(market.speaker(listing).email)
    assert "est en ligne" in mail.subject


def test_a_decision_against_a_listing_keeps_and_mails_its_reasons(market, moderator, outbox):
    listing = market.offer(state=S.PENDING, flags=["price", "link"])

    decide(listing, A.REJECT, by=moderator, ground=DecisionGround.COMMERCIAL, facts="« 50 € de l’heure »")

    kept = db.session.scalars(select(ModerationDecision)).one()
    assert (kept.ground, kept.facts) == (DecisionGround.COMMERCIAL, "« 50 € de l’heure »")
    assert kept.automated_flags == ["price", "link"]
    assert kept.snapshot["description"] == listing.description
    assert (kept.moderator_id, kept.territory_siren) == (moderator.id, RENNES_METROPOLE)
    told = outbox.last(to=market.speaker(listing).email).text
    assert "L’annonce vend une prestation" in told
    assert "« 50 € de l’heure »" in told
    assert "prix, lien" in told
    assert "six mois pour contester" in told
    assert moderator.name not in told
    assert moderator.email not in told


def test_a_decision_made_without_any_tool_says_so(market, moderator, outbox):
    listing = market.need(state=S.PENDING)

    decide(listing, A.REQUEST_CHANGES, by=moderator)

    told = outbox.last(to=market.speaker(listing).email).text
    assert "aucun outil automatique" in told
    assert f"/annonces/{listing.id}/modifier" in told


@pytest.mark.parametrize("missing", ["ground", "facts"])
@pytest.mark.parametrize("action", [A.REQUEST_CHANGES, A.REJECT])
def test_a_decision_against_a_listing_needs_its_reasons(market, moderator, action, missing):
    listing = market.need(state=S.PENDING)

    with pytest.raises(FieldError) as refused:
        decide(listing, action, by=moderator, **{missing: None if missing == "ground" else "  "})

    assert refused.value.field == missing
    db.session.rollback()
    assert db.session.get(Listing, listing.id).state is S.PENDING


def test_the_decision_is_in_the_audit_log_with_both_states(market, moderator):
    listing = market.need(state=S.PENDING)

    decision = decide(listing, A.REJECT, by=moderator)

    line = db.session.scalars(select(AuditEntry)).one()
    assert (line.action, line.actor_id, line.territory_siren) == (
        "listing.rejected",
        moderator.id,
        RENNES_METROPOLE,
    )
    assert (line.before, line.after) == ({"state": "pending"}, {"state": "rejected", "decision": decision.id})
    assert REASONS["facts"] in line.reason


def test_who_comes_second_is_told_that_it_is_decided(market, moderator):
    listing = market.need(state=S.PENDING)
    decide(listing, A.APPROVE, by=moderator)

    with pytest.raises(AlreadyDecided) as refused:
        decide(listing, A.REJECT, by=market.moderator())
    assert refused.value.state == "published"


def test_a_text_that_changed_while_it_was_read_is_read_again(market, moderator):
    listing = market.need(state=S.PENDING)
    version = moderation.version_of(listing)
    listings.change(
        listing.id,
        ListingSheet(
            skill_id=listing.skill_id,
            level=listing.level,
            title=listing.title,
            description="Tout autre chose, que personne de la modération n’a lu jusqu’ici.",
            places=listing.places,
            radius_km=listing.radius_km,
            urgency=1,
        ),
        by=market.speaker(listing),
    )

    with pytest.raises(FieldError) as refused:
        moderation.decide(listing.id, A.APPROVE, by=moderator, version=version)
    assert refused.value.field == "version"


@pytest.mark.parametrize("action", A)
def test_the_moderator_of_another_territory_finds_nothing(market, action):
    market.open_territory()
    market.open_territory(LIFFRE_CORMIER)
    stranger = market.moderator(LIFFRE_CORMIER)
    listing = market.need(state=S.PENDING)

    with pytest.raises(NotFound):
        decide(listing, action, by=stranger)
    with pytest.raises(NotFound):
        desk.review(listing.id, by=stranger)
    assert waiting(stranger) == []


@pytest.mark.parametrize("action", A)
def test_somebody_who_moderates_nothing_finds_nothing(market, action):
    listing = market.need(state=S.PENDING)
    author = market.speaker(listing)

    with pytest.raises(NotFound):
        decide(listing, action, by=author)
    with pytest.raises(NotAllowed):
        desk.queue(by=author, filters=QueueFilters(), page=1)


def test_nobody_decides_on_a_listing_of_their_own_structure(market, moderator):
    firm = market.organisation(manager=moderator)
    listing = market.need(organisation=firm, state=S.PENDING)

    with pytest.raises(NotAllowed):
        decide(listing, A.APPROVE, by=moderator)

    assert waiting(moderator) == []
    seen = desk.review(listing.id, by=moderator)
    assert seen.is_own
    assert waiting(market.moderator()) == [listing.id]
    assert waiting(market.admin()) == [listing.id]


@pytest.mark.parametrize(("state", "action"), [(S.PUBLISHED, A.REMOVE), (S.PENDING, A.REJECT)])
def test_a_listing_taken_off_cancels_its_proposals_and_keeps_what_is_agreed(
    market, moderator, outbox, state, action
):
    offer = market.offer(capacity=2, state=state)
    proposed, agreed = market.match(offer=offer), market.match(offer=offer, state=MatchState.AGREED)

    decide(offer, action, by=moderator)

    assert db.session.get(Match, proposed.id).state is MatchState.CANCELLED
    assert db.session.get(Match, agreed.id).state is MatchState.AGREED
    other = market.speaker(db.session.get(Listing, proposed.need_id))
    assert "n’est plus disponible" in outbox.last(to=other.email).text


def test_past_decisions_are_shown_to_who_reads_the_listing_again(market, moderator):
    listing = market.need(state=S.PENDING)
    decide(listing, A.REQUEST_CHANGES, by=moderator)

    history = desk.review(listing.id, by=moderator).history

    assert [(past.action, past.moderator.id) for past in history] == [(A.REQUEST_CHANGES, moderator.id)]


def test_the_author_may_change_and_send_again_what_was_sent_back(market, moderator):
    listing = market.need(state=S.PENDING)
    decide(listing, A.REQUEST_CHANGES, by=moderator)

    listings.change(
        listing.id,
        ListingSheet(
            skill_id=listing.skill_id,
            level=listing.level,
            title="Vendre en ligne",
            description="Je veux apprendre à ouvrir une boutique en ligne pour mes confitures.",
            places=listing.places,
            radius_km=listing.radius_km,
            urgency=1,
        ),
        by=market.speaker(listing),
    )
    assert db.session.get(Listing, listing.id).state in (S.PENDING, S.PUBLISHED)


def test_the_author_may_contest_for_six_months_by_the_link_in_the_mail(market, moderator, client, outbox):
    listing = market.need(state=S.PENDING)

    decide(listing, A.REJECT, by=moderator)

    told = outbox.last(to=market.speaker(listing).email).text
    link = next(word for word in told.split() if "/recours/" in word)
    assert client.get("/" + link.split("/", 3)[3]).status_code == 200


@pytest.mark.parametrize("action", [A.REQUEST_CHANGES, A.REJECT])
def test_the_statement_says_all_that_the_law_asks_for(market, moderator, outbox, clock, action):
    listing = market.offer(state=S.PENDING, title="Caisse", flags=["price"])

    kept = decide(
        listing,
        action,
        by=moderator,
        ground=DecisionGround.COMMERCIAL,
        facts="« 50 € »",
        explanation="Un prix.",
    )

    duration = "jusqu’à ce que vous l’ayez modifié" if action is A.REQUEST_CHANGES else "sans limite de durée"
    until = date(clock.now + timedelta(days=184))
    for said in (
        "votre savoir-faire « Caisse » n’est pas publié",  # (a) what is restricted
        f"sur tout le site, où qu’on le consulte, {duration}",  # (a) where, how long
        "Ce qui a été constaté : « 50 € »",  # (b) the facts
        "personne n’avait signalé ce contenu",  # (b) no notice
        "un contrôle automatique avait repéré dans le texte : prix",  # (c) automated means
        "a été prise par une personne",
        "L’annonce vend une prestation",  # (e) the rule of the charter
        "Un prix.",  # (e) and why
        f"six mois pour contester, gratuitement : jusqu’au {until}",  # (f) redress
        "règlement extrajudiciaire",
        "tribunal",
    ):
        assert said in kept.statement
    assert (
        kept.statement.split()
        == outbox.last(market.speaker(listing).email).text.split()[3 : 3 + len(kept.statement.split())]
    )


def test_a_decision_by_the_law_names_the_law(market, moderator):
    listing = market.need(state=S.PENDING)

    with pytest.raises(FieldError) as refused:
        decide(listing, A.REJECT, by=moderator, ground=DecisionGround.ILLEGAL)
    assert refused.value.field == "explanation"
    kept = decide(
        listing,
        A.REJECT,
        by=moderator,
        ground=DecisionGround.ILLEGAL,
        explanation="Code pénal, art. 226-1.",
    )

    assert "La loi, et pourquoi elle s’applique : Code pénal, art. 226-1." in kept.statement


def test_what_is_shown_before_is_what_is_sent(market, moderator, clock):
    listing = market.need(state=S.PENDING, flags=["link"])
    version, reasons = moderation.version_of(listing), Reasons(**REASONS)

    shown = moderation.preview(listing.id, A.REJECT, by=moderator, version=version, reasons=reasons)

    assert db.session.scalar(select(ModerationDecision)) is None
    assert shown.to_text() == decide(listing, A.REJECT, by=moderator).statement


def test_a_preview_refuses_what_the_decision_would(market, moderator):
    listing, other = market.need(state=S.PENDING), market.moderator(LIFFRE_CORMIER)
    version, reasons = moderation.version_of(listing), Reasons(**REASONS)
    with pytest.raises(NotFound):
        moderation.preview(listing.id, A.REJECT, by=other, version=version, reasons=reasons)
    with pytest.raises(FieldError):
        moderation.preview(listing.id, A.REJECT, by=moderator, version="older", reasons=reasons)
    with pytest.raises(FieldError):
        moderation.preview(listing.id, A.REJECT, by=moderator, version=version, reasons=Reasons())


def test_a_decision_after_a_report_says_so_and_answers_it(market, moderator, outbox):
    listing = market.offer()
    case = market.case(listing)

    kept = decide(listing, A.REMOVE, by=moderator)

    assert kept.follows_notice
    assert "quelqu’un a signalé ce contenu" in kept.statement
    assert db.session.get(ReportCase, case.id).decision_id == kept.id


def test_who_comes_second_is_told_who_decided_what_and_when(market, moderator, clock):
    listing, when = market.need(state=S.PENDING), clock.now
    decide(listing, A.APPROVE, by=moderator)
    clock.move(hours=1)

    with pytest.raises(AlreadyDecided) as refused:
        decide(listing, A.REJECT, by=market.moderator())

    told = refused.value
    assert (told.by, told.action, told.at) == (moderator.name, A.APPROVE, when)


class TestSeveral:
    def versions(self, *waiting):
        return {listing.id: moderation.version_of(listing) for listing in waiting}

    def test_all_are_approved_each_with_its_mail(self, market, moderator, outbox):
        waiting = [market.need(state=S.PENDING) for _ in range(3)]

        summary = moderation.decide_many(self.versions(*waiting), A.APPROVE, by=moderator)

        assert (summary.done, dict(summary.already)) == (3, {})
        assert {db.session.get(Listing, listing.id).state for listing in waiting} == {S.PUBLISHED}
        assert len(outbox.all()) == 3

    def test_all_are_refused_for_one_reason_each_by_its_name(self, market, moderator, outbox):
        waiting = [
            market.need(state=S.PENDING, title=title) for title in ("Vendre du pain", "Vendre du miel")
        ]

        summary = moderation.decide_many(
            self.versions(*waiting), A.REJECT, by=moderator, reasons=Reasons(**REASONS)
        )

        assert summary.done == 2
        for listing in waiting:
            assert listing.title in outbox.last(market.speaker(listing).email).text

    def test_what_others_did_meanwhile_is_told_and_stays(self, market, moderator):
        fresh, decided, changed, gone = (market.need(state=S.PENDING) for _ in range(4))
        read, colleague = self.versions(fresh, decided, changed, gone), market.moderator()
        decide(decided, A.REJECT, by=colleague)
        listings.change(changed.id, sheet_of(changed, title="Un autre titre"), by=market.speaker(changed))
        listings.withdraw(gone.id, by=market.speaker(gone))

        summary = moderation.decide_many(read, A.APPROVE, by=moderator)

        assert summary == Summary(done=1, already={colleague.name: 1}, changed=1, gone=1)
        states = [db.session.get(Listing, listing.id).state for listing in (fresh, decided, changed, gone)]
        assert states == [S.PUBLISHED, S.REJECTED, S.PENDING, S.WITHDRAWN]

    def test_one_that_is_not_the_persons_stops_all(self, market, moderator):
        here = market.need(state=S.PENDING)
        there = market.need(state=S.PENDING, organisation=market.organisation(commune=LIFFRE))

        with pytest.raises(NotFound):
            moderation.decide_many(self.versions(here, there), A.APPROVE, by=moderator)
        assert db.session.get(Listing, here.id).state is S.PENDING

    def test_one_of_their_own_structure_stops_all(self, market, moderator):
        own = market.need(organisation=market.organisation(manager=moderator), state=S.PENDING)
        with pytest.raises(NotAllowed):
            moderation.decide_many(self.versions(own), A.APPROVE, by=moderator)

    @pytest.mark.parametrize("reasons", [None, Reasons(), Reasons(DecisionGround.UNCLEAR, "  ")])
    def test_none_is_refused_without_reasons(self, market, moderator, reasons):
        listing = market.need(state=S.PENDING)
        with pytest.raises(FieldError):
            moderation.decide_many(self.versions(listing), A.REJECT, by=moderator, reasons=reasons)
        assert db.session.get(Listing, listing.id).state is S.PENDING

    def test_a_number_beyond_the_bound_is_refused(self, market, moderator):
        with pytest.raises(FieldError):
            moderation.decide_many(dict.fromkeys(range(1, 100), "x"), A.APPROVE, by=moderator)


def listed(kind):
    return search.find(kind, Filters()).results.page.total


def suspend(organisation, *, by, **reasons):
    return moderation.suspend(
        organisation.id, by=by, **({"ground": DecisionGround.REPEATED, "facts": "Trois retraits."} | reasons)
    )


class TestSuspension:
    @pytest.fixture
    def firm(self, market):
        return market.organisation(name="Pain & Cie")

    def test_its_listings_vanish_from_every_list_and_match(self, market, moderator, firm):
        offer, need = market.offer(organisation=firm), market.need()
        assert listed(ListingKind.OFFER) == 1

        suspend(firm, by=moderator)

        assert listed(ListingKind.OFFER) == 0
        assert ranking.best_for(need) == []
        with pytest.raises(NotFound):
            listings.show(offer.id, to=None)

    def test_its_proposals_are_cancelled_by_mail_and_what_is_agreed_goes_on(
        self, market, moderator, firm, outbox
    ):
        offer = market.offer(organisation=firm, capacity=3)
        asked, agreed = market.match(offer=offer), market.match(offer=offer, state=MatchState.AGREED)

        suspend(firm, by=moderator)

        assert db.session.get(Match, asked.id).state is MatchState.CANCELLED
        assert db.session.get(Match, agreed.id).state is MatchState.AGREED
        assert db.session.get(Listing, offer.id).live_matches == 1
        other = market.speaker(db.session.get(Listing, asked.need_id))
        assert "n’est plus active sur le site" in outbox.last(other.email).text

    def test_its_people_get_the_statement(self, market, moderator, firm, outbox):
        colleague = market.employee(firm)

        kept = suspend(firm, by=moderator)

        for person in (market.speaker(firm), colleague):
            told = outbox.last(person.email).text
            assert "votre structure Pain & Cie est suspendue" in told
            assert "jusqu’à ce que la modération rétablisse votre structure" in told
            assert "/recours/" in told
            assert moderator.name not in told
        assert "Trois retraits." in kept.statement
        assert (kept.action, kept.organisation_id, kept.listing_id) == (A.SUSPEND, firm.id, None)

    def test_it_is_in_the_audit_log(self, market, moderator, firm):
        kept = suspend(firm, by=moderator)
        line = db.session.scalars(
            select(AuditEntry).where(AuditEntry.action == "organisation.suspended")
        ).one()
        assert (line.actor_id, line.subject_id) == (moderator.id, str(firm.id))
        assert line.after == {"suspended": True, "decision": kept.id}

    def test_who_comes_second_is_told(self, market, moderator, firm):
        suspend(firm, by=moderator)
        with pytest.raises(AlreadyDecided) as refused:
            suspend(firm, by=market.moderator())
        assert (refused.value.by, refused.value.action) == (moderator.name, A.SUSPEND)

    @pytest.mark.parametrize(
        "missing", [{"ground": None}, {"facts": " "}, {"ground": DecisionGround.ILLEGAL}]
    )
    def test_it_needs_its_reasons(self, market, moderator, firm, missing):
        with pytest.raises(FieldError):
            suspend(firm, by=moderator, **missing)
        assert db.session.get(Organisation, firm.id).suspended_at is None

    def test_only_a_moderator_of_its_territory_suspends(self, market, moderator, firm):
        for stranger in (market.moderator(LIFFRE_CORMIER), market.speaker(firm), market.user()):
            with pytest.raises(NotFound):
                suspend(firm, by=stranger)
        with pytest.raises(NotFound):
            moderation.suspend(2**31 - 1, by=moderator, ground=DecisionGround.REPEATED, facts="x")

    def test_nobody_suspends_their_own(self, market, moderator):
        with pytest.raises(NotAllowed):
            suspend(market.organisation(manager=moderator), by=moderator)

    def test_what_is_shown_before_is_what_is_sent(self, market, moderator, firm, clock):
        reasons = Reasons(DecisionGround.REPEATED, "Trois retraits.")
        shown = moderation.preview_suspension(firm.id, by=moderator, reasons=reasons).to_text()
        assert shown == suspend(firm, by=moderator).statement


class TestRestoring:
    @pytest.mark.parametrize("action", [A.REQUEST_CHANGES, A.REJECT, A.REMOVE])
    def test_a_listing_is_online_again_and_its_author_told(self, market, moderator, outbox, action):
        listing = market.need(state=S.PUBLISHED if action is A.REMOVE else S.PENDING)
        decision = decide(listing, action, by=moderator)

        back = moderation.restore(decision.id, by=market.moderator(), reason="Relue : rien à redire.")

        assert db.session.get(Listing, listing.id).state is S.PUBLISHED
        assert (back.action, back.reverses_id) == (A.RESTORE, decision.id)
        mail = outbox.last(market.speaker(listing).email)
        assert "de nouveau en ligne" in mail.subject
        assert "Relue : rien à redire." in mail.text

    def test_proposals_that_it_had_cancelled_are_made_again(self, market, moderator, outbox):
        offer = market.offer(capacity=3)
        asked = market.match(offer=offer)
        accepted = market.match(offer=offer, state=MatchState.ACCEPTED)
        decision = decide(offer, A.REMOVE, by=moderator)

        moderation.restore(decision.id, by=moderator, reason="Erreur de ma part.")

        again = db.session.scalars(select(Match).where(Match.state != MatchState.CANCELLED)).all()
        assert {(match.need_id, match.state) for match in again} == {
            (asked.need_id, MatchState.PROPOSED),
            (accepted.need_id, MatchState.ACCEPTED),
        }
        assert db.session.get(Listing, offer.id).live_matches == 2
        other = market.speaker(db.session.get(Listing, asked.need_id))
        assert "de nouveau possible" in outbox.last(other.email).subject

    def test_a_need_that_found_somebody_else_meanwhile_keeps_them(self, market, moderator):
        offer, need = market.offer(), market.need()
        market.match(need=need, offer=offer)
        decision = decide(offer, A.REMOVE, by=moderator)
        market.match(need=need)

        moderation.restore(decision.id, by=moderator, reason="Erreur de ma part.")

        live = db.session.scalars(select(Match).where(Match.need_id == need.id, Match.state.in_(LIVE))).all()
        assert [match.offer_id == offer.id for match in live] == [False]
        assert db.session.get(Listing, offer.id).live_matches == 0

    def test_a_structure_is_active_again_with_its_proposals(self, market, moderator, outbox):
        firm = market.organisation()
        need = market.need(organisation=firm)
        market.match(need=need)
        decision = suspend(firm, by=moderator)

        moderation.restore(decision.id, by=moderator, reason="Elle s’est engagée.")

        assert db.session.get(Organisation, firm.id).suspended_at is None
        assert listed(ListingKind.NEED) == 1
        assert db.session.get(Listing, need.id).live_matches == 1
        assert (
            "est rétablie"
            in outbox.to(market.speaker(firm).email)[-2].subject
            + outbox.last(market.speaker(firm).email).subject
        )

    def test_a_decision_is_taken_back_once(self, market, moderator):
        listing = market.need(state=S.PENDING)
        decision = decide(listing, A.REJECT, by=moderator)
        moderation.restore(decision.id, by=moderator, reason="Erreur.")

        with pytest.raises(AlreadyDecided):
            moderation.restore(decision.id, by=moderator, reason="Encore.")

    def test_a_decision_that_another_one_followed_is_not_taken_back(self, market, moderator):
        listing = market.need(state=S.PENDING)
        first = decide(listing, A.REQUEST_CHANGES, by=moderator)
        listings.change(listing.id, sheet_of(listing, title="Un autre titre"), by=market.speaker(listing))
        decide(db.session.get(Listing, listing.id), A.REJECT, by=moderator)

        with pytest.raises(InvalidTransition):
            moderation.restore(first.id, by=moderator, reason="Erreur.")

    def test_an_approval_is_not_taken_back_so(self, market, moderator):
        decision = decide(market.need(state=S.PENDING), A.APPROVE, by=moderator)
        with pytest.raises(NotFound):
            moderation.restore(decision.id, by=moderator, reason="Erreur.")

    def test_it_needs_a_reason(self, market, moderator):
        decision = decide(market.need(state=S.PENDING), A.REJECT, by=moderator)
        with pytest.raises(FieldError):
            moderation.restore(decision.id, by=moderator, reason="  ")

    def test_only_a_moderator_of_the_territory_restores(self, market, moderator):
        listing = market.need(state=S.PENDING)
        decision, suspension = (
            decide(listing, A.REJECT, by=moderator),
            suspend(market.organisation(), by=moderator),
        )
        for stranger in (market.moderator(LIFFRE_CORMIER), market.speaker(listing)):
            for one in (decision, suspension):
                with pytest.raises(NotFound):
                    moderation.restore(one.id, by=stranger, reason="Pour moi.")
        with pytest.raises(NotFound):
            moderation.restore(2**31 - 1, by=moderator, reason="x")


class TestAtOnce:
    """On both databases, in two threads: whoever comes second finds what the first has done."""

    def test_a_suspension_and_a_proposal_leave_nothing_open(self, app, market, moderator):
        offer, need = market.offer(), market.need()
        why, person = ranking.reasons(need, offer), market.speaker(need).id
        ids = need.id, offer.id, offer.organisation_id, moderator.id

        at_once(
            app,
            lambda: moderation.suspend(
                ids[2],
                by=db.session.get(User, ids[3]),
                ground=DecisionGround.REPEATED,
                facts="Trois retraits.",
            ),
            lambda: matches.propose(ids[0], ids[1], by=db.session.get(User, person), reasons=why),
        )

        db.session.rollback()
        assert db.session.get(Organisation, ids[2]).suspended_at is not None
        assert db.session.scalar(select(Match).where(Match.state.in_(LIVE))) is None
        assert db.session.get(Listing, ids[1]).live_matches == 0

    def test_two_who_restore_do_it_once(self, app, market, moderator):
        offer = market.offer()
        market.match(offer=offer)
        decision = decide(offer, A.REMOVE, by=moderator)
        ids = decision.id, moderator.id

        def restore():
            return moderation.restore(ids[0], by=db.session.get(User, ids[1]), reason="Erreur.")

        outcomes = at_once(app, restore, restore)

        assert [type(one) for one in outcomes if isinstance(one, Exception)] == [AlreadyDecided]
        db.session.rollback()
        assert db.session.get(Listing, offer.id).live_matches == 1

    def test_two_batches_on_the_same_listings_decide_each_once(self, app, market, moderator):
        waiting = [market.need(state=S.PENDING) for _ in range(4)]
        versions = {listing.id: moderation.version_of(listing) for listing in waiting}
        people = moderator.id, market.moderator().id

        def batch(person):
            return lambda: moderation.decide_many(versions, A.APPROVE, by=db.session.get(User, person))

        summaries = at_once(app, *(batch(person) for person in people))

        assert sum(summary.done for summary in summaries) == 4
        assert sum(sum(summary.already.values()) for summary in summaries) == 4
        db.session.rollback()
        assert len(db.session.scalars(select(ModerationDecision)).all()) == 4
