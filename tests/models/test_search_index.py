"""The entries of search follow their listings, whoever writes them and by whatever statement."""

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import delete, func, insert, select, text, update

from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Listing,
    ListingSkill,
    ListingState,
    Organisation,
    SearchEntry,
    SearchWord,
    search_index,
)
from marketplace.services.text import fold
from tests.support.builders import CESSON, RENNES
from tests.support.threads import in_a_thread


def entries() -> list[SearchEntry]:
    return list(db.session.scalars(select(SearchEntry).order_by(SearchEntry.listing_id)))


def indexed() -> list[int]:
    return list(db.session.scalars(select(SearchEntry.listing_id).order_by(SearchEntry.listing_id)))


def holding(word: str, field: str = "text") -> list[int]:
    """Return the listings whose indexed text holds the word."""
    if db.engine.dialect.name == "postgresql":
        matches = f"SELECT listing_id FROM search_entry WHERE {field} @@ to_tsquery('french', :word)"
        query = text(matches + " ORDER BY 1")
    else:
        matches = "SELECT rowid FROM search_text WHERE search_text MATCH :word"
        query = text(f"SELECT listing_id FROM search_entry WHERE id IN ({matches}) ORDER BY 1")
        word = f'{field} : "{word}"'
    return list(db.session.scalars(query, {"word": word}))


def run(sql: str) -> None:
    db.session.execute(text(sql))


def words() -> set[str]:
    return set(db.session.scalars(select(SearchWord.word)))


@pytest.mark.parametrize("state", ListingState)
def test_only_what_is_online_has_an_entry(market, state):
    need = market.need(state=state)
    assert indexed() == ([need.id] if state is ListingState.PUBLISHED else [])


@pytest.mark.parametrize(("before", "after"), [("draft", "published"), ("published", "paused")])
def test_a_change_of_state_by_any_statement_is_followed(market, before, after):
    need = market.need(state=ListingState(before), title="Vendre mes confitures")
    dates = {"published_at": need.submitted_at, "expires_at": need.submitted_at}
    db.session.execute(
        update(Listing).where(Listing.id == need.id).values(state=ListingState(after), **dates)
    )
    assert bool(indexed()) is (after == "published")
    assert bool(holding("confitures")) is (after == "published")


def test_sql_written_by_hand_is_followed_too(market):
    need = market.need()
    db.session.execute(text("UPDATE listing SET title = 'Filmer une recette'"))
    assert holding("recette") == [need.id]
    db.session.execute(text("DELETE FROM listing"))
    assert indexed() == holding("recette") == []


def test_an_entry_says_what_the_listing_says(market):
    organisation = market.organisation(name="Aux Œufs d’Or", commune=CESSON, sector="10.71C")
    need = market.need(
        organisation=organisation,
        title="Référencer l’atelier",
        description="Être trouvé\nsur « Google » !",
        extra_skills=["tableur", "site-vitrine"],
        places=5,
    )
    [entry] = entries()
    extra = [market.skill("tableur").id, market.skill("site-vitrine").id]
    assert (entry.skill_id, [entry.skill_2_id, entry.skill_3_id]) == (need.skill_id, extra)
    assert (entry.kind, entry.places, entry.organisation_id) == (need.kind, 5, organisation.id)
    assert (entry.territory_siren, entry.sector_code, entry.commune_insee) == (
        need.territory_siren, "10.71C", CESSON,
    )  # fmt: skip
    assert (entry.lat, entry.lon) == (need.lat, need.lon)
    assert entry.published_at == pytest.approx(need.published_at.timestamp(), abs=0.01)
    assert entry.expires_at == pytest.approx(need.expires_at.timestamp(), abs=0.01)
    for word in (
        "referencer",
        "atelier",
        "trouve",
        "google",
        "oeufs",
        "cesson",
        "sevigne",
        f"skill{extra[1]}",
    ):
        assert holding(word) == [need.id], word
    assert holding("atelier", "title") == [need.id]
    assert holding("google", "title") == []


def test_words_are_folded_as_the_site_folds_them(market):
    title = "ÀÇÉÈÊËÎÏÔÖÙÛÜ Œuvre-Ælia d’été, «où»… l'a/b_c%d:e;f 100€ (g)[h]"
    market.need(title=title, description="rien", organisation=market.organisation(name="rien"))
    expected = {word for word in fold(title).split() if len(word) >= 3 and word.isalpha()}
    assert expected <= words()


@pytest.mark.parametrize("odd", ["\x01\x02", '"', "\\", "'", "🥖", "\u0301e", "a" * 80, "\u2028"])
def test_no_character_breaks_a_write(market, odd):
    need = market.need(title=f"avant {odd} apres")
    assert holding("apres") == [need.id]


def test_the_words_of_an_old_text_find_nothing_any_more(market):
    need = market.need(title="Vendre des confitures")
    need.title = "Tenir ses comptes"
    db.session.commit()
    assert (holding("confitures"), holding("comptes")) == ([], [need.id])


