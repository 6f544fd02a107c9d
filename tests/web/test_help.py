"""What can also help, in the browser: beside needs and skills, one's path, guides, and the links' keeper."""

from datetime import date
from html import unescape

import pytest

from marketplace.models import GuideKind, HelpLink, LinkFamily, LinkSize
from marketplace.services import guides, help_links
from marketplace.services.guides import GuideSheet
from marketplace.services.help_links import LinkSheet
from tests.support.builders import RENNES_METROPOLE
from tests.support.world import client_of

LINK = {
    "nom": "École du fil",
    "editeur": "Les Tisserands",
    "famille": "public_training",
    "raison": "Des cours pour tisser sa toile.",
    "adresse": "https://fil.example/cours",
    "parametres": "q={subject}",
    "taille": "all",
    "domaines": "vente-en-ligne, bureautique",
    "activites": "c g",
    "lu_le": "2026-11-01",
    "actif": "y",
}
GUIDE = {
    "genre": "testimonial",
    "titre": "Notre boutique, un an après",
    "texte": "Nous avons commencé avec dix produits, et nous en sommes contents.",
    "adresse": "",
    "auteur": "Fédération des fournils",
    "secteur": "C",
    "competence": "boutique-en-ligne",
    "territoire": RENNES_METROPOLE,
}


def said(response):
    return unescape(response.get_data(as_text=True))


@pytest.fixture
def link(market):
    return help_links.create(
        LinkSheet(
            name="École du fil",
            publisher="Les Tisserands",
            family=LinkFamily.PUBLIC_TRAINING,
            reason="Des cours pour tisser sa toile.",
            url="https://fil.example/cours",
            parameters="q={subject}|cp={postcode}",
            size=LinkSize.ALL,
            domains=(),
            sections=(),
            is_active=True,
            checked_on=date(2026, 11, 1),
        ),
        by=market.admin(),
    )


@pytest.fixture
def guide(market):
    sheet = GuideSheet(
        kind=GuideKind.TESTIMONIAL,
        title=GUIDE["titre"],
        text=GUIDE["texte"],
        publisher=GUIDE["auteur"],
        section="C",
        skill_id=market.skill("boutique-en-ligne").id,
        territory_siren=RENNES_METROPOLE,
    )
    return guides.propose(sheet, by=market.admin())


def test_a_need_tells_what_can_also_help_with_reason_and_date(client, market, link, guide):
    page = said(client.get(f"/annonces/{market.need().id}", follow_redirects=True))

    assert "Ce qui peut aussi aider" in page
    assert 'href="https://fil.example/cours?q=boutique+en+ligne&cp=35000"' in page
    assert "Des cours pour tisser sa toile." in page
    assert "Adresse notée le 1er novembre 2026." in page
    assert guide.title in page


def test_an_offer_needs_no_help(client, market, link):
    page = said(client.get(f"/annonces/{market.offer().id}", follow_redirects=True))

    assert "Ce qui peut aussi aider" not in page


def test_a_skill_tells_what_can_also_help(client, link, guide):
    page = said(client.get("/competences/boutique-en-ligne?commune=Rennes+(35000)"))

    assert 'href="https://fil.example/cours?q=boutique+en+ligne&cp=35000"' in page
    assert guide.title in page


def test_a_path_orders_what_exists_and_leads_to_it(login, market, link):
    need, offer = market.need(), market.offer()
    page = said(login(market.speaker(need)).get(f"/mon-parcours/{need.id}"))

    steps = [page.index(text) for text in (offer.title, "https://fil.example/cours", "/prestataires?")]
    assert steps == sorted(steps)
    assert page.count("C’est fait</button>") == 3


def test_a_step_is_ticked_and_unticked(login, market):
    need = market.need()
    owner = login(market.speaker(need))
    step = f"/mon-parcours/{need.id}/apprendre"

    assert owner.post(step, data={"fait": "oui"}).location == f"/mon-parcours/{need.id}#apprendre"
    assert "Fait le" in said(owner.get(f"/mon-parcours/{need.id}"))
    owner.post(step, data={"fait": "non"})
    assert "Fait le" not in said(owner.get(f"/mon-parcours/{need.id}"))


def test_ones_space_and_ones_need_lead_to_the_path(login, market):
    need, offer = market.need(), market.offer()
    owner = login(market.speaker(need))

    assert f'href="/mon-parcours/{need.id}"' in said(owner.get("/mon-espace"))
    assert f'href="/mon-parcours/{need.id}"' in said(owner.get(f"/annonces/{need.id}", follow_redirects=True))
    other = login(market.speaker(offer))
    assert "/mon-parcours/" not in said(other.get("/mon-espace"))
    assert "/mon-parcours/" not in said(other.get(f"/annonces/{need.id}", follow_redirects=True))


def test_a_path_of_others_an_unknown_step_and_an_offer_are_not_found(app, market):
    need, offer = market.need(), market.offer()
    owner = client_of(app, market.speaker(need))

    assert client_of(app, market.admin()).get(f"/mon-parcours/{need.id}").status_code == 404
    assert client_of(app, market.user()).post(f"/mon-parcours/{need.id}/apprendre").status_code == 404
    assert owner.post(f"/mon-parcours/{need.id}/tricoter", data={"fait": "oui"}).status_code == 404
    assert owner.get(f"/mon-parcours/{offer.id}").status_code == 404


