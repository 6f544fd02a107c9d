"""From somebody's own words to skills, and the reference by domain."""

import csv

import pytest
from sqlalchemy import select, update

from marketplace.models import SeedFile, Skill, SkillWord, WordKind
from marketplace.services import skills
from marketplace.services.skill_index import SkillIndex
from tests.benchmarks.skills.__main__ import SENTENCES, right, sentences, vocabulary


@pytest.fixture(scope="module")
def index():
    slugs, words, situations = vocabulary()
    return SkillIndex(words + situations, skills=len(slugs))


def first(text):
    return skills.suggest(text)[0].slug


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("je veux vendre mes confitures sur internet", "boutique-en-ligne"),
        ("mes clients sont dans un cahier", "fichier-clients"),
        ("le wifi de l’hôtel est le même que celui de la compta", "wifi-reseau-securise"),
        ("On m’a parlé de QuickBooks", "comptabilite-en-ligne"),
        ("PAYFIT", "paie-en-ligne"),
        ("Créer et tenir à jour un site vitrine", "site-vitrine"),
    ],
)
def test_situations_brands_and_labels_lead_to_their_skill(app, text, slug):
    assert first(text) == slug


@pytest.mark.parametrize(
    "text",
    [
        "je veux vendre mes confitures sur internet",
        "JE VEUX VENDRE MES CONFITURES SUR INTERNET !!!",
        "jveux vandre mes confiture sur internett",
        "vendre des conffitures sur linternet",
    ],
)
def test_typos_capitals_and_missing_apostrophes_are_forgiven(app, text):
    assert first(text) == "boutique-en-ligne"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "???",
        "12345",
        "👍👍",
        "bonjour",
        "zzzz qqqq",
        "mon genou me fait mal",
        "\x00\x01",
    ],
)
def test_what_says_nothing_of_a_skill_gives_no_guess(app, text):
    assert skills.suggest(text) == []


def test_a_text_of_a_hundred_thousand_characters_is_read(app):
    assert len(skills.suggest("vendre en ligne " * 6_250)) == 5


def test_suggestions_come_best_first_with_a_probability(app):
    found = skills.suggest("faire un devis et une facture", limit=5)

    scores = [suggestion.score for suggestion in found]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1.001
    assert found[0].domain_slug == "gestion"


def test_no_more_are_given_than_asked(app):
    assert len(skills.suggest("faire un devis", limit=2)) == 2


def test_the_words_that_decided_are_words_of_the_sentence(app):
    words = skills.suggest("Je voudrais sauvegarder mes photos de chantier chaque nuit")[0].words

    assert "sauvegarder" in words
    assert "je" not in words


def test_new_words_count_as_soon_as_the_reference_changes(app, db_session):
    assert skills.suggest("zorglub") == []
    tableur = db_session.scalar(select(Skill.id).where(Skill.slug == "tableur"))
    digest = db_session.scalar(select(SeedFile.sha256).where(SeedFile.name == "skills.csv"))
    word = SkillWord(skill_id=tableur, kind=WordKind.BRAND, text="Zorglub")
    db_session.add(word)
    _set_digest(db_session, "0" * 64)
    try:
        assert first("zorglub") == "tableur"
    finally:
        db_session.delete(word)
        _set_digest(db_session, digest)


def test_domains_come_in_order_each_with_its_skills(app):
    domains = skills.all_by_domain()

    assert [domain.position for domain in domains] == list(range(len(domains)))
    assert sum(len(domain.skills) for domain in domains) == 92
    for domain in domains:
        positions = [skill.position for skill in domain.skills]
        assert positions == sorted(positions)


def test_sentences_never_tuned_on_are_understood(index):
    slugs, *_ = vocabulary()
    right_first, among_three, _ = right(index, sentences(slugs, "held_out"))

    assert right_first >= 0.80
    assert among_three >= 0.95


def test_the_same_sentence_is_read_the_same_twice(index):
    assert index.search("ranger mes fichiers", limit=5) == index.search("ranger mes fichiers", limit=5)


def test_no_kept_sentence_stands_in_the_vocabulary():
    _, words, situations = vocabulary()
    known = {_plain(text) for _, text in words + situations}
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        kept = [row["text"] for row in csv.DictReader(file, delimiter=";") if row["part"] == "held_out"]

    assert [text for text in kept if _plain(text) in known] == []


def _plain(text):
    return text.lower().replace("'", "’").strip()


def _set_digest(db_session, digest):
    db_session.execute(update(SeedFile).where(SeedFile.name == "skills.csv").values(sha256=digest))
    db_session.commit()
