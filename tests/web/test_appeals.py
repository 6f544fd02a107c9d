"""Contesting, and the desk's pages on appeals: what the browser gets."""

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    Appeal,
    AppealOutcome,
    DecisionAction,
    DecisionGround,
    Listing,
    ListingState,
    ReportCase,
)
from marketplace.services import appeal_links, appeals, moderation, reports
from marketplace.web.display import date
from tests.support.queries import counted

TEXT = "Le texte dit bien ce que nous cherchons."
WHY = "Le texte se comprend."


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


@pytest.fixture
def listing(market):
    return market.need(title="Tenir une caisse <b>")


@pytest.fixture
def decision(listing, moderator):
    return moderation.decide(
        listing.id,
        DecisionAction.REMOVE,
        by=moderator,
        version=moderation.version_of(listing),
        ground=DecisionGround.UNCLEAR,
        facts="On ne comprend pas ce qui est cherché.",
    )


@pytest.fixture
def link(decision):
    return f"/recours/{appeal_links.for_decision(decision)}"


def text(response):
    return response.get_data(as_text=True)


def filed(decision):
    return appeals.file(appeal_links.for_decision(decision), text=TEXT, address="192.0.2.1")


def all_appeals():
    db.session.rollback()
    return list(db.session.scalars(select(Appeal)))


# --- Contesting ---


def test_the_link_shows_the_decision_and_until_when_it_can_be_contested(client, link, decision):
    page = text(client.get(link))

    assert "Tenir une caisse &lt;b&gt;" in page
    assert "On ne comprend pas ce qui est cherché." in page
    assert "Ce qui est décidé :" in page
    assert date(appeal_links.deadline(decision.decided_at)) in page
    assert 'content="noindex"' in page


def test_the_appeal_is_filed_without_logging_in_and_its_page_follows_it(
    client, link, outbox, market, listing
):
    done = client.post(link, data={"texte": TEXT})

    assert done.location == link
    page = text(client.get(link))
    assert "Votre recours est enregistré" in page
    assert TEXT in page
    assert "Envoyer le recours" not in page
    receipt = outbox.last(to=market.speaker(listing).email)
    assert outbox.link(receipt) == link


def test_the_page_tells_the_outcome_and_its_reasons(client, link, decision, other):
    appeals.decide(filed(decision).id, AppealOutcome.UPHELD, by=other, reasons=WHY)

    page = text(client.get(link))

    assert "la décision est maintenue" in page
    assert WHY in page
    assert other.name not in page


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Remplissez ce champ"),
        ("Non.", "10 caractères au moins"),
        ("x" * 5001, "5000 caractères au plus"),
        ("a\x00b" * 10, "caractères invisibles"),
    ],
)
def test_what_cannot_be_kept_is_said_at_the_field(client, link, typed, said):
    response = client.post(link, data={"texte": typed})

    assert response.status_code == 422
    assert said in text(response)
    assert all_appeals() == []


def test_a_second_appeal_is_refused_in_words(client, link, decision):
    filed(decision)

    response = client.post(link, data={"texte": "Encore une fois, je ne suis pas d’accord."})

    assert "Une autre personne que celle qui a décidé vous répond" in text(response)
    assert len(all_appeals()) == 1


def test_after_six_months_the_page_says_that_it_is_too_late(client, market, moderator, clock, listing, link):
    clock.move(days=185)

    for response in (client.get(link), client.post(link, data={"texte": TEXT})):
        assert response.status_code == 410
        assert "Il est trop tard" in text(response)
        assert "tribunal" in text(response)
    assert all_appeals() == []


@pytest.mark.parametrize("token", ["x", "a.b.c", "x" * 3000, "%F0%9F%A5%96"])
def test_a_forged_link_is_gone(client, app, token):
    assert client.get(f"/recours/{token}").status_code == 410
    assert client.post(f"/recours/{token}", data={"texte": TEXT}).status_code == 410


def test_the_author_contests_from_the_page_of_the_listing(login, market, listing, link):
    client = login(market.speaker(listing))
    page = text(client.get(f"/annonces/{listing.id}", follow_redirects=True))
    assert f"/annonces/{listing.id}/recours" in page

    assert client.get(f"/annonces/{listing.id}/recours").location == link


def test_a_suspended_structure_contests_from_its_space(login, market, moderator):
    firm = market.organisation()
    suspended = moderation.suspend(firm.id, by=moderator, ground=DecisionGround.REPEATED, facts="Trois fois.")
    client = login(market.speaker(firm))
    assert f"/structures/{firm.id}/recours" in text(client.get("/mon-espace"))

    found = client.get(f"/structures/{firm.id}/recours").location

    assert found == f"/recours/{appeal_links.for_decision(suspended)}"
    assert "Trois fois." in text(client.get(found))


# --- The desk ---