def test_guides_are_found_by_the_filters_of_the_address(client, market, guide):
    market.open_territory()
    found = {
        query: guide.title in said(client.get(f"/guides?{query}"))
        for query in ("", "genre=guide", "secteur=A", "secteur=C", "competence=tableur", "territoire=xyz")
    }

    assert found == {
        "": True, "genre=guide": False, "secteur=A": False, "secteur=C": True, "competence=tableur": False,
        "territoire=xyz": True,
    }  # fmt: skip


def test_what_one_proposes_waits_for_a_moderator(app, market, client):
    answer = client_of(app, market.user()).post("/guides/proposer", data=GUIDE, follow_redirects=True)

    assert "Une personne de la modération le lit d’abord" in said(answer)
    assert GUIDE["titre"] not in said(client.get("/guides"))


def test_a_moderator_publishes_refuses_and_takes_off(app, market, client):
    client_of(app, market.user()).post("/guides/proposer", data=GUIDE)
    client_of(app, market.user()).post("/guides/proposer", data=GUIDE | {"titre": "Une publicité"})
    moderator = client_of(app, market.moderator())
    first, second = sorted(guide.id for guide in guides.queue(by=market.admin()).items)

    moderator.post(f"/moderation/guides/{first}", data={"decision": "publier"})
    assert GUIDE["titre"] in said(client.get("/guides"))
    unexplained = moderator.post(f"/moderation/guides/{second}", data={"decision": "refuser"})
    assert (unexplained.status_code, "Dites pourquoi" in said(unexplained)) == (422, True)
    moderator.post(f"/moderation/guides/{second}", data={"decision": "refuser", "raison": "Hors sujet."})
    assert moderator.post(f"/moderation/guides/{second}", data={"decision": "publier"}).status_code == 409
    moderator.post(f"/moderation/guides/{first}/retirer")
    assert GUIDE["titre"] not in said(client.get("/guides"))


def test_a_moderator_shares_at_once(app, market, client):
    client_of(app, market.moderator()).post("/guides/proposer", data=GUIDE)

    assert GUIDE["titre"] in said(client.get("/guides"))


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("titre", "", "Remplissez ce champ."),
        ("texte", "court", "30 caractères au moins"),
        ("adresse", "javascript:alert(1)", "adresse complète"),
        ("secteur", "Z9", "liste"),
        ("territoire", "123", "Ce territoire n’existe pas"),
    ],
)
def test_a_wrong_proposal_is_told_at_its_field(login, market, field, typed, told):
    answer = login(market.user()).post("/guides/proposer", data=GUIDE | {field: typed})

    assert answer.status_code == 422
    assert told in said(answer)
    assert GUIDE["auteur"] in said(answer)


def test_the_administrator_adds_and_changes_links(login, market, db_session):
    admin = login(market.admin())
    admin.post("/administration/liens/nouveau", data=LINK)
    link = db_session.query(HelpLink).one()

    assert (link.domains, link.sections) == (["vente-en-ligne", "bureautique"], ["C", "G"])
    form = said(admin.get(f"/administration/liens/{link.id}"))
    assert 'value="vente-en-ligne, bureautique"' in form
    admin.post(f"/administration/liens/{link.id}", data=LINK | {"nom": "Autrement", "actif": ""})
    page = said(admin.get("/administration/liens"))
    assert "Autrement" in page
    assert not db_session.get(HelpLink, link.id, populate_existing=True).is_active


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("adresse", "fil.example", "adresse complète"),
        ("parametres", "q={mot}", "Valeurs connues"),
        ("domaines", "tricot", "n’existe pas"),
        ("lu_le", "hier", "Cette date ne se lit pas"),
        ("lu_le", "", "Remplissez ce champ."),
        ("famille", "tricot", "liste"),
    ],
)
def test_a_wrong_link_is_told_at_its_field(login, market, db_session, field, typed, told):
    answer = login(market.admin()).post("/administration/liens/nouveau", data=LINK | {field: typed})

    assert answer.status_code == 422
    assert told in said(answer)
    assert db_session.query(HelpLink).count() == 0


def test_a_link_that_is_hidden_says_so_to_its_keeper_alone(login, client, market, link):
    for _ in range(2):
        help_links.create(_other(), by=market.admin())
        help_links.check(lambda urls: {url: 404 if "fil." in url else 200 for url in urls})

    assert "masqué : ne répond plus" in said(login(market.admin()).get("/administration/liens"))
    assert "fil.example/cours" not in said(client.get("/competences/tableur"))


def _other():
    return LinkSheet(
        name="Autre école", publisher="Autre", family=LinkFamily.AID, reason="Pour comparer les deux.",
        url="https://autre.example/", parameters="", size=LinkSize.ALL, domains=(), sections=(),
        is_active=True, checked_on=date(2026, 11, 1),
    )  # fmt: skip
