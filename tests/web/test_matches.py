"""My space, a match, asking and offering: what the browser gets."""

import re
from io import BytesIO

import pytest

from marketplace.extensions import db
from marketplace.models import ListingState, Match, MatchState, MembershipState, Organisation, Place
from marketplace.services import listings, rounds
from marketplace.web.display import slug_of
from tests.support.builders import CESSON, LIFFRE, PARIS, RENNES
from tests.support.queries import counted

S = MatchState
POSTS = ("accepter", "decliner", "annuler", "realiser")


@pytest.fixture
def helped(market):
    return market.user("marie@boulangerie.example", name="Marie Levain", phone="06 11 22 33 44")


@pytest.fixture
def helper(market):
    return market.user("jean@jardin.example", name="Jean Semis", phone="06 55 66 77 88")


@pytest.fixture
def need(market, helped):
    return market.need(organisation=market.organisation(name="Le Bon Pain", commune=RENNES, manager=helped))


@pytest.fixture
def offer(market, helper):
    return market.offer(
        organisation=market.organisation(name="Jardin Vert", commune=CESSON, manager=helper), capacity=3
    )


def text(response):
    return response.get_data(as_text=True)


def after_post(client, match, act, **sent):
    """Return the page on which the act ends."""
    response = client.post(f"/mises-en-relation/{match.id}/{act}", data=sent)
    assert response.status_code == 302
    return text(client.get(response.location))


def firm_of(listing):
    return db.session.get(Organisation, listing.organisation_id)


def state_of(match):
    db.session.rollback()
    return db.session.get(Match, match.id).state


# --- My space ---


def test_my_space_is_for_people_who_are_logged_in(client):
    response = client.get("/mon-espace")

    assert response.status_code == 302
    assert response.location.startswith("/connexion")


def test_somebody_new_is_led_to_their_structure(market, login):
    page = text(login(market.user()).get("/mon-espace"))

    assert "Commencez par votre structure" in page
    assert "/mon-espace/structure" in page


def test_somebody_whose_request_waits_is_told_so(market, login):
    asker = market.employee(market.organisation(), state=MembershipState.REQUESTED)

    assert "Votre demande est envoyée" in text(login(asker).get("/mon-espace"))


def test_a_structure_without_listing_is_led_to_publish(market, login):
    page = text(login(market.speaker(market.organisation())).get("/mon-espace"))

    assert "Vous n’avez pas encore d’annonce" in page
    assert "/publier/besoin" in page
    assert "/publier/savoir-faire" in page


def test_a_proposal_that_waits_is_shown_with_its_reasons_and_their_shares(market, login, need, offer, helped):
    market.match(need=need, offer=offer)

    page = text(login(helped).get("/mon-espace"))

    assert "Votre réponse est attendue (1)" in page
    assert offer.title in page
    assert "4 km à vol d’oiseau" in page
    for words in (
        "la même des deux côtés",
        "un niveau au-dessus",
        "le même grand secteur",
        "attend depuis 12 jours",
    ):
        assert words in page
    for share in ("55 %", "12 %", "23 %", "1 %", "6 %", "3 %"):
        assert share in page


def test_what_waits_comes_before_what_runs_and_what_is_over(market, login, need, offer, helper):
    running = market.match(offer=offer, state=S.AGREED)
    market.match(need=need, offer=offer)
    over = market.match(offer=offer, state=S.EXPIRED)

    page = text(login(helper).get("/mon-espace"))

    places = [
        page.index(f'href="/mises-en-relation/{match_id}"')
        for match_id in (db.session.query(Match.id).filter_by(need_id=need.id).scalar(), running.id, over.id)
    ]
    assert places == sorted(places)


def test_my_listings_are_shown_with_their_state_and_what_can_be_done(market, login, helped, need):
    market.need(organisation=firm_of(need), state=ListingState.PAUSED)

    page = text(login(helped).get("/mon-espace"))

    assert "en ligne" in page
    assert f"/annonces/{need.id}/modifier" in page
    assert f"/annonces/{need.id}/correspondances" in page
    assert "Mettre en pause" in page
    assert "Reprendre" in page


