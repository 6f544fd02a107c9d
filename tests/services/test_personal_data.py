"""One person's data: taken along, or deleted with the account."""

import json

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    CaseOutcome,
    DecisionAction,
    Frequency,
    Listing,
    ListingState,
    MatchState,
    Membership,
    ModerationDecision,
    Organisation,
    OutboxMail,
    Report,
    SavedSearch,
    TerritoryRole,
    User,
)
from marketplace.services import personal_data
from marketplace.services.errors import FieldError, NotFound
from tests.support.builders import PASSWORD

HERE = "192.0.2.1"


@pytest.fixture
def pair(market):
    """Two structures of one person each, with an agreed match and a proposed one between them."""
    firm, other = market.organisation(), market.organisation()
    needs = [market.need(organisation=firm) for _ in range(2)]
    offer = market.offer(organisation=other, capacity=5)
    states = MatchState.AGREED, MatchState.PROPOSED
    matches = [market.match(need=need, offer=offer, state=s) for need, s in zip(needs, states, strict=True)]
    return firm, other, matches


# --- Taking along ---


def test_the_export_holds_what_is_kept_about_the_person_and_no_secret(market, pair, outbox):
    firm, _, _ = pair
    person = market.speaker(firm)
    db.session.add(SavedSearch(user_id=person.id, frequency=Frequency.WEEKLY, words="facture"))
    db.session.commit()
    told = personal_data.export(person)
    assert told["account"]["email"] == person.email
    assert "password_hash" not in told["account"]
    assert [row["title"] for row in told["tables"]["listing.author_id"]] == [
        need.title
        for need in db.session.scalars(
            select(Listing).where(Listing.author_id == person.id).order_by(Listing.id)
        )
    ]
    assert told["tables"]["saved_search.user_id"][0]["words"] == "facture"
    assert "membership.user_id" in told["tables"]
    assert person.password_hash not in json.dumps(told)


def test_no_secret_of_a_second_factor_is_given(market):
    moderator = market.moderator()
    told = personal_data.export(moderator)["tables"]
    assert "sealed_secret" not in str(told)
    assert "code_hash" not in str(told)
    assert "territory_role.user_id" in told


def test_the_export_tells_nothing_of_others(market, pair):
    firm, other, _ = pair
    stranger = market.speaker(other)
    told = json.dumps(personal_data.export(market.speaker(firm)))
    assert stranger.email not in told
    assert stranger.name not in told


def test_what_a_moderator_decided_about_others_is_told_without_their_words(market):
    moderator = market.moderator()
    need = market.need(title="Un texte à quelqu’un d’autre", state=ListingState.PENDING)
    db.session.add(
        ModerationDecision(
            listing_id=need.id,
            moderator_id=moderator.id,
            action=DecisionAction.APPROVE,
            automated_flags=[],
            snapshot={"title": need.title},
        )
    )
    db.session.commit()
    (row,) = personal_data.export(moderator)["tables"]["moderation_decision.moderator_id"]
    assert "snapshot" not in row
    assert row["action"] == "approve"


def test_the_operator_exports_by_mail_and_is_told_of_nobody(market):
    person = market.user("lea@boulangerie.example")
    assert personal_data.export_by_email("LEA@boulangerie.example")["account"]["id"] == person.id
    with pytest.raises(NotFound):
        personal_data.export_by_email("personne@nulle-part.example")


# --- Deleting ---


def test_every_reference_to_a_person_says_what_becomes_of_it():
    for table, column in personal_data._about_people():
        (key,) = column.foreign_keys
        assert key.ondelete in ("CASCADE", "SET NULL"), f"{table.name}.{column.name}"


def test_who_is_not_alone_leaves_listings_and_exchanges_to_the_others(market, pair):
    firm, _, matches = pair
    person, colleague = market.speaker(firm), market.employee(firm)
    gone = person.id
    personal_data.delete_account(person)
    assert db.session.get(User, gone) is None
    assert [match.state for match in matches] == [MatchState.AGREED, MatchState.PROPOSED]
    needs = db.session.scalars(select(Listing).where(Listing.organisation_id == firm.id)).all()
    assert {(need.state, need.author_id) for need in needs} == {(ListingState.PUBLISHED, None)}
    assert market.speaker(firm).id == colleague.id


