from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import func, select

from marketplace.adapters import register
from marketplace.extensions import db
from marketplace.models import (
    ListingState,
    Membership,
    MembershipRole,
    MembershipState,
    Organisation,
    OrganisationKind,
    SizeClass,
    User,
)
from marketplace.services import organisations, rights, storefronts
from marketplace.services.errors import (
    AlreadyDecided,
    FieldError,
    NotAllowed,
    NotFound,
    OutsideSilent,
    TooManyAttempts,
)
from marketplace.services.organisations import OrganisationSheet
from tests.support.builders import LIFFRE_CORMIER, RENNES, siret
from tests.support.threads import at_once

LA_POSTE = "35600000000048"  # La Poste's establishments do not pass the checksum that all others pass
SHEET = OrganisationSheet(name="Le Bon Pain", sector_code="10.71C", commune_insee=RENNES)


def membership_of(user: User) -> Membership:
    return db.session.scalars(select(Membership).where(Membership.user_id == user.id)).one()


@pytest.mark.parametrize("typed", ["356 000 000 00048", " 35600000000048 ", "356.000.000.00048"])
def test_spaces_in_a_siret_do_not_matter(typed):
    assert organisations.clean_siret(typed) == LA_POSTE


@pytest.mark.parametrize(
    "typed",
    ["", "123", "12345678901234", "35600000000048 9", "٣٥٦٠٠٠٠٠٠٠٠٠٤٨", "3560000000004O", "🥖", "0" * 9],
)
def test_what_is_not_a_siret_is_refused(typed):
    with pytest.raises(FieldError, match="vérifiez les 14 chiffres"):
        organisations.clean_siret(typed)


def test_whoever_creates_a_structure_manages_it(market):
    user = market.user()
    created = organisations.create(siret(1), SHEET, by=user)
    assert rights.manages(user, created.id)


def test_la_poste_can_be_created(market):
    assert organisations.create(LA_POSTE, SHEET, by=market.user()).siret == LA_POSTE


def test_a_structure_stands_at_the_point_of_its_commune(market):
    created = organisations.create(siret(1), SHEET, by=market.user())
    assert (round(created.lat, 1), round(created.lon, 1)) == (48.1, -1.7)


@pytest.fixture
def address_service(app, service):
    """Configure the national address base, which finds any address in Rennes."""
    app.config |= {"BAN_DOMAIN": service.host, "BAN_SCHEME": "http"}
    place = {"label": "1 Place de la Mairie 35000 Rennes", "citycode": RENNES}
    found = {"geometry": {"coordinates": [-1.6801, 48.1119]}, "properties": place}
    service.answer({"features": [found]})
    return service


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("1 place de la Mairie", "1 place de la Mairie Rennes"),
        ("1 PLACE DE LA MAIRIE 35000 RENNES", "1 PLACE DE LA MAIRIE 35000 RENNES"),
    ],
)
def test_a_structure_stands_at_its_address_which_is_searched_in_its_commune(
    market, address_service, typed, asked
):
    created = organisations.create(siret(1), replace(SHEET, address=typed), by=market.user())
    assert (created.lat, created.lon) == (48.1119, -1.6801)
    assert [params["q"] for _, params in address_service.asked] == [[asked]]


def test_without_an_address_the_service_is_not_asked(market, address_service):
    organisations.create(siret(1), SHEET, by=market.user())
    assert address_service.asked == []


def test_an_address_that_is_not_found_is_worth_its_commune(market, address_service):
    address_service.status = 500
    created = organisations.create(siret(1), replace(SHEET, address="1 rue Perdue"), by=market.user())
    assert (round(created.lat, 1), round(created.lon, 1)) == (48.1, -1.7)
    assert organisations.is_placed_roughly(created)