def test_requests_to_join_are_answered_from_my_space(market, login):
    firm = market.organisation()
    asker = market.employee(firm, state=MembershipState.REQUESTED)

    page = text(login(market.speaker(firm)).get("/mon-espace"))

    assert asker.name in page
    assert "suite=/mon-espace" in page or "suite=%2Fmon-espace" in page


def test_a_suspended_structure_is_told_so(market, login, clock):
    firm = market.organisation(suspended_at=clock.now)

    assert "suspendue" in text(login(market.speaker(firm)).get("/mon-espace"))


def test_my_space_asks_the_same_number_of_questions_whatever_it_holds(market, login, offer, helper):
    market.match(offer=offer)
    client = login(helper)
    with counted() as few:
        client.get("/mon-espace")
    for state in (S.ACCEPTED, S.DECLINED, S.DECLINED, S.EXPIRED):
        market.match(offer=offer, state=state)
    for _ in range(4):
        market.offer(organisation=firm_of(offer))

    with counted() as many:
        client.get("/mon-espace")

    assert int(many) == int(few)


# --- A match ---


@pytest.mark.parametrize("state", [S.PROPOSED, S.ACCEPTED, S.DECLINED, S.EXPIRED, S.CANCELLED])
def test_nobodys_name_mail_or_phone_is_in_any_page_before_both_accept(
    market, login, need, offer, helped, helper, state
):
    match = market.match(need=need, offer=offer, state=state)
    client = login(helper)

    for path in (f"/mises-en-relation/{match.id}", "/mon-espace", f"/annonces/{need.id}/proposer"):
        page = text(client.get(path))
        for secret in (helped.name, helped.email, helped.phone):
            assert secret not in page


@pytest.mark.parametrize("state", [S.AGREED, S.COMPLETED])
def test_contacts_of_both_sides_are_shown_to_both_once_both_have_accepted(
    market, login, need, offer, helped, helper, state
):
    match = market.match(need=need, offer=offer, state=state)

    for person in (helped, helper):
        page = text(login(person).get(f"/mises-en-relation/{match.id}"))
        for contact in (helped.name, helped.email, helped.phone, helper.name, helper.email, helper.phone):
            assert contact in page


def test_both_accept_and_see_each_other(market, login, need, offer, helped, helper):
    match = market.match(need=need, offer=offer)

    assert "Nous prévenons l’autre structure" in after_post(login(helped), match, "accepter")
    page = after_post(login(helper), match, "accepter")

    assert "C’est d’accord des deux côtés" in page
    assert "Marie Levain" in page


def test_declining_asks_for_a_reason_and_keeps_what_was_typed(market, login, need, offer, helped):
    match = market.match(need=need, offer=offer)

    response = login(helped).post(
        f"/mises-en-relation/{match.id}/decliner", data={"commentaire": "Pas cet été <b>!</b>"}
    )

    assert response.status_code == 422
    assert "Choisissez une réponse de la liste." in text(response)
    assert "Pas cet été &lt;b&gt;!&lt;/b&gt;" in text(response)
    assert state_of(match) is S.PROPOSED


@pytest.mark.parametrize(
    "sent",
    [
        {"raison": "no_time", "commentaire": "x" * 100_000},
        {"raison": "no_time", "commentaire": "abc\x07"},
        {"raison": "no_time", "commentaire": "appelez le 06 12 34 56 78"},
        {"raison": "inconnue"},
        {"raison": ""},
        {"raison": "\x00"},
    ],
)
def test_a_bad_answer_comes_back_with_a_message_and_writes_nothing(market, login, need, offer, helped, sent):
    match = market.match(need=need, offer=offer)

    response = login(helped).post(f"/mises-en-relation/{match.id}/decliner", data=sent)

    assert response.status_code == 422
    assert "field-error" in text(response)
    assert state_of(match) is S.PROPOSED


def test_a_file_sent_for_a_text_counts_as_no_text(market, login, need, offer, helped):
    match = market.match(need=need, offer=offer)

    response = login(helped).post(
        f"/mises-en-relation/{match.id}/decliner",
        data={"raison": "other", "commentaire": (BytesIO(b"x"), "x.txt")},
        content_type="multipart/form-data",
    )

    assert response.status_code == 302
    assert state_of(match) is S.DECLINED


