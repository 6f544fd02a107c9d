"""Workshops as the desk and the invited meet them."""

from datetime import timedelta

import pytest

from marketplace.models import InvitationAnswer, Workshop, WorkshopInvitation, WorkshopState
from marketplace.services import workshop_proposals
from tests.support.builders import LIFFRE_CORMIER, RENNES, RENNES_METROPOLE

LIST = f"/territoires/{RENNES_METROPOLE}/ateliers"


@pytest.fixture
def needs(market):
    with market.in_one_transaction():
        return [market.need(organisation=market.organisation(commune=RENNES)) for _ in range(5)]


@pytest.fixture
def desk(login, market):
    return login(market.moderator())


@pytest.fixture
def typed(needs, market, clock):
    """What a moderator types, and where they send it."""
    (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=market.admin())
    day = clock.now + timedelta(days=20)
    form = {
        "jour": f"{day:%Y-%m-%d}",
        "heure": "18:30",
        "lieu": "Salle des fêtes",
        "places": "12",
        "anime": "",
        "message": "Venez avec votre téléphone.",
        "marque": proposal.mark,
    }
    return f"{LIST}/proposer/{proposal.skill.slug}/{proposal.centre.insee}", form


@pytest.fixture
def planned(desk, typed, db_session):
    address, form = typed
    assert desk.post(address, data=form).status_code == 302
    return db_session.query(Workshop).one()


@pytest.fixture
def link(planned, needs, market, outbox):
    return outbox.link(outbox.last(to=market.speaker(needs[0]).email))


def test_the_list_leads_to_a_proposal_with_its_map(desk, typed):
    address, _ = typed
    assert f'href="{address}"' in desk.get(LIST).text

    page = desk.get(address).text
    assert "Carte : D’où l’on viendrait." in page
    assert "Lieu : Rennes" in page
    assert "5 besoins attendent" in page


def test_who_could_run_it_is_named_with_a_way_to_them(desk, typed, market):
    address, _ = typed
    offer, provider = market.offer(title="Ma boutique en un soir"), market.provider("Numérique et compagnie")

    page = desk.get(address).text
    assert f'href="/annonces/{offer.id}">Ma boutique en un soir</a>' in page
    assert f'href="/prestataires/{provider.id}-' in page


def test_a_territory_without_anything_to_propose_says_so(desk):
    assert "Aucun atelier à proposer aujourd’hui" in desk.get(LIST).text


def test_one_click_invites_and_shows_the_answers(planned, desk):
    page = desk.get(f"{LIST}/{planned.id}").text

    assert "0 sur 12 places prises" in page
    assert page.count("pas encore de réponse") == 5


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("jour", "", "Remplissez ce champ."),
        ("jour", "demain", "Cette date ne se lit pas"),
        ("jour", "9999-12-31", "Choisissez une année"),
        ("jour", "2020-01-01", "Choisissez une date à venir."),
        ("heure", "midi", "Cette heure ne se lit pas"),
        ("lieu", "", "Remplissez ce champ."),
        ("places", "0", "Choisissez un nombre de 1 à 500."),
        ("places", "9" * 30, "Écrivez un nombre entier"),
        ("message", "x" * 2001, "2000 caractères au plus"),
        ("marque", "other", "Les besoins ont changé"),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_is_kept(desk, typed, db_session, field, value, message):
    address, form = typed

    page = desk.post(address, data=form | {field: value})
    assert page.status_code == 422
    assert message in page.text
    assert "Venez avec votre téléphone." in page.text or field == "message"
    assert db_session.query(Workshop).count() == 0


def test_the_link_of_the_mail_asks_before_it_answers(client, link, planned, needs, db_session):
    page = client.get(link)

    assert "Je viens" in page.text
    assert db_session.query(WorkshopInvitation).filter_by(answer=None).count() == 5
    assert needs[1].title not in page.text


def test_a_visitor_answers_by_the_link(client, link, db_session):
    page = client.post(link, data={"reponse": "venir"})

    assert "votre place est réservée" in page.text
    assert db_session.query(WorkshopInvitation).filter_by(answer=InvitationAnswer.ACCEPTED).count() == 1


