"""The market of this process in memory, so that the counterparts of a listing are found at once.

Read once per process, then kept right: each question asks the database which version of the market it sees
(services.journal) and reads the few listings that changed since. What expires with time alone is left out
when it is asked for. Threads take turns. A large market is kept in a file (services.live_snapshot) for the
processes that start later; without one it is read by a thread of its own. Until it is there, or when too much
changed, callers ask the database themselves.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread

import numpy as np
from flask import Flask, current_app
from numpy.typing import NDArray
from sqlalchemy import func, select

from marketplace import clock
from marketplace.extensions import db
from marketplace.matching import Board
from marketplace.models import Listing, ListingKind
from marketplace.services import journal, live_snapshot, market
from marketplace.services.journal import Version
from marketplace.services.market import Columns, Policies, Reference, chunks

# Up to so many listings online are read by whoever asks first: some hundredths of a second.
READ_AT_ONCE = 2_000
# Read at a time by the thread, so that requests get their turn between.
SLICE = 4_000
# The file is written anew after so many versions: reading it and what changed since stays quick.
KEPT_EVERY = 1_000
_EXTENSION = "live_index"


@dataclass(frozen=True, slots=True)
class Counterparts:
    """A listing (one row, or none when it is not open) and those of the other side, as market.columns()."""

    mine: Columns
    theirs: Columns


@dataclass(frozen=True, slots=True)
class _Index:
    """All listings online, those without room included, as of a version."""

    version: Version
    reference: Reference
    boards: dict[ListingKind, Board]

    def __len__(self) -> int:
        return sum(len(board) for board in self.boards.values())

    @classmethod
    def empty(cls, known: Reference) -> "_Index":
        return cls(journal.version(), known, {kind: Board(len(known.skills)) for kind in ListingKind})


@dataclass(slots=True)
class _Holder:
    lock: Lock = field(default_factory=Lock)
    index: _Index | None = None
    reader: Thread | None = None
    # The number of the version in the file, once this process has looked; None: not yet.
    kept: int | None = None


def counterparts(listing: Listing, *, known: Reference, using: Policies) -> Counterparts | None:
    """Return an open listing and the open ones that it may meet; None: ask the database.

    All that the rules of one of the policies accept are there, and others that they refuse. `known`:
    market.reference().
    """
    with _index(known) as index:
        if index is None:
            return None
        ours, theirs = index.boards[listing.kind], index.boards[listing.kind.opposite]
        mine = ours.take(_open(ours, ours.rows([listing.id])))
        if not len(mine["id"]):
            return Counterparts(mine, mine)
        rows = theirs.in_reach(
            market.near_skills(known, mine["skills"], using),
            levels=market.levels_facing(listing.kind, int(mine["level"][0]), using),
            lat=float(mine["lat"][0]),
            lon=float(mine["lon"][0]),
            radius_km=float(mine["radius_km"][0]),
            places=int(mine["places"][0]),
        )
        others = theirs.column("organisation", rows) != mine["organisation"][0]
        return Counterparts(mine, theirs.take(_open(theirs, rows[others])))


def of_near_skills(listing: Listing, *, known: Reference) -> Counterparts | None:
    """Return a listing and all of the other side near it in skill, wherever they are, without room too.

    None: ask the database.
    """
    with _index(known) as index:
        if index is None:
            return None
        ours, theirs = index.boards[listing.kind], index.boards[listing.kind.opposite]
        mine = ours.take(_unexpired(ours, ours.rows([listing.id])))
        rows = theirs.of_skills(market.near_skills(known, mine["skills"]))
        return Counterparts(mine, theirs.take(_unexpired(theirs, rows)))


def _open(board: Board, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    rows = _unexpired(board, rows)
    return rows[board.column("room", rows) > 0]


def _unexpired(board: Board, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[board.column("expires", rows) > market.microseconds(clock.now())]


@contextmanager
def _index(known: Reference) -> Iterator[_Index | None]:
    """Hold the index while it is used, as new as what this transaction sees or newer."""
    holder = _holder()
    with holder.lock:
        if holder.index is None and holder.kept is None:
            holder.index = _from_file(holder, known)
        holder.index = _up_to_date(holder.index, known)
        if holder.index is None:
            _start_reading(holder, known)
        elif _is_worth_keeping(holder.index, holder.kept or 0):
            _keep(holder, holder.index)
        yield holder.index


def _up_to_date(index: _Index | None, known: Reference) -> _Index | None:
    """Bring the index to the version that this transaction sees; None when it must be read again."""
    if index is None or index.reference is not known:
        return None
    now = journal.version()
    if index.version.epoch == now.epoch and index.version.number >= now.number:
        return index
    changed = journal.changed_since(index.version, now)
    if changed is None:
        return None
    for some in chunks(sorted(changed)):
        for kind, board in index.boards.items():
            board.drop(some)
            board.put(market.columns(kind, Listing.id.in_(some) & market.is_online(), known=known))
    return _Index(now, known, index.boards)


def _from_file(holder: _Holder, known: Reference) -> _Index | None:
    holder.kept = 0
    kept = live_snapshot.load(known)
    if kept is None:
        return None
    version, sides = kept
    holder.kept = version.number
    boards = {kind: Board(len(known.skills)) for kind in ListingKind}
    for kind, board in boards.items():
        board.put(sides[kind])
    return _Index(version, known, boards)


def _is_worth_keeping(index: _Index, kept: int) -> bool:
    return len(index) > READ_AT_ONCE and index.version.number - kept > KEPT_EVERY


def _keep(holder: _Holder, index: _Index) -> None:
    """Write the file anew, aside: the columns are copied now, while nobody changes them."""
    holder.kept = index.version.number
    sides = {kind: board.everything() for kind, board in index.boards.items()}
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    Thread(target=_write, args=(app, index, sides), name="live-index-file", daemon=True).start()


def _write(app: Flask, index: _Index, sides: Mapping[ListingKind, Columns]) -> None:
    with app.app_context():
        try:
            live_snapshot.save(index.version, sides, index.reference)
        except OSError:
            app.logger.exception("the market in memory could not be kept in a file")


def _start_reading(holder: _Holder, known: Reference) -> None:
    if holder.reader is not None and holder.reader.is_alive():
        return
    size = db.session.scalar(select(func.count()).select_from(Listing).where(market.is_online())) or 0
    if size <= READ_AT_ONCE:
        holder.index = _read(known)
        return
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    holder.reader = Thread(target=_read_apart, args=(app, holder), name="live-index", daemon=True)
    holder.reader.start()


def _read_apart(app: Flask, holder: _Holder) -> None:
    with app.app_context():
        try:
            index = _read(market.reference())
        except Exception:
            app.logger.exception("the market could not be read; the next question tries again")
            return
        with holder.lock:
            holder.index = index
            _keep(holder, index)


def _read(known: Reference) -> _Index:
    """Return all that is online. What changes meanwhile is read again by the version, which is older."""
    index = _Index.empty(known)
    last = db.session.scalar(select(func.max(Listing.id))) or 0
    for start in range(0, last + 1, SLICE):
        some = Listing.id.between(start, start + SLICE - 1) & market.is_online()
        for kind, board in index.boards.items():
            board.put(market.columns(kind, some, known=known))
    return index


def _holder() -> _Holder:
    found: _Holder = current_app.extensions.setdefault(_EXTENSION, _Holder())
    return found
