"""Reports: what is received, how it becomes one case, and what its closing tells to whom."""

import pytest
from sqlalchemy import select

from marketplace import clock as site_clock
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    CaseOutcome,
    DecisionAction,
    DecisionGround,
    Listing,
    ListingState,
    MatchOrigin,
    MatchState,
    ModerationDecision,
    Organisation,
    Report,
    ReportCase,
    ReportCategory,
    User,
)
from marketplace.services import moderation, report_cases, reports, throttle
from marketplace.services.errors import (
    AlreadyDecided,
    FieldError,
    NotAllowed,
    NotFound,
    TooManyAttempts,
)
from marketplace.services.report_cases import SubjectKind
from marketplace.services.reports import Measure, Notice, Subject
from marketplace.services.statements import Reasons
from tests.support.builders import LIFFRE, LIFFRE_CORMIER, PARIS, RENNES_METROPOLE
from tests.support.queries import counted
from tests.support.threads import at_once

A, S, K = DecisionAction, ListingState, SubjectKind
WHY = "Rien dans ce texte ne va contre la charte."
VISITOR = "voisine@passage.example"


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


def notice(**fields):
    return Notice(
        **{
            "category": ReportCategory.COMMERCIAL,
            "explanation": "« 50 € de l’heure » : c’est une vente.",
            "in_good_faith": True,
            "name": "Une voisine",
            "email": VISITOR,
            **fields,
        }
    )


def on(subject):
    kinds = {Listing: K.LISTING, Organisation: K.ORGANISATION}
    return Subject(kinds.get(type(subject), K.MESSAGE), subject.id)


def report(subject, *, by=None, address="192.0.2.1", **fields):
    return reports.report(on(subject), notice(**fields), by=by, address=address)


def removal(listing, **fields):
    """Return a removal; `fields`: what its reasons, or the version read, say instead."""
    version = fields.pop("version", moderation.version_of(listing))
    reasons = Reasons(**{"ground": DecisionGround.COMMERCIAL, "facts": "« 50 € de l’heure »", **fields})
    return Measure(action=A.REMOVE, reasons=reasons, version=version)


def suspension():
    reasons = Reasons(ground=DecisionGround.REPEATED, facts="Trois annonces qui vendent.")
    return Measure(action=A.SUSPEND, reasons=reasons)


def asked(market, **fields):
    """Return a match that the side of the need has asked for, with a message."""
    need = market.need()
    return market.match(
        need=need,
        offer=market.offer(),
        state=MatchState.ACCEPTED,
        origin=MatchOrigin.PERSON,
        started_by_id=market.speaker(need).id,
        message="Achetez plutôt chez moi.",
        **fields,
    )


def cases():
    return list(db.session.scalars(select(ReportCase).order_by(ReportCase.id)))


def queued(by, **filters):
    return [case.id for case in reports.queue(by=by, page=1, **filters).items]


# --- Receiving ---


def test_a_visitor_reports_and_gets_a_receipt_at_once(market, outbox):
    listing = market.offer(title="Caisse à vendre")

    written = report(listing)

    (mail,) = outbox.all()
    assert (mail.recipient, mail.template) == (VISITOR, "report_received")
    assert f"n° {written.id}" in mail.subject
    assert "Caisse à vendre" in mail.text
    assert "Trompeur, publicité ou vente" in mail.text


def test_what_a_visitor_typed_does_not_go_out_in_the_receipt(market, outbox):
    report(market.offer(), name="Gagnez gros sur piege.example", explanation="Allez sur piege.example")

    assert "piege" not in outbox.last(to=VISITOR).text


def test_somebody_with_an_account_is_known_by_it(market, outbox):
    neighbour = market.user("lea@boulangerie.example", name="Léa Pain")

    written = report(market.offer(), by=neighbour, name="Autre", email="autre@passage.example")

    assert (written.name, written.email, written.reporter_id) == ("Léa Pain", neighbour.email, neighbour.id)
    assert "Bonjour Léa Pain" in outbox.last(to=neighbour.email).text


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ({"in_good_faith": False}, "in_good_faith"),
        ({"explanation": "  "}, "explanation"),
        ({"email": ""}, "email"),
    ],
)
def test_a_report_says_all_that_the_law_asks_for(market, outbox, missing, field):
    with pytest.raises(FieldError) as refused:
        report(market.offer(), **missing)

    assert refused.value.field == field
    assert (cases(), outbox.all()) == ([], [])


