"""Which numbers the public may read: none that is about a few structures, not even by taking others away."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# A number about fewer structures than this is not told.
FEWEST = 5


class Hidden(StrEnum):
    """Why a number is not told: it is about few structures, or would give such a one away."""

    FEW = "few"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Count:
    """A number, and how many structures it is about."""

    number: int = 0
    organisations: int = 0


Cell = int | Hidden


def told(count: Count, *, in_full: bool) -> Cell:
    """Return the number, or why it is not told. None at all is told: it is about nobody."""
    if in_full or not count.number or count.organisations >= FEWEST:
        return count.number
    return Hidden.FEW


def told_column(counts: Sequence[Count], *, in_full: bool) -> list[Cell]:
    """Return the cells of a column whose total is told somewhere.

    Where a cell is masked, so is the smallest that could be told: what the total leaves when the rest is
    taken off is then about FEWEST structures at least. Where no cell could be told, the total alone stays,
    which told() masks by itself.
    """
    cells = [told(count, in_full=in_full) for count in counts]
    if Hidden.FEW not in cells:
        return cells
    shown = [(count.number, index) for index, count in enumerate(counts) if _is_shown(cells[index])]
    if shown:
        cells[min(shown)[1]] = Hidden.KEPT
    return cells


def _is_shown(cell: Cell) -> bool:
    return not isinstance(cell, Hidden) and cell > 0