def test_an_address_that_is_found_or_was_not_looked_for_is_not_placed_roughly(market, address_service):
    by = market.user()
    found = organisations.create(siret(1), replace(SHEET, address="1 place de la Mairie"), by=by)
    assert not organisations.is_placed_roughly(found)
    assert not organisations.is_placed_roughly(organisations.create(siret(2), SHEET, by=by))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sector_code": "10.7"}, "sector"),
        ({"sector_code": "99.99Z"}, "sector"),
        ({"commune_insee": "99999"}, "commune"),
    ],
)
def test_an_unknown_activity_or_commune_is_refused_at_its_field(market, change, field):
    fields = {"name": "Le Bon Pain", "sector_code": "10.71C", "commune_insee": RENNES} | change
    with pytest.raises(FieldError) as refusal:
        organisations.create(siret(1), OrganisationSheet(**fields), by=market.user())
    assert refusal.value.field == field


def test_an_unconfirmed_person_creates_nothing(market):
    with pytest.raises(NotAllowed):
        organisations.create(siret(1), SHEET, by=market.user(confirmed=False))


def test_the_same_siret_is_created_once(market):
    organisations.create(siret(1), SHEET, by=market.user())
    with pytest.raises(FieldError, match="déjà inscrite"):
        organisations.create(siret(1), SHEET, by=market.user())


def test_two_people_who_create_the_same_siret_at_once_get_one_structure_and_one_message(app, market):
    first, second = market.user().id, market.user().id

    def create(key: int) -> str:
        try:
            return organisations.create(siret(1), SHEET, by=db.session.get_one(User, key)).name
        except FieldError as error:
            return error.message

    outcomes = at_once(app, partial(create, first), partial(create, second))
    assert sorted(outcomes) == ["Cette structure est déjà inscrite : demandez à la rejoindre.", "Le Bon Pain"]
    assert db.session.scalar(select(func.count()).select_from(Organisation)) == 1


def test_a_request_to_join_is_mailed_to_the_managers_only(market, outbox):
    organisation = market.organisation()
    employee = market.employee(organisation)
    organisations.ask_to_join(organisation.siret, by=market.user())
    assert [mail.recipient for mail in outbox.all()] == [market.speaker(organisation).email]
    assert outbox.to(employee.email) == []


@pytest.fixture
def orphan(market):
    """Return a structure of Rennes that nobody manages."""
    organisation = market.organisation()
    membership_of(market.speaker(organisation)).state = MembershipState.ENDED
    db.session.commit()
    return organisation


def test_a_request_that_no_manager_can_answer_is_mailed_to_the_territorys_moderators(market, orphan, outbox):
    moderator = market.moderator()
    organisations.ask_to_join(orphan.siret, by=market.user())
    assert [mail.recipient for mail in outbox.all()] == [moderator.email]


def test_a_request_that_nobody_near_can_answer_is_mailed_to_the_administrators(market, orphan, outbox):
    admin = market.admin()
    organisations.ask_to_join(orphan.siret, by=market.user())
    assert [mail.recipient for mail in outbox.all()] == [admin.email]


def test_somebody_who_asked_does_not_speak_for_the_structure_yet(market):
    organisation, user = market.organisation(), market.user()
    organisations.ask_to_join(organisation.siret, by=user)
    assert not rights.speaks_for(user, organisation.id)


def test_a_manager_accepts_and_the_person_is_told(market, outbox):
    organisation, user = market.organisation(), market.user()
    request = organisations.ask_to_join(organisation.siret, by=user)
    organisations.decide_membership(request.id, accept=True, by=market.speaker(organisation))
    assert rights.speaks_for(user, organisation.id)
    assert "parlez maintenant" in outbox.last(to=user.email).subject


def test_a_manager_refuses_and_the_person_is_told(market, outbox):
    organisation, user = market.organisation(), market.user()
    request = organisations.ask_to_join(organisation.siret, by=user)
    organisations.decide_membership(request.id, accept=False, by=market.speaker(organisation))
    assert not rights.speaks_for(user, organisation.id)
    assert "refusée" in outbox.last(to=user.email).subject


def test_whoever_joins_a_structure_that_nobody_manages_manages_it(market, orphan):
    user = market.user()
    request = organisations.ask_to_join(orphan.siret, by=user)
    organisations.decide_membership(request.id, accept=True, by=market.moderator())
    assert rights.manages(user, orphan.id)


