"""The list of providers, their pages, reviews and the administrator's side, as people meet them."""

from datetime import date

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import ProviderTheme, ReviewState
from marketplace.services import provider_reviews
from marketplace.web.display import slug_of, slug_of_provider
from tests.support.builders import LIFFRE_CORMIER
from tests.support.providers import (
    ACTIVATEURS,
    EXPERTCYBER,
    Importer,
    activateur,
    expert,
    provider,
    review_of,
)
from tests.support.queries import counted

TEXT = "Deux matinées claires, et nous vendons nos confitures en ligne depuis."


@pytest.fixture
def bring(app, tmp_path) -> Importer:
    return Importer(tmp_path)


@pytest.fixture
def near_and_far(bring):
    rows = [
        activateur("A1", name="Passerelle de Rennes"),
        activateur("A2", name="Atelier de Brest").replace("35000;Rennes", "29200;Brest"),
    ]
    bring("activateurs", ACTIVATEURS, rows)
    bring(
        "expertcyber",
        EXPERTCYBER,
        [expert(1, name="Rempart"), expert(2, name="Vieux Donjon", day="01/01/2020")],
    )


def path_of(name: str) -> str:
    found = provider(name)
    return f"/prestataires/{found.id}-{slug_of_provider(found)}"


def names(page) -> list[str]:
    wanted = ("Passerelle de Rennes", "Atelier de Brest", "Rempart", "Vieux Donjon")
    return sorted((name for name in wanted if f">{name}<" in page.text), key=page.text.index)


class TestList:
    def test_without_a_place_it_is_by_name_and_an_expired_label_is_not_there(self, client, near_and_far):
        page = client.get("/prestataires")

        assert names(page) == ["Atelier de Brest", "Passerelle de Rennes", "Rempart"]
        assert "Par ordre alphabétique" in page.text

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("commune=Rennes&rayon=30", ["Passerelle de Rennes", "Rempart"]),
            ("commune=29019&rayon=200", ["Atelier de Brest"]),
            ("label=expertcyber", ["Rempart"]),
            ("label=qualiopi", []),
            ("competence=boutique-en-ligne", ["Atelier de Brest", "Passerelle de Rennes"]),
            ("competence=hameconnage", ["Rempart"]),
            ("type=prive", ["Atelier de Brest", "Passerelle de Rennes"]),
            ("type=public", []),
            ("gratuit=oui", []),
            ("competence=nulle&commune=Nulle-Part&rayon=-1&label=x&type=x&page=0", None),
            ("vue=carte&commune=Rennes", ["Passerelle de Rennes", "Rempart"]),
        ],
    )
    def test_filters(self, client, near_and_far, query, found):
        page = client.get(f"/prestataires?{query}")

        assert page.status_code == 200
        if found is not None:
            assert names(page) == found

    def test_a_card_says_why_it_is_there_and_from_when_the_data_is(self, client, bring):
        bring("activateurs", ACTIVATEURS, [activateur("A1")], data_on=date(2026, 11, 2))

        page = client.get("/prestataires?competence=boutique-en-ligne")

        assert "Son label couvre : Vente en ligne." in page.text
        assert "vu dans la liste du 2 novembre 2026" in page.text
        assert "Ni paiement, ni publicité, ni avis ne le changent." in page.text

    def test_it_asks_the_database_the_same_number_of_times_however_long(self, client, bring):
        def asked() -> int:
            with counted() as count:
                assert (
                    client.get("/prestataires?commune=Rennes&competence=boutique-en-ligne").status_code == 200
                )
            return int(count)

        bring("activateurs", ACTIVATEURS, [activateur("A0")])
        few = asked()
        bring("activateurs", ACTIVATEURS, [activateur(f"A{n}", name=f"Atelier {n}") for n in range(19)])
        assert asked() == few

    def test_pages_keep_the_filters(self, client, bring):
        bring("activateurs", ACTIVATEURS, [activateur(f"A{n}", name=f"Atelier {n}") for n in range(45)])

        page = client.get("/prestataires?competence=boutique-en-ligne&page=2")

        assert "45 prestataires" in page.text
        assert "competence=boutique-en-ligne&amp;page=3" in page.text


