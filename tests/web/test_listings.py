"""Publishing, a listing's page and its life: what the browser gets."""

import re
from html import unescape
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    DecisionGround,
    Listing,
    ListingDraft,
    ListingKind,
    ListingState,
    MatchState,
    MembershipState,
    ModerationDecision,
    ModerationMode,
    OutboxMail,
)
from marketplace.services import listings
from tests.support.builders import LIFFRE_CORMIER, PASSWORD, siret
from tests.support.queries import counted

S = ListingState
NEED, OFFER = "/publier/besoin", "/publier/savoir-faire"
FORMS = [NEED, OFFER]
TOLD = "Nous aimerions vendre nos gâteaux sur internet, et préparer les colis la veille."
ANSWERS = {
    "description": TOLD,
    "competence": "boutique-en-ligne",
    "niveau": "2",
    "lieu": ["aide", "distance"],
    "rayon": "15",
    "titre": "Vendre en ligne",
    "simultanes": "1",
}


def text(response):
    return unescape(response.get_data(as_text=True))


def follow(browser, answer):
    """Return the page that the answer leads to, by its right address."""
    page = browser.get(answer.location)
    return browser.get(page.location) if page.status_code == 301 else page


def value_of(page, name):
    field = re.search(rf'<input[^>]*name="{name}"[^>]*>', page)[0]
    return re.search(r'value="([^"]*)"', field)[1]


def how_many(model=Listing):
    return db.session.scalar(select(func.count()).select_from(model))


def the_listing():
    return db.session.scalars(select(Listing)).one()


@pytest.fixture
def firm(market):
    """A structure of an open territory that reads texts afterwards."""
    market.open_territory(mode=ModerationMode.AFTER)
    return market.organisation(name="Le Bon Pain")


@pytest.fixture
def baker(market, firm, login):
    """The browser of somebody who speaks for the structure."""
    return login(market.speaker(firm))


# ---- publishing ----


@pytest.mark.parametrize("page", FORMS)
def test_the_common_case_is_online_after_one_form(baker, page):
    answer = follow(baker, baker.post(page, data=ANSWERS))
    assert answer.status_code == 200
    assert "Votre annonce est en ligne." in text(answer)
    assert the_listing().state is S.PUBLISHED


def test_every_answer_of_a_need_is_kept(baker, market):
    baker.post(
        NEED,
        data=ANSWERS
        | {
            "competence_2": "emailing",
            "competence_3": "rgpd",
            "horaires": ["lundi-matin", "dimanche-apres-midi"],
            "urgence": "3",
            "sans_concurrent": "y",
            "rayon_concurrent": "25",
        },
    )
    need = the_listing()
    assert (need.kind, need.skill_id, need.level) == (
        ListingKind.NEED,
        market.skill("boutique-en-ligne").id,
        2,
    )
    assert (need.title, need.description, need.radius_km) == ("Vendre en ligne", TOLD, 15)
    assert (need.places, need.availability, need.urgency) == (0b101, 1 | 1 << 13, 3)
    assert (need.avoid_competitors, need.competitor_radius_km) == (True, 25)
    shown = listings.show(need.id, to=None)
    assert [each.skill.slug for each in shown.extra_skills] == ["emailing", "rgpd"]


def test_every_answer_of_an_offer_is_kept(baker):
    baker.post(OFFER, data=ANSWERS | {"simultanes": "3", "total": "12", "permanente": "y"})
    offer = the_listing()
    assert (offer.kind, offer.capacity, offer.total_limit, offer.is_permanent) == (
        ListingKind.OFFER,
        3,
        12,
        True,
    )


def test_a_title_left_empty_is_the_skills_name(baker):
    baker.post(NEED, data=ANSWERS | {"titre": ""})
    assert the_listing().title == "Ouvrir et gérer une boutique en ligne"


def test_a_skill_picked_among_the_proposals_counts(baker, market):
    baker.post(NEED, data=ANSWERS | {"competence": "", "proposition": "paiement-en-ligne"})
    assert the_listing().skill_id == market.skill("paiement-en-ligne").id


@pytest.mark.parametrize("page", FORMS)
def test_the_skill_is_proposed_from_the_persons_own_words(client, page):
    answer = client.post(page, data=ANSWERS | {"competence": "", "action": "competence"})
    assert answer.status_code == 200
    assert '<input id="proposition-0" name="proposition" type="radio" value="boutique-en-ligne">' in text(
        answer
    )
    assert TOLD in text(answer)
    assert (how_many(), how_many(ListingDraft)) == (0, 0)


def test_words_that_mean_no_skill_lead_to_the_list(client):
    answer = client.post(NEED, data=ANSWERS | {"description": "xyzzy " * 5, "action": "competence"})
    assert "Nous n’avons pas reconnu de compétence" in text(answer)


