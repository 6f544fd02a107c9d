"""Appeals: by the link that came with a decision, for six months, decided by another person."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    Appeal,
    AppealOutcome,
    AuditEntry,
    CaseOutcome,
    DecisionAction,
    DecisionGround,
    Listing,
    ListingState,
    ModerationDecision,
    Organisation,
    Report,
    ReportCase,
    User,
)
from marketplace.services import appeal_links, appeals, moderation, reports
from marketplace.services.appeals import TooLate
from marketplace.services.errors import (
    AlreadyDecided,
    FieldError,
    NotAllowed,
    NotFound,
    TokenExpired,
    TooManyAttempts,
)
from marketplace.services.reports import Measure
from marketplace.services.statements import Reasons
from tests.support.builders import LIFFRE_CORMIER, PARIS, RENNES_METROPOLE
from tests.support.queries import counted
from tests.support.threads import at_once

A, S, O = DecisionAction, ListingState, AppealOutcome  # noqa: E741
TEXT = "Le texte dit bien ce que nous cherchons : tenir une caisse."
WHY = "Le texte se comprend."
NOTHING = "Rien dans ce texte ne va contre la charte."


@pytest.fixture(autouse=True)
def one_second(clock):
    """A link says when it was signed: time stands still."""


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


@pytest.fixture
def other(market, moderator):
    return market.moderator()


def removed(listing, *, by):
    """Take the listing off the site, as a moderator does; return the decision."""
    action = A.REMOVE if listing.state is S.PUBLISHED else A.REJECT
    return moderation.decide(
        listing.id,
        action,
        by=by,
        version=moderation.version_of(listing),
        ground=DecisionGround.UNCLEAR,
        facts="On ne comprend pas ce qui est cherché.",
    )


def filed(decision, *, text=TEXT, address="192.0.2.1"):
    return appeals.file(appeal_links.for_decision(decision), text=text, address=address)


def dismissed(market, subject, *, by):
    """Report the subject in vain; return the report."""
    case = market.case(subject)
    reports.dismiss(case.id, by=by, reasons=NOTHING)
    return market.report_of(case)


def contested(report):
    return appeals.file(appeal_links.for_report(report), text=TEXT, address="192.0.2.1")


def removal(listing):
    reasons = Reasons(ground=DecisionGround.COMMERCIAL, facts="« 50 € de l’heure »")
    return Measure(action=A.REMOVE, reasons=reasons, version=moderation.version_of(listing))


def queued(by, **filters):
    return [appeal.id for appeal in appeals.queue(by=by, page=1, **filters).items]


# --- Filing ---


def test_the_decision_is_mailed_with_the_link_that_contests_it(market, moderator, outbox):
    listing = market.need()
    decision = removed(listing, by=moderator)

    told = outbox.last(to=market.speaker(listing).email).text

    assert f"/recours/{appeal_links.for_decision(decision)}" in told


def test_an_appeal_is_kept_and_its_receipt_says_until_when_it_is_answered(market, moderator, clock, outbox):
    listing = market.need(title="Tenir une caisse")
    decision = removed(listing, by=moderator)

    appeal = filed(decision)

    assert (appeal.decision_id, appeal.first_decider_id) == (decision.id, moderator.id)
    assert appeal.territory_siren == RENNES_METROPOLE
    assert appeal.due_at == clock.now + timedelta(days=15)
    receipt = outbox.last(to=market.speaker(listing).email)
    assert receipt.template == "appeal_received"
    assert "Tenir une caisse" in receipt.text


def test_a_suspended_structure_can_contest(market, moderator, outbox):
    firm = market.organisation(name="Caisses & Co")

    filed(market.suspension(firm, by=moderator))

    assert "Caisses & Co" in outbox.last(to=market.speaker(firm).email).text


def test_there_is_one_appeal_for_a_decision(market, moderator, outbox):
    decision = removed(market.need(), by=moderator)
    filed(decision)
    mails = len(outbox.all())

    with pytest.raises(FieldError) as refused:
        filed(decision, text="Encore une fois, non.")

    assert "déjà enregistré" in refused.value.message
    assert len(outbox.all()) == mails


def test_two_appeals_at_the_same_instant_are_one(app, market, moderator):
    token = appeal_links.for_decision(removed(market.need(), by=moderator))

    done = at_once(app, *(lambda: appeals.file(token, text=TEXT, address="192.0.2.1") for _ in range(3)))

    assert sorted(type(result).__name__ for result in done) == ["Appeal", "FieldError", "FieldError"]


@pytest.mark.parametrize(("days", "accepted"), [(183, True), (184, True), (185, False)])
def test_a_decision_can_be_contested_for_six_months(market, moderator, clock, days, accepted):
    decision = removed(market.need(), by=moderator)
    clock.move(days=days)

    if accepted:
        assert filed(decision).id
        return
    with pytest.raises(TooLate) as refused:
        filed(decision)
    assert refused.value.deadline == decision.decided_at + timedelta(days=184)
    assert appeals.read_link(appeal_links.for_decision(decision)).is_late


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 300])
def test_a_forged_link_opens_nothing(app, token):
    with pytest.raises(TokenExpired):
        appeals.read_link(token)
    with pytest.raises(TokenExpired):
        appeals.file(token, text=TEXT, address="192.0.2.1")


def test_what_took_nothing_away_cannot_be_contested(market, moderator):
    approved = market.rejection(market.need(), action=A.APPROVE, ground=None, facts="")

    with pytest.raises(TokenExpired):
        filed(approved)


def test_a_link_to_what_is_gone_opens_nothing(market, moderator):
    decision = removed(market.need(), by=moderator)
    token = appeal_links.for_decision(decision)
    db.session.delete(decision)
    db.session.commit()

    with pytest.raises(TokenExpired):
        appeals.file(token, text=TEXT, address="192.0.2.1")


def test_an_appeal_says_something(market, moderator):
    with pytest.raises(FieldError) as refused:
        filed(removed(market.need(), by=moderator), text=" \n ")
    assert refused.value.field == "text"


def test_one_place_cannot_flood_the_desk(market, moderator, monkeypatch):
    monkeypatch.setattr(appeals, "APPEALS_AN_HOUR_FROM_ONE_PLACE", 1)
    filed(removed(market.need(), by=moderator))

    with pytest.raises(TooManyAttempts):
        filed(removed(market.need(), by=moderator))


def test_the_author_finds_the_link_without_the_mail(market, moderator):
    listing = market.need()
    author = market.speaker(listing)
    with pytest.raises(NotFound):
        appeals.token_for_listing(listing.id, by=author)
    decision = removed(listing, by=moderator)

    assert appeals.token_for_listing(listing.id, by=author) == appeal_links.for_decision(decision)
    with pytest.raises(NotFound):
        appeals.token_for_listing(listing.id, by=market.user())


def test_a_suspended_structure_finds_the_link_without_the_mail(market, moderator):
    firm = market.organisation()
    manager = market.speaker(firm)
    with pytest.raises(NotFound):
        appeals.token_for_organisation(firm.id, by=manager)
    decision = market.suspension(firm, by=moderator)

    assert appeals.token_for_organisation(firm.id, by=manager) == appeal_links.for_decision(decision)
    with pytest.raises(NotFound):
        appeals.token_for_organisation(firm.id, by=market.user())


def test_who_reported_in_vain_can_contest_that(market, moderator, outbox):
    report = dismissed(market, market.offer(), by=moderator)

    appeal = contested(report)

    assert (appeal.report_id, appeal.first_decider_id) == (report.id, moderator.id)
    assert outbox.last(to=report.email).template == "appeal_received"


def test_a_report_that_led_to_a_decision_or_still_waits_cannot_be_contested(market, moderator):
    listing = market.offer()
    case = market.case(listing)
    report = db.session.scalars(select(Report)).one()
    with pytest.raises(TokenExpired):
        contested(report)

    reports.act(case.id, removal(listing), by=moderator)

    with pytest.raises(TokenExpired):
        contested(report)


# --- Who may answer ---


def told_to_answer(outbox):
    return [mail.recipient for mail in outbox.all() if mail.template == "appeal_to_answer"]


def test_those_who_may_answer_are_told_at_once_and_nobody_else(market, moderator, other, outbox):
    concerned, _away = market.moderator(), market.moderator(LIFFRE_CORMIER)
    market.admin()
    listing = market.need(organisation=market.organisation(manager=concerned), title="Tenir une caisse")

    filed(removed(listing, by=moderator))

    assert told_to_answer(outbox) == [other.email]
    assert "Tenir une caisse" in outbox.last(to=other.email).text


def test_where_no_moderator_may_answer_the_administrators_are_told(market, moderator, outbox):
    admins = [market.admin(), market.admin()]

    filed(removed(market.need(), by=moderator))

    assert told_to_answer(outbox) == [admin.email for admin in admins]


def test_the_mail_that_asks_for_an_answer_does_not_say_who_reported(market, moderator, other, outbox):
    report = dismissed(market, market.offer(), by=moderator)

    contested(report)

    told = outbox.last(to=other.email)
    assert told.template == "appeal_to_answer"
    assert report.email not in told.text


def test_who_decided_first_neither_sees_it_wait_nor_answers(market, moderator, other):
    appeal = filed(removed(market.need(), by=moderator))

    assert queued(moderator) == []
    assert queued(other) == [appeal.id]
    assert appeals.read(appeal.id, by=moderator).may_decide is False
    with pytest.raises(NotAllowed):
        appeals.decide(appeal.id, O.UPHELD, by=moderator, reasons=WHY)
    db.session.rollback()
    assert db.session.get(Appeal, appeal.id).outcome is None


def test_where_one_person_moderates_alone_the_administrator_answers(market, moderator):
    appeal = filed(removed(market.need(), by=moderator))
    admin = market.admin()

    assert queued(admin) == [appeal.id]
    assert appeals.decide(appeal.id, O.UPHELD, by=admin, reasons=WHY).outcome is O.UPHELD


def test_an_administrator_who_decided_first_does_not_answer_either(market, moderator):
    admin = market.admin()
    appeal = filed(removed(market.need(organisation=market.organisation(commune=PARIS)), by=admin))

    with pytest.raises(NotAllowed):
        appeals.decide(appeal.id, O.UPHELD, by=admin, reasons=WHY)
    assert queued(market.admin()) == [appeal.id]


def test_the_moderator_of_another_territory_finds_nothing(market, moderator):
    appeal = filed(removed(market.need(), by=moderator))
    stranger = market.moderator(LIFFRE_CORMIER)

    assert queued(stranger) == []
    for person in (stranger, market.user()):
        with pytest.raises(NotFound):
            appeals.read(appeal.id, by=person)
        with pytest.raises(NotFound):
            appeals.decide(appeal.id, O.REVERSED, by=person, reasons=WHY)
        db.session.rollback()
    with pytest.raises(NotAllowed):
        queued(market.user())


def test_nobody_answers_the_appeal_of_their_own_structure(market, moderator, other):
    firm = market.organisation(manager=other)
    by_listing = filed(removed(market.need(organisation=firm), by=moderator))
    by_suspension = filed(market.suspension(firm, by=moderator))

    assert queued(other) == []
    for appeal in (by_listing, by_suspension):
        with pytest.raises(NotFound):
            appeals.decide(appeal.id, O.REVERSED, by=other, reasons=WHY)
        db.session.rollback()


def test_who_is_reported_never_learns_from_an_appeal_by_whom(market, moderator, other):
    firm = market.organisation(manager=other)
    appeal = contested(dismissed(market, market.offer(organisation=firm), by=moderator))

    assert queued(other) == []
    with pytest.raises(NotFound):
        appeals.read(appeal.id, by=other)


def test_a_moderator_does_not_answer_their_own_appeal(market, moderator, other):
    report = dismissed(market, market.offer(), by=moderator)
    report.reporter_id = other.id
    db.session.commit()
    appeal = contested(report)

    assert queued(other) == []
    with pytest.raises(NotAllowed):
        appeals.decide(appeal.id, O.REVERSED, by=other, reasons=WHY)
    db.session.rollback()
    assert queued(market.moderator()) == [appeal.id]


# --- Answering ---


def test_a_decision_that_stands_changes_nothing_and_says_why(market, moderator, other, outbox):
    listing = market.need()
    appeal = filed(removed(listing, by=moderator))

    appeals.decide(appeal.id, O.UPHELD, by=other, reasons=WHY)

    assert db.session.get(Listing, listing.id).state is S.REMOVED
    told = outbox.last(to=market.speaker(listing).email)
    assert told.template == "appeal_decided"
    assert "n’est pas accepté" in told.subject
    assert WHY in told.text
    assert "tribunal" in told.text
    assert other.name not in told.text


@pytest.mark.parametrize("state", [S.PUBLISHED, S.PENDING])
def test_a_decision_that_falls_brings_the_listing_back(market, moderator, other, outbox, state):
    listing = market.need(state=state)
    decision = removed(listing, by=moderator)
    appeal = filed(decision)

    appeals.decide(appeal.id, O.REVERSED, by=other, reasons=WHY)

    assert db.session.get(Listing, listing.id).state is S.PUBLISHED
    taken_back = select(ModerationDecision).where(ModerationDecision.reverses_id == decision.id)
    assert db.session.scalars(taken_back).one().moderator_id == other.id
    told = outbox.last(to=market.speaker(listing).email)
    assert "est accepté" in told.subject
    assert "de nouveau en ligne" in told.text


def test_a_decision_that_falls_gives_the_right_to_be_matched_again(market, moderator, other):
    offer = market.offer()
    need = market.need()
    market.match(need=need, offer=offer)
    decision = removed(offer, by=moderator)
    assert db.session.get(Listing, need.id).live_matches == 0

    appeals.decide(filed(decision).id, O.REVERSED, by=other, reasons=WHY)

    assert db.session.get(Listing, offer.id).live_matches == 1
    assert db.session.get(Listing, need.id).live_matches == 1


def test_a_suspension_that_falls_brings_the_structure_back(market, moderator, other):
    firm = market.organisation()
    decision = moderation.suspend(
        firm.id, by=moderator, ground=DecisionGround.REPEATED, facts="Trois annonces qui vendent."
    )

    appeals.decide(filed(decision).id, O.REVERSED, by=other, reasons=WHY)

    assert db.session.get(Organisation, firm.id).suspended_at is None


def test_a_decision_already_taken_back_can_still_be_found_wrong(market, moderator, other):
    listing = market.need()
    decision = removed(listing, by=moderator)
    appeal = filed(decision)
    moderation.restore(decision.id, by=moderator, reason="Nous nous sommes trompés.")

    appeals.decide(appeal.id, O.REVERSED, by=other, reasons=WHY)

    assert db.session.get(Listing, listing.id).state is S.PUBLISHED
    assert db.session.get(Appeal, appeal.id).outcome is O.REVERSED


def test_who_reported_in_vain_and_was_right_has_it_decided_at_once(market, moderator, other, outbox):
    listing = market.offer()
    report = dismissed(market, listing, by=moderator)
    appeal = contested(report)

    appeals.decide(appeal.id, O.REVERSED, by=other, reasons=WHY, measure=removal(listing))

    assert db.session.get(Listing, listing.id).state is S.REMOVED
    assert db.session.get(ReportCase, report.case_id).outcome is CaseOutcome.ACTION
    assert {"report_outcome", "appeal_decided"} <= {mail.template for mail in outbox.to(report.email)}
    assert "est accepté" in outbox.last(to=report.email).subject


def test_to_find_a_report_right_one_says_what_is_done_about_it(market, moderator, other):
    listing = market.offer()
    appeal = contested(dismissed(market, listing, by=moderator))

    with pytest.raises(FieldError) as refused:
        appeals.decide(appeal.id, O.REVERSED, by=other, reasons=WHY)

    assert refused.value.field == "action"
    db.session.rollback()
    assert db.session.get(Appeal, appeal.id).outcome is None


def test_a_report_can_be_found_right_once_its_author_took_the_text_back(market, moderator, other):
    listing = market.offer()
    appeal = contested(dismissed(market, listing, by=moderator))
    listing.state = S.WITHDRAWN
    db.session.commit()

    assert appeals.decide(appeal.id, O.REVERSED, by=other, reasons=WHY).outcome is O.REVERSED


def test_an_answer_has_its_reasons(market, moderator, other):
    appeal = filed(removed(market.need(), by=moderator))

    with pytest.raises(FieldError) as refused:
        appeals.decide(appeal.id, O.REVERSED, by=other, reasons="  ")

    assert refused.value.field == "reasons"


def test_who_answers_second_is_told_that_it_is_decided(market, moderator, other, outbox):
    listing = market.need()
    appeal = filed(removed(listing, by=moderator))
    appeals.decide(appeal.id, O.UPHELD, by=other, reasons=WHY)
    mails = len(outbox.all())

    with pytest.raises(AlreadyDecided):
        appeals.decide(appeal.id, O.REVERSED, by=market.admin(), reasons="Autre avis.")

    db.session.rollback()
    assert db.session.get(Listing, listing.id).state is S.REMOVED
    assert len(outbox.all()) == mails


def test_two_answers_at_the_same_instant_are_one(app, market, moderator, other):
    listing = market.need()
    appeal = filed(removed(listing, by=moderator))
    key, second, third = appeal.id, other.id, market.moderator().id

    done = at_once(
        app,
        lambda: appeals.decide(key, O.UPHELD, by=db.session.get(User, second), reasons=WHY),
        lambda: appeals.decide(key, O.REVERSED, by=db.session.get(User, third), reasons=WHY),
    )

    assert sorted(type(result).__name__ for result in done) == ["AlreadyDecided", "Appeal"]
    stands = db.session.get(Appeal, appeal.id).outcome is O.UPHELD
    assert (db.session.get(Listing, listing.id).state is S.REMOVED) is stands


def test_each_step_is_in_the_audit_log(market, moderator, other):
    appeal = filed(removed(market.need(), by=moderator))
    appeals.decide(appeal.id, O.UPHELD, by=other, reasons=WHY)

    lines = db.session.scalars(
        select(AuditEntry).where(AuditEntry.subject_type == "appeal").order_by(AuditEntry.id)
    ).all()

    assert [(line.action, line.actor_id) for line in lines] == [
        ("appeal.received", None),
        ("appeal.upheld", other.id),
    ]
    assert lines[1].reason == WHY


# --- The queue ---


def test_the_oldest_appeal_comes_first_and_the_answered_ones_stand_apart(market, moderator, other, clock):
    first = filed(removed(market.need(), by=moderator))
    clock.move(days=1)
    second = filed(removed(market.need(), by=moderator))
    third = filed(removed(market.need(), by=moderator))
    appeals.decide(third.id, O.UPHELD, by=other, reasons=WHY)

    assert queued(other) == [first.id, second.id]
    assert queued(other, decided=True) == [third.id]
    assert queued(other, territory=LIFFRE_CORMIER) == []
    assert [each.siren for each in appeals.territories(by=other)] == [RENNES_METROPOLE]


def test_the_queue_asks_the_same_number_of_questions_whatever_it_holds(market, moderator, other):
    market.appeal(market.rejection(market.need(), by=moderator))
    db.session.expire_all()
    with counted() as few:
        appeals.queue(by=other, page=1)
    for _ in range(6):
        market.appeal(market.rejection(market.need(), by=moderator))
    db.session.expire_all()

    with counted() as many:
        appeals.queue(by=other, page=1)

    assert int(many) == int(few)
