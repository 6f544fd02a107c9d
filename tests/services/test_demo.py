"""The demonstration market: what somebody who opens it finds, and that it is the same each time."""

from collections import Counter

import pytest
from sqlalchemy import func, select
from stdnum.fr import siret as siret_number

from marketplace.models import (
    Commune,
    Listing,
    ListingKind,
    ListingState,
    Match,
    Membership,
    ModerationMode,
    Organisation,
    Sector,
    Skill,
    Territory,
    User,
)
from marketplace.models.listings import TITLE_MAX
from marketplace.services import accounts, appeals, demo, passwords, prechecks, reports, rights, rounds
from marketplace.services.demo_script import Script, Town
from marketplace.services.demo_tables import read_tables
from marketplace.services.errors import NotAllowed

NEED, OFFER = ListingKind.NEED, ListingKind.OFFER
TOWNS = (
    Town("35051", "Cesson-Sévigné", demo.RENNES_METROPOLE, 18_000, 48.12, -1.60),
    Town("35334", "Thorigné-Fouillard", demo.RENNES_METROPOLE, 8_600, 48.16, -1.58),
    Town("35240", "Le Rheu", demo.RENNES_METROPOLE, 9_800, 48.10, -1.80),
    Town("35152", "Liffré", demo.LIFFRE_CORMIER, 9_300, 48.21, -1.51),
)
RELATED = {skill.slug: ["tableur", "rgpd", "emailing"] for skill in read_tables().skills}


def firms(*, seed=1, needs=150, offers=150):
    script = Script(seed=seed, towns=TOWNS, related=RELATED, read_first=demo.RENNES_METROPOLE)
    return list(script.firms(needs=needs, offers=offers, with_cast=True))


def drafts(**sizes):
    return [draft for firm in firms(**sizes) for draft in firm.drafts]


def count(db_session, model):
    return db_session.scalar(select(func.count()).select_from(model))


def all_of(db_session, model):
    return list(db_session.scalars(select(model).order_by(model.id)))


@pytest.mark.parametrize(("needs", "offers"), [(40, 25), (1, 0), (0, 7), (0, 0)])
def test_the_market_has_exactly_the_asked_size(db_session, needs, offers):
    report = demo.load(needs=needs, offers=offers, seed=1)

    kinds = Counter(db_session.scalars(select(Listing.kind)))
    assert (kinds[NEED], kinds[OFFER]) == (needs, offers) == (report.needs, report.offers)


def test_the_same_call_again_adds_nothing(db_session):
    demo.load(needs=20, offers=20, seed=1)
    before = [count(db_session, model) for model in (Listing, Organisation, User, Membership)]

    assert not demo.load(needs=20, offers=20, seed=1).added
    assert [count(db_session, model) for model in (Listing, Organisation, User, Membership)] == before


def test_another_market_can_be_added_beside_the_first(db_session):
    demo.load(needs=20, offers=20, seed=1)
    demo.load(needs=15, offers=10, seed=2)

    assert count(db_session, Listing) == 65
    assert len(set(db_session.scalars(select(Organisation.siret)))) == count(db_session, Organisation)


def test_the_same_seed_says_the_same_word_for_word():
    assert firms(seed=4) == firms(seed=4)


def test_another_seed_says_other_things():
    one, other = drafts(seed=4), drafts(seed=5)

    shared = {draft.description for draft in one} & {draft.description for draft in other}
    assert len(shared) < 10


def test_texts_are_varied():
    told = drafts(needs=300, offers=300)

    assert len({draft.title for draft in told}) > 0.85 * len(told)
    assert len({draft.description for draft in told}) > 0.98 * len(told)
    assert len({draft.skill for draft in told}) > 85


def test_a_text_speaks_of_its_skill():
    texts = read_tables().texts
    crowd = [draft for firm in firms() for draft in firm.drafts if not firm.key]

    for draft in crowd:
        assert any(draft.title.startswith(title) for title in texts[draft.skill, draft.kind, "title"])
        starts = [text.split("{")[0] for text in texts[draft.skill, draft.kind, "text"]]
        assert any(start in draft.description for start in starts), (draft.skill, draft.description)