def test_a_moderator_does_not_decide_where_there_is_a_manager(market):
    organisation = market.organisation()
    request = organisations.ask_to_join(organisation.siret, by=market.user())
    with pytest.raises(NotFound):
        organisations.decide_membership(request.id, accept=True, by=market.moderator())


@pytest.mark.parametrize("who", ["stranger", "other manager", "employee", "other moderator", "the asker"])
def test_nobody_else_decides_nor_sees_that_there_is_a_request(market, who):
    organisation, asker = market.organisation(), market.user()
    request = organisations.ask_to_join(organisation.siret, by=asker)
    person = {
        "stranger": market.user,
        "other manager": lambda: market.speaker(market.organisation()),
        "employee": lambda: market.employee(organisation),
        "other moderator": lambda: market.moderator(LIFFRE_CORMIER),
        "the asker": lambda: asker,
    }[who]()
    with pytest.raises(NotFound):
        organisations.decide_membership(request.id, accept=True, by=person)
    assert organisations.requests_to_decide(person) == []


def test_the_moderator_of_another_territory_does_not_decide_for_an_orphan(market, orphan):
    request = organisations.ask_to_join(orphan.siret, by=market.user())
    with pytest.raises(NotFound):
        organisations.decide_membership(request.id, accept=True, by=market.moderator(LIFFRE_CORMIER))


def test_a_moderator_does_not_accept_their_own_request(market, orphan):
    moderator = market.moderator()
    request = organisations.ask_to_join(orphan.siret, by=moderator)
    with pytest.raises(NotFound):
        organisations.decide_membership(request.id, accept=True, by=moderator)


def test_a_request_is_decided_once(market):
    organisation = market.organisation()
    manager = market.speaker(organisation)
    request = organisations.ask_to_join(organisation.siret, by=market.user())
    organisations.decide_membership(request.id, accept=False, by=manager)
    with pytest.raises(AlreadyDecided):
        organisations.decide_membership(request.id, accept=True, by=manager)


def test_each_request_is_listed_to_whoever_decides_it(market, orphan):
    managed = market.organisation()
    first = organisations.ask_to_join(managed.siret, by=market.user())
    second = organisations.ask_to_join(orphan.siret, by=market.user())
    assert organisations.requests_to_decide(market.speaker(managed)) == [first]
    assert organisations.requests_to_decide(market.moderator()) == [second]
    assert organisations.requests_to_decide(market.admin()) == [second]


def test_asking_twice_is_refused(market):
    organisation, user = market.organisation(), market.user()
    organisations.ask_to_join(organisation.siret, by=user)
    with pytest.raises(FieldError, match="déjà demandé"):
        organisations.ask_to_join(organisation.siret, by=user)


def test_asking_twice_at_once_makes_one_request(app, market):
    number, key = market.organisation().siret, market.user().id

    def ask() -> str:
        try:
            return organisations.ask_to_join(number, by=db.session.get_one(User, key)).state
        except FieldError as error:
            return error.message

    assert sorted(at_once(app, ask, ask)) == [
        "Vous avez déjà demandé à rejoindre cette structure.",
        "requested",
    ]


def test_somebody_refused_can_ask_again_but_not_without_end(market):
    organisation, user = market.organisation(), market.user()
    manager = market.speaker(organisation)
    with pytest.raises(TooManyAttempts):
        for _ in range(21):
            request = organisations.ask_to_join(organisation.siret, by=user)
            organisations.decide_membership(request.id, accept=False, by=manager)


def test_a_suspended_structure_cannot_be_joined(market, clock):
    organisation = market.organisation(suspended_at=clock.now)
    with pytest.raises(FieldError, match="suspendue"):
        organisations.ask_to_join(organisation.siret, by=market.user())


