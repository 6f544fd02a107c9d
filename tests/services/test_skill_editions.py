"""The reference edited by the national administrator: at once, numbered, and never undone by the files."""

import pytest
from sqlalchemy import func, select, update

from marketplace.models import (
    AuditEntry,
    EditionKind,
    Frequency,
    Listing,
    ListingSkill,
    SavedSearch,
    Skill,
    SkillLevel,
    SkillWord,
    WordKind,
)
from marketplace.services import market as market_service
from marketplace.services import ranking, search_words, skill_editions, skills
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.skill_editions import SkillSheet
from tests.support import reference_data

SHEET = SkillSheet(
    label="Tricoter des cartes perforées",
    description="Une carte perforée dit à la machine quoi faire. On apprend à la percer droit.",
    levels=("je sais ce que c’est", "je sais en percer une", "je sais la réparer", "je sais le montrer"),
    related=("tableur",),
)


@pytest.fixture
def admin(market):
    return market.admin()


def sheet_of(skill, **changes):
    told = {
        "label": skill.label,
        "description": skill.description,
        "levels": tuple(level.text for level in skill.levels),
        "related": tuple(other.slug for other in skill.related),
    }
    return SkillSheet(**told | changes)


def change(slug, admin, **changes):
    edited = skill_editions.show(slug, by=admin)
    return skill_editions.change(slug, sheet_of(edited.skill, **changes), by=admin, seen=edited.version)


def word_id(db_session, text):
    return db_session.scalar(select(SkillWord.id).where(SkillWord.text == text))


def test_a_word_added_counts_at_once_in_suggestions_and_in_search(app, admin, db_session):
    assert skills.suggest("zorglub") == []

    skill_editions.add_word("tableur", WordKind.BRAND, "Zorglub", by=admin)

    tableur = db_session.scalar(select(Skill.id).where(Skill.slug == "tableur"))
    assert skills.suggest("zorglub")[0].slug == "tableur"
    assert search_words.read("zorglub")[0].skills == {tableur}


def test_a_word_changed_for_another_of_the_same_length_counts_at_once(app, admin, db_session):
    word = skill_editions.add_word("tableur", WordKind.BRAND, "Zorglub", by=admin)
    assert skills.suggest("zorglub")

    skill_editions.remove_word("tableur", word.id, by=admin)
    skill_editions.add_word("sauvegarde", WordKind.BRAND, "Zorglob", by=admin)

    assert skills.suggest("zorglob")[0].slug == "sauvegarde"


def test_a_word_does_not_make_the_matcher_read_the_market_again(app, admin):
    before = market_service.reference()
    skill_editions.add_word("tableur", WordKind.BRAND, "Zorglub", by=admin)

    assert market_service.reference() is before


def test_a_word_that_is_there_already_is_refused_whatever_its_capitals(app, admin):
    skill_editions.add_word("tableur", WordKind.BRAND, "Zorglub", by=admin)
    with pytest.raises(FieldError, match="text"):
        skill_editions.add_word("tableur", WordKind.SYNONYM, "ZORGLUB", by=admin)


def test_loading_the_files_keeps_words_added_and_brings_back_none_taken_away(app, admin, db_session):
    skill_editions.add_word("tableur", WordKind.BRAND, "Zorglub", by=admin)
    skill_editions.remove_word("site-vitrine", word_id(db_session, "site vitrine"), by=admin)

    reference_data.load_again()

    assert word_id(db_session, "Zorglub") is not None
    assert word_id(db_session, "site vitrine") is None
    assert word_id(db_session, "site internet") is not None


def test_a_word_taken_away_and_added_again_is_there_again(app, admin, db_session):
    skill_editions.remove_word("site-vitrine", word_id(db_session, "site vitrine"), by=admin)
    skill_editions.add_word("site-vitrine", WordKind.SYNONYM, "site vitrine", by=admin)

    reference_data.load_again()

    assert word_id(db_session, "site vitrine") is not None


