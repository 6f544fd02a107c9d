"""Reference data: loaded whole, again and again without doubles, and never by half."""

import shutil

import pytest
from sqlalchemy import func, select

from marketplace.models import (
    Commune,
    Postcode,
    Sector,
    SeedFile,
    Skill,
    SkillDomain,
    SkillRelation,
    SkillWord,
    Territory,
)
from marketplace.services import reference
from marketplace.services.reference import SEEDS, BrokenSeed
from tests.support import reference_data


@pytest.fixture
def seeds(tmp_path, app):
    """A copy of seeds/ that the test may spoil; the true one is loaded again afterwards."""
    copy = tmp_path / "seeds"
    shutil.copytree(SEEDS, copy, ignore=shutil.ignore_patterns("demo"))
    yield copy
    reference.load(SEEDS)


def count(db_session, model):
    return db_session.scalar(select(func.count()).select_from(model))


def append(path, line):
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def test_everything_is_there(db_session):
    sizes = {model: count(db_session, model) for model in (Commune, Territory, Sector, Skill, SkillDomain)}

    assert sizes == {Commune: 34_969, Territory: 1_255, Sector: 1_728, Skill: 92, SkillDomain: 13}


def test_a_second_load_finds_nothing_to_do(app):
    assert not any(loaded.changed for loaded in reference.load())


def test_a_forced_load_makes_no_doubles(db_session):
    models = (Commune, Postcode, Territory, Sector, Skill, SkillRelation, SkillWord, SeedFile)
    before = [count(db_session, model) for model in models]

    reference.load(force=True)

    assert [count(db_session, model) for model in models] == before


def test_only_the_file_that_changed_is_loaded(seeds, db_session):
    append(seeds / "skill_words.csv", "tableur;brand;Gnumeric")

    loaded = {one.name: one.changed for one in reference.load(seeds)}

    assert [name for name, changed in loaded.items() if changed] == ["skills.csv"]
    assert db_session.scalar(select(SkillWord.kind).where(SkillWord.text == "Gnumeric")) == "brand"


def test_a_word_taken_out_of_the_file_is_gone(seeds, db_session):
    append(seeds / "skill_words.csv", "tableur;brand;Gnumeric")
    reference.load(seeds)

    reference.load(SEEDS)

    assert db_session.scalar(select(SkillWord.id).where(SkillWord.text == "Gnumeric")) is None


def test_settings_of_a_territory_survive_a_load(market, db_session):
    market.open_territory("243500139")

    reference_data.load_again("territories.csv")

    assert db_session.get(Territory, "243500139", populate_existing=True).is_open


def test_relations_of_skills_hold_both_ways(db_session):
    pairs = {
        tuple(row) for row in db_session.execute(select(SkillRelation.skill_id, SkillRelation.related_id))
    }

    assert pairs
    assert {(b, a) for a, b in pairs} == pairs


def test_every_skill_is_described_and_has_many_words(db_session):
    assert all(db_session.scalars(select(Skill.description)))

    words = select(func.count()).select_from(SkillWord).group_by(SkillWord.skill_id)
    counts = list(db_session.scalars(words))
    assert len(counts) == 92
    assert min(counts) >= 40


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("tableur;brand", "wrong number of columns"),
        ("tableur;brand;Gnumeric;4", "wrong number of columns"),
        ("tricot;synonym;laine", "unknown skill 'tricot'"),
    ],
)
def test_a_broken_file_is_named_and_nothing_is_written(seeds, db_session, line, told):
    before = count(db_session, SkillWord)
    append(seeds / "skill_words.csv", line)

    with pytest.raises(BrokenSeed, match=told):
        reference.load(seeds)
    assert count(db_session, SkillWord) == before


def test_a_missing_file_is_named(seeds):
    (seeds / "naf.csv").unlink()

    with pytest.raises(BrokenSeed, match=r"naf\.csv"):
        reference.load(seeds)
