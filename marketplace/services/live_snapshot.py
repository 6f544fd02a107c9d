"""The market in memory, kept in a file: a new process is ready at once, and reads only what changed since.

One file a database in LIVE_INDEX_FOLDER, replaced whole. A file of another database, of other skills or
sectors, or that cannot be read, is passed over: the market is then read from the database.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from flask import current_app
from numpy.typing import NDArray

from marketplace.extensions import db
from marketplace.models import ListingKind
from marketplace.services.journal import Version
from marketplace.services.market import Columns, Reference

# Changes with what the columns mean.
FORMAT = 1
_SIREN = "<U9"
Column = NDArray[Any]


def save(version: Version, sides: Mapping[ListingKind, Columns], known: Reference) -> None:
    """Keep the columns of both sides as of a version."""
    arrays = {
        f"{kind}.{name}": _plain(column) for kind, side in sides.items() for name, column in side.items()
    }
    head = {"format": FORMAT, "epoch": version.epoch, "number": version.number, "reference": _mark(known)}
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def load(known: Reference) -> tuple[Version, dict[ListingKind, Columns]] | None:
    """Return what save() kept for this database and these skills and sectors, else None."""
    try:
        with np.load(_path(), allow_pickle=False) as kept:
            head = json.loads(str(kept["head"]))
            if head["format"] != FORMAT or head["reference"] != _mark(known):
                return None
            sides: dict[ListingKind, Columns] = {kind: {} for kind in ListingKind}
            for name in kept.files:
                if name != "head":
                    kind, column = name.split(".")
                    sides[ListingKind(kind)] = {**sides[ListingKind(kind)], column: _given(kept[name])}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # none yet, or not one of ours
        return None
    return Version(head["epoch"], head["number"]), sides


def _path() -> Path:
    database = hashlib.sha256(str(db.engine.url).encode()).hexdigest()[:16]
    return Path(current_app.config["LIVE_INDEX_FOLDER"]) / f"{database}.npz"


def _mark(known: Reference) -> str:
    """Return a mark of the rows that skills and sectors have."""
    return hashlib.sha256(
        repr((sorted(known.skill_row.items()), list(known.sector_row))).encode()
    ).hexdigest()


def _plain(column: Column) -> Column:
    """Return SIRENs or None as text: a file of objects would run code when it is read."""
    if column.dtype != np.object_:
        return column
    return np.array([value or "" for value in column], _SIREN)


def _given(column: Column) -> Column:
    if column.dtype != _SIREN:
        return column
    return np.array([value or None for value in column.tolist()], np.object_)
