"""The company register, spoken to over HTTP: answers in its shape, and all that can go wrong."""

import time
from typing import Any

import pytest

from marketplace.adapters import register
from marketplace.adapters.register import Establishment, RegisterConfig, RegisterUnavailable
from marketplace.models import OrganisationKind, SizeClass
from tests.support.services import free_port

SIRET, HEAD_OFFICE = "10000018500011", "10000018500029"


def place(siret: str = SIRET, **fields: Any) -> dict[str, Any]:
    """Return one establishment as the register gives it."""
    return {
        "activite_principale": "10.71C",
        "activite_principale_registre_metier": None,
        "adresse": "1 RUE DE LA CHALOTAIS 35510 CESSON-SEVIGNE",
        "ancien_siege": False,
        "annee_tranche_effectif_salarie": "2023",
        "caractere_employeur": "O",
        "code_postal": "35510",
        "commune": "35051",
        "date_creation": "2014-03-01",
        "date_fermeture": None,
        "epci": "243500139",
        "est_siege": True,
        "etat_administratif": "A",
        "latitude": "48.1212",
        "libelle_commune": "CESSON-SEVIGNE",
        "liste_enseignes": ["LE FOURNIL"],
        "longitude": "-1.6036",
        "region": "53",
        "siret": siret,
        "statut_diffusion_etablissement": "O",
        "tranche_effectif_salarie": "03",
    } | fields


def company(**fields: Any) -> dict[str, Any]:
    return {
        "siren": SIRET[:9],
        "nom_complet": "LE FOURNIL DE CESSON",
        "nom_raison_sociale": "LE FOURNIL DE CESSON",
        "nombre_etablissements": 2,
        "siege": place(HEAD_OFFICE),
        "activite_principale": "10.71D",
        "categorie_entreprise": "PME",
        "etat_administratif": "A",
        "nature_juridique": "5499",
        "tranche_effectif_salarie": "12",
        "statut_diffusion": "O",
        "matching_etablissements": [place()],
    } | fields


def results(*companies: Any) -> dict[str, Any]:
    return {
        "results": list(companies),
        "total_results": len(companies),
        "page": 1,
        "per_page": 5,
        "total_pages": 1,
    }


@pytest.fixture
def find(service):
    """Ask the local register for a SIRET."""

    def ask(siret: str = SIRET, *, timeout: float = 5.0) -> Establishment | None:
        return register.find(siret, RegisterConfig(url=f"http://{service.host}", timeout=timeout))

    return ask


def test_an_establishment_is_found_by_its_siret(service, find):
    service.answer(results(company()))
    assert find() == Establishment(
        siret=SIRET,
        name="LE FOURNIL DE CESSON",
        naf="10.71C",
        commune_insee="35051",
        address="1 RUE DE LA CHALOTAIS 35510 CESSON-SEVIGNE",
        kind="firm",
        size_class="1-9",
    )
    assert service.asked == [("/search", {"q": [SIRET], "page": ["1"], "per_page": ["5"]})]


def test_a_head_office_is_found_too(service, find):
    service.answer(results(company(matching_etablissements=[])))
    assert find(HEAD_OFFICE).siret == HEAD_OFFICE


def test_another_establishment_of_the_company_does_not_stand_for_it(service, find):
    service.answer(results(company(matching_etablissements=[place("10000018500037")])))
    assert find() is None


def test_nothing_found_is_none(service, find):
    service.answer(results())
    assert find() is None


def test_a_closed_establishment_is_not_proposed(service, find):
    service.answer(
        results(company(matching_etablissements=[place(etat_administratif="F", date_fermeture="2020-01-01")]))
    )
    assert find() is None


def test_what_somebody_keeps_to_themselves_is_left_to_them(service, find):
    hidden = place(
        adresse="[NON-DIFFUSIBLE]", code_postal="[NON-DIFFUSIBLE]", statut_diffusion_etablissement="P"
    )
    service.answer(results(company(nom_complet="[NON-DIFFUSIBLE]", matching_etablissements=[hidden])))
    found = find()
    assert (found.name, found.address, found.commune_insee) == ("", "", "35051")


@pytest.mark.parametrize(
    ("arrondissement", "city"),
    [("75101", "75056"), ("75120", "75056"), ("69385", "69123"), ("13216", "13055")],
)
def test_an_arrondissement_is_its_city(service, find, arrondissement, city):
    service.answer(results(company(matching_etablissements=[place(commune=arrondissement)])))
    assert find().commune_insee == city