def test_no_words_at_all_are_asked_for(client):
    answer = client.post(NEED, data=ANSWERS | {"description": "", "action": "competence"})
    assert answer.status_code == 422
    assert "Remplissez ce champ." in text(answer)


def test_a_text_that_is_read_first_says_so(baker, market):
    market.open_territory(mode=ModerationMode.BEFORE)
    answer = follow(baker, baker.post(NEED, data=ANSWERS))
    assert "Une personne de la modération lit votre annonce" in text(answer)
    assert the_listing().state is S.PENDING


FLAGGED = ANSWERS | {"description": "Appelez-moi au 06 12 34 56 78, ou écrivez à lea@boulangerie.example."}


@pytest.mark.parametrize("page", FORMS)
def test_an_author_hears_why_the_text_would_wait_before_it_is_sent(baker, page):
    answer = baker.post(page, data=FLAGGED)
    assert answer.status_code == 200
    assert "numéro de téléphone" in text(answer)
    assert "adresse de courriel" in text(answer)
    assert FLAGGED["description"] in text(answer)
    assert (how_many(), how_many(ListingDraft)) == (0, 1)


def test_a_text_that_would_wait_is_sent_once_confirmed(baker):
    baker.post(NEED, data=FLAGGED)
    baker.post(NEED, data=FLAGGED | {"action": "confirmer"})
    assert (the_listing().state, the_listing().flags) == (S.PENDING, ["phone", "email"])
    assert how_many(ListingDraft) == 0


def test_a_text_corrected_after_the_warning_is_online_at_once(baker):
    baker.post(NEED, data=FLAGGED)
    baker.post(NEED, data=ANSWERS)
    assert the_listing().state is S.PUBLISHED


def test_a_second_click_makes_no_second_listing(baker):
    first = baker.post(NEED, data=ANSWERS)
    assert baker.post(NEED, data=ANSWERS).location == first.location
    assert how_many() == 1


def test_a_draft_is_kept_without_any_check(baker):
    answer = follow(baker, baker.post(NEED, data=FLAGGED | {"action": "brouillon"}))
    assert "Votre brouillon est gardé" in text(answer)
    assert the_listing().state is S.DRAFT


def test_the_form_says_what_the_publishing_fields_are_for_without_javascript(client):
    page = text(client.get(NEED))
    assert "<script" not in page.split("</head>")[1]
    assert page.count("<optgroup") >= 3
    assert page.count('name="horaires"') == 14


def test_somebody_with_two_structures_says_for_which(baker, market, firm):
    person = market.speaker(firm)
    other = market.organisation(name="L’autre fournil", manager=person)
    assert "L’autre fournil" in text(baker.get(NEED))
    unsaid = baker.post(NEED, data=ANSWERS)
    assert (unsaid.status_code, how_many()) == (422, 0)
    baker.post(NEED, data=ANSWERS | {"structure": other.id})
    assert the_listing().organisation_id == other.id


def test_nobody_publishes_for_a_structure_that_is_not_theirs(baker, market, firm):
    market.organisation(manager=market.speaker(firm))
    foreign = market.organisation()
    answer = baker.post(NEED, data=ANSWERS | {"structure": foreign.id})
    assert (answer.status_code, how_many()) == (422, 0)


def test_one_goes_on_to_the_page_one_came_from_once_online(baker, market):
    answer = baker.post(f"{NEED}?suite=/competences", data=ANSWERS)
    assert answer.location == "/competences"


def test_the_usual_distance_is_the_territorys(baker, market):
    market.open_territory().default_radius_km = 12
    db.session.commit()
    assert value_of(text(baker.get(NEED)), "rayon") == "12"


# ---- bad input ----

