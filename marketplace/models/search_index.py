"""What keeps search right inside the database: whoever writes a listing, by any statement, search follows.

The view `search_source` says what search knows of each listing online; triggers copy it to `search_entry` in
the transaction of the change. They are no part of the tables: `flask db upgrade` takes them down first, as
SQLite cannot rebuild a table that a view reads, and puts them up again (migrations/env.py).
"""
# ruff: noqa: S608 (nothing from outside enters these statements)

from collections.abc import Callable, Iterator

# SQLite's full-text index of `search_entry`; FTS5 keeps tables of its own beside it, named after it.
FULL_TEXT = "search_text"
_OF_POSTGRESQL = ("ix_search_entry_title", "ix_search_entry_text")
# Runs one statement. The statements hold no ":" and no "%", which would be read as marks of parameters.
Execute = Callable[[str], object]

_FACTS = (
    "listing_id", "organisation_id", "kind", "skill_id", "skill_2_id", "skill_3_id", "territory_siren",
    "sector_code", "commune_insee", "places", "lat", "lon", "published_at", "expires_at",
)  # fmt: skip
_ENTRY = ", ".join((*_FACTS, "title", "text"))
# The columns that an entry is made from.
_OF_LISTING = (
    "state", "kind", "organisation_id", "skill_id", "territory_siren", "sector_code", "commune_insee",
    "places", "lat", "lon", "published_at", "expires_at", "title", "description",
)  # fmt: skip
_OF_ORGANISATION = ("name", "suspended_at")
_OF_COMMUNE = ("name",)
# Skills stand in the text by number: the words for them can change and no entry with them.
_SKILLS = (
    "' skill' || listing.skill_id || coalesce(' skill' || second.skill_id, '') "
    "|| coalesce(' skill' || third.skill_id, '')"
)
_TEXT = "listing.title || ' ' || listing.description || ' ' || organisation.name || ' ' || commune.name"
_SECONDS = {
    "postgresql": "CAST(extract(epoch FROM {0}) AS double precision)",
    "sqlite": "(julianday({0}) - 2440587.5) * 86400.0",
}
# As services.text.fold does it: neither database folds by itself.
_ACCENTED = "àáâãäåçèéêëìíîïñòóôõöùúûüýÿÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜÝŸ"
_PLAIN = "aaaaaaceeeeiiiinooooouuuuyy" * 2
_LIGATURES = (("œ", "oe"), ("Œ", "oe"), ("æ", "ae"), ("Æ", "ae"))
_BETWEEN_WORDS = (
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\t\n\r«»“”„‘’‹›–—…•·°€£§\u00a0\u2009\u200a\u200b\u202f\ufeff"
)
# SQLite's parser stops at a hundred levels; each call takes several.
_NESTED_CALLS = 20
# Words worth comparing with a typing slip.
_WORD_MIN, _WORD_MAX = 3, 30


def put_up(execute: Execute, dialect: str) -> None:
    """Make the view and the triggers; the tables must be there."""
    for statement in _postgresql() if dialect == "postgresql" else _sqlite():
        execute(statement)


def take_down(execute: Execute, dialect: str) -> None:
    """Drop the view and the triggers, those that are there."""
    if dialect == "postgresql":
        for function in ("listing_added", "listing_changed", "skills", "organisation", "commune"):
            execute(f"DROP FUNCTION IF EXISTS search_{function}() CASCADE")
        execute("DROP FUNCTION IF EXISTS search_refresh(integer[])")
    else:
        for name in ("added", "removed", *(name for name, *_ in _sqlite_sources())):
            execute(f"DROP TRIGGER IF EXISTS search_{name}")
    execute("DROP VIEW IF EXISTS search_source")


def rebuild(execute: Execute, dialect: str) -> None:
    """Write every entry and every word anew."""
    execute("DELETE FROM search_entry")
    execute("DELETE FROM search_word")
    if dialect == "postgresql":
        execute("SELECT search_refresh(ARRAY(SELECT id FROM listing))")
    else:
        execute(_copied("listing_id > 0"))


def is_compared(_item: object, name: str | None, kind: str, _reflected: bool, _with: object) -> bool:
    """Say whether Alembic compares it with the models: not what one of the databases has for itself."""
    of_sqlite = kind == "table" and name is not None and name.startswith(FULL_TEXT)
    return not of_sqlite and name not in _OF_POSTGRESQL