def test_a_decline_is_told_to_the_other_side(market, login, need, offer, helped, helper):
    match = market.match(need=need, offer=offer)

    login(helped).post(
        f"/mises-en-relation/{match.id}/decliner",
        data={"raison": "too_far", "commentaire": "Un peu loin 🥖 <script>"},
    )

    page = text(login(helper).get(f"/mises-en-relation/{match.id}"))
    assert "L’autre structure a décliné" in page
    assert "C’est trop loin" in page
    assert "Un peu loin 🥖 &lt;script&gt;" in page


def test_the_one_who_accepted_sees_until_when_the_other_may_answer(market, login, need, offer, helped):
    match = market.match(need=need, offer=offer, state=S.ACCEPTED)

    page = text(login(helped).get(f"/mises-en-relation/{match.id}"))

    assert "Vous avez accepté. L’autre structure a jusqu’au" in page
    assert "/annuler" in page
    assert "/decliner" not in page


def test_an_exchange_that_took_place_is_said_so(market, login, need, offer, helped):
    match = market.match(need=need, offer=offer, state=S.AGREED)

    assert "l’échange est noté comme réalisé" in after_post(login(helped), match, "realiser")
    assert state_of(match) is S.COMPLETED


def test_an_agreed_exchange_can_be_called_off_with_a_word(market, login, need, offer, helped, outbox, helper):
    match = market.match(need=need, offer=offer, state=S.AGREED)

    login(helped).post(
        f"/mises-en-relation/{match.id}/annuler", data={"commentaire": "Le four est en panne."}
    )

    assert state_of(match) is S.CANCELLED
    assert "Le four est en panne." in outbox.last(to=helper.email).text


@pytest.mark.parametrize(
    ("state", "act"), [(S.CANCELLED, "accepter"), (S.PROPOSED, "realiser"), (S.AGREED, "decliner")]
)
def test_what_the_state_no_longer_allows_is_a_conflict(market, login, need, offer, helped, state, act):
    match = market.match(need=need, offer=offer, state=state)

    response = login(helped).post(f"/mises-en-relation/{match.id}/{act}", data={"raison": "other"})

    assert response.status_code == 409
    assert "Ce n’est plus possible" in text(response)


def test_a_badly_filled_answer_to_what_is_over_is_a_conflict_too(market, login, need, offer, helped):
    match = market.match(need=need, offer=offer, state=S.CANCELLED)
    client = login(helped)

    for act in ("decliner", "annuler"):
        response = client.post(f"/mises-en-relation/{match.id}/{act}", data={"commentaire": "x" * 600})
        assert response.status_code == 409


@pytest.mark.parametrize("act", POSTS)
def test_a_visitor_is_sent_to_log_in(market, client, need, offer, act):
    match = market.match(need=need, offer=offer, state=S.AGREED)

    response = client.post(f"/mises-en-relation/{match.id}/{act}")

    assert (response.status_code, response.location.split("?")[0]) == (302, "/connexion")
    assert client.get(f"/mises-en-relation/{match.id}").status_code == 302
    assert state_of(match) is S.AGREED


@pytest.mark.parametrize("who", ["another firm", "the territory's moderator", "the administrator"])
def test_a_foreign_match_is_not_there(market, login, need, offer, who):
    market.open_territory()
    match = market.match(need=need, offer=offer, state=S.AGREED)
    person = {
        "another firm": lambda: market.speaker(market.organisation()),
        "the territory's moderator": market.moderator,
        "the administrator": market.admin,
    }[who]()
    client = login(person)

    assert client.get(f"/mises-en-relation/{match.id}").status_code == 404
    for act in POSTS:
        assert (
            client.post(f"/mises-en-relation/{match.id}/{act}", data={"raison": "other"}).status_code == 404
        )
    assert state_of(match) is S.AGREED


