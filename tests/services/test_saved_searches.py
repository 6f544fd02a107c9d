"""Saved searches: what they tell, when, once; and how they stop."""

from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update

from marketplace import clock as site_clock
from marketplace.extensions import db
from marketplace.models import Frequency, ListingKind, Membership, MembershipState, SavedSearch, SizeClass
from marketplace.services import listings, places, saved_searches
from marketplace.services import outbox as mail_service
from marketplace.services.directory import Filters
from marketplace.services.errors import FieldError, NotAllowed, NotFound, TokenExpired
from tests.support.builders import CESSON, LIFFRE, PARIS, RENNES
from tests.support.threads import at_once

TUESDAY_NOON = datetime(2026, 5, 5, 12, 0, tzinfo=ZoneInfo("Europe/Paris"))
NEED, OFFER = ListingKind.NEED, ListingKind.OFFER


@pytest.fixture
def noon(clock):
    clock.set(TUESDAY_NOON)
    return clock


@pytest.fixture
def reader(noon, market):
    return market.user()


def save(reader, words="confitures", *, frequency=Frequency.AT_ONCE, kind=None, **filters) -> SavedSearch:
    return saved_searches.save(kind, Filters(words=words, **filters), by=reader, frequency=frequency)


def home(market, frequency=Frequency.WEEKLY, *, commune=RENNES):
    """Return somebody with a structure, and the search that everybody has."""
    organisation = market.organisation(commune=commune)
    saved_searches.give_defaults()
    person = market.speaker(organisation)
    query = select(SavedSearch).where(SavedSearch.user_id == person.id)
    saved = db.session.scalars(query).one()
    if frequency is not saved.frequency:
        saved_searches.change(saved.id, frequency, by=person)
    return person, saved


def count() -> int:
    return db.session.scalar(select(func.count()).select_from(SavedSearch))


# --- Keeping them ---


def test_a_search_is_kept_as_it_was_asked(market, reader):
    kept = save(reader, kind=OFFER, near=places.get(CESSON), radius_km=12, skill=market.skill("tableur"))
    [mine] = saved_searches.mine(reader)
    assert mine.id == kept.id
    assert saved_searches.address(mine) == {
        "q": "confitures", "type": "savoir-faire", "competence": "tableur",
        "commune": "Cesson-Sévigné (35510)", "rayon": "12",
    }  # fmt: skip


def test_the_size_of_structures_is_kept_with_it(reader):
    one, other = (save(reader, size=size) for size in (SizeClass.MICRO, SizeClass.SMALL))
    assert one.id != other.id
    assert [saved_searches.address(each)["effectif"] for each in saved_searches.mine(reader)] == [
        "10-49",
        "1-9",
    ]


def test_the_same_search_is_kept_once(reader):
    assert save(reader).id == save(reader).id
    assert save(reader, "tableur").id != save(reader).id
    assert count() == 2


def test_two_clicks_at_once_keep_it_once(app, reader):
    key = reader.id

    def click():
        return save(db.session.get(type(reader), key)).id

    assert len(set(at_once(app, click, click))) == 1
    assert count() == 1


def test_a_search_of_everything_is_refused(reader):
    with pytest.raises(FieldError, match="Précisez"):
        saved_searches.save(NEED, Filters(), by=reader)


def test_nobody_keeps_more_than_the_limit(reader):
    for number in range(saved_searches.SAVED_MAX):
        save(reader, f"mot{number}")
    with pytest.raises(FieldError, match="supprimez"):
        save(reader, "encore")


def test_an_address_that_is_not_confirmed_keeps_none(market, noon):
    with pytest.raises(NotAllowed):
        save(market.user(confirmed=False))


def test_a_search_is_its_owners_alone(market, reader):
    kept, other = save(reader), market.user()
    with pytest.raises(NotFound):
        saved_searches.change(kept.id, Frequency.OFF, by=other)
    with pytest.raises(NotFound):
        saved_searches.remove(kept.id, by=other)
    saved_searches.remove(kept.id, by=reader)
    assert count() == 0


