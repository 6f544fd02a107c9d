"""Reporting, and the desk's pages on reports: what the browser gets."""

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    CaseOutcome,
    Listing,
    ListingState,
    MatchOrigin,
    MatchState,
    Organisation,
    Report,
    ReportCase,
)
from marketplace.services import moderation, reports
from marketplace.web.display import slug_of
from tests.support.builders import LIFFRE, LIFFRE_CORMIER
from tests.support.queries import counted

SAID = "Ce texte vend une prestation, il ne propose pas d’échange."
ANSWERS = {"categorie": "commercial", "explication": SAID, "bonne_foi": "y"}
VISITOR = {"nom": "Une voisine", "mail": "Voisine@passage.example"}
MEASURE = {"decision": "remove", "motif": "commercial", "faits": "« 50 € de l’heure »"}


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


def written():
    return list(db.session.scalars(select(Report)))


def text(response):
    return response.get_data(as_text=True)


# --- Reporting ---


def test_a_published_listing_can_be_reported_from_its_page(client, market):
    listing = market.offer(title="Caisse <b>")
    page = text(client.get(f"/annonces/{listing.id}-{slug_of(listing)}"))
    assert f"/signaler/annonce/{listing.id}" in page

    form = text(client.get(f"/signaler/annonce/{listing.id}"))
    assert "Caisse &lt;b&gt;" in form
    assert f"annonce n° {listing.id}" in form
    assert "Votre nom" in form


def test_a_structure_can_be_reported_from_its_page(client, market):
    firm = market.organisation()
    assert f"/signaler/structure/{firm.id}" in text(client.get(f"/structures/{firm.id}"))
    client.post(f"/signaler/structure/{firm.id}", data=ANSWERS | VISITOR)
    assert db.session.scalars(select(ReportCase)).one().organisation_id == firm.id


def test_a_visitor_reports_and_comes_back_to_the_listing(client, market, outbox):
    listing = market.offer()

    response = client.post(f"/signaler/annonce/{listing.id}", data=ANSWERS | VISITOR)

    assert response.status_code == 302
    assert "la modération va regarder" in text(client.get(response.location, follow_redirects=True))
    (report,) = written()
    assert (report.email, report.explanation) == ("voisine@passage.example", SAID)
    assert outbox.last(to="voisine@passage.example").template == "report_received"


def test_somebody_logged_in_is_not_asked_who_they_are(login, market):
    neighbour, listing = market.user(), market.offer()
    client = login(neighbour)
    assert "Votre nom" not in text(client.get(f"/signaler/annonce/{listing.id}"))

    client.post(f"/signaler/annonce/{listing.id}", data=ANSWERS | VISITOR)

    assert written()[0].email == neighbour.email


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bonne_foi": ""}, "Cochez cette case"),
        ({"explication": ""}, "Remplissez ce champ"),
        ({"explication": "Court"}, "10 caractères au moins"),
        ({"explication": "x" * 3001}, "3000 caractères au plus"),
        ({"categorie": "n-importe-quoi"}, "Choisissez une réponse de la liste"),
        ({"categorie": ""}, "Choisissez une réponse de la liste"),
        ({"mail": "voisine"}, "n’est pas complète"),
        ({"nom": ""}, "Remplissez ce champ"),
    ],
)
def test_what_is_missing_is_said_at_its_field_and_what_was_typed_is_kept(
    client, market, outbox, change, said
):
    answers = {name: value for name, value in (ANSWERS | VISITOR | change).items() if value}

    response = client.post(f"/signaler/annonce/{market.offer().id}", data=answers)

    assert response.status_code == 422
    assert said in text(response)
    assert f'value="{answers["mail"]}"' in text(response)
    assert (written(), outbox.all()) == ([], [])


def test_reporting_twice_is_said_and_written_once(client, market):
    listing = market.offer()
    client.post(f"/signaler/annonce/{listing.id}", data=ANSWERS | VISITOR)

    response = client.post(f"/signaler/annonce/{listing.id}", data=ANSWERS | VISITOR)

    assert response.status_code == 422
    assert reports.ALREADY_REPORTED in text(response)
    assert len(written()) == 1


def test_somebody_logged_in_who_reports_twice_is_told_so_too(login, market):
    client, listing = login(market.user()), market.offer()
    client.post(f"/signaler/annonce/{listing.id}", data=ANSWERS)

    assert reports.ALREADY_REPORTED in text(client.post(f"/signaler/annonce/{listing.id}", data=ANSWERS))


