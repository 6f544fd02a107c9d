"""Exchange circles: vertex-disjoint cycles."""

from dataclasses import dataclass

from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Packing:
    circles: list[tuple[int, ...]]


def pack_circles(
    source: ArrayLike, target: ArrayLike, weight: ArrayLike, n: int, *, max_length: int = 3
) -> list[tuple[int, ...]]:
    edges = set(zip(source, target, strict=True))
    seen: set[int] = set()
    found = []
    for a, b in sorted(edges):
        if a < b and (b, a) in edges and not {a, b} & seen:
            found.append((int(a), int(b)))
            seen |= {a, b}
    return found


def pack_circles_within(*_args: object, **_options: object) -> Packing:
    return Packing([])