# --- The one that everybody has ---


def test_each_confirmed_person_with_a_structure_gets_one_once(market, noon):
    person, saved = home(market)
    market.user()
    market.employee(
        market.organisation(manager=market.user(confirmed=False)), state=MembershipState.REQUESTED
    )
    assert saved_searches.give_defaults() == 0
    assert (saved.user_id, saved.frequency, saved.is_default) == (person.id, Frequency.WEEKLY, True)


def test_it_is_about_what_is_near_the_structure(market, noon, outbox):
    person, _ = home(market, Frequency.AT_ONCE, commune=CESSON)
    noon.move(hours=1)
    market.need(title="Tout près", organisation=market.organisation(commune=RENNES))
    market.need(title="Trop loin", organisation=market.organisation(commune=PARIS))
    assert saved_searches.tell_due() == 1
    mail = outbox.last(person.email)
    assert "Tout près" in mail.text
    assert "Trop loin" not in mail.text
    assert "près de Cesson-Sévigné" in mail.subject


def test_it_is_put_off_and_does_not_come_back(market, noon):
    person, saved = home(market)
    saved_searches.remove(saved.id, by=person)
    assert saved_searches.give_defaults() == 0
    assert saved_searches.mine(person)[0].frequency is Frequency.OFF


def test_without_a_structure_any_more_it_says_nothing(market, noon, outbox):
    person, _ = home(market, Frequency.AT_ONCE)
    db.session.execute(update(Membership).values(state=MembershipState.ENDED))
    db.session.commit()
    noon.move(hours=1)
    market.need(organisation=market.organisation(commune=RENNES))
    saved_searches.tell_due()
    assert outbox.to(person.email) == []
    assert saved_searches.address(saved_searches.mine(person)[0]) == {}


# --- Telling what is new ---


def test_what_is_new_is_told_once(market, reader, noon, outbox):
    save(reader)
    noon.move(minutes=5)
    need = market.need(title="Vendre des confitures")
    market.need(title="Filmer")
    assert saved_searches.tell_due() == 1
    [mail] = outbox.to(reader.email)
    assert need.title in mail.text
    assert f"/annonces/{need.id}-" in mail.text
    assert "Filmer" not in mail.text
    for _ in range(3):
        noon.move(minutes=1)
        saved_searches.tell_due()
    need.title = "Vendre des confitures de fraises"
    db.session.commit()
    noon.move(minutes=1)
    saved_searches.tell_due()
    assert len(outbox.to(reader.email)) == 1


def test_what_was_there_before_is_not_new(market, reader, noon, outbox):
    market.need(title="Vendre des confitures")
    noon.move(minutes=1)
    save(reader)
    noon.move(minutes=1)
    assert saved_searches.tell_due() == 0


def test_what_is_committed_late_is_not_missed(market, reader, noon, outbox):
    save(reader)
    noon.move(minutes=20)
    market.need(title="Autre chose")
    saved_searches.tell_due()
    market.need(title="Vendre des confitures", published_at=noon.now.replace(minute=15))
    noon.move(minutes=1)
    saved_searches.tell_due()
    assert len(outbox.to(reader.email)) == 1


def test_a_listing_told_by_two_searches_is_told_by_each(market, reader, noon, outbox):
    save(reader)
    save(reader, "vendre")
    noon.move(minutes=5)
    market.need(title="Vendre des confitures")
    assert saved_searches.tell_due() == 2


def test_ones_own_listings_are_no_news(market, reader, noon, outbox):
    save(reader)
    noon.move(minutes=5)
    market.need(title="Vendre des confitures", organisation=market.organisation(manager=reader))
    assert saved_searches.tell_due() == 0


def test_a_listing_approved_by_a_moderator_is_new_then(market, reader, noon, outbox):
    save(reader)
    noon.move(days=2)
    need = market.need(title="Vendre des confitures", submitted_at=site_clock.now())
    listings.pause(need.id, by=market.speaker(need))
    saved_searches.tell_due()
    assert outbox.to(reader.email) == []
    listings.resume(need.id, by=market.speaker(need))
    noon.move(minutes=1)
    saved_searches.tell_due()
    assert len(outbox.to(reader.email)) == 1