def _source(dialect: str, title: str, text: str) -> str:
    """Return the SELECT of what is online; `title` and `text`: expressions."""
    # The plus keeps SQLite, which has no statistics, from reading all that is online by an index on states.
    state = "+listing.state" if dialect == "sqlite" else "listing.state"
    published, expires = (_SECONDS[dialect].format(f"listing.{name}") for name in _FACTS[-2:])
    return f"""
        SELECT listing.id AS listing_id, listing.organisation_id, listing.kind, listing.skill_id,
            second.skill_id AS skill_2_id, third.skill_id AS skill_3_id, listing.territory_siren,
            listing.sector_code, listing.commune_insee, listing.places, listing.lat, listing.lon,
            {published} AS published_at, {expires} AS expires_at,
            {title} AS title, {text} AS text, {_SKILLS} AS skills
        FROM listing
        JOIN organisation ON organisation.id = listing.organisation_id
        JOIN commune ON commune.insee = listing.commune_insee
        LEFT JOIN listing_skill AS second ON second.listing_id = listing.id AND second.rank = 1
        LEFT JOIN listing_skill AS third ON third.listing_id = listing.id AND third.rank = 2
        WHERE {state} = 'published' AND organisation.suspended_at IS NULL"""


def _copied(condition: str) -> str:
    return f"INSERT INTO search_entry ({_ENTRY}) SELECT {_ENTRY} FROM search_source WHERE {condition}"


# --- SQLite ---


def _sqlite() -> Iterator[str]:
    yield f"CREATE VIEW search_source AS {_sqlite_source()}"
    for name, event, affected in _sqlite_sources():
        yield f"""
            CREATE TRIGGER search_{name} AFTER {event}
            BEGIN
                DELETE FROM search_entry WHERE listing_id IN (SELECT id FROM listing WHERE {affected});
                {_copied(f"listing_id IN (SELECT id FROM listing WHERE {affected})")};
            END"""
    # A virtual table has no foreign key to follow.
    yield f"""
        CREATE TRIGGER search_removed AFTER DELETE ON search_entry
        BEGIN
            INSERT INTO {FULL_TEXT} ({FULL_TEXT}, rowid, title, text)
            VALUES ('delete', OLD.id, OLD.title, OLD.text);
        END"""
    yield f"""
        CREATE TRIGGER search_added AFTER INSERT ON search_entry
        BEGIN
            INSERT INTO {FULL_TEXT} (rowid, title, text) VALUES (NEW.id, NEW.title, NEW.text);
            INSERT INTO search_word (word)
            SELECT DISTINCT value FROM json_each({_words_as_json("NEW.text")})
            WHERE length(value) BETWEEN {_WORD_MIN} AND {_WORD_MAX} AND value NOT GLOB '*[^a-z]*'
                AND NOT EXISTS (SELECT 1 FROM search_word WHERE word = value);
        END"""


def _sqlite_sources() -> Iterator[tuple[str, str, str]]:
    """Yield each trigger: its name, what fires it, which listings it concerns."""
    yield "listing_added", "INSERT ON listing WHEN NEW.state = 'published'", "id = NEW.id"
    yield (
        "listing_changed",
        f"UPDATE OF {', '.join(_OF_LISTING)} ON listing "
        f"WHEN 'published' IN (OLD.state, NEW.state) AND ({_differs(_OF_LISTING)})",
        "id = NEW.id",
    )
    yield "skill_added", "INSERT ON listing_skill", "id = NEW.listing_id"
    yield "skill_changed", "UPDATE ON listing_skill", "id = NEW.listing_id"
    yield "skill_removed", "DELETE ON listing_skill", "id = OLD.listing_id"
    yield (
        "organisation",
        f"UPDATE ON organisation WHEN {_differs(_OF_ORGANISATION)}",
        "organisation_id = NEW.id",
    )
    yield "commune", f"UPDATE ON commune WHEN {_differs(_OF_COMMUNE)}", "commune_insee = NEW.insee"


def _differs(columns: tuple[str, ...]) -> str:
    return " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)


def _sqlite_source() -> str:
    """Return the SELECT with its texts folded: step by step, as SQLite nests only so many calls."""
    facts = ", ".join(_FACTS)
    letters = [*_LIGATURES, *zip(_ACCENTED, _PLAIN, strict=True)]
    swaps = [(f"'{old}'", f"'{new}'") for old, new in letters]
    swaps += [(f"char({ord(mark)})", "' '") for mark in _BETWEEN_WORDS]
    steps = [_source("sqlite", "lower(listing.title)", f"lower({_TEXT})")]
    for start in range(0, len(swaps), _NESTED_CALLS):
        title, text = "title", "text"
        for old, new in swaps[start : start + _NESTED_CALLS]:
            title, text = f"replace({title}, {old}, {new})", f"replace({text}, {old}, {new})"
        steps.append(f"SELECT {facts}, {title} AS title, {text} AS text, skills FROM step_{len(steps) - 1}")
    named = ", ".join(f"step_{number} AS ({step})" for number, step in enumerate(steps))
    return f"WITH {named} SELECT {facts}, title, text || skills AS text FROM step_{len(steps) - 1}"