BAD = [
    ("description", "", "Remplissez ce champ."),
    ("description", "court", "20 caractères au moins"),
    ("description", "x" * 3001, "3000 caractères au plus"),
    ("description", "x" * 100_000, "3000 caractères au plus"),
    ("description", TOLD + "\x00", "caractères invisibles"),
    ("description", "Bonjour\x1e" + TOLD, "caractères invisibles"),
    ("description", TOLD + "\u202e", "caractères invisibles"),
    ("competence", "", "Choisissez la compétence"),
    ("competence", "inconnue", "Choisissez"),
    ("competence", "<script>", "Choisissez"),
    ("competence", "x" * 100_000, "Choisissez"),
    ("competence_2", "inconnue", "Choisissez une réponse de la liste."),
    ("competence_2", "boutique-en-ligne", "déjà choisie"),
    ("competence_3", "boutique-en-ligne", "déjà choisie"),
    ("niveau", "0", "Choisissez une réponse de la liste."),
    ("niveau", "5", "Choisissez une réponse de la liste."),
    ("niveau", "deux", "Choisissez une réponse de la liste."),
    ("niveau", "9" * 5000, "Choisissez une réponse de la liste."),
    ("titre", "abc", "5 caractères au moins"),
    ("titre", "x" * 101, "100 caractères au plus"),
    ("titre", "Pain\x07 et confiture", "caractères invisibles"),
    ("lieu", [], "Cochez au moins un lieu."),
    ("lieu", ["lune"], "Choisissez dans la liste."),
    ("rayon", "", "Remplissez ce champ."),
    ("rayon", "-1", "Choisissez un nombre de 0 à 200."),
    ("rayon", "201", "Choisissez un nombre de 0 à 200."),
    ("rayon", "1e3", "Écrivez un nombre entier"),
    ("rayon", "9" * 5000, "Écrivez un nombre entier"),
    ("rayon", "quinze", "Écrivez un nombre entier"),
    ("horaires", ["lundi-soir"], "Choisissez dans la liste."),
    ("rayon_concurrent", "-1", "Choisissez un nombre de 0 à 200."),
    ("rayon_concurrent", "201", "Choisissez un nombre de 0 à 200."),
]
OF_NEED = [("urgence", value, "Choisissez une réponse de la liste.") for value in ("0", "4", "vite")]
OF_OFFER = [
    ("simultanes", "0", "Choisissez un nombre de 1 à 50."),
    ("simultanes", "51", "Choisissez un nombre de 1 à 50."),
    ("simultanes", "-3", "Choisissez un nombre de 1 à 50."),
    ("simultanes", "", "Remplissez ce champ."),
    ("total", "0", "Choisissez un nombre de 1 à 1000."),
    ("total", "1001", "Choisissez un nombre de 1 à 1000."),
    ("total", "beaucoup", "Écrivez un nombre entier"),
]
CASES = [(page, *case) for page in FORMS for case in BAD]
CASES += [(NEED, *case) for case in OF_NEED] + [(OFFER, *case) for case in OF_OFFER]


@pytest.mark.parametrize(("page", "field", "value", "message"), CASES)
def test_a_bad_answer_is_told_at_its_field_and_writes_nothing(baker, page, field, value, message):
    answer = baker.post(page, data=ANSWERS | {field: value})
    told = text(answer)
    assert answer.status_code == 422
    assert message in told.split(f'id="{field}-error">')[1].split("</p>")[0]
    assert (how_many(), how_many(OutboxMail), how_many(ListingDraft)) == (0, 0, 1)
    if field != "description":
        assert TOLD in told


@pytest.mark.parametrize("page", FORMS)
def test_what_was_typed_comes_back_to_the_letter(baker, page):
    odd = "<script>alert(1)</script> & « é » 🥖 {{ 7 * 7 }}"
    answer = baker.post(page, data=ANSWERS | {"description": odd, "titre": odd, "rayon": "<b>"})
    assert answer.status_code == 422
    raw = answer.get_data(as_text=True)
    assert "<script>alert(1)</script>" not in raw
    assert "<b>" not in raw
    assert text(answer).count(odd) == 2


@pytest.mark.parametrize("page", FORMS)
@pytest.mark.parametrize("field", ["description", "titre", "competence", "rayon", "lieu", "niveau"])
def test_a_file_where_text_is_expected_is_no_answer(baker, page, field):
    file = (BytesIO(b"\x89PNG\r\n\x00\xff"), "photo.png")
    answer = baker.post(page, data=ANSWERS | {field: file}, content_type="multipart/form-data")
    # A field that may stay as it is takes what it starts with.
    assert answer.status_code in ((302, 422) if field in ("titre", "niveau") else (422,))
    assert how_many() == (answer.status_code == 302)


@pytest.mark.parametrize("page", FORMS)
def test_html_and_emoji_are_text_like_any_other(baker, page):
    odd = "<h1>Mes confitures</h1> & <script>alert(1)</script> 🥖👩‍🍳 en ligne"
    answer = follow(baker, baker.post(page, data=ANSWERS | {"description": odd, "titre": odd}))
    assert (the_listing().description, the_listing().title) == (odd, odd)
    assert "<script>alert(1)" not in answer.get_data(as_text=True)
    assert odd in text(answer)


