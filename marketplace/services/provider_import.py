"""Bringing a list of providers into the site: all of it or nothing, again and again without doubles.

The file is read and judged first, outside any transaction, and what changed is put aside in a temporary file:
the site goes on meanwhile, and a file that breaks at its last line has changed nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, TextIO

from sqlalchemy import Select, Table, bindparam, delete, exists, insert, select, update

from marketplace import clock
from marketplace.adapters.provider_files import BrokenFile, Row, open_table
from marketplace.extensions import db
from marketplace.models import (
    Provider,
    ProviderLabel,
    ProviderLabelTheme,
    ProviderList,
    ProviderOptOut,
)
from marketplace.services import commune_index, provider_lists, provider_themes
from marketplace.services.market import chunks
from marketplace.services.provider_lists import ListFormat
from marketplace.services.provider_rows import LeftOut, Record, Refused, RowReader
from marketplace.services.text import fold
from marketplace.services.work import Work, unit_of_work

OnProgress = Callable[[str, float], None]
# More than this share of a list gone at once looks like the wrong file.
RETIRED_MAX = 0.3
# More subjects than any list has: a column of names read as one of subjects.
THEMES_MAX = 3000
BATCH = 1000
_DATES = ("valid_from", "valid_until")


class TooManyRetired(ValueError):
    """The file lacks so many of the list's providers that it looks like the wrong one."""


class Overtaken(ValueError):
    """Another import of the same list ended while this one read its file."""


@dataclass(frozen=True, slots=True)
class Rejection:
    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What became of the rows. `left_out`: not for this site; `opted_out`: asked not to be here."""

    name: str
    dry_run: bool
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    retired: int = 0
    left_out: int = 0
    opted_out: int = 0
    rejected: list[Rejection] = field(default_factory=list)

    def to_text(self) -> str:
        counts = ("added", "updated", "unchanged", "retired", "left_out", "opted_out")
        told = ", ".join(f"{getattr(self, name)} {name.replace('_', ' ')}" for name in counts)
        lines = [f"{self.name}: {told}, {len(self.rejected)} rejected"]
        lines += [f"  line {each.line}: {each.reason}" for each in self.rejected]
        return "\n".join([*lines, "dry run: nothing was written"] if self.dry_run else lines)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


class _Known(NamedTuple):
    """A label of the list as the database has it."""

    label_id: int
    digest: str
    stands: bool


def run(
    form: ListFormat,
    path: Path,
    *,
    data_on: date | None = None,
    dry_run: bool = False,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Bring the list up to what the file says, as of `data_on` (today).

    Raises BrokenFile, TooManyRetired unless `force`, Overtaken: then nothing is written. Rows that cannot be
    used are in the report. O(rows); memory for keys only.
    """
    tell = on_progress or (lambda _name, _fraction: None)
    data_on = data_on or clock.now().date()
    with TemporaryFile("w+", encoding="utf-8") as aside:
        reading = _Reading(form, aside, dry_run=dry_run)
        reading.read(path, tell)
        reading.require_few_retired(force=force)
        db.session.rollback()
        if not dry_run:
            aside.seek(0)
            _write(reading, data_on, tell)
    return reading.report