def _words_as_json(text: str) -> str:
    """Return folded words as a JSON array: SQLite's one way to cut a text. A stray mark makes it empty."""
    array = f"""'["' || replace({text}, ' ', '","') || '"]'"""
    return f"CASE WHEN json_valid({array}) THEN {array} ELSE '[]' END"


# --- PostgreSQL ---


def _postgresql() -> Iterator[str]:
    source = _source("postgresql", _folded("listing.title"), f"{_folded(_TEXT)} || {_SKILLS}")
    yield f"CREATE VIEW search_source AS {source}"
    documents = ", ".join((*_FACTS, *(f"to_tsvector('french', {name})" for name in ("title", "text"))))
    # Listings are locked before their entries are written, so that two who touch the same take turns.
    yield f"""
        CREATE FUNCTION search_refresh(changed integer[]) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            IF cardinality(changed) = 0 THEN
                RETURN;
            END IF;
            PERFORM 1 FROM listing WHERE id = ANY (changed) ORDER BY id FOR NO KEY UPDATE;
            DELETE FROM search_entry WHERE listing_id = ANY (changed);
            INSERT INTO search_entry ({_ENTRY})
            SELECT {documents} FROM search_source WHERE listing_id = ANY (changed) ORDER BY listing_id;
            INSERT INTO search_word (word)
            SELECT DISTINCT said.word FROM search_source, regexp_split_to_table(text, ' ') AS said (word)
            WHERE listing_id = ANY (changed) AND said.word ~ '^[a-z]{{{_WORD_MIN},{_WORD_MAX}}}$'
                AND NOT EXISTS (SELECT 1 FROM search_word AS known WHERE known.word = said.word)
            ORDER BY said.word ON CONFLICT DO NOTHING;
        END $$"""
    yield _function("listing_added", "SELECT id FROM changed WHERE state = 'published'")
    yield _function(
        "listing_changed",
        "SELECT changed.id FROM changed JOIN was ON was.id = changed.id "
        f"WHERE 'published' IN (was.state, changed.state) AND {_distinct(_OF_LISTING)}",
    )
    yield _function("skills", "SELECT DISTINCT listing_id FROM changed")
    yield _function(
        "organisation",
        "SELECT listing.id FROM listing JOIN changed ON changed.id = listing.organisation_id "
        f"JOIN was ON was.id = changed.id WHERE {_distinct(_OF_ORGANISATION)}",
    )
    yield _function(
        "commune",
        "SELECT listing.id FROM listing JOIN changed ON changed.insee = listing.commune_insee "
        f"JOIN was ON was.insee = changed.insee WHERE {_distinct(_OF_COMMUNE)}",
    )
    added, both = "NEW TABLE AS changed", "OLD TABLE AS was NEW TABLE AS changed"
    yield _trigger("listing_added", "INSERT", "listing", added, "listing_added")
    yield _trigger("listing_changed", "UPDATE", "listing", both, "listing_changed")
    yield _trigger("skill_added", "INSERT", "listing_skill", added, "skills")
    yield _trigger("skill_changed", "UPDATE", "listing_skill", added, "skills")
    yield _trigger("skill_removed", "DELETE", "listing_skill", "OLD TABLE AS changed", "skills")
    yield _trigger("organisation", "UPDATE", "organisation", both, "organisation")
    yield _trigger("commune", "UPDATE", "commune", both, "commune")


def _function(name: str, affected: str) -> str:
    return f"""
        CREATE FUNCTION search_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM search_refresh(ARRAY({affected}));
            RETURN NULL;
        END $$"""


def _trigger(name: str, event: str, table: str, rows: str, function: str) -> str:
    return (
        f"CREATE TRIGGER search_{name} AFTER {event} ON {table} REFERENCING {rows} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION search_{function}()"
    )


def _distinct(columns: tuple[str, ...]) -> str:
    was, now = (", ".join(f"{side}.{column}" for column in columns) for side in ("was", "changed"))
    return f"({was}) IS DISTINCT FROM ({now})"


def _folded(text: str) -> str:
    for old, new in _LIGATURES:
        text = f"replace({text}, '{old}', '{new}')"
    return f"regexp_replace(translate(lower({text}), '{_ACCENTED}', '{_PLAIN}'), '[^a-z0-9]+', ' ', 'g')"
