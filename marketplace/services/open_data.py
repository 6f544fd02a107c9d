"""The open-data dump: CSV files, their Table Schemas, a data package, licence and checksums."""

import csv
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import current_app

from marketplace import clock
from marketplace.services.csv_cells import safe
from marketplace.services.errors import NotFound
from marketplace.services.open_data_tables import TABLES, Field, Table

LICENCE = {
    "name": "etalab-2.0",
    "title": "Licence Ouverte 2.0",
    "path": "https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
}
LICENCE_TEXT = """Licence Ouverte 2.0 (etalab-2.0)
{path}

Ces données sont mises à disposition sous la Licence Ouverte, version 2.0.
Vous pouvez les réutiliser librement, aussi pour un usage commercial, à condition d'en citer la source
et la date :

    Source : 1 besoin – 1 savoir-faire, {url}, données du {day}
"""
SUMS, PACKAGE, LICENCE_FILE, ARCHIVE = "SHA256SUMS", "datapackage.json", "LICENCE.txt", "donnees.zip"
KEPT = 2
# The earliest date that a zip holds: the same data give the same bytes.
_NO_DATE = (1980, 1, 1, 0, 0, 0)
Step = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a dump. `rows`: of a table, without its header; None of another file."""

    name: str
    title: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Dump:
    """`day`: its data are of that day."""

    folder: Path
    day: datetime
    files: tuple[File, ...]


def dump(folder: Path, *, on_step: Step = lambda _name, _fraction: None) -> Dump:
    """Write the whole dump into `folder`: the same data on the same day give the same bytes.

    Each file appears whole, the checksums last. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, table in enumerate(TABLES):
        on_step(table.title, number / len(TABLES))
        files += _write_table(folder, table)
    files.append(_write(folder, PACKAGE, "Description des fichiers (Data Package)", _json(_package(files))))
    files.append(_write(folder, LICENCE_FILE, "Licence", _licence()))
    files.append(_write_archive(folder, files))
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in sorted(files, key=lambda file: file.name))
    _write(folder, SUMS, "", sums.encode())
    return Dump(folder, clock.now(), tuple(files))


def keep_latest() -> int:
    """Make the dump that the site offers; the last KEPT ones are kept. Returns how many files it has."""
    root = Path(str(current_app.config["OPEN_DATA_FOLDER"]))
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=root))
    try:
        made = dump(draft)
        target = root / f"{clock.now():%Y%m%dT%H%M%S}"
        if target.exists():  # made twice in a second
            shutil.rmtree(target)
        draft.chmod(0o755)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for old in _kept(root)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return len(made.files)


def latest() -> Dump | None:
    """Return the newest dump that the site offers; None while there is none."""
    for folder in _kept(Path(str(current_app.config["OPEN_DATA_FOLDER"]))):
        try:
            return _read(folder)
        except (OSError, ValueError, LookupError):
            current_app.logger.warning("open data of %s is unreadable", folder.name, exc_info=True)
    return None


def path_of(name: str) -> tuple[Path, File]:
    """Return a file of the newest dump by its name. Raises NotFound."""
    found = latest()
    file = next((file for file in found.files if file.name == name), None) if found else None
    if found is None or file is None:
        raise NotFound(f"open data {name}")
    return found.folder / file.name, file


def schema(table: Table) -> dict[str, Any]:
    """Return the table's columns as Table Schema (frictionlessdata.io/specs/table-schema)."""
    return {
        "name": table.name,
        "title": table.title,
        "description": table.description,
        "fields": [_field(field) for field in table.fields],
        "primaryKey": list(table.key),
        "missingValues": [""],
    }


def _field(field: Field) -> dict[str, Any]:
    constraints = {
        "required": field.required,
        "enum": list(field.choices),
        "pattern": field.pattern,
        "minimum": field.minimum,
    }
    kept = {name: value for name, value in constraints.items() if value not in ([], "", None, False)}
    told: dict[str, Any] = {"name": field.name, "type": field.type, "description": field.description}
    return told | ({"constraints": kept} if kept else {})