def test_the_subject_is_kept_as_it_read_when_it_was_reported(market):
    listing = market.offer(description="Je vends des caisses, 50 € de l’heure.")
    report(listing)
    listing.description = "Je montre comment tenir une caisse."
    db.session.commit()

    assert cases()[0].snapshot["text"] == "Je vends des caisses, 50 € de l’heure."


def test_several_reports_on_one_listing_are_one_case(market):
    listing, other = market.offer(), market.offer()

    report(listing)
    report(listing, email="autre@passage.example")
    report(other)

    assert [(case.listing_id, case.territory_siren) for case in cases()] == [
        (listing.id, RENNES_METROPOLE),
        (other.id, RENNES_METROPOLE),
    ]


@pytest.mark.parametrize("again", [VISITOR, VISITOR.upper()])
def test_the_same_person_reports_the_same_thing_once(market, outbox, again):
    listing = market.offer()
    report(listing)

    with pytest.raises(FieldError) as refused:
        report(listing, email=again)

    assert refused.value.message == reports.ALREADY_REPORTED
    assert len(outbox.all()) == 1


def test_once_a_case_is_closed_the_same_person_may_open_another(market, moderator):
    listing = market.offer()
    first = report(listing)
    reports.dismiss(first.case_id, by=moderator, reasons=WHY)

    second = report(listing)

    assert second.case_id != first.case_id


def test_two_first_reports_at_the_same_instant_make_one_case(app, market):
    subject = on(market.offer())
    acts = [
        lambda email=email: reports.report(subject, notice(email=email), by=None, address=email)
        for email in ("a@passage.example", "b@passage.example", "c@passage.example")
    ]

    done = at_once(app, *acts)

    assert [result for result in done if isinstance(result, Exception)] == []
    (case,) = cases()
    assert len(list(db.session.scalars(select(Report).where(Report.case_id == case.id)))) == 3


def test_one_place_cannot_flood_the_desk(market):
    for number in range(reports.REPORTS_AN_HOUR_FROM_ONE_PLACE):
        report(market.offer(), email=f"v{number}@passage.example")

    with pytest.raises(TooManyAttempts):
        report(market.offer(), email="dernier@passage.example")
    assert report(market.offer(), email="dernier@passage.example", address="192.0.2.9")


def test_one_person_cannot_flood_the_desk_from_many_places(market, monkeypatch):
    monkeypatch.setattr(reports, "REPORTS_A_DAY_FROM_ONE_PERSON", 2)
    for number in range(2):
        report(market.offer(), address=f"192.0.2.{number}")

    with pytest.raises(TooManyAttempts):
        report(market.offer(), address="192.0.2.9")


@pytest.mark.parametrize("state", [S.DRAFT, S.PENDING, S.WITHDRAWN, S.REMOVED])
def test_what_one_cannot_see_one_cannot_report(market, state):
    with pytest.raises(NotFound):
        report(market.offer(state=state))
    assert cases() == []


def test_a_structure_can_be_reported_unless_it_is_suspended(market):
    firm = market.organisation(name="Caisses & Co")
    assert report(firm).case_id == cases()[0].id
    assert cases()[0].snapshot == {"title": "Caisses & Co"}

    with pytest.raises(NotFound):
        report(market.organisation(suspended_at=site_clock.now()))
    with pytest.raises(NotFound):
        reports.report(Subject(K.ORGANISATION, 10**6), notice(), by=None, address="192.0.2.1")