def test_bytes_that_are_no_text_are_told(baker):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="description"\r\n\r\n' + b"\xff\xfe" * 20 + b"\r\n--x--"
    )
    answer = baker.post(NEED, data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 422
    assert "caractères invisibles" in text(answer)


def test_a_proposal_that_was_never_made_is_told(baker):
    answer = baker.post(NEED, data=ANSWERS | {"proposition": "inconnue"})
    assert (answer.status_code, how_many()) == (422, 0)
    assert "Choisissez la compétence" in text(answer)


def test_an_error_in_the_folded_part_unfolds_it(baker):
    assert '<details class="details">' in text(baker.get(NEED))
    assert '<details class="details" open>' in text(
        baker.post(NEED, data=ANSWERS | {"rayon_concurrent": "-1"})
    )


# ---- what a link fills in ----


@pytest.mark.parametrize("page", FORMS)
def test_a_link_fills_the_form(client, page):
    query = {
        "competence": "boutique-en-ligne",
        "titre": "Vendre en ligne",
        "description": "Vendre",
        "niveau": "3",
        "rayon": "35",
        "lieu": "distance",
    }
    told = text(client.get(page, query_string=query))
    assert 'selected value="boutique-en-ligne"' in told
    assert (value_of(told, "titre"), value_of(told, "rayon")) == ("Vendre en ligne", "35")
    assert "\nVendre</textarea>" in told
    assert 'checked id="niveau-2"' in told
    assert 'checked id="lieu-2"' in told


@pytest.mark.parametrize("page", FORMS)
@pytest.mark.parametrize(
    "bad",
    [
        {"competence": "inconnue"}, {"niveau": "9"}, {"niveau": "x" * 5000}, {"rayon": "-1"},
        {"rayon": "loin"}, {"lieu": "lune"}, {"titre": "\u202e"}, {"campagne": "rentree"},
        {"domaine": "inconnu"}, {"secteur": "99.99Z"}, {"commune": "99999"}, {"effectif": "beaucoup"},
        {"simultanes": "0"}, {"brouillon": "x" * 43}, {"horaires": ""},
    ],
)  # fmt: skip
def test_what_a_link_says_wrong_is_left_out_and_the_rest_kept(client, page, bad):
    answer = client.get(page, query_string={"titre": "Vendre en ligne", "rayon": "35"} | bad)
    told = text(answer)
    assert answer.status_code == 200
    assert "error-summary" not in told
    assert "titre" in bad or value_of(told, "titre") == "Vendre en ligne"
    assert "rayon" in bad or value_of(told, "rayon") == "35"


def test_a_domain_in_a_link_proposes_its_skills(client):
    told = text(client.get(NEED, query_string={"domaine": "vente-en-ligne"}))
    assert 'name="proposition" type="radio" value="paiement-en-ligne"' in told


def test_a_sentence_in_a_link_proposes_skills_at_once(client):
    told = text(client.get(NEED, query_string={"description": "vendre mes confitures sur internet"}))
    assert 'name="proposition" type="radio" value="boutique-en-ligne"' in told


def test_a_nul_byte_in_a_link_is_refused(client):
    assert client.get(f"{NEED}?titre=%00").status_code == 400


# ---- the way through an account ----


def go_back(answer):
    return parse_qs(urlsplit(answer.location).query)["suite"][0]


@pytest.mark.parametrize("page", FORMS)
def test_a_visitor_finds_the_text_again_after_signing_up_and_naming_a_structure(client, market, outbox, page):
    market.open_territory(mode=ModerationMode.AFTER)
    sent = client.post(f"{page}?commune=Rennes&secteur=10.71C&effectif=10-49", data=ANSWERS)
    assert (sent.status_code, urlsplit(sent.location).path, how_many()) == (302, "/inscription", 0)

    account = {"nom": "Léa Pain", "mail": "lea@boulangerie.example", "mot_de_passe": PASSWORD}
    client.post(sent.location, data=account)
    back = client.post(outbox.link(outbox.last(to="lea@boulangerie.example"))).location
    assert TOLD in text(client.get(back))

    joining = client.post(back, data=ANSWERS).location
    creating = client.post(joining, data={"siret": siret(7)}).location
    form = text(client.get(creating))
    assert 'value="Rennes"' in form
    assert 'value="10.71C"' in form
    assert 'selected value="10-49"' in form
    structure = {"nom": "Le Bon Pain", "siret": siret(7), "activite": "10.71C", "commune": "Rennes"}
    back = client.post(creating, data=structure | {"type": "firm", "effectif": "10-49"}).location
    assert TOLD in text(client.get(back))

    client.post(back, data=ANSWERS)
    assert (the_listing().state, the_listing().description) == (S.PUBLISHED, TOLD)
    assert how_many(ListingDraft) == 0


def test_a_visitor_who_has_an_account_finds_the_text_again_after_logging_in(client, market, firm):
    back = go_back(client.post(NEED, data=ANSWERS))
    person = market.speaker(firm)
    login = client.post(
        "/connexion", query_string={"suite": back}, data={"mail": person.email, "mot_de_passe": PASSWORD}
    )
    assert login.location == back
    assert TOLD in text(client.get(back))


def test_the_text_is_found_on_another_device_by_the_mailed_link(app, client, market, outbox):
    back = go_back(client.post(NEED, data=ANSWERS))
    phone = app.test_client()
    assert TOLD in text(phone.get(back))
    assert TOLD not in text(phone.get(NEED))


def test_what_somebody_types_after_following_a_link_is_not_shown_to_who_sent_it(app, client):
    back = go_back(client.post(NEED, data=ANSWERS))
    other = app.test_client()
    other.post(back, data=ANSWERS | {"description": "Un secret de fabrication que je garde pour moi."})
    assert "secret" not in text(client.get(back))


def test_a_text_with_errors_is_there_when_one_comes_back(baker):
    baker.post(NEED, data=ANSWERS | {"rayon": "loin"})
    told = text(baker.get(NEED))
    assert TOLD in told
    assert 'value="loin"' in told
    assert "Voici ce que vous aviez commencé à écrire." in told


def test_a_kept_text_can_be_thrown_away(baker):
    baker.post(NEED, data=ANSWERS | {"rayon": "loin"})
    baker.post(NEED, data={"action": "effacer"})
    assert (how_many(ListingDraft), TOLD in text(baker.get(NEED))) == (0, False)


def test_a_link_does_not_hide_a_kept_text(baker):
    baker.post(NEED, data=ANSWERS | {"rayon": "loin"})
    told = text(baker.get(f"{NEED}?titre=Autre+sujet"))
    assert 'value="Autre sujet"' in told
    assert "Vous aviez commencé un autre texte." in told


def test_a_text_waits_while_the_structure_has_not_answered(market, login, firm):
    asker = login(market.employee(firm, state=MembershipState.REQUESTED))
    answer = asker.post(NEED, data=ANSWERS)
    assert urlsplit(answer.location).path == "/mon-espace/structure"
    assert (how_many(), how_many(ListingDraft)) == (0, 1)


def test_nobody_publishes_for_a_suspended_structure(market, login, clock):
    suspended = market.organisation(suspended_at=clock.now)
    answer = login(market.speaker(suspended)).post(NEED, data=ANSWERS)
    assert (answer.status_code, how_many()) == (302, 0)


# ---- the page ----


def address(listing):
    """Return the address of a listing titled « Vendre en ligne »."""
    return f"/annonces/{listing.id}-vendre-en-ligne"


@pytest.fixture
def need(market):
    person = market.user("lea@boulangerie.example", name="Léa Levain", phone="06 11 22 33 44")
    firm = market.organisation(name="Le Bon Pain", manager=person)
    return market.need(
        organisation=firm, title="Vendre en ligne", urgency=2, availability=0b1101, extra_skills=("emailing",)
    )


def test_the_page_tells_the_facts_in_words(client, need):
    told = text(client.get(address(need)))
    for fact in (
        "Vendre en ligne", "Le Bon Pain", "Rennes", "Ouvrir et gérer une boutique en ligne", "Autonomie",
        "Lettres d'information et courriels groupés",
        "30 km à vol d’oiseau", "Lundi matin, mardi", "Dans les deux mois", "Chez la structure qui aide",
    ):  # fmt: skip
        assert fact in told


def test_the_page_names_nobody(client, need):
    told = text(client.get(address(need)))
    assert "Levain" not in told
    assert "lea@boulangerie.example" not in told
    assert "06 11 22 33 44" not in told


def test_a_reader_is_led_to_help_or_to_ask(client, market, need):
    offer = market.offer(title="Vendre en ligne")
    assert f'href="/annonces/{need.id}/proposer">Proposer mon aide' in text(client.get(address(need)))
    assert f'href="/annonces/{offer.id}/proposer">Demander de l’aide' in text(client.get(address(offer)))


def test_a_reader_is_told_when_no_place_is_left(client, market, need):
    offer = market.offer(title="Vendre en ligne", capacity=1)
    market.match(need=need, offer=offer)
    for listing, said in (
        (need, "Une mise en relation est déjà en cours"),
        (offer, "Toutes les places sont prises"),
    ):
        told = text(client.get(address(listing)))
        assert said in told
        assert "/proposer" not in told


@pytest.mark.parametrize("wrong", ["", "-autre-chose", "-Vendre-En-Ligne"])
def test_a_wrong_address_leads_to_the_right_one(client, need, wrong):
    answer = client.get(f"/annonces/{need.id}{wrong}?de=mail")
    assert (answer.status_code, answer.location) == (301, f"{address(need)}?de=mail")


def test_a_wrong_address_does_not_tell_the_title_of_a_draft(client, market):
    draft = market.need(state=S.DRAFT, title="Projet secret")
    answer = client.get(f"/annonces/{draft.id}-x")
    assert (answer.status_code, "location" in answer.headers) == (404, False)


@pytest.mark.parametrize(
    "where", ["/annonces/0", "/annonces/999999", f"/annonces/{2**31}", "/annonces/99999999999999999999-x"]
)
def test_a_listing_that_does_not_exist_is_not_found(client, where):
    assert client.get(where).status_code == 404


@pytest.mark.parametrize("state", S)
def test_the_public_meets_each_state_with_its_status(client, market, state):
    listing = market.need(state=state, title="Vendre en ligne")
    gone = (S.EXPIRED, S.FULFILLED)
    expected = 200 if state is S.PUBLISHED else 410 if state in gone else 404
    answer = client.get(address(listing))
    assert answer.status_code == expected
    assert (listing.description in text(answer)) == (state is S.PUBLISHED)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (S.EXPIRED, "arrivée à son terme"),
        (S.FULFILLED, "a abouti"),
        (S.WITHDRAWN, "l’a retirée"),
        (S.REMOVED, "La modération l’a retirée"),
    ],
)
def test_a_listing_that_is_over_says_so_and_where_to_go(client, market, clock, state, said):
    listing = market.need(state=state, published_at=clock.now, title="Mon beau titre")
    answer = client.get(f"/annonces/{listing.id}-mon-beau-titre")
    assert answer.status_code == 410
    assert said in text(answer)
    assert "/besoins?competence=boutique-en-ligne" in text(answer)
    assert "Mon beau titre" not in text(answer)