def _write_table(folder: Path, table: Table) -> list[File]:
    rows = sorted(
        [[str(safe(cell)) for cell in row] for row in table.rows()], key=lambda row: _key(table, row)
    )
    with _Draft(folder, f"{table.name}.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in table.fields])
        writer.writerows(rows)
    described = _write(folder, f"{table.name}.schema.json", f"{table.title} : colonnes", _json(schema(table)))
    return [_file(folder / f"{table.name}.csv", table.title, len(rows)), described]


def _key(table: Table, row: list[str]) -> list[str]:
    names = [field.name for field in table.fields]
    return [row[names.index(name)] for name in table.key]


class _Draft:
    """A text file that appears under its name when it is whole."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.draft = folder / name, folder / f".{name}.part"

    def __enter__(self) -> Any:
        self.file = self.draft.open("w", encoding="utf-8", newline="")
        return self.file

    def __exit__(self, failed: object, *_: object) -> None:
        self.file.close()
        if failed:
            self.draft.unlink()
        else:
            os.replace(self.draft, self.path)


def _write(folder: Path, name: str, title: str, content: bytes) -> File:
    draft = folder / f".{name}.part"
    draft.write_bytes(content)
    os.replace(draft, folder / name)
    return _file(folder / name, title)


def _write_archive(folder: Path, files: list[File]) -> File:
    draft = folder / f".{ARCHIVE}.part"
    with zipfile.ZipFile(draft, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.name, _NO_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (folder / file.name).read_bytes())
    os.replace(draft, folder / ARCHIVE)
    return _file(folder / ARCHIVE, "Tous les fichiers")


def _file(path: Path, title: str, rows: int | None = None) -> File:
    content = path.read_bytes()
    return File(path.name, title, len(content), hashlib.sha256(content).hexdigest(), rows)


def _package(files: list[File]) -> dict[str, Any]:
    """Return the Data Package (frictionlessdata.io/specs/data-package) of the tables."""
    by_name = {file.name: file for file in files}
    return {
        "profile": "tabular-data-package",
        "name": "1-besoin-1-savoir-faire",
        "title": "1 besoin – 1 savoir-faire : les échanges de savoir-faire numériques",
        "homepage": str(current_app.config["PUBLIC_URL"]),
        "created": f"{_today()}T00:00:00Z",
        "licenses": [LICENCE],
        "resources": [_resource(table, by_name[f"{table.name}.csv"]) for table in TABLES],
    }


def _resource(table: Table, file: File) -> dict[str, Any]:
    return {
        "profile": "tabular-data-resource",
        "name": table.name,
        "path": file.name,
        "title": table.title,
        "description": table.description,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "header": True},
        "bytes": file.bytes,
        "hash": f"sha256:{file.sha256}",
        "rows": file.rows,
        "schema": schema(table),
    }


def _licence() -> bytes:
    told = LICENCE_TEXT.format(path=LICENCE["path"], url=current_app.config["PUBLIC_URL"], day=_today())
    return told.encode()


def _json(told: object) -> bytes:
    return (json.dumps(told, ensure_ascii=False, indent=2) + "\n").encode()


def _today() -> str:
    return clock.now().date().isoformat()


def _kept(root: Path) -> list[Path]:
    """Return the folders of whole dumps, the newest first."""
    if not root.is_dir():
        return []
    whole = [path for path in root.iterdir() if not path.name.startswith(".") and (path / SUMS).is_file()]
    return sorted(whole, key=lambda path: path.name, reverse=True)


def _read(folder: Path) -> Dump:
    package = json.loads((folder / PACKAGE).read_text(encoding="utf-8"))
    rows = {resource["path"]: (resource["title"], resource["rows"]) for resource in package["resources"]}
    titles = {
        PACKAGE: "Description des fichiers (Data Package)",
        LICENCE_FILE: "Licence",
        ARCHIVE: "Tous les fichiers, en une archive",
    }
    files = []
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ", 1)
        title, count = rows.get(name, (titles.get(name, "Colonnes (Table Schema)"), None))
        files.append(File(name, title, (folder / name).stat().st_size, digest, count))
    return Dump(folder, datetime.fromisoformat(package["created"]), tuple(files))