def test_loading_the_files_keeps_the_sheet_of_an_edited_skill_and_renews_the_others(app, admin, db_session):
    levels = ("je sais un", "je sais deux", "je sais trois", "je sais quatre")
    change("tableur", admin, label="Compter avec un tableur", levels=levels, related=("sauvegarde",))
    db_session.execute(update(Skill).where(Skill.slug == "sauvegarde").values(label="Abîmé"))
    db_session.commit()

    reference_data.load_again()

    kept = skill_editions.show("tableur", by=admin).skill
    assert kept.label == "Compter avec un tableur"
    assert tuple(level.text for level in kept.levels) == levels
    assert [other.slug for other in kept.related] == ["sauvegarde"]
    assert skill_editions.show("sauvegarde", by=admin).skill.label != "Abîmé"


def test_a_new_name_reaches_the_matchers_words_at_once(app, admin, market):
    need, offer = market.need(skill="tableur"), market.offer(skill="tableur")
    assert ranking.best_for(need)

    change("tableur", admin, label="Compter avec un tableur")

    (found,) = ranking.best_for(need)
    assert (found.listing.id, found.reasons.offer_skill) == (offer.id, "Compter avec un tableur")


def test_two_administrators_do_not_undo_each_other(app, admin):
    first = skill_editions.show("tableur", by=admin)
    change("tableur", admin, label="Compter avec un tableur")

    with pytest.raises(FieldError, match="version"):
        skill_editions.change("tableur", sheet_of(first.skill), by=admin, seen=first.version)


def test_two_skills_do_not_bear_one_name(app, admin):
    with pytest.raises(FieldError, match="label"):
        change("tableur", admin, label=skill_editions.show("sauvegarde", by=admin).skill.label.upper())


def test_a_new_skill_can_be_found_published_and_matched(app, admin, market):
    created = skill_editions.create("bureautique", SHEET, by=admin)

    assert created.slug == "tricoter-des-cartes-perforees"
    assert skills.suggest("des cartes perforées")[0].slug == created.slug
    need, offer = market.need(skill=created.slug), market.offer(skill=created.slug)
    assert [found.listing.id for found in ranking.best_for(need)] == [offer.id]


def test_a_new_skill_survives_the_loading_of_the_files(app, admin, db_session):
    slug = skill_editions.create("bureautique", SHEET, by=admin).slug

    reference_data.load_again()

    kept = skill_editions.show(slug, by=admin).skill
    assert len(kept.levels) == 4
    assert [other.slug for other in kept.related] == ["tableur"]


def test_a_new_skill_of_an_unknown_domain_is_not_made(app, admin):
    with pytest.raises(NotFound):
        skill_editions.create("tricot", SHEET, by=admin)


def test_a_retired_skill_gives_its_listings_and_searches_to_its_successor(app, admin, market, db_session):
    main = market.need(skill="tableur")
    further = market.offer(skill="sauvegarde", extra_skills=("tableur",))
    db_session.add(
        SavedSearch(user_id=admin.id, frequency=Frequency.DAILY, skill_id=market.skill("tableur").id)
    )
    db_session.commit()

    skill_editions.retire("tableur", "base-de-donnees", by=admin)

    new = market.skill("base-de-donnees").id
    assert db_session.get(Listing, main.id, populate_existing=True).skill_id == new
    told = select(ListingSkill.skill_id).where(ListingSkill.listing_id == further.id)
    assert db_session.scalars(told).all() == [new]
    assert db_session.scalars(select(SavedSearch.skill_id)).all() == [new]


def test_listings_that_have_both_skills_keep_one(app, admin, market, db_session):
    listings = [
        market.need(skill="tableur", extra_skills=("base-de-donnees",)),
        market.need(skill="base-de-donnees", extra_skills=("tableur", "sauvegarde")),
        market.need(skill="sauvegarde", extra_skills=("tableur", "base-de-donnees")),
    ]
    skill_editions.retire("tableur", "base-de-donnees", by=admin)

    new, other = market.skill("base-de-donnees").id, market.skill("sauvegarde").id
    told = [
        (db_session.get(Listing, each.id, populate_existing=True).skill_id, further(db_session, each.id))
        for each in listings
    ]
    assert told == [(new, []), (new, [other]), (other, [new])]


def further(db_session, listing_id):
    query = select(ListingSkill.skill_id).where(ListingSkill.listing_id == listing_id)
    return list(db_session.scalars(query))


def test_a_retired_skill_is_proposed_nowhere_and_stays_retired(app, admin, db_session):
    assert skills.suggest("tableur")[0].slug == "tableur"
    skill_editions.retire("tableur", "base-de-donnees", by=admin)

    reference_data.load_again()

    assert "tableur" not in [skill.slug for skill in skills.suggest("tableur")]
    assert "tableur" not in [skill.slug for domain in skills.all_by_domain() for skill in domain.skills]
    with pytest.raises(NotFound):
        skill_editions.show("tableur", by=admin)


