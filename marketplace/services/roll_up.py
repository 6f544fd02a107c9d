"""Counts by place that tell nothing of one structure: small ones are added up to a wider place."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# A count of fewer structures could be traced back to one of them.
SMALLEST = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """A count in one place. `places`: its codes from the narrowest place to the widest.

    `about`: what is counted; `structures`: how many different ones the count comes from.
    """

    places: tuple[str, ...]
    about: tuple[str, ...]
    count: int
    structures: int


def rolled_up(cells: Iterable[Cell]) -> Iterator[tuple[int, Cell]]:
    """Yield (level, cell) for each count that SMALLEST structures or more stand behind; level 0 is narrowest.

    A cell of fewer is added to the others of its kind in the place around, which therefore counts only what
    has no line of its own. What is still too small in the widest place is left out.
    """
    left = list(cells)
    level = 0
    while left:
        for cell in sorted(left, key=lambda cell: (cell.places, cell.about)):
            if cell.structures >= SMALLEST:
                yield level, cell
        left = _widened([cell for cell in left if cell.structures < SMALLEST])
        level += 1


def _widened(cells: Sequence[Cell]) -> list[Cell]:
    """Add up cells of the same kind in the next wider place; none when there is no wider one."""
    sums: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = defaultdict(lambda: [0, 0])
    for cell in cells:
        if len(cell.places) > 1:
            total = sums[cell.places[1:], cell.about]
            total[0] += cell.count
            total[1] += cell.structures
    return [Cell(places, about, *total) for (places, about), total in sums.items()]