def test_a_manager_who_left_comes_back_as_a_member(market):
    organisation = market.organisation()
    leaver = market.speaker(organisation)
    stayer = market.employee(organisation, role=MembershipRole.MANAGER)
    organisations.leave(organisation.id, by=leaver)
    request = organisations.ask_to_join(organisation.siret, by=leaver)
    organisations.decide_membership(request.id, accept=True, by=stayer)
    assert not rights.manages(leaver, organisation.id)


def test_the_last_person_does_not_leave_listings_without_an_answer(market):
    listing = market.need()
    with pytest.raises(FieldError, match="retirez d’abord"):
        organisations.leave(listing.organisation_id, by=market.speaker(listing))


def test_the_last_person_leaves_once_the_listings_are_closed(market):
    listing = market.need(state=ListingState.WITHDRAWN)
    person = market.speaker(listing)
    organisations.leave(listing.organisation_id, by=person)
    assert rights.organisation_ids(person) == []


def test_somebody_who_left_no_longer_speaks_for_the_structure(market):
    listing = market.need()
    person = market.employee(db.session.get(Organisation, listing.organisation_id))
    organisations.leave(listing.organisation_id, by=person)
    assert not rights.speaks_for(person, listing.organisation_id)


def test_one_does_not_leave_what_one_is_not_in(market):
    with pytest.raises(NotFound):
        organisations.leave(market.organisation().id, by=market.user())


def test_a_taken_back_request_can_no_longer_be_accepted(market):
    organisation, user = market.organisation(), market.user()
    request = organisations.ask_to_join(organisation.siret, by=user)
    organisations.leave(organisation.id, by=user)
    with pytest.raises(AlreadyDecided):
        organisations.decide_membership(request.id, accept=True, by=market.speaker(organisation))


def establishment(**fields: str) -> register.Establishment:
    told = {
        "siret": LA_POSTE,
        "name": "LE BON PAIN",
        "naf": "10.71C",
        "commune_insee": RENNES,
        "address": "1 PLACE DE LA MAIRIE 35000 RENNES",
        "kind": "association",
        "size_class": "10-49",
    }
    return register.Establishment(**(told | fields))


@pytest.fixture
def in_register(app, monkeypatch):
    """Configure a register that gives the answer of the test."""
    app.config["REGISTER_URL"] = "https://register.example"

    def answers(answer):
        monkeypatch.setattr(register, "find", answer)

    return answers


def test_the_register_fills_in_what_it_knows(in_register):
    in_register(lambda *_: establishment())
    found = organisations.find_in_register(LA_POSTE, address="192.0.2.1")
    assert (found.name, found.kind, found.size_class) == (
        "LE BON PAIN", OrganisationKind.ASSOCIATION, SizeClass.SMALL,
    )  # fmt: skip


def test_what_the_site_does_not_know_is_left_to_the_person(in_register):
    in_register(lambda *_: establishment(naf="00.00Z", commune_insee="99999", name="x" * 500))
    found = organisations.find_in_register(LA_POSTE, address="192.0.2.1")
    assert (found.sector_code, found.commune_insee, len(found.name)) == ("", "", 120)


def test_a_silent_register_is_told(in_register):
    def silent(*_):
        raise register.RegisterUnavailable

    in_register(silent)
    with pytest.raises(OutsideSilent):
        organisations.find_in_register(LA_POSTE, address="192.0.2.1")


def test_the_register_is_not_asked_more_than_sixty_times_an_hour_for_one_address(in_register):
    asked = []
    in_register(lambda *_: asked.append(1))
    for _ in range(61):
        organisations.find_in_register(LA_POSTE, address="192.0.2.1")
    assert len(asked) == 60


def test_a_storefront_shows_what_is_online_only(market):
    organisation = market.organisation()
    shown = market.need(organisation=organisation)
    market.offer(organisation=organisation, state=ListingState.PENDING)
    market.need(organisation=organisation, state=ListingState.REJECTED)
    front = storefronts.show(organisation.id)
    assert (front.needs, front.offers) == ([shown], [])


def test_a_suspended_structure_has_no_storefront(market, clock):
    organisation = market.organisation(suspended_at=clock.now)
    with pytest.raises(NotFound):
        storefronts.show(organisation.id)
