"""The moderation screen: what the browser gets."""

from datetime import timedelta

import pytest
from markupsafe import escape
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    DecisionGround,
    Listing,
    ListingState,
    ModerationDecision,
    Organisation,
    ReasonTemplate,
)
from marketplace.services import desk, listings, moderation, reason_templates
from marketplace.services.listings import ListingSheet
from marketplace.services.reason_templates import TemplateSheet
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
    return {"decision": decision, "version": moderation.version_of(listing), "etape": "envoyer"} | more


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


def test_a_decision_against_a_listing_is_shown_before_it_is_sent(market, login, moderator, listing, outbox):
    client, path = login(moderator), f"/moderation/annonces/{listing.id}"

    shown = client.post(path, data=sent(listing, "reject", **REASONS, etape="apercu"))

    assert shown.status_code == 200
    assert "Ce que la structure recevra" in text(shown)
    assert REASONS["faits"] in text(shown)
    assert (state_of(listing), outbox.all()) == (S.PENDING, [])
    client.post(path, data=sent(listing, "reject", **REASONS))
    kept = db.session.query(ModerationDecision).one()
    assert str(escape(kept.statement)) in text(shown)
    assert kept.statement.split("\n\n")[0] in outbox.last(market.speaker(listing).email).text


def test_a_decision_can_be_corrected_before_it_is_sent(login, moderator, listing):
    page = login(moderator).post(
        f"/moderation/annonces/{listing.id}", data=sent(listing, "reject", **REASONS, etape="corriger")
    )

    assert REASONS["faits"] in text(page)
    assert "Vous verrez le message avant qu’il ne parte" in text(page)
    assert state_of(listing) is S.PENDING


def template_id(code):
    return db.session.scalars(select(ReasonTemplate.id).where(ReasonTemplate.code == code)).one()


def test_a_template_fills_what_is_left_empty(login, moderator, listing):
    data = sent(
        listing, "request_changes", etape="apercu", modele=template_id("telephone"), motif="", faits=""
    )

    shown = text(login(moderator).post(f"/moderation/annonces/{listing.id}", data=data))

    assert "Le texte contient un numéro de téléphone : enlevez-le." in shown
    assert "Le texte contient des coordonnées" in shown


def test_what_is_typed_wins_over_the_template(login, moderator, listing):
    data = sent(listing, "request_changes", etape="apercu", modele=template_id("telephone"), **REASONS)
    shown = text(login(moderator).post(f"/moderation/annonces/{listing.id}", data=data))
    assert REASONS["faits"] in shown
    assert "enlevez-le" not in shown


def test_a_template_with_a_place_to_quote_is_not_sent_as_it_is(login, moderator, listing):
    data = sent(listing, "reject", modele=template_id("ton"), motif="", faits="")

    response = login(moderator).post(f"/moderation/annonces/{listing.id}", data=data)

    assert response.status_code == 422
    assert "Citez ce qui pose problème" in text(response)
    assert state_of(listing) is S.PENDING


def test_a_template_of_another_territory_is_no_choice(market, login, moderator, listing):
    market.open_territory(LIFFRE_CORMIER)
    elsewhere = reason_templates.add(
        TemplateSheet(name="Ailleurs", ground=DecisionGround.UNCLEAR, facts="Texte d’ailleurs."),
        territory_siren=LIFFRE_CORMIER,
        by=market.moderator(LIFFRE_CORMIER),
    )

    data = sent(listing, "reject", modele=elsewhere.id, **REASONS)
    response = login(moderator).post(f"/moderation/annonces/{listing.id}", data=data)

    assert response.status_code == 422
    assert state_of(listing) is S.PENDING


def test_the_form_against_a_listing_can_be_asked_for_open(login, moderator, listing):
    client = login(moderator)
    closed = text(client.get(f"/moderation/annonces/{listing.id}"))
    opened = text(client.get(f"/moderation/annonces/{listing.id}?decision=reject"))
    assert ('<details class="details">' in closed, '<details class="details" open>' in opened) == (True, True)


def test_what_an_author_changed_is_marked(market, login, moderator, listing):
    client = login(moderator)
    client.post(f"/moderation/annonces/{listing.id}", data=sent(listing, "request_changes", **REASONS))
    names = ("skill_id", "level", "places", "radius_km")
    sheet = ListingSheet(
        title=listing.title,
        description="Sur internet.\nÉcrivez-moi !",
        urgency=1,
        **{name: getattr(listing, name) for name in names},
    )
    listings.change(listing.id, sheet, by=market.speaker(listing))

    for path in ("/moderation", f"/moderation/annonces/{listing.id}"):
        page = text(client.get(path))
        assert "<del>Appelez-moi</del><ins>Écrivez-moi</ins>" in page
        assert "revient après modification" in page


