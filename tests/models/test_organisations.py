"""Structures and memberships: the rows that the database refuses."""

import pytest
from sqlalchemy import text

from marketplace.extensions import db
from marketplace.models import Membership
from tests.support.builders import siret
from tests.support.refusals import refused


def test_a_siret_belongs_to_one_structure(market):
    market.organisation(siret=siret(1))
    with refused("organisation.siret|uq_organisation_siret"):
        market.organisation(siret=siret(1))


def test_a_siret_has_fourteen_digits(market):
    with refused("siret_length"):
        market.organisation(siret="1234567890123")


@pytest.mark.parametrize("point", [{"lat": None}, {"lon": None}])
def test_half_a_point_is_refused(market, point):
    with refused("point_whole"):
        market.organisation(**point)


def test_a_structure_without_a_point_is_kept(market):
    assert market.organisation(lat=None, lon=None).lat is None


def test_a_person_is_in_a_structure_once(market):
    organisation = market.organisation()
    user = market.employee(organisation)
    with refused("membership.user_id, membership.organisation_id|uq_membership_user_id_organisation_id"):
        market.employee(organisation, user=user)


def test_memberships_go_with_the_person(market):
    key = market.employee(market.organisation()).id
    db.session.execute(text('DELETE FROM "user" WHERE id = :id'), {"id": key})
    db.session.commit()
    assert db.session.query(Membership).filter_by(user_id=key).count() == 0