@pytest.mark.parametrize("act", POSTS)
def test_a_suspended_structure_is_refused(market, login, clock, need, act):
    firm = market.organisation(suspended_at=clock.now)
    match = market.match(need=need, offer=market.offer(organisation=firm), state=S.PROPOSED)

    response = login(market.speaker(firm)).post(
        f"/mises-en-relation/{match.id}/{act}", data={"raison": "other"}
    )

    assert response.status_code == 403
    assert state_of(match) is S.PROPOSED


@pytest.mark.parametrize("number", ["0", "999999999", "99999999999999999999", "-1", "abc"])
def test_a_number_that_is_no_match_is_not_found(market, login, number):
    assert login(market.user()).get(f"/mises-en-relation/{number}").status_code == 404


# --- Asking and offering ---


def test_one_asks_for_help_from_an_offer_with_the_need_that_fits(
    market, login, need, offer, helped, outbox, helper
):
    client = login(helped)

    page = text(client.get(f"/annonces/{offer.id}/proposer"))
    assert need.title in page
    assert "la même des deux côtés" in page

    response = client.post(
        f"/annonces/{offer.id}/proposer", data={"annonce": need.id, "message": "Plutôt le lundi."}
    )

    match = db.session.query(Match).one()
    assert response.location == f"/mises-en-relation/{match.id}"
    assert (match.state, match.message) == (S.ACCEPTED, "Plutôt le lundi.")
    assert "Plutôt le lundi." in outbox.last(to=helper.email).text


def test_a_listing_that_does_not_fit_says_which_rule_keeps_it_apart(market, login, offer, helped, need):
    firm = firm_of(need)
    market.need(organisation=firm, skill="paie-en-ligne", title="Faire la paie")
    market.need(organisation=firm, places=int(Place.REMOTE), title="À distance seulement")
    market.need(organisation=firm, state=ListingState.PENDING, title="Pas encore lue")

    page = text(login(helped).get(f"/annonces/{offer.id}/proposer"))

    assert "est proposé : trop différents" in page
    assert "aucun lieu d’échange en commun" in page
    assert "elle n’est pas en ligne" in page


def test_who_has_nothing_that_fits_is_led_to_publish_it(market, login, offer):
    page = text(login(market.speaker(market.organisation())).get(f"/annonces/{offer.id}/proposer"))

    assert "/publier/besoin?competence=boutique-en-ligne" in page


def test_who_has_no_structure_is_led_to_one(market, login, offer):
    page = text(login(market.user()).get(f"/annonces/{offer.id}/proposer"))

    assert "Il vous faut une structure" in page


def test_from_ones_own_listing_one_goes_to_its_counterparts(market, login, offer, helper):
    response = login(helper).get(f"/annonces/{offer.id}/proposer")

    assert response.location == f"/annonces/{offer.id}/correspondances"


def test_one_chooses_among_ones_own_fitting_listings_only(market, login, offer, helped, need):
    foreign = market.need()
    firm = firm_of(need)
    unfit = market.need(organisation=firm, skill="paie-en-ligne")
    client = login(helped)

    for wrong in (foreign.id, unfit.id, 10**30, "abc", ""):
        response = client.post(f"/annonces/{offer.id}/proposer", data={"annonce": wrong})
        assert response.status_code == 422
    assert client.post(f"/annonces/{offer.id}/proposer").status_code == 422
    assert db.session.query(Match).count() == 0


@pytest.mark.parametrize("message", ["x" * 501, "moi@structure.example", "\u202eabc", "x" * 100_000])
def test_a_bad_message_comes_back_at_its_field(market, login, offer, helped, need, message):
    response = login(helped).post(
        f"/annonces/{offer.id}/proposer", data={"annonce": need.id, "message": message}
    )

    assert response.status_code == 422
    assert "message-error" in text(response)
    assert message in text(response)
    assert db.session.query(Match).count() == 0


def test_a_full_offer_is_a_conflict_with_words(market, login, need, helped):
    full = market.offer(capacity=1)
    market.match(offer=full)
    client = login(helped)

    assert "toutes les places sont prises" in text(client.get(f"/annonces/{full.id}/proposer"))
    response = client.post(f"/annonces/{full.id}/proposer", data={"annonce": need.id})
    assert response.status_code == 409
    assert "Toutes les places sont prises" in text(response)