def test_a_message_can_be_reported_by_who_got_it_and_by_nobody_else(market):
    match = asked(market)
    receiver = market.speaker(market_offer(match))

    for stranger in (None, market.user(), market.admin(), market.speaker(market_need(match))):
        with pytest.raises(NotFound):
            report(match, by=stranger)
    report(match, by=receiver)

    (case,) = cases()
    assert (case.match_id, case.snapshot["text"]) == (match.id, "Achetez plutôt chez moi.")


def market_need(match):
    return db.session.get(Listing, match.need_id)


def market_offer(match):
    return db.session.get(Listing, match.offer_id)


def test_a_match_without_a_message_has_nothing_to_report(market):
    match = market.match()
    with pytest.raises(NotFound):
        report(match, by=market.speaker(market_offer(match)))


# --- Reading ---


def test_the_oldest_case_comes_first_and_the_closed_ones_stand_apart(market, moderator, clock):
    first = market.case(market.offer())
    clock.move(hours=1)
    second, third = market.case(market.organisation()), market.case(market.need())
    reports.dismiss(third.id, by=moderator, reasons=WHY)

    assert queued(moderator) == [first.id, second.id]
    assert queued(moderator, closed=True) == [third.id]


def test_a_moderator_sees_the_cases_of_the_territory_and_the_administrator_all(market, moderator):
    here = market.case(market.offer())
    there = market.case(market.offer(organisation=market.organisation(commune=LIFFRE)))
    nowhere = market.case(market.organisation(commune=PARIS))
    admin = market.admin()

    assert queued(moderator) == [here.id]
    assert queued(market.moderator(LIFFRE_CORMIER)) == [there.id]
    assert queued(admin) == [here.id, there.id, nowhere.id]
    assert queued(admin, territory=LIFFRE_CORMIER) == [there.id]
    assert [each.siren for each in reports.territories(by=moderator)] == [RENNES_METROPOLE]
    with pytest.raises(NotAllowed):
        queued(market.user())


def test_the_moderator_of_another_territory_finds_nothing(market, moderator):
    case = market.case(market.offer())
    stranger = market.moderator(LIFFRE_CORMIER)

    for refused in (
        lambda: reports.read(case.id, by=stranger),
        lambda: reports.dismiss(case.id, by=stranger, reasons=WHY),
        lambda: reports.act(case.id, removal(db.session.get(Listing, case.listing_id)), by=stranger),
        lambda: reports.read(case.id, by=market.user()),
    ):
        with pytest.raises(NotFound):
            refused()
        db.session.rollback()
    assert db.session.get(ReportCase, case.id).outcome is None


@pytest.mark.parametrize("subject", ["listing", "structure", "message sent", "message got"])
@pytest.mark.parametrize("role", ["moderator", "administrator"])
def test_who_moderates_and_is_reported_never_learns_by_whom(market, moderator, subject, role):
    judge = moderator if role == "moderator" else market.admin()
    if subject == "listing":
        listing = market.offer()
        case, firm = market.case(listing), db.session.get(Organisation, listing.organisation_id)
    elif subject == "structure":
        firm = market.organisation()
        case = market.case(firm)
    else:
        match = asked(market)
        report(match, by=market.speaker(market_offer(match)))
        (case,) = cases()
        side = match.need_organisation_id if subject == "message sent" else match.offer_organisation_id
        firm = db.session.get(Organisation, side)
    market.employee(firm, user=judge)

    assert queued(judge) == []
    with pytest.raises(NotFound):
        reports.read(case.id, by=judge)
    assert queued(market.moderator()) == [case.id]


def test_the_log_does_not_say_who_reported(market, moderator):
    neighbour = market.user()
    report(market.offer(), by=neighbour)

    line = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "report.received")).one()

    assert line.actor_id is None
    assert neighbour.email not in str(line.after)


def test_a_case_shows_its_reports_and_what_was_decided_before(market, moderator):
    listing = market.offer()
    earlier = market.rejection(listing, by=moderator)
    report(listing)
    report(listing, email="autre@passage.example", category=ReportCategory.ILLEGAL)

    seen = reports.read(cases()[0].id, by=moderator)

    assert (seen.kind, seen.listing.id, seen.organisation.id) == (
        K.LISTING,
        listing.id,
        listing.organisation_id,
    )
    assert [each.category for each in seen.reports] == [ReportCategory.COMMERCIAL, ReportCategory.ILLEGAL]
    assert (seen.reports_in_all, [each.id for each in seen.decisions]) == (2, [earlier.id])
    assert list(seen.actions) == [A.REMOVE]