class _Reading:
    """Judges each row against what the database holds, and puts aside those that are new or changed."""

    def __init__(self, form: ListFormat, aside: TextIO, *, dry_run: bool) -> None:
        self.form, self.aside = form, aside
        self.report = ImportReport(form.name, dry_run)
        known = db.session.get(ProviderList, form.slug)
        self.version = known.version if known else 0
        self.known = _known(form.slug)
        self.standing = sum(label.stands for label in self.known.values())
        self.opted_out = set(db.session.scalars(select(ProviderOptOut.identifier)))
        self.changed = 0
        self.themes: dict[str, str] = {}
        self._lines: dict[str, int] = {}

    def read(self, path: Path, tell: OnProgress) -> None:
        mapped = provider_themes.mapped()
        with open_table(path, is_known=self._is_known_column) as table:
            reader = RowReader(
                self.form,
                table.header,
                today=clock.now().date(),
                communes=commune_index.current(),
                is_mapped=mapped.__contains__,
            )
            for row in table.rows:
                self._judge(reader, row)
                if row.line % BATCH == 0:
                    tell("reading", row.fraction)
                if len(reader.themes) > THEMES_MAX:
                    raise BrokenFile(f"more than {THEMES_MAX} subjects: is their column the right one?")
        self.themes = reader.themes
        if not self._lines and not self.report.left_out:
            raise BrokenFile("no row of this file can be used" if self.report.rejected else "no row")

    def require_few_retired(self, *, force: bool) -> None:
        gone = [label.label_id for label in self.known.values() if label.stands]
        self.report.retired = len(gone)
        if self.standing and len(gone) / self.standing > RETIRED_MAX and not force:
            raise TooManyRetired(
                f"{len(gone)} of {self.standing} providers are not in this file, over {RETIRED_MAX:.0%}: "
                "is it the whole list? --force brings it in all the same"
            )

    @property
    def gone(self) -> list[int]:
        return [label.label_id for label in self.known.values() if label.stands]

    def _is_known_column(self, name: str) -> bool:
        return fold(name) in self.form.known_names

    def _judge(self, reader: RowReader, row: Row) -> None:
        try:
            record = reader.read(row.cells)
            self._require_first(record, row.line)
        except LeftOut:
            self.report.left_out += 1
        except Refused as refusal:
            self.report.rejected.append(Rejection(row.line, str(refusal)))
            # It is in the list all the same: what was known of it stays.
            self.known.pop(reader.record_key(row.cells), None)
        else:
            self._sort(record)

    def _require_first(self, record: Record, line: int) -> None:
        siret = record.facts.siret
        names = {f"SIRET {siret}": record.provider_key} if siret else {}
        names[f"its number {record.record_key}"] = record.record_key
        for name, key in names.items():
            if key in self._lines:
                raise Refused(f"{name} stands already at line {self._lines[key]}")
        self._lines.update(dict.fromkeys(names.values(), line))

    def _sort(self, record: Record) -> None:
        siren = record.facts.siren
        if f"{self.form.slug}:{record.record_key}" in self.opted_out or f"siren:{siren}" in self.opted_out:
            self.report.opted_out += 1
            return
        text = record.to_json()
        known = self.known.pop(record.record_key, None)
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        if known and known.stands and known.digest == digest:
            self.report.unchanged += 1
            return
        if known and known.stands:
            self.report.updated += 1
        else:
            self.report.added += 1
        self.changed += 1
        self.aside.write(f"{known.label_id if known else 0} {digest} {text}\n")


def _known(slug: str) -> dict[str, _Known]:
    columns = (
        ProviderLabel.record_key,
        ProviderLabel.id,
        ProviderLabel.digest,
        ProviderLabel.withdrawn_on.is_(None),
    )
    rows = db.session.execute(select(*columns).where(ProviderLabel.list_slug == slug))
    return {key: _Known(label_id, digest, bool(stands)) for key, label_id, digest, stands in rows}


def _write(reading: _Reading, data_on: date, tell: OnProgress) -> None:
    with unit_of_work() as work:
        listed = _next_version(work, reading, data_on)
        themes = provider_themes.add(work, reading.themes)
        writer = _Writer(reading.form, themes)
        for number, batch in enumerate(chunks(_told(reading.aside), BATCH)):
            writer.write(batch)
            tell("writing", number * BATCH / reading.changed)
        for ids in chunks(reading.gone, BATCH):
            work.session.execute(
                update(ProviderLabel).where(ProviderLabel.id.in_(ids)).values(withdrawn_on=data_on)
            )
        mark_retired(work)
        _audit(work, listed, reading.report)


def mark_retired(work: Work) -> None:
    """Bring retired_at up to date: set where no label stands, empty where one does."""
    stands = exists().where(ProviderLabel.provider_id == Provider.id, ProviderLabel.withdrawn_on.is_(None))
    gone = update(Provider).where(Provider.retired_at.is_(None), ~stands)
    back = update(Provider).where(Provider.retired_at.is_not(None), stands)
    options = {"synchronize_session": False}
    work.session.execute(gone.values(retired_at=clock.now()), execution_options=options)
    work.session.execute(back.values(retired_at=None), execution_options=options)


def _next_version(work: Work, reading: _Reading, data_on: date) -> ProviderList:
    form = reading.form
    listed = work.session.get(ProviderList, form.slug, populate_existing=True, with_for_update=True)
    if (listed.version if listed else 0) != reading.version:
        raise Overtaken(f"{form.name} was imported by somebody else meanwhile: run it again")
    if listed is None:
        listed = ProviderList(slug=form.slug)
        work.session.add(listed)
    listed.name, listed.publisher, listed.url = form.name, form.publisher, form.url
    listed.data_on, listed.imported_at, listed.version = data_on, clock.now(), reading.version + 1
    report = reading.report
    listed.standing = reading.standing + report.added - report.retired
    work.session.flush()
    return listed


def _audit(work: Work, listed: ProviderList, report: ImportReport) -> None:
    counts = {name: getattr(report, name) for name in ("added", "updated", "unchanged", "retired")}
    counts["rejected"] = len(report.rejected)
    work.audit("providers.imported", listed, by=None, after=counts)