def test_the_queue_shows_what_is_contested_and_until_when_it_is_answered(login, decision, other):
    appeal = filed(decision)

    page = text(login(other).get("/moderation/recours"))

    assert "Tenir une caisse &lt;b&gt;" in page
    assert f"réponse avant le {date(appeal.due_at)}" in page


def test_a_late_answer_shows(login, decision, other, clock):
    filed(decision)
    clock.move(days=16)

    assert "réponse en retard" in text(login(other).get("/moderation/recours"))


def test_who_decided_first_sees_it_nowhere_in_the_queue_and_may_not_answer(login, decision, moderator):
    appeal = filed(decision)
    client = login(moderator)

    assert "Rien à traiter" in text(client.get("/moderation/recours"))
    page = text(client.get(f"/moderation/recours/{appeal.id}"))
    assert "une autre personne répond" in page
    assert "Maintenir la décision" not in page
    answer = {"reponse": "reversed", "raisons": WHY}
    assert client.post(f"/moderation/recours/{appeal.id}", data=answer).status_code == 403
    assert all_appeals()[0].outcome is None


def test_the_queue_asks_the_same_number_of_questions_whatever_it_holds(login, market, moderator, other):
    market.appeal(market.rejection(market.need(), by=moderator))
    client = login(other)
    with counted() as few:
        client.get("/moderation/recours")
    for _ in range(6):
        market.appeal(market.rejection(market.need(), by=moderator))

    with counted() as many:
        client.get("/moderation/recours")

    assert int(many) == int(few)


@pytest.mark.parametrize(
    ("answer", "state", "outcome"),
    [
        ("upheld", ListingState.REMOVED, AppealOutcome.UPHELD),
        ("reversed", ListingState.PUBLISHED, AppealOutcome.REVERSED),
    ],
)
def test_an_appeal_is_answered(login, decision, listing, other, answer, state, outcome):
    appeal = filed(decision)
    client = login(other)
    page = text(client.get(f"/moderation/recours/{appeal.id}"))
    assert TEXT in page
    assert "On ne comprend pas ce qui est cherché." in page

    done = client.post(f"/moderation/recours/{appeal.id}", data={"reponse": answer, "raisons": WHY})

    assert done.location == "/moderation/recours"
    db.session.rollback()
    assert db.session.get(Listing, listing.id).state is state
    assert db.session.get(Appeal, appeal.id).outcome is outcome


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"reponse": "upheld"}, "Remplissez ce champ"),
        ({"raisons": WHY}, "Choisissez"),
        ({"reponse": "x", "raisons": WHY}, "Choisissez"),
    ],
)
def test_an_answer_that_is_not_whole_is_refused(login, decision, other, answer, said):
    appeal = filed(decision)

    response = login(other).post(f"/moderation/recours/{appeal.id}", data=answer)

    assert response.status_code == 422
    assert said in text(response)
    assert answer.get("raisons", "") in text(response)


def test_who_answers_second_sees_what_the_first_answered(login, market, decision, other):
    appeal = filed(decision)
    appeals.decide(appeal.id, AppealOutcome.UPHELD, by=other, reasons=WHY)
    first = other.name

    response = login(market.admin()).post(
        f"/moderation/recours/{appeal.id}", data={"reponse": "reversed", "raisons": "Autre avis."}
    )

    assert response.status_code == 409
    assert WHY in text(response)
    assert first in text(response)


def test_a_report_found_right_shows_the_statement_first_and_is_decided_then(login, market, moderator, other):
    reported = market.offer()
    case, version = market.case(reported), moderation.version_of(reported)
    reports.dismiss(case.id, by=moderator, reasons="Rien à redire.")
    token = appeal_links.for_report(market.report_of(case))
    appeal = appeals.file(token, text=TEXT, address="192.0.2.1")
    client, path = login(other), f"/moderation/recours/{appeal.id}"
    answer = {
        "decision": "remove",
        "motif": "commercial",
        "faits": "« 50 € »",
        "version": version,
        "raisons": WHY,
    }
    assert "Retirer l’annonce du site" in text(client.get(path))

    shown = text(client.post(path, data=answer))
    assert "Ce que la structure recevra" in shown
    assert WHY in shown
    assert all_appeals()[0].outcome is None
    client.post(path, data=answer | {"etape": "envoyer"})

    db.session.rollback()
    assert db.session.get(Listing, reported.id).state is ListingState.REMOVED
    assert db.session.get(ReportCase, case.id).outcome == "action"
    assert all_appeals()[0].outcome is AppealOutcome.REVERSED


def test_a_report_found_right_without_a_measure_is_asked_for_one(login, market, moderator, other):
    case = market.case(market.offer())
    reports.dismiss(case.id, by=moderator, reasons="Rien à redire.")
    token = appeal_links.for_report(market.report_of(case))
    appeal = appeals.file(token, text=TEXT, address="192.0.2.1")

    response = login(other).post(
        f"/moderation/recours/{appeal.id}", data={"reponse": "reversed", "raisons": WHY}
    )

    assert response.status_code == 422
    assert "Dites ce que vous décidez." in text(response)