def test_a_program_that_fills_every_field_is_thanked_and_nothing_is_written(client, market, outbox):
    data = ANSWERS | VISITOR | {"site": "https://piege.example"}

    response = client.post(f"/signaler/annonce/{market.offer().id}", data=data)

    assert response.status_code == 302
    assert (written(), outbox.all()) == ([], [])


def test_too_many_reports_from_one_place_wait(client, market):
    for number in range(reports.REPORTS_AN_HOUR_FROM_ONE_PLACE):
        who = {"nom": "V", "mail": f"v{number}@passage.example"}
        client.post(f"/signaler/annonce/{market.offer().id}", data=ANSWERS | who)

    response = client.post(f"/signaler/annonce/{market.offer().id}", data=ANSWERS | VISITOR)

    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("state", [ListingState.PENDING, ListingState.REMOVED])
def test_a_listing_that_is_not_online_cannot_be_reported(client, market, state):
    path = f"/signaler/annonce/{market.offer(state=state).id}"
    assert client.get(path).status_code == 404
    assert client.post(path, data=ANSWERS | VISITOR).status_code == 404


def test_a_message_is_reported_by_who_got_it(login, market):
    need, offer = market.need(), market.offer()
    match = market.match(
        need=need,
        offer=offer,
        state=MatchState.ACCEPTED,
        origin=MatchOrigin.PERSON,
        started_by_id=market.speaker(need).id,
        message="Achetez plutôt chez moi.",
    )
    client = login(market.speaker(offer))
    assert f"/signaler/message/{match.id}" in text(client.get(f"/mises-en-relation/{match.id}"))
    assert "Achetez plutôt chez moi." in text(client.get(f"/signaler/message/{match.id}"))

    client.post(f"/signaler/message/{match.id}", data=ANSWERS)

    assert db.session.scalars(select(ReportCase)).one().match_id == match.id
    sender = login(market.speaker(need))
    assert f"/signaler/message/{match.id}" not in text(sender.get(f"/mises-en-relation/{match.id}"))
    assert sender.get(f"/signaler/message/{match.id}").status_code == 404


# --- The desk ---


def test_the_queue_shows_what_is_reported_with_its_number_of_reports(login, market, moderator):
    market.case(market.offer(title="Caisse <b>"))

    page = text(login(moderator).get("/moderation/signalements"))

    assert "Caisse &lt;b&gt;" in page
    assert "1 signalement" in page
    assert "Trompeur, publicité ou vente" in page


def test_every_page_of_the_desk_says_how_many_wait_for_the_person(login, market, moderator):
    market.case(market.offer())
    market.case(market.organisation())
    market.case(market.organisation(commune=LIFFRE))
    market.appeal(market.rejection(market.need(), by=moderator))

    assert "Signalements (2)" in text(login(moderator).get("/moderation"))
    assert "Recours (" not in text(login(moderator).get("/moderation"))
    assert "Recours (1)" in text(login(market.moderator()).get("/moderation"))


def test_an_empty_queue_says_so(login, moderator):
    client = login(moderator)
    assert "Rien à traiter" in text(client.get("/moderation/signalements"))
    assert "Aucun signalement clos" in text(client.get("/moderation/signalements?etat=clos"))


def test_who_moderates_several_territories_can_keep_to_one(login, market, moderator):
    here = market.case(market.organisation(name="Ici"))
    there = market.case(market.organisation(name="Là-bas", commune=LIFFRE))
    client = login(market.admin())

    assert f'value="{LIFFRE_CORMIER}"' in text(client.get("/moderation/signalements"))
    page = text(client.get(f"/moderation/signalements?territoire={LIFFRE_CORMIER}"))

    assert f"/moderation/signalements/{there.id}" in page
    assert f'href="/moderation/signalements/{here.id}"' not in page


@pytest.mark.parametrize("query", ["page=0", "page=abc", "page=" + "9" * 30, "etat=x&territoire=y"])
def test_an_address_typed_by_hand_is_no_error(login, market, moderator, query):
    assert login(moderator).get(f"/moderation/signalements?{query}").status_code == 200


def test_the_queue_asks_the_same_number_of_questions_whatever_it_holds(login, market, moderator):
    market.case(market.offer())
    client = login(moderator)
    with counted() as few:
        client.get("/moderation/signalements")
    for _ in range(6):
        market.case(market.offer())

    with counted() as many:
        client.get("/moderation/signalements")

    assert int(many) == int(few)


