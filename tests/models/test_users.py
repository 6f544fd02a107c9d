"""People: the rows that the database refuses, and how their sessions end."""

from sqlalchemy import text

from marketplace.extensions import db
from marketplace.models import TerritoryRole
from tests.support.builders import RENNES_METROPOLE
from tests.support.refusals import refused


def test_an_address_has_one_account(market):
    market.user(email="lea@boulangerie.example")
    with refused("user.email|uq_user_email"):
        market.user(email="lea@boulangerie.example")


def test_an_address_is_kept_in_lower_case(market):
    with refused("email_lower"):
        market.user(email="Lea@boulangerie.example")


def test_a_person_has_one_role_in_a_territory(market):
    moderator = market.moderator()
    with refused("territory_role.user_id, territory_role.territory_siren|pk_territory_role"):
        db.session.add(TerritoryRole(user_id=moderator.id, territory_siren=RENNES_METROPOLE))
        db.session.expunge(moderator)
        db.session.commit()


def test_roles_go_with_the_person(market):
    moderator = market.moderator()
    db.session.execute(text('DELETE FROM "user" WHERE id = :id'), {"id": moderator.id})
    db.session.commit()
    assert db.session.query(TerritoryRole).count() == 0


def test_the_mark_in_a_session_changes_with_its_version(market):
    user = market.user()
    before = user.get_id()
    user.session_version += 1
    assert user.get_id() != before


def test_an_account_is_confirmed_once_its_address_is(market):
    assert market.user().is_confirmed
    assert not market.user(confirmed=False).is_confirmed