class TestPage:
    def test_it_tells_labels_their_source_and_what_they_cover(self, client, near_and_far):
        page = client.get(path_of("Rempart"))

        assert "valable jusqu’au 3 février 2028" in page.text
        assert "Professionnels labellisés ExpertCyber, Cybermalveillance.gouv.fr" in page.text
        assert 'href="/competences/hameconnage"' in page.text
        assert "avis@rempart.example" not in page.text

    def test_an_expired_label_is_said_to_be_so(self, client, near_and_far):
        page = client.get(path_of("Vieux Donjon"))

        assert "expiré le 1er janvier 2022" in page.text
        assert "Aucun label de ce prestataire n’est valable aujourd’hui" in page.text

    def test_another_name_in_the_address_leads_to_the_right_one(self, client, near_and_far):
        answer = client.get(f"/prestataires/{provider('Rempart').id}-autre")

        assert (answer.status_code, answer.location) == (301, path_of("Rempart"))

    def test_who_left_the_lists_has_no_page(self, client, bring):
        rows = [expert(n, name=f"Expert {n}") for n in range(4)]
        bring("expertcyber", EXPERTCYBER, rows)
        bring("expertcyber", EXPERTCYBER, rows[1:])

        assert client.get(path_of("Expert 0")).status_code == 404

    def test_markup_in_a_name_is_text(self, client, bring):
        bring("activateurs", ACTIVATEURS, [activateur("A1", name="<script>alert(1)</script>")])

        assert "<script>alert(1)" not in client.get("/prestataires").text


class TestBesideANeed:
    def test_its_firm_sees_the_nearest_before_the_details(self, market, login, near_and_far):
        need = market.need(skill="boutique-en-ligne")

        page = login(market.speaker(need)).get(f"/annonces/{need.id}-{slug_of(need)}")

        assert names(page) == ["Passerelle de Rennes"]
        assert page.text.index("Prestataires labellisés") < page.text.index("En pratique")

    def test_others_see_them_after(self, market, client, near_and_far):
        need = market.need(skill="boutique-en-ligne")

        page = client.get(f"/annonces/{need.id}-{slug_of(need)}")

        assert page.text.index("En pratique") < page.text.index("Prestataires labellisés")

    def test_an_offer_has_none(self, market, client, near_and_far):
        offer = market.offer(skill="boutique-en-ligne")

        assert "Prestataires labellisés</h2>" not in client.get(f"/annonces/{offer.id}-{slug_of(offer)}").text

    def test_a_need_that_found_nobody_points_to_them(self, market, login, near_and_far):
        need = market.need(skill="boutique-en-ligne")

        page = login(market.speaker(need)).get(f"/annonces/{need.id}/correspondances")

        assert names(page) == ["Passerelle de Rennes"]