@pytest.mark.parametrize("who", ["visitor", "other firm", "moderator elsewhere"])
def test_a_foreign_draft_is_not_found(client, market, login, who):
    draft = market.need(state=S.DRAFT, title="Vendre en ligne")
    if who == "other firm":
        login(market.speaker(market.organisation()))
    if who == "moderator elsewhere":
        login(market.moderator(LIFFRE_CORMIER))
    assert client.get(address(draft)).status_code == 404


def test_the_moderator_of_the_territory_is_led_to_the_decision(market, login):
    listing = market.need(state=S.PENDING, title="Vendre en ligne")
    told = text(login(market.moderator()).get(address(listing)))
    assert f"/moderation/annonces/{listing.id}" in told
    assert "/modifier" not in told


def test_the_page_of_a_listing_takes_few_queries_however_many_skills(app, client, market):
    plain = market.need(title="Vendre en ligne")
    full = market.need(title="Vendre en ligne", extra_skills=("emailing", "rgpd"))
    taken = []
    for listing in (plain, full):
        client.get(address(listing))
        where = address(listing)
        with counted() as queries:
            client.get(where)
        taken.append(int(queries))
    assert taken[0] == taken[1]
    assert taken[0] <= 10


# ---- its structure's view ----

STATES = {
    S.DRAFT: ("brouillon", {"modifier", "retirer"}),
    S.PENDING: ("en attente de relecture", {"modifier", "retirer"}),
    S.CHANGES_REQUESTED: ("à modifier", {"modifier", "retirer"}),
    S.PUBLISHED: ("en ligne", {"modifier", "pause", "prolonger", "retirer", "correspondances"}),
    S.PAUSED: ("en pause", {"modifier", "reprendre", "prolonger", "retirer"}),
    S.FULFILLED: ("abouti", set()),
    S.EXPIRED: ("arrivée à terme", {"prolonger", "retirer"}),
    S.WITHDRAWN: ("retirée", set()),
    S.REJECTED: ("refusée", set()),
    S.REMOVED: ("retirée par la modération", set()),
}