def test_what_its_author_took_back_leaves_nothing_to_do(market, moderator):
    listing = market.offer()
    case = market.case(listing)
    listing.state = S.WITHDRAWN
    db.session.commit()

    assert list(reports.read(case.id, by=moderator).actions) == []


def test_the_queue_asks_the_same_number_of_questions_whatever_it_holds(market, moderator):
    market.case(market.offer())
    db.session.expire_all()
    with counted() as few:
        reports.queue(by=moderator, page=1)
    for _ in range(6):
        market.case(market.offer())
    db.session.expire_all()

    with counted() as many:
        reports.queue(by=moderator, page=1)

    assert int(many) == int(few)


def test_the_queue_comes_in_pages(market, moderator):
    with market.in_one_transaction():
        for _ in range(reports.QUEUE_PAGE + 1):
            market.case(market.organisation())

    last = reports.queue(by=moderator, page=10**9)

    assert (last.number, last.total, len(last.items)) == (2, reports.QUEUE_PAGE + 1, 1)


def test_the_listings_that_are_reported_are_known_to_the_queue_of_listings(market, moderator):
    reported, done, other = market.offer(), market.offer(), market.offer()
    case = market.case(reported)
    reports.dismiss(market.case(done).id, by=moderator, reasons=WHY)

    assert report_cases.open_case_ids([reported.id, done.id, other.id]) == {reported.id: case.id}
    found = db.session.scalars(select(Listing.id).where(report_cases.is_reported()))
    assert list(found) == [reported.id]


# --- Closing ---


def test_doing_nothing_tells_everybody_why_and_how_to_contest(market, moderator, outbox):
    listing = market.offer()
    report(listing)
    report(listing, email="autre@passage.example")

    reports.dismiss(cases()[0].id, by=moderator, reasons=WHY)

    assert db.session.get(Listing, listing.id).state is S.PUBLISHED
    (case,) = cases()
    assert (case.outcome, case.closed_by_id) == (CaseOutcome.NO_ACTION, moderator.id)
    for email in (VISITOR, "autre@passage.example"):
        told = outbox.last(to=email)
        assert told.template == "report_outcome"
        assert WHY in told.text
        assert "/recours/" in told.text
        assert moderator.name not in told.text
    author = market.speaker(listing).email
    assert outbox.to(author) == []


def test_doing_nothing_needs_a_reason(market, moderator):
    case = market.case(market.offer())

    with pytest.raises(FieldError) as refused:
        reports.dismiss(case.id, by=moderator, reasons=" \n")

    assert refused.value.field == "reasons"


def test_removing_what_is_reported_closes_its_case_and_tells_both_sides(market, moderator, outbox):
    listing = market.offer()
    report(listing)

    reports.act(cases()[0].id, removal(listing), by=moderator)

    assert db.session.get(Listing, listing.id).state is S.REMOVED
    (case,) = cases()
    decision = db.session.scalars(select(ModerationDecision)).one()
    assert (case.outcome, case.decision_id) == (CaseOutcome.ACTION, decision.id)
    assert decision.follows_notice
    told = outbox.last(to=VISITOR).text
    assert "l’annonce est retirée du site" in told
    assert "/recours/" not in told
    to_author = outbox.last(to=market.speaker(listing).email).text
    assert VISITOR not in to_author
    assert "Une voisine" not in to_author


def test_a_decision_taken_from_the_queue_of_listings_closes_the_case_too(market, moderator, outbox):
    listing = market.offer()
    report(listing)
    version = moderation.version_of(listing)

    moderation.decide(
        listing.id, A.REMOVE, by=moderator, version=version, ground=DecisionGround.UNCLEAR, facts="Flou."
    )

    assert cases()[0].outcome is CaseOutcome.ACTION
    assert outbox.last(to=VISITOR).template == "report_outcome"