def test_the_last_one_withdraws_everything_and_the_others_are_told(market, pair, outbox):
    firm, other, matches = pair
    person, stranger = market.speaker(firm), market.speaker(other)
    personal_data.delete_account(person)
    assert {match.state for match in matches} == {MatchState.CANCELLED}
    offer = db.session.get(Listing, matches[0].offer_id)
    assert (offer.live_matches, offer.state) == (0, ListingState.PUBLISHED)
    needs = db.session.scalars(select(Listing).where(Listing.organisation_id == firm.id))
    assert {need.state for need in needs} == {ListingState.WITHDRAWN}
    assert [mail.template for mail in outbox.to(stranger.email)] == ["match_cancelled"] * 2
    assert db.session.get(Organisation, firm.id) is not None


def test_an_agreed_exchange_of_a_listing_that_is_over_is_cancelled_too(market):
    need = market.need(state=ListingState.WITHDRAWN)
    match = market.match(need=need, state=MatchState.AGREED)
    personal_data.delete_account(market.speaker(need))
    assert match.state is MatchState.CANCELLED


def test_a_structure_that_nothing_refers_to_goes_with_its_last_person(market):
    firm = market.organisation()
    gone = firm.id
    personal_data.delete_account(market.speaker(firm))
    assert db.session.get(Organisation, gone) is None
    assert db.session.scalars(select(Membership)).all() == []


def test_only_a_number_and_a_last_mail_are_left(market, outbox):
    person = market.user("lea@boulangerie.example", name="Léa Pain")
    number = person.id
    personal_data.delete_account(person)
    lines = db.session.scalars(select(AuditEntry).where(AuditEntry.actor_id == number)).all()
    assert [line.action for line in lines] == ["user.deleted"]
    assert "boulangerie" not in str([(line.before, line.after, line.reason) for line in lines])
    assert [mail.template for mail in outbox.to("lea@boulangerie.example")] == ["account_deleted"]


def test_mail_that_waits_for_somebody_who_left_is_not_sent(market):
    person = market.user("lea@boulangerie.example")
    db.session.add(
        OutboxMail(recipient=person.email, template="x", subject="Ancien", text="Ancien", html="Ancien")
    )
    db.session.commit()
    personal_data.delete_account(person)
    assert db.session.scalars(select(OutboxMail.subject)).all() == ["Votre compte est effacé"]


def test_the_last_administrator_stays(market):
    admin = market.admin()
    with pytest.raises(FieldError, match="administre"):
        personal_data.delete_account(admin)
    market.admin()
    personal_data.delete_account(admin)
    assert db.session.scalars(select(User).where(User.is_admin)).one().id != admin.id


def test_the_password_is_asked(market):
    person = market.user()
    personal_data.require_password(person, PASSWORD, address=HERE)
    with pytest.raises(FieldError, match="pas votre mot de passe"):
        personal_data.require_password(person, "un autre mot de passe", address=HERE)


def test_a_moderator_s_role_goes_with_the_account(market):
    moderator = market.moderator()
    personal_data.delete_account(moderator)
    assert db.session.scalars(select(TerritoryRole)).all() == []


def test_a_territory_that_loses_its_only_head_is_told_to_the_administrators(market):
    administrator, head = market.admin(), market.head()
    personal_data.delete_account(head)
    to_them = select(OutboxMail).where(OutboxMail.recipient == administrator.email)
    assert "Rennes Métropole" in db.session.scalars(to_them).one().subject


def test_a_territory_with_another_head_goes_on(market):
    administrator, head = market.admin(), market.head()
    market.head()
    personal_data.delete_account(head)
    assert administrator.email not in {mail.recipient for mail in db.session.scalars(select(OutboxMail))}


@pytest.mark.parametrize("is_closed", [True, False])
def test_reports_keep_who_made_them_only_while_the_outcome_is_awaited(market, clock, is_closed):
    case = market.case(market.need())
    report = market.report_of(case)
    person = market.user()
    report.reporter_id, report.name, report.email = person.id, person.name, person.email
    if is_closed:
        case.closed_at, case.outcome, case.reasons = clock.now, CaseOutcome.NO_ACTION, "Rien d’anormal."
    db.session.commit()
    email = person.email
    personal_data.delete_account(person)
    kept = db.session.get_one(Report, report.id)
    assert (kept.email == email) is not is_closed
    assert bool(kept.name) is not is_closed