def test_the_queue_keeps_its_filters_from_one_decision_to_the_next(market, login, moderator, listing, clock):
    offer = market.offer(state=S.PENDING, submitted_at=clock.now + timedelta(hours=1))
    need = market.need(state=S.PENDING, submitted_at=clock.now + timedelta(hours=2))

    response = login(moderator).post(
        f"/moderation/annonces/{listing.id}?type=besoin", data=sent(listing, "approve")
    )

    assert offer.id != need.id
    assert response.location == f"/moderation/annonces/{need.id}?type=besoin"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("signe=telephone", True),
        ("signe=prix", False),
        ("sujet=boutique-en-ligne", True),
        ("sujet=tableur", False),
        ("age=7", False),
        ("q=confitures", True),
        ("q=xylophone", False),
        ("territoire=243500139", True),
        ("territoire=000000000", False),
        ("signe=x&sujet=domaine:x&age=-1&q=%00", None),
    ],
)
def test_filters_stand_in_the_address(login, moderator, listing, query, found):
    response = login(moderator).get(f"/moderation?{query}")
    if found is None:
        assert response.status_code == 400
    else:
        assert ("Vendre mes confitures" in text(response)) is found


def test_the_count_can_be_asked_for_alone(market, login, moderator, listing):
    market.offer(state=S.PENDING)
    client = login(moderator)
    assert client.get("/moderation/attente").json == {"waiting": 2}
    assert client.get("/moderation/attente?type=savoir-faire").json == {"waiting": 1}


class TestSeveral:
    def boxes(self, *listings):
        return [f"{each.id}:{moderation.version_of(each)}" for each in listings]

    def test_all_that_are_ticked_are_approved_at_once(self, market, login, moderator, listing):
        other, left = market.offer(state=S.PENDING), market.need(state=S.PENDING)
        client = login(moderator)

        response = client.post(
            "/moderation/annonces?type=", data={"annonce": self.boxes(listing, other), "decision": "approve"}
        )

        assert response.location == "/moderation"
        assert [state_of(each) for each in (listing, other, left)] == [S.PUBLISHED, S.PUBLISHED, S.PENDING]
        assert "2 annonces approuvées." in text(client.get("/moderation"))

    def test_the_summary_tells_what_others_decided(self, market, login, moderator, listing):
        other, colleague = market.offer(state=S.PENDING), market.moderator()
        boxes = self.boxes(listing, other)
        version = moderation.version_of(other)
        moderation.decide(other.id, DecisionAction.APPROVE, by=colleague, version=version)
        client = login(moderator)

        client.post("/moderation/annonces", data={"annonce": boxes, "decision": "approve"})

        told = text(client.get("/moderation"))
        assert "1 annonce approuvée." in told
        assert f"1 déjà décidée par {colleague.name}" in told

    def test_against_several_the_reasons_are_asked_for_then_shown_then_sent(
        self, market, login, moderator, listing, outbox
    ):
        other, client = market.offer(state=S.PENDING), login(moderator)
        data = {"annonce": self.boxes(listing, other), "decision": "reject"}

        asked = client.post("/moderation/annonces", data=data)
        assert asked.status_code == 200
        assert "Ce que vous avez constaté" in text(asked)
        missing = client.post("/moderation/annonces", data={**data, "etape": "apercu"})
        assert missing.status_code == 422
        shown = client.post("/moderation/annonces", data={**data, **REASONS, "etape": "apercu"})
        assert "Ce que la structure recevra" in text(shown)
        assert (state_of(listing), outbox.all()) == (S.PENDING, [])

        client.post("/moderation/annonces", data={**data, **REASONS, "etape": "envoyer"})

        assert [state_of(each) for each in (listing, other)] == [S.REJECTED, S.REJECTED]
        assert len(outbox.all()) == 2

    def test_none_ticked_is_said(self, login, moderator, listing):
        client = login(moderator)
        client.post("/moderation/annonces", data={"decision": "approve", "annonce": ["x", "1:zz", ""]})
        assert "Cochez au moins une annonce" in text(client.get("/moderation"))
        assert state_of(listing) is S.PENDING