def test_a_reported_structure_can_be_suspended(market, moderator):
    firm = market.organisation()
    case = market.case(firm)

    reports.act(case.id, suspension(), by=moderator)

    assert db.session.get(Organisation, firm.id).suspended_at is not None
    assert db.session.get(ReportCase, case.id).outcome is CaseOutcome.ACTION


def test_who_wrote_a_reported_message_can_be_suspended(market, moderator, outbox):
    match = asked(market)
    receiver = market.speaker(market_offer(match))
    report(match, by=receiver)

    reports.act(cases()[0].id, suspension(), by=moderator)

    assert db.session.get(Organisation, match.need_organisation_id).suspended_at is not None
    assert cases()[0].outcome is CaseOutcome.ACTION
    assert db.session.scalars(select(ModerationDecision)).one().follows_notice
    assert "la structure est suspendue" in outbox.last(to=receiver.email).text


@pytest.mark.parametrize("missing", [{"ground": None}, {"facts": " "}, {"version": "older"}])
def test_a_measure_that_is_refused_leaves_the_case_open_and_writes_nothing(
    market, moderator, outbox, missing
):
    listing = market.offer()
    case = market.case(listing)

    with pytest.raises(FieldError):
        reports.act(case.id, removal(listing, **missing), by=moderator)

    db.session.rollback()
    assert db.session.get(ReportCase, case.id).outcome is None
    assert db.session.scalar(select(ModerationDecision)) is None
    assert outbox.all() == []


@pytest.mark.parametrize("first", ["dismiss", "act"])
def test_who_comes_second_is_told_that_it_is_decided(market, moderator, outbox, first):
    listing = market.offer()
    case, other = market.case(listing), market.moderator()
    if first == "dismiss":
        reports.dismiss(case.id, by=moderator, reasons=WHY)
    else:
        reports.act(case.id, removal(listing), by=moderator)
    mails = len(outbox.all())

    for late in (
        lambda: reports.dismiss(case.id, by=other, reasons="Autre avis."),
        lambda: reports.act(case.id, removal(listing), by=other),
    ):
        with pytest.raises(AlreadyDecided):
            late()
        db.session.rollback()
    assert db.session.get(ReportCase, case.id).closed_by_id == moderator.id
    assert len(outbox.all()) == mails


def test_two_moderators_at_the_same_instant_close_a_case_once(app, market, moderator, outbox):
    listing = market.offer()
    case, measure = market.case(listing), removal(listing)
    key, first, second = case.id, moderator.id, market.moderator().id

    done = at_once(
        app,
        lambda: reports.dismiss(key, by=db.session.get(User, first), reasons=WHY),
        lambda: reports.act(key, measure, by=db.session.get(User, second)),
    )

    assert sorted(type(result).__name__ for result in done) == ["AlreadyDecided", "ReportCase"]
    outcome = db.session.get(ReportCase, case.id).outcome
    removed = db.session.get(Listing, listing.id).state is S.REMOVED
    assert removed is (outcome is CaseOutcome.ACTION)
    assert len([mail for mail in outbox.all() if mail.template == "report_outcome"]) == 1


def test_each_step_is_in_the_audit_log(market, moderator):
    listing = market.offer()
    report(listing)
    reports.dismiss(cases()[0].id, by=moderator, reasons=WHY)

    lines = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()

    assert [(line.action, line.actor_id, line.territory_siren) for line in lines] == [
        ("report.received", None, RENNES_METROPOLE),
        ("report.no_action", moderator.id, RENNES_METROPOLE),
    ]
    assert lines[1].reason == WHY


def test_a_report_counts_against_its_limit_even_when_it_is_refused(market, monkeypatch):
    seen = []
    monkeypatch.setattr(throttle, "count_attempt", lambda key, **limits: seen.append(key))

    with pytest.raises(NotFound):
        report(market.offer(state=S.DRAFT))

    assert seen == ["report-from:192.0.2.1", f"report-by:{VISITOR}"]
