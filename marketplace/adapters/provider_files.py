"""Files of labelled providers as they come: CSV of any usual encoding and delimiter, plain or gzip.

Read row by row; a line is bounded, so that no file can fill the memory.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

LINE_MAX = 1_000_000  # bytes
FILE_MAX = 1_000_000_000  # bytes once unpacked; the published lists have less than 50 million
DELIMITERS = (";", ",", "\t", "|")
_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or an archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"%PDF": "a PDF",
    b"{": "JSON",
    b"[": "JSON",
    b"<": "a web page or XML",
}
_BOM = "\ufeff"


class BrokenFile(ValueError):
    """The file cannot be read to its end as a table: nothing of it may be used."""


class Row(NamedTuple):
    """`line`: where it begins in the file, from 1. `fraction`: how much of the file is read."""

    line: int
    cells: list[str]
    fraction: float


@dataclass(frozen=True, slots=True)
class Table:
    header: Sequence[str]
    rows: Iterator[Row]


@contextmanager
def open_table(path: Path, *, is_known: Callable[[str], bool]) -> Iterator[Table]:
    """Open a file. `is_known` says whether a column has this name: by it the delimiter is found.

    Raises BrokenFile, also while rows are read: not a CSV, damaged or truncated gzip, a line too long.
    """
    try:
        with path.open("rb") as raw:
            yield _table(raw, path.stat().st_size, is_known)
    except OSError as error:
        raise BrokenFile(f"{path.name}: {error.strerror or error}") from error


def _table(raw: BinaryIO, size: int, is_known: Callable[[str], bool]) -> Table:
    lines = _lines(_unpacked(raw))
    first = next(lines, "")
    if not first.strip():
        raise BrokenFile("the file is empty, or its first line is")
    delimiter = max(DELIMITERS, key=lambda each: _worth(first, each, is_known))
    reader = csv.reader(_again(first, lines), delimiter=delimiter, strict=True)
    header = [name.strip() for name in _parsed(reader)]
    return Table(header, _rows(reader, raw, size))


def _unpacked(raw: BinaryIO) -> BinaryIO:
    is_packed = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    stream: BinaryIO = gzip.GzipFile(fileobj=raw) if is_packed else raw  # type: ignore[assignment]
    start = _read(stream).removeprefix(_BOM.encode()).lstrip()
    for mark, kind in _FOREIGN.items():
        if start.startswith(mark):
            raise BrokenFile(f"this is {kind}: export it as CSV")
    stream.seek(0)
    return stream


def _read(stream: BinaryIO, limit: int = 64) -> bytes:
    """Return the next line, `limit` bytes at most."""
    try:
        return stream.readline(limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BrokenFile(f"the gzip file is truncated or damaged: {error}") from error


def _lines(stream: BinaryIO) -> Iterator[str]:
    number = total = 0
    spare = "cp1252"
    while line := _read(stream, LINE_MAX + 1):
        number, total = number + 1, total + len(line)
        if len(line) > LINE_MAX:
            raise BrokenFile(f"line {number} has more than {LINE_MAX:,} bytes")
        if total > FILE_MAX:
            raise BrokenFile(f"the file has more than {FILE_MAX:,} bytes")
        if b"\0" in line:
            raise BrokenFile(f"line {number} is no text: export the file as CSV in UTF-8")
        if number == 1 and line.startswith(_BOM.encode()):
            line, spare = line.removeprefix(_BOM.encode()), "utf-8"
        yield _decoded(line, spare)


def _decoded(line: bytes, spare: str) -> str:
    """Line by line, for some published files mix encodings: accents in cp1252 are hardly ever UTF-8 too."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode(spare, "replace")


def _worth(line: str, delimiter: str, is_known: Callable[[str], bool]) -> tuple[int, int]:
    """Return how many columns are known when the line is cut so, then how many there are."""
    try:
        names = next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return 0, 0
    return sum(is_known(name) for name in names), len(names)


def _again(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _parsed(reader: Iterator[list[str]]) -> list[str]:
    try:
        return next(reader)
    except csv.Error as error:
        line: int = reader.line_num  # type: ignore[attr-defined]
        raise BrokenFile(f"line {line}: {error}: a quotation mark that is not closed?") from error


def _rows(reader: Iterator[list[str]], raw: BinaryIO, size: int) -> Iterator[Row]:
    while True:
        line: int = reader.line_num + 1  # type: ignore[attr-defined]
        try:
            cells = _parsed(reader)
        except StopIteration:
            return
        if any(cells):
            yield Row(line, cells, min(1.0, raw.tell() / size))