class TestStructures:
    @pytest.fixture
    def firm(self, market):
        return market.organisation(name="Épicerie du Mail")

    def test_one_is_found_by_its_name_or_its_number(self, market, login, moderator, firm):
        market.organisation(name="Garage du Port")
        client = login(moderator)
        for words in ("epicerie", "MAIL", firm.siret[:9], firm.siret):
            page = text(client.get("/moderation/structures", query_string={"q": words}))
            assert ("Épicerie du Mail" in page, "Garage du Port" in page) == (True, False), words
        assert "Épicerie du Mail" not in text(client.get("/moderation/structures?etat=suspendues"))

    def test_its_suspension_is_shown_before_then_done_then_taken_back(
        self, market, login, moderator, firm, outbox
    ):
        client, path = login(moderator), f"/moderation/structures/{firm.id}"
        reasons = {"motif": "repeated", "faits": "Trois retraits."}

        assert client.post(path, data={"etape": "apercu"}).status_code == 422
        shown = client.post(path, data={**reasons, "etape": "apercu"})
        assert "votre structure Épicerie du Mail est suspendue" in text(shown)
        assert db.session.get(Organisation, firm.id).suspended_at is None
        client.post(path, data={**reasons, "etape": "envoyer"})

        page = text(client.get(path))
        assert "suspendue depuis le" in page
        assert "Épicerie du Mail" in text(client.get("/moderation/structures?etat=suspendues"))
        again = client.post(path, data={**reasons, "etape": "envoyer"})
        assert again.status_code == 409
        assert "Vous avez déjà traité cette structure : « Épicerie du Mail » est suspendue" in text(again)
        decision = db.session.query(ModerationDecision).one()
        assert client.post(f"/moderation/decisions/{decision.id}/retablir", data={}).status_code == 422
        client.post(f"/moderation/decisions/{decision.id}/retablir", data={"raison": "Elle s’est engagée."})

        db.session.rollback()
        assert db.session.get(Organisation, firm.id).suspended_at is None
        assert "est rétablie" in outbox.last(market.speaker(firm).email).subject

    def test_its_public_page_leads_its_moderators_there(self, market, login, moderator, firm):
        path, here = f"/structures/{firm.id}", f"/moderation/structures/{firm.id}"
        assert here in text(login(moderator).get(path))
        assert here not in text(login(market.moderator(LIFFRE_CORMIER)).get(path))

    def test_ones_own_is_for_somebody_else(self, market, login, moderator):
        own = market.organisation(manager=moderator)
        client = login(moderator)
        assert "une autre personne de la modération décidera" in text(
            client.get(f"/moderation/structures/{own.id}")
        )
        data = {"motif": "repeated", "faits": "x", "etape": "envoyer"}
        assert client.post(f"/moderation/structures/{own.id}", data=data).status_code == 403

    def test_a_listing_refused_can_be_put_back(self, login, moderator, listing):
        client = login(moderator)
        client.post(f"/moderation/annonces/{listing.id}", data=sent(listing, "reject", **REASONS))
        decision = db.session.query(ModerationDecision).one()
        assert "Rétablir l’annonce" in text(client.get(f"/moderation/annonces/{listing.id}"))

        back = f"/moderation/decisions/{decision.id}/retablir"
        client.post(back, data={"raison": "Mal lue."})

        assert state_of(listing) is S.PUBLISHED
        again = client.post(back, data={"raison": "Mal lue."})
        assert again.status_code == 409
        assert "est rétablie, depuis le" in text(again)


class TestReasonTemplates:
    def test_those_of_the_nation_come_with_the_site(self, login, moderator):
        page = text(login(moderator).get("/moderation/motifs"))
        assert "Numéro de téléphone dans le texte" in page
        assert "Pour tous les territoires" in page

    def test_one_is_added_changed_put_away_and_brought_back(self, login, moderator):
        client, path = login(moderator), "/moderation/motifs/243500139"
        client.post(
            f"{path}/nouveau", data={"nom": "Trop vague", "motif": "unclear", "faits": "Dites-en plus."}
        )
        added = db.session.query(ReasonTemplate).filter_by(name="Trop vague").one().id
        client.post(
            f"{path}/{added}", data={"nom": "Trop court", "motif": "unclear", "faits": "Dites-en plus."}
        )
        assert "Trop court" in text(client.get(path))
        client.post(f"{path}/{added}/archiver", data={"action": "archiver"})
        assert "Reprendre Trop court" in text(client.get(path))
        client.post(f"{path}/{added}/archiver", data={"action": "reprendre"})
        assert "Ranger Trop court" in text(client.get(path))

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"nom": ""}, "nom"), ({"motif": ""}, "motif"), ({"faits": "x" * 2001}, "faits")],
    )
    def test_a_bad_one_comes_back_as_it_was_typed(self, login, moderator, change, field):
        data = {"nom": "Trop vague", "motif": "unclear", "faits": "Dites-en plus."} | change
        response = login(moderator).post("/moderation/motifs/243500139/nouveau", data=data)
        assert response.status_code == 422
        assert f'id="{field}-error"' in text(response)
        assert db.session.query(ReasonTemplate).filter_by(code=None).count() == 0