@pytest.mark.parametrize(
    ("frequency", "hours", "told"),
    [
        (Frequency.AT_ONCE, 1, 1),
        (Frequency.DAILY, 1, 0),
        (Frequency.DAILY, 18, 0),
        (Frequency.DAILY, 19, 1),
        (Frequency.WEEKLY, 19, 0),
        (Frequency.WEEKLY, 6 * 24 - 6, 0),
        (Frequency.WEEKLY, 6 * 24 - 5, 1),
        (Frequency.OFF, 30 * 24, 0),
    ],
)
def test_each_frequency_has_its_time(market, reader, noon, frequency, hours, told):
    save(reader, frequency=frequency)
    noon.move(minutes=30)
    market.need(title="Vendre des confitures")
    noon.move(hours=hours, minutes=-30)
    assert saved_searches.tell_due() == told


def test_many_new_listings_make_one_mail_that_leads_to_all(market, reader, noon, outbox):
    save(reader, near=places.get(LIFFRE), radius_km=50)
    noon.move(minutes=5)
    firm = market.organisation(commune=LIFFRE)
    with market.in_one_transaction():
        for number in range(12):
            market.need(organisation=firm, title=f"Confitures numéro {number}")
    assert saved_searches.tell_due() == 1
    mail = outbox.last(reader.email)
    assert mail.subject.startswith("12 nouvelles annonces")
    assert mail.text.count("/annonces/") == saved_searches.SHOWN_MAX
    assert "/recherche?q=confitures" in mail.text
    assert mail.is_bulk


def test_workers_at_the_same_time_tell_once(app, market, reader, noon, outbox):
    save(reader)
    noon.move(minutes=5)
    market.need(title="Vendre des confitures")
    at_once(app, *[saved_searches.tell_due] * 3)
    assert len(outbox.to(reader.email)) == 1


def test_what_came_while_a_search_was_off_is_no_news(market, reader, noon):
    kept = save(reader, frequency=Frequency.OFF)
    noon.move(days=3)
    market.need(title="Vendre des confitures")
    noon.move(days=3)
    saved_searches.change(kept.id, Frequency.AT_ONCE, by=reader)
    noon.move(minutes=1)
    assert saved_searches.tell_due() == 0


def test_what_was_told_long_ago_is_forgotten(market, reader, noon):
    save(reader)
    noon.move(minutes=5)
    market.need(title="Vendre des confitures")
    saved_searches.tell_due()
    assert saved_searches.forget_news() == 0
    noon.move(days=61)
    assert saved_searches.forget_news() == 1


# --- Stopping ---


def told(market, reader, noon, outbox):
    kept = save(reader)
    noon.move(minutes=5)
    market.need(title="Vendre des confitures")
    saved_searches.tell_due()
    return kept, outbox.last(reader.email)


def test_a_mail_says_to_programs_how_to_stop_it_in_one_click(app, market, reader, noon, outbox):
    _, mail = told(market, reader, noon, outbox)
    assert mail.unsubscribe_url in mail.text
    mail_service.deliver()
    files = sorted(Path(app.config["MAIL_FOLDER"]).glob("*.eml"))
    letters = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    [letter] = [letter for letter in letters if letter["To"] == reader.email]
    assert letter["List-Unsubscribe"] == f"<{mail.unsubscribe_url}>"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_link_stops_the_search_and_once_more_changes_nothing(market, reader, noon, outbox):
    kept, mail = told(market, reader, noon, outbox)
    token = mail.unsubscribe_url.rpartition("/")[2]
    assert saved_searches.read_stop(token).id == kept.id
    for _ in range(2):
        saved_searches.stop(token)
    assert kept.frequency is Frequency.OFF
    saved_searches.remove(kept.id, by=reader)
    saved_searches.stop(token)


def test_a_forged_link_stops_nothing(reader):
    with pytest.raises(TokenExpired):
        saved_searches.stop("nothing.of.ours")