@pytest.mark.parametrize("state", S)
def test_its_structure_sees_where_a_listing_stands_and_what_it_can_do(market, login, state):
    listing = market.need(state=state, title="Vendre en ligne")
    said, acts = STATES[state]
    told = text(login(market.speaker(listing)).get(address(listing)))
    assert f"Votre annonce : {said}" in told
    every = {"modifier", "pause", "reprendre", "prolonger", "retirer", "correspondances"}
    assert {act for act in every if f'"/annonces/{listing.id}/{act}"' in told} == acts


def test_its_structure_is_not_invited_to_help_itself(market, login, need):
    assert "/proposer" not in text(login(market.speaker(need)).get(address(need)))


@pytest.mark.parametrize("state", [S.CHANGES_REQUESTED, S.REJECTED, S.REMOVED])
def test_the_author_reads_why_a_moderator_decided_against_the_listing(market, login, state):
    listing = market.need(state=state, title="Vendre en ligne")
    db.session.add(
        ModerationDecision(
            listing_id=listing.id,
            action=DecisionAction.REJECT,
            ground=DecisionGround.COMMERCIAL,
            facts="Le texte vend <b>une prestation</b>.",
            automated_flags=["price"],
            snapshot={},
        )
    )
    db.session.commit()
    told = login(market.speaker(listing)).get(address(listing))
    assert "L’annonce vend une prestation" in text(told)
    assert "Le texte vend &lt;b&gt;une prestation&lt;/b&gt;." in told.get_data(as_text=True)
    assert "avait signalé : prix" in text(told)


# ---- acts ----

POSTS = {"pause": S.PUBLISHED, "reprendre": S.PAUSED, "prolonger": S.EXPIRED, "retirer": S.PUBLISHED}
RESULTS = {"pause": S.PAUSED, "reprendre": S.PUBLISHED, "prolonger": S.PUBLISHED, "retirer": S.WITHDRAWN}


