"""Whose account it is that an identity provider names, when two say so at once or say too much."""

import pytest
from sqlalchemy import select

from marketplace.adapters.proconnect import Claims
from marketplace.extensions import db
from marketplace.models import ExternalIdentity, User
from marketplace.services import identities
from marketplace.services.errors import FieldError
from marketplace.services.identities import Place
from tests.support.threads import at_once


def claims(**fields: str) -> Claims:
    told = {
        "issuer": "https://issuer.example",
        "subject": "lea",
        "email": "lea@boulangerie.example",
        "name": "Léa Pain",
        "siret": "",
        "id_token": "",
    }
    return Claims(**(told | fields))


def test_the_same_person_twice_at_once_is_one_person(app, market):
    done = at_once(app, *[lambda: identities.log_in(claims()).user.id] * 4)
    assert len(set(done)) == 1
    assert len(db.session.scalars(select(User)).all()) == 1
    assert len(db.session.scalars(select(ExternalIdentity)).all()) == 1


def test_the_same_subject_of_another_issuer_is_another_identity(market):
    first = identities.log_in(claims())
    second = identities.log_in(claims(issuer="https://other.example", email="autre@structure.example"))
    assert first.user.id != second.user.id


@pytest.mark.parametrize("email", ["é@boulangerie.example", f"{'x' * 250}@boulangerie.example"])
def test_an_address_that_the_site_cannot_keep_is_refused(market, email):
    with pytest.raises(FieldError, match="adresse mail"):
        identities.log_in(claims(email=email))
    assert db.session.scalars(select(User)).all() == []


def test_a_name_that_is_too_long_is_cut(market):
    assert len(identities.log_in(claims(name="x" * 500)).user.name) == identities.NAME_MAX


def test_who_speaks_for_the_structure_already_is_a_member(market):
    firm = market.organisation()
    person = market.speaker(firm)
    arrival = identities.log_in(claims(email=person.email, siret=firm.siret))
    assert (arrival.user.id, arrival.place) == (person.id, Place.MEMBER)
