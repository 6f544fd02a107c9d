"""What somebody typed and could not send yet is found again, by them and by nobody else."""

import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import ListingDraft, ListingKind, User
from marketplace.services import drafts
from marketplace.services.errors import TooManyAttempts
from tests.support.threads import at_once

NEED, OFFER = ListingKind.NEED, ListingKind.OFFER
HERE = "192.0.2.1"
TYPED = {"description": ["Vendre mes confitures"], "lieu": ["aide", "distance"], "titre": []}


def keep(*, kind=NEED, text="Vendre mes confitures", token="", by=None):
    return drafts.keep(kind, {"description": [text]}, token=token, by=by, address=HERE)


def text_of(*, kind=NEED, tokens=(), by=None):
    draft = drafts.find(kind, tokens=tokens, by=by)
    return draft and draft.data["description"][0]


def how_many():
    return db.session.scalar(select(func.count()).select_from(ListingDraft))


def test_a_visitor_finds_every_value_again_by_the_token(app):
    token = drafts.keep(NEED, TYPED, token="", by=None, address=HERE)
    assert drafts.find(NEED, tokens=[token], by=None).data == TYPED


def test_nothing_is_found_without_a_token_or_an_account(app):
    keep()
    assert text_of() is None
    assert text_of(tokens=[""]) is None
    assert text_of(tokens=["x" * 43]) is None


def test_a_person_finds_their_text_again_from_any_device(market):
    person = market.user()
    keep(by=person)
    assert text_of(by=person) == "Vendre mes confitures"


def test_nobody_else_finds_the_text_of_a_person_even_with_its_token(market):
    token = keep(by=market.user())
    assert text_of(tokens=[token]) is None
    assert text_of(tokens=[token], by=market.user()) is None


def test_a_need_and_an_offer_are_kept_apart(market):
    person = market.user()
    keep(by=person)
    keep(kind=OFFER, text="Montrer ma boutique", by=person)
    assert (text_of(by=person), text_of(kind=OFFER, by=person)) == (
        "Vendre mes confitures",
        "Montrer ma boutique",
    )


def test_the_last_text_replaces_the_one_before(app):
    token = keep()
    assert keep(text="Encaisser en ligne", token=token) == token
    assert (text_of(tokens=[token]), how_many()) == ("Encaisser en ligne", 1)


def test_a_visitor_who_logs_in_takes_the_text_along(market):
    person, token = market.user(), keep()
    assert text_of(tokens=[token], by=person) == "Vendre mes confitures"
    keep(text="Encaisser en ligne", token=token, by=person)
    assert (text_of(by=person), text_of(tokens=[token]), how_many()) == ("Encaisser en ligne", None, 1)


def test_the_newest_of_two_texts_wins_and_the_other_goes(market, clock):
    person = market.user()
    keep(text="L’an dernier", by=person)
    clock.move(minutes=1)
    token = keep(text="Ce matin")
    assert text_of(tokens=[token], by=person) == "Ce matin"
    keep(text="Ce matin, encore", token=token, by=person)
    assert (text_of(by=person), how_many()) == ("Ce matin, encore", 1)


def test_a_text_that_was_sent_is_forgotten(market):
    person, token = market.user(), keep()
    keep(kind=OFFER, by=person)
    drafts.forget(NEED, tokens=[token], by=person)
    assert (text_of(tokens=[token], by=person), how_many()) == (None, 1)


def test_nobody_forgets_the_text_of_somebody_else(market):
    person = market.user()
    token = keep(by=person)
    drafts.forget(NEED, tokens=[token], by=None)
    drafts.forget(NEED, tokens=[token], by=market.user())
    assert text_of(by=person) == "Vendre mes confitures"


def test_what_nobody_touched_for_a_month_is_deleted(app, clock):
    old = keep(text="Ancien")
    touched = keep(text="Repris")
    clock.move(days=20)
    keep(text="Repris", token=touched)
    clock.move(days=11)
    assert drafts.forget_old() == 1
    assert (text_of(tokens=[old]), text_of(tokens=[touched])) == (None, "Repris")


def test_a_huge_text_is_cut_where_it_is_kept(app):
    token = keep(text="x" * 100_000)
    assert len(text_of(tokens=[token])) == drafts.TEXT_MAX


def test_characters_that_no_text_may_hold_do_not_stop_the_keeping(app):
    token = keep(text="pain\x00 \ud7ff 🥖")
    assert text_of(tokens=[token]) == "pain\x00 \ud7ff 🥖"


def test_one_address_does_not_fill_the_disk(app):
    for _ in range(300):
        drafts.throttle.count_attempt(f"draft:{HERE}", limit=300, seconds=3600)
    with pytest.raises(TooManyAttempts):
        keep()


def test_the_same_form_sent_twice_at_once_keeps_one_text(app, market):
    key = market.user().id

    def send():
        return keep(by=db.session.get_one(User, key))

    first, second = at_once(app, send, send)
    assert first == second
    assert how_many() == 1


def test_keeping_and_sending_at_once_fail_neither(app, market):
    person = market.user()
    keep(by=person)
    key = person.id

    def send():
        drafts.forget(NEED, tokens=(), by=db.session.get_one(User, key))

    def type_on():
        keep(text="Encore", by=db.session.get_one(User, key))

    assert at_once(app, send, type_on) == [None, None]
