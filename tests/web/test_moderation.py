"""The moderation screen: what the browser gets."""

from datetime import timedelta

import pytest

from marketplace.extensions import db
from marketplace.models import DecisionAction, Listing, ListingState, ModerationDecision
from marketplace.services import desk, moderation
from tests.support.builders import LIFFRE_CORMIER, PARIS
from tests.support.queries import counted

S = ListingState


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


@pytest.fixture
def listing(market):
    return market.need(
        state=S.PENDING,
        title="Vendre mes confitures <b>",
        description="Sur internet.\nAppelez-moi !",
        flags=["phone"],
    )


def text(response):
    return response.get_data(as_text=True)


def sent(listing, decision, **more):
    """What a moderator sends who has seen the statement."""
    return {"decision": decision, "version": moderation.version_of(listing), "etape": "envoyer", **more}


def state_of(listing):
    db.session.rollback()
    return db.session.get(Listing, listing.id).state


REASONS = {"motif": "unclear", "faits": "On ne comprend pas ce qui est cherché."}


def test_the_queue_shows_what_waits_with_its_flags_and_its_number(login, moderator, listing):
    page = text(login(moderator).get("/moderation"))

    assert "1 annonce à relire" in page
    assert "Vendre mes confitures &lt;b&gt;" in page
    assert "numéro de téléphone" in page
    assert f"/moderation/annonces/{listing.id}" in page


def test_an_empty_queue_says_so(login, moderator):
    assert "Rien à relire" in text(login(moderator).get("/moderation"))


def test_the_queue_can_show_what_is_online(market, login, moderator, listing):
    online = market.offer()

    page = text(login(moderator).get("/moderation?etat=en-ligne"))

    assert online.title in page
    assert "Vendre mes confitures" not in page


def test_the_queue_has_pages_that_keep_its_filters(market, login, moderator):
    for _ in range(desk.QUEUE_PAGE + 1):
        market.offer(state=S.PENDING)

    page = text(login(moderator).get("/moderation?type=savoir-faire"))

    assert "Page 1 sur 2" in page
    assert "type=savoir-faire&amp;page=2" in page


@pytest.mark.parametrize(
    "query", ["page=0", "page=-3", "page=abc", "page=" + "9" * 30, "etat=x&type=y&portee=z"]
)
def test_an_address_typed_by_hand_is_no_error(login, moderator, listing, query):
    assert "1 annonce à relire" in text(login(moderator).get(f"/moderation?{query}"))


def test_the_administrator_can_keep_to_what_nobody_nearer_moderates(market, login, moderator, listing):
    alone = market.need(state=S.PENDING, organisation=market.organisation(commune=PARIS))

    page = text(login(market.admin()).get("/moderation?portee=nationale"))

    assert alone.title in page
    assert "Vendre mes confitures" not in page


def test_the_queue_asks_the_same_number_of_questions_whatever_it_holds(market, login, moderator, listing):
    client = login(moderator)
    with counted() as few:
        client.get("/moderation")
    for _ in range(8):
        market.offer(state=S.PENDING, extra_skills=["tableur"])

    with counted() as many:
        client.get("/moderation")

    assert int(many) == int(few)


def test_a_listing_is_read_whole_with_what_the_check_saw(login, moderator, listing):
    page = text(login(moderator).get(f"/moderation/annonces/{listing.id}"))

    assert "Sur internet.\nAppelez-moi !" in page
    assert "numéro de téléphone" in page
    assert "Publier l’annonce" in page
    assert "Demander une modification" in page


def test_approving_publishes_and_opens_the_next_one(market, login, moderator, listing, clock):
    following = market.offer(state=S.PENDING, submitted_at=clock.now + timedelta(hours=1))

    response = login(moderator).post(f"/moderation/annonces/{listing.id}", data=sent(listing, "approve"))

    assert response.location == f"/moderation/annonces/{following.id}"
    assert state_of(listing) is S.PUBLISHED


def test_after_the_last_one_the_empty_queue_comes(login, moderator, listing):
    client = login(moderator)

    response = client.post(f"/moderation/annonces/{listing.id}", data=sent(listing, "reject", **REASONS))

    assert response.location == "/moderation"
    assert "Il ne reste rien à relire" in text(client.get("/moderation"))
    assert state_of(listing) is S.REJECTED


def test_the_author_gets_the_reasons_by_mail(market, login, moderator, listing, outbox):
    login(moderator).post(
        f"/moderation/annonces/{listing.id}", data=sent(listing, "request_changes", **REASONS)
    )

    told = outbox.last(to=market.speaker(listing).email).text
    assert "On ne comprend pas ce qui est cherché ou proposé" in told
    assert REASONS["faits"] in told