def test_an_answer_that_means_nothing_is_refused(client, link):
    assert client.post(link, data={"reponse": "peut-être"}).status_code == 400
    assert client.post(link).status_code == 400


def test_a_forged_link_is_over(client):
    assert client.get("/ateliers/invitation/forged").status_code == 410
    assert client.post("/ateliers/bilan/forged", data={"reponse": "oui"}).status_code == 410


def test_a_full_workshop_tells_so(client, login, link, planned, needs, market, outbox, db_session):
    planned.capacity = 1
    db_session.commit()
    other = outbox.link(outbox.last(to=market.speaker(needs[1]).email))
    client.post(link, data={"reponse": "venir"})

    page = client.post(other, data={"reponse": "venir"}, follow_redirects=True)
    assert "Toutes les places sont prises" in page.text


def test_the_invited_find_it_in_their_own_space(app, planned, needs, market, db_session):
    invitation = db_session.query(WorkshopInvitation).filter_by(need_id=needs[0].id).one()
    browser = app.test_client()
    with browser.session_transaction() as session:
        session["_user_id"], session["_fresh"] = market.speaker(needs[0]).get_id(), True

    assert "Ateliers où vous êtes invités" in browser.get("/mon-espace").text
    browser.post(f"/mon-espace/ateliers/{invitation.id}", data={"reponse": "decliner"})
    assert "ne vient pas" in browser.get("/mon-espace").text


def test_somebody_elses_invitation_is_not_found(login, planned, needs, market, db_session):
    invitation = db_session.query(WorkshopInvitation).filter_by(need_id=needs[0].id).one()

    stranger = login(market.speaker(needs[1]))
    answered = stranger.post(f"/mon-espace/ateliers/{invitation.id}", data={"reponse": "venir"})
    assert answered.status_code == 404


def test_cancelling_asks_why(desk, planned, db_session):
    refused = desk.post(f"{LIST}/{planned.id}/annuler", data={"motif": ""})
    assert refused.status_code == 422

    desk.post(f"{LIST}/{planned.id}/annuler", data={"motif": "Salle fermée"})
    assert db_session.get(Workshop, planned.id).state is WorkshopState.CANCELLED


def test_afterwards_the_desk_tells_who_came_and_they_tell_whether_it_was_enough(
    client, desk, planned, needs, market, outbox, clock, db_session
):
    clock.move(days=21)
    (came, *_) = db_session.query(WorkshopInvitation).order_by(WorkshopInvitation.id)
    assert "Il a eu lieu" in desk.get(f"{LIST}/{planned.id}").text

    desk.post(f"{LIST}/{planned.id}/a-eu-lieu", data={"presents": "3", "venues": [str(came.id)]})
    assert "3 personnes présentes" in desk.get(f"{LIST}/{planned.id}").text

    link = outbox.link(outbox.last(to=market.speaker(needs[0]).email))
    assert "L’atelier a-t-il suffi ?" in client.get(link).text
    assert "est satisfait" in client.post(link, data={"reponse": "oui"}).text
    assert client.get(link).status_code == 410


@pytest.mark.parametrize("sent", [{"presents": "-1"}, {"presents": ""}, {"presents": "3", "venues": ["x"]}])
def test_who_came_must_make_sense(desk, planned, clock, sent):
    clock.move(days=21)

    assert desk.post(f"{LIST}/{planned.id}/a-eu-lieu", data=sent).status_code == 422


def test_before_it_begins_it_cannot_have_been(desk, planned):
    page = desk.post(f"{LIST}/{planned.id}/a-eu-lieu", data={"presents": "3"})

    assert page.status_code == 422
    assert "pas encore commencé" in page.text


def test_a_moderator_elsewhere_finds_nothing(login, market, planned):
    elsewhere = login(market.moderator(LIFFRE_CORMIER))

    for path in (LIST, f"{LIST}/{planned.id}", f"/territoires/{LIFFRE_CORMIER}/ateliers/{planned.id}"):
        assert elsewhere.get(path).status_code == 404