def test_a_trade_asks_only_for_what_it_can_use():
    families = {
        trade.naf: trade.families for trade in read_tables().trades.values() if trade.slug != "fleuriste"
    }
    bound = {skill.slug: skill.families for skill in read_tables().skills if skill.families}

    for firm in firms(needs=400, offers=400):
        for draft in firm.drafts:
            assert draft.skill not in bound or bound[draft.skill] & families[firm.sector_code]


def test_levels_places_and_limits_differ_from_one_to_the_next():
    told = drafts()

    for field in ("level", "places", "radius_km", "availability", "capacity", "urgency", "avoid_competitors"):
        assert len({getattr(draft, field) for draft in told}) > 1, field
    assert {len(draft.extra_skills) for draft in told} == {0, 1, 2}


def test_many_firms_both_ask_and_offer_so_that_circles_exist():
    both = [firm for firm in firms() if {draft.kind for draft in firm.drafts} == {NEED, OFFER}]

    assert len(both) > 20


def test_only_the_texts_meant_to_be_flagged_set_off_a_pre_check():
    for draft in drafts(needs=300, offers=300):
        seen = prechecks.flags_of(draft.title, draft.description)
        assert seen == [flag for flag in draft.flags if flag != "repeat"]
        assert not draft.flags or draft.state is ListingState.PENDING


def test_a_repeated_text_is_another_ones_text():
    told = drafts(needs=300, offers=300)
    repeats = [draft for draft in told if draft.flags == ("repeat",)]

    assert repeats
    for draft in repeats:
        same = [
            d
            for d in told
            if (d.kind, d.skill, d.description) == (draft.kind, draft.skill, draft.description)
        ]
        assert len(same) > 1


def test_the_moderator_finds_a_queue_with_flags_of_every_kind(app, db_session):
    app.config["DEMONSTRATION"] = True  # where a role needs no second factor
    demo.load(needs=150, offers=150, seed=1)

    moderator = accounts.by_email(demo.MODERATOR.email)
    queue = list(
        db_session.scalars(
            select(Listing).where(Listing.state == ListingState.PENDING, rights.moderated_listings(moderator))
        )
    )
    assert len(queue) >= 12
    assert {"phone", "email", "link"} <= {flag for listing in queue for flag in listing.flags}
    assert any(not listing.flags for listing in queue)
    assert all(listing.published_at is None for listing in queue)


def test_two_territories_open_one_reading_before_publication_one_after(db_session):
    demo.load(needs=10, offers=10, seed=1)

    modes = {
        t.siren: t.moderation_mode for t in db_session.scalars(select(Territory).where(Territory.is_open))
    }
    assert modes == {
        demo.RENNES_METROPOLE: ModerationMode.BEFORE,
        demo.LIFFRE_CORMIER: ModerationMode.AFTER,
    }


def test_firms_are_marked_as_invented_and_their_sirets_pass_the_checksum(db_session):
    demo.load(needs=30, offers=30, seed=1)

    organisations = all_of(db_session, Organisation)
    assert all(organisation.is_demonstration for organisation in organisations)
    for organisation in organisations:
        assert siret_number.validate(organisation.siret) == organisation.siret


def test_firms_of_a_small_market_are_neighbours(db_session):
    demo.load(needs=40, offers=40, seed=1)

    places = db_session.execute(
        select(Commune.territory_siren, Commune.lat, Commune.lon, Organisation.lat, Organisation.lon).join(
            Organisation, Organisation.commune_insee == Commune.insee
        )
    ).all()
    assert {place[0] for place in places} == {demo.RENNES_METROPOLE, demo.LIFFRE_CORMIER}
    assert all(abs(place[1] - place[3]) < 0.03 and abs(place[2] - place[4]) < 0.03 for place in places)


def test_a_large_market_spreads_over_the_pilot_departments(db_session, monkeypatch):
    monkeypatch.setattr(demo, "LOCAL_MAX", 100)
    demo.load(needs=100, offers=100, seed=1)

    query = select(Commune.department_code).join(Organisation, Organisation.commune_insee == Commune.insee)
    assert set(db_session.scalars(query)) == set(demo.DEPARTMENTS)