class TestReviews:
    @pytest.fixture
    def rempart(self, bring):
        bring("expertcyber", EXPERTCYBER, [expert(900, name="Rempart")])
        return provider("Rempart")

    def test_a_firm_writes_and_a_moderator_publishes(self, client, market, login, rempart, outbox):
        firm = market.organisation(name="Confitures du Puits")
        sent = login(market.speaker(firm)).post(
            f"/prestataires/{rempart.id}/avis",
            data={"structure": firm.id, "note": "4", "avis": TEXT, "bonne_foi": "y"},
        )
        assert sent.status_code == 302
        assert TEXT not in client.get(path_of("Rempart")).text

        moderator = login(market.moderator())
        assert "1 texte à relire" in moderator.get("/moderation/avis").text
        written = review_of(firm)
        case = f"/moderation/avis/{written.id}"
        assert TEXT in moderator.get(case).text
        version = provider_reviews.version_of(written)
        moderator.post(case, data={"decision": "publier", "version": version})

        page = client.get(path_of("Rempart"))
        assert TEXT in page.text
        assert "Confitures du Puits" in page.text
        assert "La note moyenne est affichée à partir de trois avis" in page.text
        assert outbox.last(to="avis@rempart.example").template == "provider_review_published"

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"bonne_foi": ""}, "Cochez cette case"),
            ({"avis": "Court"}, "30 caractères au moins"),
            ({"avis": ""}, "Remplissez ce champ"),
            ({"note": "6"}, "Choisissez"),
            ({"note": ""}, "Choisissez"),
            ({"structure": "999"}, "Choisissez"),
        ],
    )
    def test_a_review_that_cannot_be_taken_comes_back_as_it_was(self, market, login, rempart, wrong, message):
        firm = market.organisation()
        right = {"structure": firm.id, "note": "4", "avis": TEXT, "bonne_foi": "y"}

        page = login(market.speaker(firm)).post(f"/prestataires/{rempart.id}/avis", data={**right, **wrong})

        assert page.status_code == 422
        assert message in page.text
        assert "avis" in wrong or TEXT in page.text
        assert review_of(firm) is None

    def test_a_refusal_without_reasons_comes_back(self, market, login, rempart):
        written = market.review(rempart)
        moderator = login(market.moderator())

        page = moderator.post(
            f"/moderation/avis/{written.id}",
            data={"decision": "refuser", "version": provider_reviews.version_of(written)},
        )

        assert page.status_code == 422
        assert "Dites quelle règle" in page.text

    def test_the_provider_answers_by_its_link_and_a_moderator_reads_it_first(
        self, client, market, login, rempart, outbox
    ):
        written = market.review(rempart)
        admin = market.admin()
        provider_reviews.decide(
            written.id, accept=True, by=admin, version=provider_reviews.version_of(written)
        )
        link = outbox.link(outbox.last(to="avis@rempart.example"))

        assert written.text in client.get(link).text
        done = client.post(link, data={"reponse": "Merci, nous en avons tenu compte."})
        assert "Votre réponse est reçue" in done.text
        assert "tenu compte" not in client.get(path_of("Rempart")).text

        db.session.refresh(written)
        page = login(market.moderator()).post(
            f"/moderation/avis/{written.id}/reponse",
            data={"decision": "publier", "version": provider_reviews.version_of(written)},
        )
        assert page.status_code == 302
        assert "tenu compte" in client.get(path_of("Rempart")).text
        assert client.get(link).status_code == 410

    def test_an_administrator_enters_a_reply_that_came_by_letter(self, client, market, login, rempart):
        written = market.review(rempart, state=ReviewState.PUBLISHED)

        login(market.admin()).post(
            f"/administration/avis/{written.id}/reponse", data={"reponse": "Nous avons répondu par courrier."}
        )

        assert "Nous avons répondu par courrier." in client.get(path_of("Rempart")).text

    def test_a_forged_link_is_no_link(self, client):
        assert client.get("/prestataires/avis/forged/reponse").status_code == 410

    def test_elsewhere_a_moderator_sees_nothing(self, market, login, rempart):
        written = market.review(rempart)

        client = login(market.moderator(LIFFRE_CORMIER))

        assert "Aucun avis à relire" in client.get("/moderation/avis").text
        assert client.get(f"/moderation/avis/{written.id}").status_code == 404


class TestAdministration:
    def test_a_subject_is_mapped_and_its_providers_answer(self, client, market, login, bring):
        bring("activateurs", ACTIVATEURS, [activateur("A1", themes="Sujet nouveau")])
        theme = db.session.scalars(select(ProviderTheme).where(ProviderTheme.key == "sujet nouveau")).one()
        admin = login(market.admin())
        assert "Sujet nouveau" in admin.get("/administration/prestataires?etat=sans").text

        admin.post(
            f"/administration/prestataires/themes/{theme.id}",
            data={"competence": ["tableur", "presentation"]},
        )

        assert "Atelier du Web" in client.get("/prestataires?competence=tableur").text

    def test_a_provider_is_suppressed_with_a_reason(self, client, market, login, bring):
        bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart"), expert(2)])
        address, form = path_of("Rempart"), f"/administration/prestataires/{provider('Rempart').id}/retirer"
        admin = login(market.admin())
        assert form in admin.get(address).text

        assert admin.post(form, data={"raison": ""}).status_code == 422
        assert admin.post(form, data={"raison": "demande du 3 novembre"}).status_code == 302

        assert client.get(address).status_code == 404
        assert bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart"), expert(2)]).opted_out == 1

    def test_nobody_else_gets_there(self, market, login, bring):
        bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart")])
        client = login(market.moderator())

        for path in ("", "/themes/1", f"/{provider('Rempart').id}/retirer"):
            assert client.get(f"/administration/prestataires{path}").status_code == 403