def test_a_need_already_in_relation_is_a_conflict_with_words(market, login, offer, helper):
    taken = market.need()
    market.match(need=taken)

    response = login(helper).post(f"/annonces/{taken.id}/proposer", data={"annonce": offer.id})

    assert response.status_code == 409
    assert "déjà en relation" in text(response)


def test_a_pair_that_was_declined_is_not_proposed_again(market, login, need, offer, helped):
    market.match(need=need, offer=offer, state=S.DECLINED)
    client = login(helped)

    assert "déjà été mises en relation" in text(client.get(f"/annonces/{offer.id}/proposer"))
    assert client.post(f"/annonces/{offer.id}/proposer", data={"annonce": need.id}).status_code == 422


def test_nobody_proposes_to_a_listing_they_cannot_see(market, login, helped, need):
    hidden = market.offer(state=ListingState.PENDING)
    client = login(helped)

    assert client.get(f"/annonces/{hidden.id}/proposer").status_code == 404
    assert client.post(f"/annonces/{hidden.id}/proposer", data={"annonce": need.id}).status_code == 404


def test_a_visitor_who_wants_to_propose_comes_back_after_logging_in(client, offer):
    response = client.get(f"/annonces/{offer.id}/proposer")

    assert response.status_code == 302
    assert "proposer" in response.location


def test_the_best_counterparts_can_be_asked_there_and_then(market, login, need, offer, helped):
    far = market.offer(organisation=market.organisation(commune=PARIS))
    client = login(helped)

    page = text(client.get(f"/annonces/{need.id}/correspondances"))
    assert offer.title in page
    assert far.title not in page
    assert f'action="/annonces/{offer.id}/proposer"' in page
    assert "la même des deux côtés" in page

    client.post(f"/annonces/{offer.id}/proposer", data={"annonce": need.id})
    assert db.session.query(Match).one().offer_id == offer.id


def test_counterparts_of_somebody_elses_listing_are_not_there(market, login, need):
    assert (
        login(market.speaker(market.organisation())).get(f"/annonces/{need.id}/correspondances").status_code
        == 404
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": ListingState.PENDING}, "n’est pas en ligne"),
        ({}, "Personne pour l’instant"),
    ],
)
def test_a_listing_without_counterpart_says_why(market, login, fields, words):
    need = market.need(**fields)

    assert words in text(login(market.speaker(need)).get(f"/annonces/{need.id}/correspondances"))


def test_a_listing_without_free_place_says_why(market, login, need, offer, helped, helper):
    market.match(need=need, offer=market.offer())
    full = market.offer(organisation=firm_of(offer), capacity=1)
    market.match(offer=full)

    assert "déjà en cours pour ce besoin" in text(login(helped).get(f"/annonces/{need.id}/correspondances"))
    assert "Toutes vos places sont prises" in text(login(helper).get(f"/annonces/{full.id}/correspondances"))


def test_who_let_a_proposal_pass_may_take_it_up_from_its_page(market, login, need, offer, helper, clock):
    match = market.match(need=need, offer=offer, state=S.EXPIRED, need_accepted_at=clock.now)
    client = login(helper)

    assert "Proposer cet échange" in text(client.get(f"/mises-en-relation/{match.id}"))
    response = client.post(f"/annonces/{need.id}/proposer", data={"annonce": offer.id})
    assert response.status_code == 302


def test_a_circle_says_whom_i_help_and_who_helps_me(market, login):
    bakery, garden = (
        market.organisation(name="Le Bon Pain"),
        market.organisation(name="Jardin Vert", commune=CESSON),
    )
    market.need(skill="boutique-en-ligne", organisation=bakery)
    market.offer(skill="tableur", organisation=bakery)
    market.need(skill="tableur", organisation=garden)
    market.offer(skill="boutique-en-ligne", organisation=garden)
    rounds.run()
    match = db.session.query(Match).filter_by(need_organisation_id=bakery.id).one()

    page = text(login(market.speaker(bakery)).get(f"/mises-en-relation/{match.id}"))

    assert "Une boucle d’échange" in page
    assert "<strong>Vous aidez</strong> Jardin Vert" in page
    assert "Jardin Vert <strong>vous aide</strong>" in page


