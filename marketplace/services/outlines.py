"""The outlines of communes and departments, from seeds/.

A process reads each file once and keeps it packed, one block a department: a territory unpacks a block or
two (about a millisecond), and nobody holds 35,000 outlines in the open.
"""

import gzip
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import groupby

from marketplace.settings import ROOT

SEEDS = ROOT / "seeds"
_PREFIX = 2  # characters of a code that name its block: the department, but overseas

Ring = tuple[tuple[float, float], ...]
Outline = tuple[Ring, ...]


def of_communes(insees: Iterable[str]) -> dict[str, Outline]:
    """Return the rings (longitude, latitude in degrees) of each commune that has an outline.

    A hole is a ring too: fill by the even-odd rule. Codes that nobody knows are left out.
    """
    return _read("communes_outlines.csv.gz", insees)


@cache
def of_departments() -> Mapping[str, Outline]:
    """Return the rings of all departments, by code, as of_communes() does."""
    blocks = _blocks("departments_outlines.csv.gz")
    lines = (line for block in blocks.values() for line in _lines(block))
    return {code: _parse(rings) for code, rings in lines}


def _read(file: str, codes: Iterable[str]) -> dict[str, Outline]:
    wanted = set(codes)
    blocks = _blocks(file)
    prefixes = sorted({code[:_PREFIX] for code in wanted} & blocks.keys())
    lines = (line for prefix in prefixes for line in _lines(blocks[prefix]))
    return {code: _parse(rings) for code, rings in lines if code in wanted}


@cache
def _blocks(file: str) -> dict[str, bytes]:
    with gzip.open(SEEDS / file, "rt", encoding="ascii") as lines:
        next(lines)
        blocks = groupby(lines, key=lambda line: line[:_PREFIX])
        return {prefix: zlib.compress("".join(block).encode(), level=1) for prefix, block in blocks}


def _lines(block: bytes) -> list[tuple[str, str]]:
    lines = (line.partition(";") for line in zlib.decompress(block).decode().splitlines())
    return [(code, rings) for code, _, rings in lines]


def _parse(rings: str) -> Outline:
    return tuple(tuple(_point(pair) for pair in ring.split()) for ring in rings.split("|"))


def _point(pair: str) -> tuple[float, float]:
    lon, _, lat = pair.partition(",")
    return float(lon), float(lat)