def test_dates_are_spread_over_the_past_weeks(db_session, clock):
    demo.load(needs=60, offers=60, seed=1)

    shown = [listing for listing in all_of(db_session, Listing) if listing.state is ListingState.PUBLISHED]
    ages = [(clock.now - listing.published_at).days for listing in shown]
    assert min(ages) < 7
    assert max(ages) > 28
    assert all(listing.expires_at > clock.now for listing in shown)


@pytest.mark.parametrize("login", demo.LOGINS, ids=lambda login: login.email)
def test_a_demonstration_password_obeys_the_rules_of_the_site(app, login):
    assert passwords.problem(login.password, known=[*login.name.split(), login.email]) is None


def test_each_demonstration_login_opens_its_account(app):
    app.config["DEMONSTRATION"] = True
    demo.load(needs=10, offers=10, seed=1)

    people = [accounts.authenticate(login.email, login.password, address="") for login in demo.LOGINS]
    employee, helper, moderator, administrator = people
    assert all(person.is_confirmed for person in people)
    assert rights.organisation_ids(employee)
    assert rights.organisation_ids(helper)
    assert rights.territories_moderated(moderator) == [demo.RENNES_METROPOLE]
    assert administrator.is_admin


def test_after_a_round_the_two_firms_of_the_logins_face_each_other(db_session):
    demo.load(needs=60, offers=60, seed=1)
    rounds.run()

    employee, helper = (accounts.by_email(login.email) for login in (demo.EMPLOYEE, demo.HELPER))
    (asks,), (offers,) = rights.organisation_ids(employee), rights.organisation_ids(helper)
    pairs = db_session.execute(select(Match.need_organisation_id, Match.offer_organisation_id)).all()
    assert (asks, offers) in pairs


def test_known_passwords_are_refused_on_a_public_site(app, db_session):
    app.config["PUBLIC_URL"] = "https://exchange.example"

    with pytest.raises(NotAllowed):
        demo.load(needs=5, offers=5, seed=1)
    assert count(db_session, User) == 0


def test_a_public_site_that_insists_gets_its_demonstration(app, db_session):
    app.config.update(PUBLIC_URL="https://exchange.example", DEMONSTRATION=True)

    assert demo.load(needs=5, offers=5, seed=1).added


def test_a_report_tells_the_figures_and_the_logins(app):
    text = demo.load(needs=6, offers=5, seed=1).to_text()

    assert "6 needs and 5 offers" in text
    assert all(login.email in text and login.password in text for login in demo.LOGINS)


def test_tables_speak_of_every_skill_and_of_known_sectors(db_session):
    tables = read_tables()
    slugs = set(db_session.scalars(select(Skill.slug)))

    assert {skill.slug for skill in tables.skills} == slugs
    for slug in slugs:
        for kind in ListingKind:
            assert all(len(set(tables.texts[slug, kind, part])) >= 3 for part in ("title", "text"))
    subclasses = set(db_session.scalars(select(Sector.code).where(Sector.level == "subclass")))
    assert {trade.naf for trade in tables.trades.values()} <= subclasses


def test_no_sentence_of_the_tables_sets_off_a_pre_check_but_those_meant_to():
    tables = read_tables()

    for told in (
        tables.texts,
        tables.sentences,
        {"": [c for t in tables.trades.values() for c in t.contexts]},
    ):
        for texts in told.values():
            assert [text for text in texts if prechecks.flags_of("", text)] == []
    assert all(prechecks.flags_of("", text) for text in tables.flagged)
    titles = [title for key, texts in tables.texts.items() if key[2] == "title" for title in texts]
    assert max(map(len, titles)) <= TITLE_MAX


@pytest.mark.parametrize("in_demonstration", [True, False])
def test_the_moderator_finds_reports_and_appeals_to_answer(app, db_session, in_demonstration):
    app.config["DEMONSTRATION"] = in_demonstration
    demo.load(needs=60, offers=60, seed=1)

    app.config["DEMONSTRATION"] = True  # so that the moderator's role does not sleep
    moderator = accounts.by_email(demo.MODERATOR.email)
    assert [len(case.reports) for case in reports.queue(by=moderator, page=1).items] == [2, 1, 1]
    assert appeals.queue(by=moderator, page=1).total == (2 if in_demonstration else 0)