def test_a_proposal_that_ended_with_its_listing_says_so_to_each_side(
    market, login, need, offer, helped, helper
):
    match = market.match(need=need, offer=offer)

    listings.withdraw(offer.id, by=helper)

    path = f"/mises-en-relation/{match.id}"
    assert "L’annonce de l’autre structure n’est plus disponible" in text(login(helped).get(path))
    assert "Votre annonce n’est plus en ligne" in text(login(helper).get(path))


def test_a_need_that_nobody_answers_says_why_and_links_to_the_form_that_would_change_it(market, login):
    need = market.need(organisation=market.organisation(commune=RENNES), radius_km=10)
    market.offer(organisation=market.organisation(commune=LIFFRE), radius_km=100)
    client = login(market.speaker(need))

    page = client.get(f"/annonces/{need.id}/correspondances").text

    assert "le savoir-faire le plus proche qui correspond est à" in page
    wider = re.search(r"/annonces/\d+/modifier\?rayon=(\d+)", page)
    form = client.get(wider.group()).text
    assert re.search(rf'name="rayon"[^>]*value="{wider.group(1)}"', form)


def test_who_got_the_place_in_the_last_round_is_told_with_what_it_would_have_cost(market, login):
    near = market.need(organisation=market.organisation(commune=CESSON), title="Vendre nos confitures")
    far = market.need(organisation=market.organisation(commune=LIFFRE))
    market.offer(organisation=market.organisation(commune=CESSON), capacity=1, title="Montrer notre boutique")
    rounds.run()

    page = login(market.speaker(far)).get(f"/annonces/{far.id}/correspondances").text

    assert near.title in page
    assert "toutes les places sont prises" in page
    assert re.search(r"aurait fait perdre [\d,]+ points? à l’ensemble", page)


@pytest.mark.parametrize(
    ("commune", "fields", "said"),
    [
        (PARIS, {}, "km, plus que les 30 km choisis"),
        (CESSON, {"level": 1}, "niveau proposé « découverte », trop loin du niveau souhaité « expertise »"),
        (CESSON, {"skill": "paie-en-ligne"}, "est proposé : trop différents"),
        (CESSON, {"places": int(Place.REMOTE)}, "aucun lieu d’échange en commun"),
    ],
)
def test_a_listing_that_does_not_fit_says_why_with_numbers(market, login, commune, fields, said):
    mine = market.need(organisation=market.organisation(commune=RENNES), level=4)
    offer = market.offer(**{"level": 4, "organisation": market.organisation(commune=commune), **fields})

    page = login(market.speaker(mine)).get(f"/annonces/{offer.id}/proposer").text

    assert said in page


def test_my_space_says_why_the_last_round_left_a_need_alone(market, client, login):
    need = market.need()
    rounds.run()

    page = login(market.speaker(need)).get("/mon-espace").text

    assert "Personne ne propose encore cette compétence." in page


def test_a_need_alone_says_why_and_what_would_change_it_on_its_own_page(market, login):
    need = market.need(organisation=market.organisation(commune=RENNES), radius_km=10)
    market.offer(organisation=market.organisation(commune=LIFFRE), radius_km=100)
    address = f"/annonces/{need.id}-{slug_of(need)}"

    mine = login(market.speaker(need)).get(address).text
    somebody = login(market.user()).get(address).text

    assert "Pourquoi personne pour l’instant" in mine
    assert "Ce qui changerait la donne" in mine
    assert "Pourquoi personne" not in somebody


def test_a_pair_that_a_round_did_not_keep_says_who_got_the_place_and_the_loss(market, login, db_session):
    near = market.need(organisation=market.organisation(commune=CESSON))
    far = market.need(organisation=market.organisation(commune=LIFFRE))
    offer = market.offer(organisation=market.organisation(commune=CESSON), capacity=1)
    rounds.run()
    offer.capacity = 2
    db_session.commit()

    page = login(market.speaker(far)).get(f"/annonces/{far.id}/correspondances").text

    assert "cette paire n’a pas été retenue" in page
    assert near.title in page
    assert "aurait fait perdre au moins" in page