def test_a_new_entry_never_takes_the_id_of_an_old_one(market):
    need = market.need()
    seen = {entries()[0].id}
    for title in ("Premier titre", "Second titre", "Premier titre"):
        need.title = title
        db.session.commit()
        seen.add(entries()[0].id)
    db.session.execute(delete(SearchEntry))
    db.session.commit()
    need.title = "Dernier titre"
    db.session.commit()
    seen.add(entries()[0].id)
    assert len(seen) == 5


def test_what_search_does_not_show_changes_no_entry(market):
    need = market.need()
    [before] = entries()
    key = before.id
    need.live_matches = 1
    db.session.execute(update(Listing).values(live_matches=1, flags=["phone"]))
    db.session.commit()
    db.session.expire_all()
    assert entries()[0].id == key


def test_many_at_once_are_followed(market):
    firm = market.organisation()
    need = market.need(organisation=firm)
    columns = [c.name for c in Listing.__table__.columns if c.name != "id"]
    source = select(*(Listing.__table__.c[name] for name in columns)).where(Listing.id == need.id)
    for _ in range(3):
        db.session.execute(insert(Listing).from_select(columns, source))
    assert len(indexed()) == 4
    db.session.execute(update(Listing).values(title="Filmer"))
    assert len(holding("filmer", "title")) == 4


def test_further_skills_are_followed(market):
    need = market.need(extra_skills=["tableur"])
    tableur, site = market.skill("tableur").id, market.skill("site-vitrine").id
    assert entries()[0].skill_2_id == tableur
    db.session.execute(update(ListingSkill).values(skill_id=site))
    db.session.expire_all()
    assert (entries()[0].skill_2_id, holding(f"skill{site}")) == (site, [need.id])
    db.session.execute(delete(ListingSkill))
    db.session.expire_all()
    assert (entries()[0].skill_2_id, holding(f"skill{site}")) == (None, [])


def test_a_suspended_structure_takes_its_listings_with_it_and_brings_them_back(market, clock):
    need = market.need()
    market.need()
    organisation = db.session.get(Organisation, need.organisation_id)
    organisation.suspended_at = clock.now
    db.session.commit()
    assert need.id not in indexed()
    assert len(indexed()) == 1
    organisation.suspended_at = None
    db.session.commit()
    assert need.id in indexed()


def test_a_structure_that_changes_its_name_is_found_by_the_new_one(market):
    need = market.need(organisation=market.organisation(name="Le Bon Pain"))
    db.session.execute(update(Organisation).values(name="La Brioche"))
    assert (holding("pain"), holding("brioche")) == ([], [need.id])


def test_a_commune_that_changes_its_name_is_found_by_the_new_one(market):
    need = market.need(organisation=market.organisation(commune=RENNES))
    db.session.execute(update(Commune).where(Commune.insee == RENNES).values(name="Roazhon"))
    assert (holding("rennes"), holding("roazhon")) == ([], [need.id])
    db.session.rollback()


def test_what_is_rolled_back_leaves_no_entry(market):
    need = market.need(title="Vendre des confitures")
    need.title = "Tenir ses comptes"
    db.session.flush()
    db.session.rollback()
    assert (holding("confitures"), holding("comptes")) == ([need.id], [])


def test_others_see_an_entry_once_it_is_committed(app, market):
    need = market.need(title="Vendre des confitures")
    need.title = "Tenir ses comptes"
    db.session.flush()
    assert in_a_thread(app, lambda: holding("comptes")) == []
    db.session.commit()
    assert in_a_thread(app, lambda: holding("comptes")) == [need.id]


def test_everything_can_be_written_anew(market):
    need = market.need(title="Vendre des confitures")
    market.need(state=ListingState.PAUSED)
    db.session.execute(delete(SearchEntry))
    db.session.execute(delete(SearchWord))
    search_index.rebuild(run, db.engine.dialect.name)
    assert indexed() == holding("confitures") == [need.id]
    assert "confitures" in words()


def test_each_word_is_kept_once(market):
    market.need(title="Vendre, vendre et VENDRE")
    market.need(title="Vendre ensuite")
    assert {"vendre", "ensuite"} <= words()
    query = select(func.count()).select_from(SearchWord).where(SearchWord.word == "vendre")
    assert db.session.scalar(query) == 1


def test_a_migration_can_rebuild_a_table_while_the_triggers_are_down(market):
    need = market.need(title="Vendre des confitures", extra_skills=["tableur"])
    dialect = db.engine.dialect.name
    search_index.take_down(run, dialect)
    operations = Operations(MigrationContext.configure(db.session.connection()))
    with operations.batch_alter_table("listing_skill", recreate="always" if dialect == "sqlite" else "auto"):
        pass
    search_index.put_up(run, dialect)
    db.session.execute(delete(ListingSkill))
    assert (entries()[0].skill_2_id, holding("confitures")) == (None, [need.id])
    db.session.rollback()
