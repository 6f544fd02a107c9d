"""The inner loop of the assignment: one source, compiled by numba where it is installed, plain Python elsewhere.

Whole numbers only, in one order: both ways give the same result to the last bit. Lists in plain Python (and then
numbers of any size), arrays of int64 when compiled.
"""

from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from heapq import heappop, heappush
from typing import cast

import numpy as np

from marketplace.matching.validation import IntArray

Kernel = Callable[..., None]


# Fewer edges are done before numba would be loaded.
COMPILE_FROM_EDGES = 200_000


@dataclass(frozen=True, slots=True)
class Board:
    """Units of rows, placed on columns or not yet; arrays of int64 (`weight` and `price` may hold Python integers).

    Attributes
    ----------
    owner : (n_units,)
        The row of each unit; units of one row share its edges.
    start : (n_rows + 1,)
    column, weight : (n_edges + 1,)
        Edges of each row by falling weight; one more of weight 0, to the last column.
    room, first, load, price : (n_columns + 1,)
        Units that a column takes, and those it has: member[first : first + load]. The price is 0 while it has
        room. The last column, of room and load 1, is where a unit stands while it is being placed.
    member : (n_places,)
    place, held : (n_units,)
        The place of each unit in `member` and the edge it holds, −1 for none.
    """

    owner: IntArray
    start: IntArray
    column: IntArray
    weight: IntArray
    room: IntArray
    first: IntArray
    load: IntArray
    member: IntArray
    place: IntArray
    held: IntArray
    price: IntArray


def insert_all(board: Board) -> tuple[IntArray, IntArray]:
    """Place every unit that holds no edge; return the edge of each unit and the price of each column."""
    far = int(board.weight.max()) + 1
    n_columns = len(board.price)
    arrays = [np.flatnonzero(board.held < 0)]
    arrays += [getattr(board, field.name) for field in fields(board)]
    arrays += [np.full_like(board.price, far), np.full(n_columns, -1), np.full(n_columns, -1)]
    arrays += [np.zeros(len(board.start), np.int64)]
    kernel = compiled() if len(board.column) >= COMPILE_FROM_EDGES and board.weight.dtype == np.int64 else None
    if kernel:
        kernel(*arrays, far)
        return board.held, board.price
    lists = [array.tolist() for array in arrays]
    insert_units(*lists, far)
    held, price = lists[10], lists[11]
    return np.array(held, np.int64), np.array(price, board.price.dtype)


def insert_units(
    free: Sequence[int],
    owner: Sequence[int],
    start: Sequence[int],
    column: Sequence[int],
    weight: Sequence[int],
    room: Sequence[int],
    first: Sequence[int],
    load: MutableSequence[int],
    member: MutableSequence[int],
    place: MutableSequence[int],
    held: MutableSequence[int],
    price: MutableSequence[int],
    distance: MutableSequence[int],
    via_edge: MutableSequence[int],
    via_unit: MutableSequence[int],
    seen: MutableSequence[int],
    far: int,
) -> None:
    """Place the units `free` one at a time, each along a shortest augmenting path; change the arrays in place.

    Parameters
    ----------
    free : units to place
    owner : the row of each unit; units of one row share its edges
    start, column, weight : edges of each row, sorted by falling weight; one last edge of weight 0 leads to the
        last column, which stands for "nowhere yet"
    room, first, load, member : how many units a column takes, and those it has: member[first : first + load]
    place, held : of each unit, its place in `member` and its edge, −1 for none
    price : of each column; 0 while it has room
    distance, via_edge, via_unit : scratch, by column; `distance` holds `far`
    seen : scratch, by row; 0
    far : more than any weight
    """
    nowhere, no_edge = len(price) - 1, len(weight) - 1
    heap = [(0, 0)]
    heap.clear()
    reached = [0]
    reached.clear()
    settled = [0]
    settled.clear()
    for turn in range(len(free)):
        newcomer = free[turn]
        row = owner[newcomer]
        # `best` is the length of the shortest way to an end: at first, that the newcomer stays alone.
        best, end, leaver = 0, -1, newcomer
        for e in range(start[row], start[row + 1]):
            if weight[e] <= best:
                break
            best = max(best, weight[e] - price[column[e]])
        if best == 0:
            continue
        held[newcomer], place[newcomer], member[first[nowhere]] = no_edge, first[nowhere], newcomer
        price[nowhere], distance[nowhere] = -best, 0
        reached.append(nowhere)
        heappush(heap, (0, nowhere))
        while heap:
            so_far, c = heappop(heap)
            if so_far >= best:
                break
            if so_far > distance[c]:
                continue
            settled.append(c)
            for m in range(first[c], first[c] + load[c]):
                unit = member[m]
                row = owner[unit]
                if seen[row] > turn:
                    continue
                seen[row] = turn + 1
                base = so_far + weight[held[unit]] - price[c]
                if base < best:
                    best, end, leaver = base, -1, unit
                for e in range(start[row], start[row + 1]):
                    short = base - weight[e]
                    if short >= best:
                        break  # lighter edges lead further still, for no price is negative
                    to = column[e]
                    length = short + price[to]
                    if length < best and length < distance[to]:
                        if distance[to] == far:
                            reached.append(to)
                        distance[to], via_edge[to], via_unit[to] = length, e, unit
                        if load[to] < room[to]:
                            best, end = length, to
                        else:
                            heappush(heap, (length, to))
        heap.clear()
        for c in settled:
            price[c] += best - distance[c]
        settled.clear()
        for c in reached:
            distance[c] = far
        reached.clear()
        if end >= 0:
            unit, hole, edge = via_unit[end], first[end] + load[end], via_edge[end]
            load[end] += 1
        else:
            unit, hole, edge = leaver, -1, -1
        while True:
            left, empty = column[held[unit]], place[unit]
            held[unit], place[unit] = edge, hole
            if hole >= 0:
                member[hole] = unit
            if unit == newcomer:
                break
            unit, hole, edge = via_unit[left], empty, via_edge[left]


@lru_cache(1)
def compiled() -> Kernel | None:
    """Return insert_units() compiled by numba, None where numba is not installed."""
    try:
        from numba import njit  # noqa: PLC0415 (half a second: most processes never come here)
    except ImportError:
        return None
    try:
        return cast(Kernel, njit(cache=True)(insert_units))
    except RuntimeError:  # no folder to keep the compiled code in
        return cast(Kernel, njit(insert_units))