def test_a_case_shows_the_text_the_reports_and_what_can_be_done(login, market, moderator):
    listing = market.offer(description="Je vends des caisses, 50 € de l’heure.")
    case = market.case(listing)
    listing.description = "Je montre comment tenir une caisse."
    db.session.commit()

    page = text(login(moderator).get(f"/moderation/signalements/{case.id}"))

    assert "Je vends des caisses" in page
    assert "Je montre comment" in page
    assert market.report_of(case).email in page
    assert "Retirer l’annonce du site" in page
    assert "Ne rien faire" in page


def test_doing_nothing_closes_the_case_with_its_reason(login, market, moderator, outbox):
    case = market.case(market.offer())
    client = login(moderator)

    refused = client.post(f"/moderation/signalements/{case.id}", data={"decision": "rien"})
    assert refused.status_code == 422
    assert "Dites pourquoi vous ne faites rien" in text(refused)
    done = client.post(
        f"/moderation/signalements/{case.id}", data={"decision": "rien", "raisons": "Rien à redire."}
    )

    assert done.location == "/moderation/signalements"
    assert db.session.get(ReportCase, case.id).outcome is CaseOutcome.NO_ACTION
    assert "Rien à redire." in outbox.last(to=market.report_of(case).email).text


def test_a_measure_shows_its_statement_first_and_is_sent_then(login, market, moderator):
    listing = market.offer()
    case, version = market.case(listing), moderation.version_of(listing)
    client, path = login(moderator), f"/moderation/signalements/{case.id}"

    shown = text(client.post(path, data=MEASURE | {"version": version}))
    assert "Ce que la structure recevra" in shown
    assert "quelqu’un a signalé ce contenu" in shown
    db.session.rollback()
    assert db.session.get(ReportCase, case.id).outcome is None
    corrected = text(client.post(path, data=MEASURE | {"version": version, "etape": "corriger"}))
    assert MEASURE["faits"] in corrected
    client.post(path, data=MEASURE | {"version": version, "etape": "envoyer"})

    db.session.rollback()
    assert db.session.get(Listing, listing.id).state is ListingState.REMOVED
    assert db.session.get(ReportCase, case.id).outcome is CaseOutcome.ACTION


def test_a_reported_structure_is_suspended_from_its_case(login, market, moderator):
    firm = market.organisation()
    case = market.case(firm)
    data = {"decision": "suspend", "motif": "repeated", "faits": "Trois fois.", "etape": "envoyer"}

    login(moderator).post(f"/moderation/signalements/{case.id}", data=data)

    db.session.rollback()
    assert db.session.get(Organisation, firm.id).suspended_at is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"motif": ""}, "Dites quelle règle"),
        ({"faits": ""}, "Dites ce que vous avez constaté"),
        ({"version": "autre"}, "Le texte a changé"),
        ({"decision": "x"}, "Choisissez"),
    ],
)
def test_a_measure_that_is_refused_says_why_and_keeps_what_was_typed(login, market, moderator, change, said):
    listing = market.offer()
    case = market.case(listing)
    data = MEASURE | {"version": moderation.version_of(listing), "pourquoi": "x"} | change

    response = login(moderator).post(f"/moderation/signalements/{case.id}", data=data)

    assert response.status_code == 422
    assert said in text(response)
    assert change.get("faits", MEASURE["faits"]) in text(response)
    db.session.rollback()
    assert db.session.get(ReportCase, case.id).outcome is None


def test_who_comes_second_sees_what_the_first_decided(login, market, moderator):
    listing = market.offer()
    case, version = market.case(listing), moderation.version_of(listing)
    reports.dismiss(case.id, by=moderator, reasons="Rien à redire.")
    first = moderator.name
    client = login(market.moderator())

    for late in (
        {"decision": "rien", "raisons": "Autre avis."},
        MEASURE | {"version": version, "etape": "envoyer"},
    ):
        response = client.post(f"/moderation/signalements/{case.id}", data=late)
        assert response.status_code == 409
        assert "Quelqu’un d’autre a décidé" in text(response)
        assert first in text(response)
        assert "Rien à redire." in text(response)


def test_the_mail_leads_who_reported_in_vain_to_the_page_that_contests(client, market, moderator, outbox):
    case = market.case(market.offer(title="Caisse à vendre"))
    reports.dismiss(case.id, by=moderator, reasons="Rien à redire.")

    page = text(client.get(outbox.link(outbox.last(to=market.report_of(case).email))))

    assert "Caisse à vendre" in page
    assert "Envoyer le recours" in page
