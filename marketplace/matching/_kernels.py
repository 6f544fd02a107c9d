"""The inner loops of assignments: one source, compiled by numba where installed, plain Python elsewhere.

They compute with whole numbers in a fixed order, so that both ways give the same result to the last bit: on
arrays of int64 when compiled, on lists in plain Python, which then hold numbers of any size.
"""

from collections.abc import Callable, MutableSequence, Sequence
from functools import cache
from heapq import heappop, heappush
from importlib.util import find_spec
from typing import TypeVar, cast

import numpy as np

from marketplace.matching.validation import IntArray

_T = TypeVar("_T")
# Below, plain Python is done before numba would be loaded.
COMPILE_FROM_EDGES = 200_000


def pays(n_edges: int) -> bool:
    """Say whether so many edges are worth compiled code, and numba is there to make it."""
    return n_edges >= COMPILE_FROM_EDGES and find_spec("numba") is not None


def run(
    kernel: Callable[..., _T], read: tuple[IntArray, ...], written: tuple[IntArray, ...], *numbers: int
) -> _T:
    """Call a function of this module, compiled if that pays; it changes the arrays `written`."""
    plain = any(array.dtype != np.int64 for array in (*read, *written))
    if not plain and pays(max(len(array) for array in read)):
        return cast(_T, _compiled(kernel)(*read, *written, *numbers))
    lists = [array.tolist() for array in written]
    result = kernel(*(array.tolist() for array in read), *lists, *numbers)
    for array, values in zip(written, lists, strict=True):
        array[:] = values
    return result


@cache
def _compiled(kernel: Callable[..., _T]) -> Callable[..., _T]:
    from numba import njit  # noqa: PLC0415 (half a second: most processes never come here)

    try:
        return cast(Callable[..., _T], njit(cache=True)(kernel))
    except RuntimeError:  # no folder to keep compiled code in
        return cast(Callable[..., _T], njit(kernel))


def insert_units(  # noqa: PLR0912, PLR0915, PLR0917 (numba compiles whole functions of plain arguments)
    free: Sequence[int],
    owner: Sequence[int],
    start: Sequence[int],
    column: Sequence[int],
    worth: Sequence[int],
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
    effort: int,
) -> bool:
    """Place the units `free` one by one, each along a shortest augmenting path; change a Board in place.

    `distance` (full of `far`, more than any worth), `via_edge`, `via_unit`, by column, and `seen` (full of
    0), by row, are working space. Returns False, leaving units unplaced, once more than `effort` rows have
    been read.
    """
    nowhere, no_edge = len(price) - 1, len(worth) - 1
    heap = [(0, 0)]
    heap.clear()
    reached = [0]
    reached.clear()
    settled = [0]
    settled.clear()
    for turn in range(len(free)):
        newcomer = free[turn]
        row = owner[newcomer]
        # `best`: how far the nearest end of a path is; first of all, the newcomer goes without.
        best, end, leaver = 0, -1, newcomer
        for e in range(start[row], start[row + 1]):
            if worth[e] <= best:
                break
            best = max(best, worth[e] - price[column[e]])
        if best == 0:
            continue
        if effort < 0:
            return False
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
                effort -= 1
                base = so_far + worth[held[unit]] - price[c]
                if base < best:
                    best, end, leaver = base, -1, unit
                for e in range(start[row], start[row + 1]):
                    short = base - worth[e]
                    if short >= best:
                        break  # the edges that follow lead further still: prices are never negative
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
            unit, to_place, edge = via_unit[end], first[end] + load[end], via_edge[end]
            load[end] += 1
        else:
            unit, to_place, edge = leaver, -1, -1
        # Each unit on the path takes the place that the one before it leaves, back to the newcomer.
        while True:
            left, left_place = column[held[unit]], place[unit]
            held[unit], place[unit] = edge, to_place
            if to_place >= 0:
                member[to_place] = unit
            if unit == newcomer:
                break
            unit, to_place, edge = via_unit[left], left_place, via_edge[left]
    return True


def bid_up(  # noqa: PLR0912, PLR0917
    owner: Sequence[int],
    start: Sequence[int],
    column: Sequence[int],
    worth: Sequence[int],
    room: Sequence[int],
    first: Sequence[int],
    load: MutableSequence[int],
    member: MutableSequence[int],
    held_bid: MutableSequence[int],
    price: MutableSequence[int],
    raise_by: int,
    most_bids: int,
) -> None:
    """Auction the columns' places to units; leave in `price` prices near the optimum, within `raise_by` a
    step.

    A unit bids for its best column what makes it as good as its second best, and `raise_by` more; the lowest
    bid of a full column is driven out and bids again. The bids of a column are a heap in its part of
    `held_bid`, of the units in `member`. Ends when nobody is driven out, or after `most_bids`.
    """
    for newcomer in range(len(owner)):
        unit = newcomer
        while unit >= 0 and most_bids > 0:
            most_bids -= 1
            row = owner[unit]
            best, second, edge = 0, 0, -1
            for e in range(start[row], start[row + 1]):
                if worth[e] <= second:
                    break
                value = worth[e] - price[column[e]]
                if value > best:
                    best, second, edge = value, best, e
                elif value > second:
                    second = value
            if edge < 0:
                break
            c = column[edge]
            bid = worth[edge] - second + raise_by
            root, size = first[c], load[c]
            if size < room[c]:
                load[c] = size + 1
                driven_out = -1
                k = size
                while k > 0 and held_bid[root + (k - 1) // 2] > bid:
                    above = (k - 1) // 2
                    held_bid[root + k], member[root + k] = held_bid[root + above], member[root + above]
                    k = above
            else:
                driven_out = member[root]
                k = 0
                while 2 * k + 1 < size:
                    below = 2 * k + 1
                    if below + 1 < size and held_bid[root + below + 1] < held_bid[root + below]:
                        below += 1
                    if held_bid[root + below] >= bid:
                        break
                    held_bid[root + k], member[root + k] = held_bid[root + below], member[root + below]
                    k = below
            held_bid[root + k], member[root + k] = bid, unit
            if load[c] == room[c]:
                price[c] = held_bid[root]
            unit = driven_out


def sort_short_rows(
    row: Sequence[int],
    packed: Sequence[int],
    start: Sequence[int],
    result: MutableSequence[int],
    longest: int,
) -> None:
    """Write into `result` the numbers `packed`, those of a row together, in order if at most `longest`."""
    after = [0]
    after.clear()
    after.extend(start)
    for e in range(len(row)):
        result[after[row[e]]] = packed[e]
        after[row[e]] += 1
    for r in range(len(start) - 1):
        if start[r + 1] - start[r] > longest:
            continue
        for k in range(start[r] + 1, start[r + 1]):
            number, to = result[k], k
            while to > start[r] and result[to - 1] > number:
                result[to] = result[to - 1]
                to -= 1
            result[to] = number


def take_in_order(
    need: Sequence[int], offer: Sequence[int], left: MutableSequence[int], taken: MutableSequence[int]
) -> None:
    """Give each need, −1 in `taken`, the first offer among its edges that has places left."""
    for e in range(len(need)):
        i, j = need[e], offer[e]
        if taken[i] < 0 and left[j] > 0:
            taken[i] = j
            left[j] -= 1