@pytest.mark.parametrize("act", POSTS)
def test_its_structure_acts_by_one_button(market, login, act):
    listing = market.need(state=POSTS[act])
    browser = login(market.speaker(listing))
    answer = follow(browser, browser.post(f"/annonces/{listing.id}/{act}"))
    assert answer.status_code == 200
    assert "notice-success" in text(answer)
    assert db.session.get(Listing, listing.id, populate_existing=True).state is RESULTS[act]


@pytest.mark.parametrize("act", POSTS)
@pytest.mark.parametrize("who", ["visitor", "other firm", "asker", "moderator here", "moderator elsewhere"])
def test_nobody_else_acts(market, client, login, act, who):
    market.open_territory()
    firm = market.organisation()
    listing = market.need(organisation=firm, state=POSTS[act])
    people = {
        "other firm": lambda: market.speaker(market.organisation()),
        "asker": lambda: market.employee(firm, state=MembershipState.REQUESTED),
        "moderator here": market.moderator,
        "moderator elsewhere": lambda: market.moderator(LIFFRE_CORMIER),
    }
    if who in people:
        login(people[who]())
    answer = client.post(f"/annonces/{listing.id}/{act}")
    if who == "visitor":
        assert urlsplit(answer.location).path == "/connexion"
    else:
        assert answer.status_code == 404
    assert db.session.get(Listing, listing.id, populate_existing=True).state is POSTS[act]


@pytest.mark.parametrize("act", POSTS)
def test_an_act_out_of_its_time_is_told(market, login, act):
    listing = market.need(state=S.FULFILLED)
    answer = login(market.speaker(listing)).post(f"/annonces/{listing.id}/{act}")
    assert answer.status_code == 409
    assert "Ce n’est plus possible" in text(answer)


@pytest.mark.parametrize("act", POSTS)
def test_a_link_alone_does_nothing(market, login, act):
    listing = market.need()
    assert login(market.speaker(listing)).get(f"/annonces/{listing.id}/{act}").status_code == 405


@pytest.mark.parametrize("path", [f"/annonces/5/{act}" for act in POSTS] + [NEED, OFFER])
def test_a_form_from_another_site_is_refused(app, client, path):
    app.config["WTF_CSRF_ENABLED"] = True
    assert client.post(path, data=ANSWERS).status_code == 400


# ---- editing ----


def edit(listing):
    return f"/annonces/{listing.id}/modifier"


def test_the_form_of_a_listing_holds_what_it_says(market, login, need):
    told = text(login(market.speaker(need)).get(edit(need)))
    assert need.description in told
    assert 'value="Vendre en ligne"' in told
    assert 'checked id="horaires-0"' in told
    assert 'checked id="urgence-1"' in told
    assert 'selected value="emailing"' in told


def test_sending_the_form_back_as_it_is_changes_nothing(market, login):
    market.open_territory(mode=ModerationMode.BEFORE)
    offer = market.offer(
        capacity=3, total_limit=9, is_permanent=True, avoid_competitors=True, competitor_radius_km=7,
        availability=5, extra_skills=("emailing",), places=7,
    )  # fmt: skip
    browser = login(market.speaker(offer))
    before = listings.own(offer.id, by=market.speaker(offer))
    kept = {name: getattr(before, name) for name in (*listings._OF_SHEET, "state", "expires_at")}
    answers = {
        "description": before.description, "titre": before.title, "competence": "boutique-en-ligne",
        "niveau": "3", "lieu": ["aide", "apprend", "distance"], "rayon": "30", "competence_2": "emailing",
        "horaires": ["lundi-matin", "mardi-matin"], "simultanes": "3", "total": "9", "permanente": "y",
        "sans_concurrent": "y", "rayon_concurrent": "7",
    }  # fmt: skip
    assert browser.post(edit(offer), data=answers).status_code == 302
    after = listings.own(offer.id, by=market.speaker(offer))
    assert {name: getattr(after, name) for name in kept} == kept
    assert [each.skill.slug for each in after.extra_skills] == ["emailing"]


def test_a_change_of_the_text_is_read_again_where_texts_are_read_first(market, login, need):
    market.open_territory(mode=ModerationMode.BEFORE)
    browser = login(market.speaker(need))
    assert "sera relue avant de revenir en ligne" in text(browser.get(edit(need)))
    answer = follow(browser, browser.post(edit(need), data=ANSWERS))
    assert "en attente de relecture" in text(answer)


def test_an_author_hears_why_a_changed_text_would_wait(market, login, need):
    market.open_territory(mode=ModerationMode.AFTER)
    browser = login(market.speaker(need))
    told = text(browser.post(edit(need), data=FLAGGED))
    assert "numéro de téléphone" in told
    assert db.session.get(Listing, need.id, populate_existing=True).state is S.PUBLISHED
    browser.post(edit(need), data=FLAGGED | {"action": "confirmer"})
    assert db.session.get(Listing, need.id, populate_existing=True).state is S.PENDING


