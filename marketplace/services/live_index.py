"""The market of this process in memory, so that the counterparts of a listing are found at once.

Read once per process, then kept right: each question asks the database which version of the market it sees
(services.journal) and reads the few listings that changed since. What expires with time alone is left out when
it is asked for. Threads take turns. A large market is read by a thread of its own; until it is there, or when
too much changed, callers ask the database themselves.
"""

from collections.abc import Iterator
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
from marketplace.services import journal, market
from marketplace.services.journal import Version
from marketplace.services.market import Columns, Reference, chunks

# Up to so many listings online are read by whoever asks first: some hundredths of a second.
READ_AT_ONCE = 2_000
# Read at a time by the thread, so that requests get their turn between.
SLICE = 4_000
_EXTENSION = "live_index"


@dataclass(frozen=True, slots=True)
class _Index:
    """All listings online, those without room included, as of a version."""

    version: Version
    reference: Reference
    boards: dict[ListingKind, Board]

    @classmethod
    def empty(cls) -> "_Index":
        known = market.reference()
        return cls(journal.version(), known, {kind: Board(len(known.skills)) for kind in ListingKind})


@dataclass(slots=True)
class _Holder:
    lock: Lock = field(default_factory=Lock)
    index: _Index | None = None
    reader: Thread | None = None


def counterparts(kind: ListingKind, mine: Columns) -> Columns | None:
    """Return the open listings of the other side that a listing may meet, sorted by id; None: ask the database.

    `mine`: market.columns() of the listing, which is of this `kind`. All that the matcher's rules accept are
    there, and others that they refuse.
    """
    with _index() as index:
        if index is None:
            return None
        board = index.boards[kind.opposite]
        rows = board.in_reach(
            near_skills(index.reference, mine["skills"]),
            lat=float(mine["lat"][0]),
            lon=float(mine["lon"][0]),
            radius_km=float(mine["radius_km"][0]),
            places=int(mine["places"][0]),
        )
        now = market.microseconds(clock.now())
        is_open = (board.column("room", rows) > 0) & (board.column("expires", rows) > now)
        theirs = board.column("organisation", rows) != mine["organisation"][0]
        return board.take(rows[is_open & theirs])


def of_near_skills(kind: ListingKind, mine: Columns) -> Columns | None:
    """Return all listings of the other side near in skill, wherever they are, without room too; None as above."""
    with _index() as index:
        if index is None:
            return None
        board = index.boards[kind.opposite]
        rows = board.of_skills(near_skills(index.reference, mine["skills"]))
        now = market.microseconds(clock.now())
        return board.take(rows[board.column("expires", rows) > now])


def near_skills(reference: Reference, skills: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which skills a policy may hold near one of these: of the same domain, or declared related."""
    near = reference.skills.similarity(related=1.0, same_domain=1.0) > 0
    return np.asarray(near[skills[skills >= 0]].any(axis=0), np.bool_)


def read() -> None:
    """Read the market now, in this thread: for a process that does not want to wait for it later."""
    holder = _holder()
    with holder.lock:
        holder.index = _read()


@contextmanager
def _index() -> Iterator[_Index | None]:
    """Hold the index while it is used, as new as what this transaction sees or newer."""
    holder = _holder()
    with holder.lock:
        holder.index = _up_to_date(holder.index)
        if holder.index is None:
            _start_reading(holder)
        yield holder.index


def _up_to_date(index: _Index | None) -> _Index | None:
    """Bring the index to the version that this transaction sees; None when it must be read again."""
    if index is None or index.reference is not market.reference():
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
            board.put(market.columns(kind, Listing.id.in_(some) & market.is_online()))
    return _Index(now, index.reference, index.boards)


def _start_reading(holder: _Holder) -> None:
    if holder.reader is not None and holder.reader.is_alive():
        return
    size = db.session.scalar(select(func.count()).select_from(Listing).where(market.is_online())) or 0
    if size <= READ_AT_ONCE:
        holder.index = _read()
        return
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    holder.reader = Thread(target=_read_apart, args=(app, holder), name="live-index", daemon=True)
    holder.reader.start()


def _read_apart(app: Flask, holder: _Holder) -> None:
    with app.app_context():
        try:
            index = _read()
        except Exception:
            app.logger.exception("the market could not be read; the next question tries again")
            return
        with holder.lock:
            holder.index = index


def _read() -> _Index:
    """Return all that is online. What changes meanwhile is read again by the version, which is older."""
    index = _Index.empty()
    last = db.session.scalar(select(func.max(Listing.id))) or 0
    for start in range(0, last, SLICE):
        some = Listing.id.between(start + 1, start + SLICE) & market.is_online()
        for kind, board in index.boards.items():
            board.put(market.columns(kind, some))
    return index


def _holder() -> _Holder:
    found: _Holder = current_app.extensions.setdefault(_EXTENSION, _Holder())
    return found