def _told(aside: TextIO) -> Iterator[dict[str, Any]]:
    for line in aside:
        label_id, digest, text = line.split(" ", 2)
        yield {**json.loads(text), "digest": digest, "label_id": int(label_id)}


class _Writer:
    """Writes records in bulk. `themes`: ids by folded text."""

    def __init__(self, form: ListFormat, themes: dict[str, int]) -> None:
        self.form, self.themes = form, themes
        self.rank_of = provider_lists.ranks()
        self.now = clock.now()

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        providers = self._write_providers(records)
        labels = self._write_labels(records, providers)
        known = [each["label_id"] for each in records if each["label_id"]]
        db.session.execute(delete(ProviderLabelTheme).where(ProviderLabelTheme.label_id.in_(known)))
        links = [
            {"label_id": label_id, "theme_id": self.themes[theme]}
            for label_id, each in zip(labels, records, strict=True)
            for theme in each["themes"]
        ]
        _execute(insert(_table(ProviderLabelTheme)), links)

    def _write_providers(self, records: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Write the facts of those that are new or whose facts this list gives; return all ids by key."""
        here = _owners([each["provider_key"] for each in records])
        new = [self._facts(each) for each in records if each["provider_key"] not in here]
        own = [
            {"of_id": here[each["provider_key"]].id, **self._changing(each)}
            for each in records
            if each["provider_key"] in here and self._gives_facts(here[each["provider_key"]])
        ]
        _update(Provider, own)
        _insert(Provider, new)
        keys = [each["provider_key"] for each in records]
        return _ids(select(Provider.key, Provider.id).where(Provider.key.in_(keys)))

    def _write_labels(self, records: Sequence[dict[str, Any]], providers: dict[str, int]) -> list[int]:
        """Write the labels; return their ids in the order of the records."""
        rows = [self._label(each, providers[each["provider_key"]]) for each in records]
        pairs = list(zip(records, rows, strict=True))
        _update(ProviderLabel, [{"of_id": e["label_id"], **row} for e, row in pairs if e["label_id"]])
        _insert(ProviderLabel, [row for each, row in pairs if not each["label_id"]])
        query = select(ProviderLabel.record_key, ProviderLabel.id)
        keys = [each["record_key"] for each in records]
        ids = _ids(query.where(ProviderLabel.list_slug == self.form.slug, ProviderLabel.record_key.in_(keys)))
        return [ids[key] for key in keys]

    def _gives_facts(self, owner: "_Owner") -> bool:
        if owner.list_slug == self.form.slug or not owner.stands:
            return True
        return self.form.rank < self.rank_of(owner.list_slug)

    def _facts(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**self._changing(record), "key": record["provider_key"], "created_at": self.now}

    def _changing(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record["facts"], "list_slug": self.form.slug, "updated_at": self.now}

    def _label(self, record: dict[str, Any], provider_id: int) -> dict[str, Any]:
        label = record["label"]
        dates = {name: date.fromisoformat(label[name]) if label[name] else None for name in _DATES}
        return {
            **label,
            **dates,
            "provider_id": provider_id,
            "list_slug": self.form.slug,
            "record_key": record["record_key"],
            "digest": record["digest"],
            "withdrawn_on": None,
        }


class _Owner(NamedTuple):
    """A provider that is there, the list that gives its facts, and whether it still stands in that list."""

    id: int
    list_slug: str
    stands: bool


def _owners(keys: Sequence[str]) -> dict[str, _Owner]:
    stands = exists().where(
        ProviderLabel.provider_id == Provider.id,
        ProviderLabel.list_slug == Provider.list_slug,
        ProviderLabel.withdrawn_on.is_(None),
    )
    columns = (Provider.key, Provider.id, Provider.list_slug, stands.label("stands"))
    query = select(*columns).where(Provider.key.in_(keys))
    return {row.key: _Owner(row.id, row.list_slug, bool(row.stands)) for row in db.session.execute(query)}


def _table(model: type[Any]) -> Table:
    table: Table = model.__table__
    return table


def _execute(statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        db.session.connection().execute(statement, rows)


def _update(model: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Update by id, which each row holds as `of_id`."""
    table = _table(model)
    _execute(update(table).where(table.c.id == bindparam("of_id")), rows)


def _insert(model: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    _execute(insert(_table(model)), rows)


def _ids(query: Select[str, int]) -> dict[str, int]:
    """Asked after the insert: SQLite would return them one statement a row."""
    return dict(db.session.execute(query).all())