@pytest.mark.parametrize(
    ("legal_category", "kind"),
    [
        ("9220", "association"),
        ("9210", "association"),
        ("7210", "public"),
        ("4110", "public"),
        ("1000", "firm"),
        (None, "firm"),
    ],
)
def test_the_legal_category_gives_the_kind(service, find, legal_category, kind):
    service.answer(results(company(nature_juridique=legal_category)))
    assert find().kind == kind


@pytest.mark.parametrize(
    ("bracket", "size"),
    [
        ("NN", "0"),
        ("00", "0"),
        ("02", "1-9"),
        ("12", "10-49"),
        ("22", "50-249"),
        ("31", "50-249"),
        ("53", "250+"),
        ("??", "1-9"),
    ],
)
def test_the_register_s_staff_bracket_gives_ours(service, find, bracket, size):
    service.answer(results(company(matching_etablissements=[place(tranche_effectif_salarie=bracket)])))
    assert find().size_class == size


def test_what_the_establishment_does_not_say_its_company_does(service, find):
    bare = place(tranche_effectif_salarie=None, activite_principale=None)
    service.answer(results(company(matching_etablissements=[bare])))
    assert (find().size_class, find().naf) == ("10-49", "10.71D")


def test_the_register_speaks_the_words_of_the_model():
    assert set(register.SIZES.values()) == set(SizeClass)
    assert {register._kind(code) for code in ("92", "7", "5")} == set(OrganisationKind)


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_a_register_that_refuses_is_unavailable(service, find, status):
    service.status = status
    service.answer({"erreur": "non"})
    with pytest.raises(RegisterUnavailable):
        find()


def test_a_register_that_does_not_answer_in_time_is_unavailable(service, find):
    service.answer(results(company()))
    service.delay = 0.6
    with pytest.raises(RegisterUnavailable, match="ReadTimeout"):
        find(timeout=0.2)


def test_a_register_that_answers_drop_by_drop_is_not_waited_for(service, find):
    service.answer(results(company()))
    service.drip = 0.02
    began = time.monotonic()
    with pytest.raises(RegisterUnavailable):
        find(timeout=0.2)
    assert time.monotonic() - began < 5  # the whole answer would take twenty


def test_a_register_that_is_down_is_unavailable():
    with pytest.raises(RegisterUnavailable, match="ConnectError"):
        register.find(SIRET, RegisterConfig(url=f"http://127.0.0.1:{free_port()}", timeout=5))


@pytest.mark.parametrize(
    "url", ["nowhere", "ftp://register.example", "http://[", "http://register.example:99999"]
)
def test_a_register_without_a_right_address_is_unavailable(url):
    with pytest.raises(RegisterUnavailable):
        register.find(SIRET, RegisterConfig(url=url, timeout=0.3))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b'{"results": [',
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        {},
        {"results": None},
        {"results": 7},
        {"results": [None]},
        {"results": [7]},
        {"results": [{"siege": "here"}]},
        {"results": [{"siege": None, "matching_etablissements": [None]}]},
        {"results": [{"matching_etablissements": 7}]},
    ],
)
def test_an_answer_of_another_shape_is_unavailable(service, find, body):
    service.answer(body)
    with pytest.raises(RegisterUnavailable):
        find()


def test_an_endless_answer_is_not_read_to_its_end(service, find):
    service.answer(results(company(nom_complet="x" * 3_000_000)))
    with pytest.raises(RegisterUnavailable, match="too long"):
        find()


def test_the_settings_say_where_the_register_is():
    settings = {"REGISTER_URL": "https://register.example/", "ADAPTER_TIMEOUT_SECONDS": 3}
    assert register.from_config(settings) == RegisterConfig("https://register.example", 3.0)


def test_a_register_that_stumbles_once_is_asked_again(service, find):
    service.first = [503]
    service.answer(results(company()))
    assert find().siret == SIRET


def test_what_was_found_is_not_asked_for_twice(service, find):
    service.answer(results(company()))
    assert find() == find()
    assert len(service.asked) == 1


def test_what_was_not_found_is_asked_for_again(service, find):
    service.answer(results())
    assert find() is None
    service.answer(results(company()))
    assert find().siret == SIRET