def test_a_draft_is_corrected_then_published(market, login):
    market.open_territory(mode=ModerationMode.AFTER)
    draft = market.need(state=S.DRAFT)
    browser = login(market.speaker(draft))
    browser.post(edit(draft), data=ANSWERS | {"action": "brouillon"})
    assert db.session.get(Listing, draft.id, populate_existing=True).state is S.DRAFT
    browser.post(edit(draft), data=ANSWERS)
    assert db.session.get(Listing, draft.id, populate_existing=True).state is S.PUBLISHED


def test_changes_asked_for_can_be_prepared_then_sent(market, login):
    market.open_territory(mode=ModerationMode.AFTER)
    listing = market.need(state=S.CHANGES_REQUESTED)
    browser = login(market.speaker(listing))
    told = text(follow(browser, browser.post(edit(listing), data=ANSWERS | {"action": "brouillon"})))
    assert "Il reste à les envoyer à la relecture." in told
    browser.post(edit(listing), data=ANSWERS)
    assert db.session.get(Listing, listing.id, populate_existing=True).state is S.PENDING


def test_the_skill_can_be_looked_for_while_editing(market, login, need):
    browser = login(market.speaker(need))
    told = text(browser.post(edit(need), data=ANSWERS | {"action": "competence"}))
    assert 'name="proposition" type="radio" value="boutique-en-ligne"' in told
    assert db.session.get(Listing, need.id, populate_existing=True).description == need.description


def test_a_capacity_below_what_is_under_way_is_told_at_the_field(market, login):
    offer = market.offer(capacity=3)
    for _ in range(2):
        market.match(offer=offer)
    answer = login(market.speaker(offer)).post(edit(offer), data=ANSWERS | {"simultanes": "1"})
    assert answer.status_code == 422
    assert "2 échanges sont déjà en cours" in text(answer).split('id="simultanes-error">')[1]
    assert TOLD in text(answer)
    assert db.session.get(Listing, offer.id, populate_existing=True).capacity == 3


def test_a_bad_answer_changes_nothing(market, login, need):
    told = need.description
    answer = login(market.speaker(need)).post(edit(need), data=ANSWERS | {"rayon": "-1"})
    assert answer.status_code == 422
    assert db.session.get(Listing, need.id, populate_existing=True).description == told


@pytest.mark.parametrize("state", [S.FULFILLED, S.EXPIRED, S.WITHDRAWN, S.REJECTED, S.REMOVED])
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_over_is_not_edited(market, login, state, method):
    listing = market.need(state=state)
    browser = login(market.speaker(listing))
    assert (
        getattr(browser, method)(edit(listing), data=ANSWERS if method == "post" else None).status_code == 409
    )


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["visitor", "other firm", "moderator here", "moderator elsewhere"])
def test_nobody_else_edits(market, client, login, need, who, method):
    people = {
        "other firm": lambda: market.speaker(market.organisation()),
        "moderator here": market.moderator,
        "moderator elsewhere": lambda: market.moderator(LIFFRE_CORMIER),
    }
    if who in people:
        login(people[who]())
    told = need.description
    answer = getattr(client, method)(edit(need), data=ANSWERS if method == "post" else None)
    assert answer.status_code == (302 if who == "visitor" else 404)
    assert db.session.get(Listing, need.id, populate_existing=True).description == told


# ---- renewing by mail ----


def renewing(listing):
    return f"/annonces/renouveler/{listings.renewal_token(listing)}"


def test_the_mailed_link_shows_a_button_that_renews(client, market, clock):
    listing = market.need(title="Vendre en ligne")
    clock.move(days=85)
    where, term = renewing(listing), listing.expires_at
    shown = client.get(where)
    assert "Prolonger mon annonce" in text(shown)
    assert db.session.get(Listing, listing.id, populate_existing=True).expires_at == term
    done = client.post(where)
    assert (done.status_code, "C’est fait" in text(done)) == (200, True)
    assert db.session.get(Listing, listing.id, populate_existing=True).expires_at > term


def test_the_mailed_link_brings_an_expired_listing_back(client, market):
    listing = market.need(state=S.EXPIRED)
    where = renewing(listing)
    assert "Remettre en ligne" in text(client.get(where))
    client.post(where)
    assert db.session.get(Listing, listing.id, populate_existing=True).state is S.PUBLISHED


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_that_was_used_or_made_up_is_gone(client, market, clock, method):
    listing = market.need()
    used = renewing(listing)
    clock.move(days=1)
    client.post(used)
    for where in (used, "/annonces/renouveler/x.y.z", "/annonces/renouveler/%F0%9F%A5%96"):
        answer = getattr(client, method)(where)
        assert answer.status_code == 410
        assert "Ce lien n’est plus valable" in text(answer)


def test_a_match_under_way_shows_in_no_public_page(client, market, need):
    match = market.match(need=need, state=MatchState.AGREED)
    told = text(client.get(address(need)))
    assert db.session.get(Listing, match.offer_id).title not in told