def test_a_published_listing_can_be_removed_with_reasons(market, login, moderator):
    online = market.offer()
    client = login(moderator)

    page = text(client.get(f"/moderation/annonces/{online.id}"))
    assert "Retirer l’annonce du site" in page
    assert "Publier l’annonce" not in page
    response = client.post(f"/moderation/annonces/{online.id}", data=sent(online, "remove", **REASONS))

    assert response.location == "/moderation?etat=en-ligne"
    assert state_of(online) is S.REMOVED


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"motif": ""}, "motif"),
        ({"faits": "   "}, "faits"),
        ({"motif": "inconnu"}, "motif"),
        ({"faits": "x" * 2001}, "faits"),
        ({"faits": "x" * 100_000}, "faits"),
        ({"faits": "abc\x07"}, "faits"),
    ],
)
def test_a_decision_without_good_reasons_comes_back_with_what_was_typed(
    login, moderator, listing, change, field
):
    data = sent(listing, "reject", **(REASONS | change))

    response = login(moderator).post(f"/moderation/annonces/{listing.id}", data=data)

    assert response.status_code == 422
    assert f'id="{field}-error"' in text(response)
    assert data["faits"].strip() in text(response)
    assert state_of(listing) is S.PENDING
    assert db.session.query(ModerationDecision).count() == 0


@pytest.mark.parametrize("decision", ["", "efface", None])
def test_an_unknown_decision_is_refused(login, moderator, listing, decision):
    data = {"version": moderation.version_of(listing)} | (
        {"decision": decision} if decision is not None else {}
    )

    response = login(moderator).post(f"/moderation/annonces/{listing.id}", data=data)

    assert response.status_code == 422
    assert state_of(listing) is S.PENDING


def test_a_text_that_changed_meanwhile_is_shown_again(login, moderator, listing):
    response = login(moderator).post(
        f"/moderation/annonces/{listing.id}", data={"decision": "approve", "version": "an older one"}
    )

    assert response.status_code == 422
    assert "Le texte a changé pendant votre lecture" in text(response)
    assert moderation.version_of(listing) in text(response)
    assert state_of(listing) is S.PENDING


def test_what_somebody_else_decided_is_a_conflict(login, moderator, market, listing):
    data, first = sent(listing, "reject", **REASONS), market.moderator()
    moderation.decide(listing.id, DecisionAction.APPROVE, by=first, version=data["version"])
    waiting = market.offer(state=S.PENDING)

    response = login(moderator).post(f"/moderation/annonces/{listing.id}", data=data)

    assert response.status_code == 409
    assert f"{first.name} a traité cette annonce avant vous" in text(response)
    assert "est approuvée, depuis le" in text(response)
    assert f"/moderation/annonces/{waiting.id}" in text(response)
    assert state_of(listing) is S.PUBLISHED
    assert db.session.query(ModerationDecision).count() == 1


def test_ones_own_structure_is_for_somebody_else_to_decide(market, login, moderator):
    own = market.need(organisation=market.organisation(manager=moderator), state=S.PENDING)
    client = login(moderator)

    page = text(client.get(f"/moderation/annonces/{own.id}"))
    assert "une autre personne de la modération décidera" in page
    assert "Publier l’annonce" not in page
    assert client.post(f"/moderation/annonces/{own.id}", data=sent(own, "approve")).status_code == 403
    assert state_of(own) is S.PENDING


def test_a_visitor_is_sent_to_log_in(client, listing):
    for response in (
        client.get("/moderation"),
        client.get(f"/moderation/annonces/{listing.id}"),
        client.post(f"/moderation/annonces/{listing.id}", data=sent(listing, "approve")),
    ):
        assert (response.status_code, response.location.split("?")[0]) == (302, "/connexion")
    assert state_of(listing) is S.PENDING


def test_the_moderator_of_another_territory_finds_nothing(market, login, moderator, listing):
    market.open_territory(LIFFRE_CORMIER)
    client = login(market.moderator(LIFFRE_CORMIER))

    assert "Rien à relire" in text(client.get("/moderation"))
    assert client.get(f"/moderation/annonces/{listing.id}").status_code == 404
    response = client.post(f"/moderation/annonces/{listing.id}", data=sent(listing, "approve"))
    assert response.status_code == 404
    assert state_of(listing) is S.PENDING


@pytest.mark.parametrize("who", ["the author", "another firm"])
def test_who_is_no_moderator_has_no_desk(market, login, moderator, listing, who):
    person = market.speaker(listing if who == "the author" else market.organisation())
    client = login(person)

    assert client.get("/moderation").status_code == 403
    assert client.get(f"/moderation/annonces/{listing.id}").status_code == 404
    response = client.post(f"/moderation/annonces/{listing.id}", data=sent(listing, "approve"))
    assert response.status_code == 404
    assert state_of(listing) is S.PENDING


def test_a_listing_that_does_not_exist_is_not_found(login, moderator):
    assert login(moderator).get("/moderation/annonces/999999").status_code == 404