def test_who_took_the_place_of_a_retired_skill_and_retires_hands_all_on(app, admin, market):
    skill_editions.retire("tableur", "base-de-donnees", by=admin)
    skill_editions.retire("base-de-donnees", "tableau-de-bord", by=admin)

    assert market.skill("tableur").successor_id == market.skill("tableau-de-bord").id


@pytest.mark.parametrize("successor", ["tableur", "tricot", ""])
def test_a_skill_is_replaced_by_another_in_service_only(app, admin, successor):
    with pytest.raises(FieldError, match="successor"):
        skill_editions.retire("tableur", successor, by=admin)


def test_each_act_is_one_edition_and_one_line_of_the_log(app, admin, db_session):
    word = skill_editions.add_word("tableur", WordKind.BRAND, "Zorglub", by=admin)
    skill_editions.remove_word("tableur", word.id, by=admin)
    change("tableur", admin, label="Compter avec un tableur")
    skill_editions.retire("tableur", "base-de-donnees", by=admin)

    editions = skill_editions.history(page=1, by=admin).items
    assert [edition.kind for edition in editions] == [
        EditionKind.RETIRED, EditionKind.CHANGED, EditionKind.WORD_REMOVED, EditionKind.WORD_ADDED,
    ]  # fmt: skip
    numbers = [edition.number for edition in editions]
    assert numbers == sorted(set(numbers), reverse=True)
    of_skills = select(AuditEntry).where(AuditEntry.subject_type == "skill").order_by(AuditEntry.id)
    lines = db_session.scalars(of_skills).all()
    assert [line.after["edition"] for line in lines] == sorted(numbers)
    assert {line.actor_id for line in lines} == {admin.id}


def test_an_act_that_is_refused_is_no_edition(app, admin):
    with pytest.raises(FieldError):
        skill_editions.retire("tableur", "tricot", by=admin)

    assert skill_editions.number() == 0


def test_the_export_holds_all_skills_of_one_edition_with_who_replaced_whom(app, admin):
    skill_editions.add_word("sauvegarde", WordKind.BRAND, "Zorglub", by=admin)
    skill_editions.retire("tableur", "base-de-donnees", by=admin)

    export = skill_editions.export()

    rows = {row["slug"]: row for row in export.rows}
    assert len(rows) == 92
    assert {row["edition"] for row in export.rows} == {export.edition} == {skill_editions.number()}
    assert rows["tableur"]["successor"] == "base-de-donnees"
    assert "Zorglub" in rows["sauvegarde"]["synonyms"]
    assert all(rows["sauvegarde"][f"level_{level}"].startswith("je sais") for level in (1, 2, 3, 4))


@pytest.mark.parametrize("who", ["user", "moderator"])
def test_only_the_national_administrator_edits(app, market, who, db_session):
    person = getattr(market, who)()
    acts = [
        lambda: skill_editions.show("tableur", by=person),
        lambda: skill_editions.history(page=1, by=person),
        lambda: skill_editions.add_word("tableur", WordKind.BRAND, "Zorglub", by=person),
        lambda: skill_editions.remove_word("tableur", word_id(db_session, "tableur") or 1, by=person),
        lambda: skill_editions.change("tableur", SHEET, by=person, seen="0"),
        lambda: skill_editions.create("bureautique", SHEET, by=person),
        lambda: skill_editions.retire("tableur", "base-de-donnees", by=person),
    ]
    for act in acts:
        with pytest.raises(NotAllowed):
            act()
    assert skill_editions.number() == 0


def test_every_skill_of_the_files_has_two_sentences_and_four_levels(app, db_session):
    described = db_session.scalars(select(Skill.description))
    sentences = [text.rstrip(".").count(". ") + 1 for text in described]
    assert set(sentences) == {2}

    told = db_session.execute(select(SkillLevel.skill_id, func.count()).group_by(SkillLevel.skill_id))
    assert [number for _, number in told] == [4] * 92
    texts = list(db_session.scalars(select(SkillLevel.text)))
    assert len(set(texts)) == len(texts)
    assert all(text.startswith("je sais ") for text in texts)
