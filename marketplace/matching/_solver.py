"""How assign() finds its optimum: see its notes. Checked whole numbers in, whole numbers out."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from marketplace.matching import _kernels
from marketplace.matching.validation import BoolArray, IntArray

# Rows read per unit before an instance counts as hard; others were seen to take up to two.
EASY_EFFORT = 4
# In hard instances: the auction's step as a part of the largest worth, and its bids per unit at most.
AUCTION_STEPS = 100
AUCTION_BIDS = 200
# The first lift tried, in multiples of the spread of weights, and the factor between tries.
FIRST_LIFT, NEXT_LIFT = 4, 8
# The sum of three prices fits in 64 bits up to here.
INT64_SAFE = 2**60
WORD_BITS = 63
# Up to so many edges, a row is sorted by insertion.
SHORT_ROW = 128


@dataclass(frozen=True, slots=True)
class Graph:
    """Edges, each worth `spread` (from 0) + `lift`: 1 at least."""

    need: IntArray
    offer: IntArray
    spread: IntArray
    lift: int
    n_needs: int
    capacity: IntArray

    @property
    def n_offers(self) -> int:
        return len(self.capacity)

    @property
    def worth(self) -> IntArray:
        return lifted(self.spread, self.lift)

    @property
    def degree(self) -> IntArray:
        """Edges of each offer."""
        return np.bincount(self.offer, minlength=self.n_offers)

    def with_places(self) -> "Graph":
        """Return the same without the edges to offers that have no place."""
        kept = (self.capacity > 0)[self.offer]
        if kept.all():
            return self
        return replace(self, need=self.need[kept], offer=self.offer[kept], spread=self.spread[kept])

    def gains(self, price: IntArray) -> IntArray:
        """Return the least prices of needs that go with these of offers."""
        return least(self.need, self.worth - price[self.offer], self.n_needs)

    def offer_prices(self, gain: IntArray) -> IntArray:
        """Return the least prices of offers that go with these of needs.

        An offer with more places than edges is never full: its price is 0, and its needs gain all the worth.
        """
        price = least(self.offer, self.worth - gain[self.need], self.n_offers)
        return np.where(self.degree < self.capacity, 0, price)


@dataclass(frozen=True, slots=True)
class Matching:
    """An optimum of `graph`: the offer of each need, −1 for none, and what its prices are made from.

    `column_price` holds prices of offers if `by_need`, of needs if not, for a graph of lift `lift`; where
    that is less than the graph's, `cover` says which needs and which offers cost the difference more.
    """

    graph: Graph
    assignment: IntArray
    by_need: bool
    column_price: IntArray
    lift: int
    cover: tuple[BoolArray, BoolArray] | None = None

    def prices(self) -> tuple[IntArray, IntArray]:
        """Return the prices of needs and of offers that prove the optimum."""
        lower = replace(self.graph.with_places(), lift=self.lift)
        if self.by_need:
            gain, price = lower.gains(self.column_price), self.column_price
        else:
            price = lower.offer_prices(self.column_price)
            gain = lower.gains(price)
        if self.cover:
            more = lifted(np.zeros(1, np.int64), self.graph.lift - self.lift)
            gain, price = gain + more * self.cover[0], price + more * self.cover[1]
        # An offer without places is in nobody's way, at whatever price its edges ask for.
        return gain, np.where(self.graph.capacity > 0, price, self.graph.offer_prices(gain))


def solve(graph: Graph) -> Matching:
    """Find an optimum.

    With a lift that is large beside the differences between weights (objective "coverage"), count decides
    first. A lower one most often gives as many matches, and is easier on the auction. When no more matches
    are possible at all, the optimum for the lower lift is one for any larger: between as many matches the
    lift makes no difference.
    """
    live = graph.with_places()
    spread = int(live.spread.max(initial=0))
    lift = min(graph.lift, FIRST_LIFT * spread or INT64_SAFE // 2)
    while lift < graph.lift:
        matching = _matching(replace(live, lift=lift))
        cover = _cover(live, matching.assignment)
        if cover:
            return replace(matching, graph=graph, cover=cover)
        lift = min(graph.lift, lift * NEXT_LIFT)
    return replace(_matching(live), graph=graph)


def _cover(graph: Graph, assignment: IntArray) -> tuple[BoolArray, BoolArray] | None:
    """Return the needs and offers of a least vertex cover, None if there can be more matches.

    König 1931: follow edges from needs without offer, and matches back from offers to needs. An offer with
    room that is met ends an augmenting path. Otherwise every edge leads to an offer that is met or comes from
    a need that is not, and each match touches one of them once.
    """
    n, served = graph.n_needs, np.flatnonzero(assignment >= 0)
    root, wanting = n + graph.n_offers, np.flatnonzero(assignment < 0)
    tail = np.concatenate((graph.need, n + assignment[served], np.full(len(wanting), root)))
    head = np.concatenate((n + graph.offer, served, wanting))
    arcs = csr_array((np.ones(len(tail), np.int8), (tail, head)), shape=(root + 1, root + 1))
    met = np.zeros(root + 1, np.bool_)
    met[breadth_first_order(arcs, root, return_predecessors=False)] = True
    offer_met = met[n:root]
    load = np.bincount(assignment[served], minlength=graph.n_offers)
    if (offer_met & (load < graph.capacity)).any():
        return None
    return ~met[:n] & (assignment >= 0), offer_met


@dataclass(frozen=True, slots=True)
class _Rows:
    """One side of a graph as rows of units (a need is one, an offer has one for each place), the other as
    columns.

    Attributes
    ----------
    by_need : bool
        Whether the needs are the rows.
    units : (n_rows,) int
        Units of each row.
    start : (n_rows + 1,) int
    column, worth : (n_edges + 1,) int
        Edges of each row, by falling worth and then by column. One more, worth 0, leads to one more column:
        where a unit stands while it is being placed.
    room : (n_columns,) int
        Units that each column takes.
    """

    by_need: bool
    units: IntArray
    start: IntArray
    column: IntArray
    worth: IntArray
    room: IntArray

    @property
    def owner(self) -> IntArray:
        """The row of each unit."""
        return np.repeat(np.arange(len(self.units)), self.units)

    def edges_of(self, assignment: IntArray) -> IntArray:
        """Return the edges that an assignment takes, the heaviest of each pair, in order of rows."""
        row, column = np.repeat(np.arange(len(self.units)), np.diff(self.start)), self.column[:-1]
        need, offer = (row, column) if self.by_need else (column, row)
        taken = np.flatnonzero(assignment[need] == offer)
        _, heaviest = np.unique(need[taken], return_index=True)
        return np.sort(taken[heaviest])


@dataclass(frozen=True, slots=True)
class _Board:
    """Units of rows, placed on columns or free: what insert_units() works on.

    Attributes
    ----------
    owner : (n_units,) int
        The row of each unit.
    start, column, worth
        As in _Rows.
    room, first, load : (n_columns + 1,) int
        Units that a column takes, and those it has: member[first : first + load]. The last column takes one,
        and has one.
    member : (n_places,) int
    place, held : (n_units,) int
        The place of a unit in `member` and the edge that it holds; −1 for a free one.
    price : (n_columns + 1,) int
    """

    owner: IntArray
    start: IntArray
    column: IntArray
    worth: IntArray
    room: IntArray
    first: IntArray
    load: IntArray
    member: IntArray
    place: IntArray
    held: IntArray
    price: IntArray

    @property
    def graph(self) -> tuple[IntArray, ...]:
        """What never changes."""
        return self.owner, self.start, self.column, self.worth, self.room, self.first


def _matching(graph: Graph) -> Matching:
    """Insert the units of the smaller side; where that proves hard, start again from an auction."""
    places = np.minimum(graph.degree, graph.capacity)
    by_need = bool(np.count_nonzero(np.bincount(graph.need, minlength=1)) <= places.sum())
    rows = _rows(graph, by_need=by_need)
    board = _board(rows, *_opening(rows))
    if _insert(board, effort=EASY_EFFORT * len(board.owner)):
        return _found(graph, rows, board)
    no_unit = np.empty(0, np.int64)
    board = _board(rows, no_unit, no_unit, _auction_prices(rows))
    _insert(board)
    # The auction may have left a price on a column with room: its free places, as units, look for somebody.
    halfway = _found(graph, rows, board)
    del rows, board  # as large as all edges
    mirrored = _rows(graph, by_need=not by_need)
    edge = mirrored.edges_of(halfway.assignment)
    row = np.searchsorted(mirrored.start, edge, side="right") - 1
    unit = offsets(mirrored.units)[row] + _rank_among_equals(row)
    price = graph.gains(halfway.column_price) if by_need else graph.offer_prices(halfway.column_price)
    board = _board(mirrored, unit, edge, price)
    _insert(board)
    return _found(graph, mirrored, board)


def _found(graph: Graph, rows: _Rows, board: _Board) -> Matching:
    """Read the matching and the prices off a board."""
    placed = np.flatnonzero(board.held >= 0)
    row, column = board.owner[placed], board.column[board.held[placed]]
    need, offer = (row, column) if rows.by_need else (column, row)
    assignment = np.full(graph.n_needs, -1)
    assignment[need] = offer
    return Matching(graph, assignment, rows.by_need, board.price[:-1], graph.lift)


def _rows(graph: Graph, *, by_need: bool) -> _Rows:
    if by_need:
        row, column, room = graph.need, graph.offer, graph.capacity
        units = np.minimum(np.bincount(row, minlength=graph.n_needs), 1)
    else:
        row, column, room = graph.offer, graph.need, np.ones(graph.n_needs, np.int64)
        units = np.minimum(graph.degree, graph.capacity)
    start = offsets(np.bincount(row, minlength=len(units)))
    column, spread = _by_row(row, column, graph.spread, start)
    worth = lifted(spread, graph.lift)
    del spread  # as large as all edges
    return _Rows(by_need, units, start, np.append(column, len(room)), np.append(worth, 0), room)


def _by_row(row: IntArray, column: IntArray, spread: IntArray, start: IntArray) -> tuple[IntArray, IntArray]:
    """Return columns and spreads in the order of rows, then of falling spread, then of columns."""
    largest, last = int(spread.max(initial=0)), int(column.max(initial=0))
    bits = last.bit_length()
    if _kernels.pays(len(row)) and largest.bit_length() + bits < WORD_BITS:
        packed, keys = np.empty_like(spread), (largest - spread) << bits | column
        _kernels.run(_kernels.sort_short_rows, (row, keys, start), (packed,), SHORT_ROW)
        for r in np.flatnonzero(np.diff(start) > SHORT_ROW).tolist():
            packed[start[r] : start[r + 1]].sort()
        del keys
        sorted_column = packed & ((1 << bits) - 1)
        packed >>= bits
        return sorted_column, np.subtract(largest, packed, out=packed)
    order = falling_order(row, column, spread)
    return column[order], spread[order]


def _board(rows: _Rows, unit: IntArray, edge: IntArray, price: IntArray) -> _Board:
    """Place each `unit` on its `edge` at these prices of columns; the other units are free."""
    n_columns, owner = len(rows.room), rows.owner
    column, room = rows.column, np.append(rows.room, 1)
    first = offsets(np.minimum(np.bincount(column), room))
    board = _Board(
        owner=owner,
        start=rows.start,
        column=column,
        worth=rows.worth,
        room=room,
        first=first,
        load=np.append(np.bincount(column[edge], minlength=n_columns), 1),
        member=np.full(first[-1], -1),
        place=np.full(len(owner), -1),
        held=np.full(len(owner), -1),
        price=np.append(price, 0),
    )
    by_column = np.argsort(column[edge], kind="stable")
    unit, edge = unit[by_column], edge[by_column]
    board.held[unit] = edge
    board.place[unit] = first[column[edge]] + _rank_among_equals(column[edge])
    board.member[board.place[unit]] = unit
    return board


def _insert(board: _Board, effort: int | None = None) -> bool:
    """Place every free unit; False if that takes reading more than `effort` rows."""
    n_columns, far = len(board.price), int(board.worth.max()) + 1
    no_limit = len(board.owner) * len(board.start)
    scratch = (
        np.full_like(board.price, far),
        np.full(n_columns, -1),
        np.full(n_columns, -1),
        np.zeros(len(board.start), np.int64),
    )
    return _kernels.run(
        _kernels.insert_units,
        (np.flatnonzero(board.held < 0), *board.graph),
        (board.load, board.member, board.place, board.held, board.price, *scratch),
        far,
        no_limit if effort is None else effort,
    )


def _auction_prices(rows: _Rows) -> IntArray:
    """Return prices of columns near the optimum."""
    nobody = np.empty(0, np.int64)
    board = _board(rows, nobody, nobody, np.zeros_like(rows.worth, shape=len(rows.room)))
    bids = np.zeros_like(board.worth, shape=len(board.member))
    step = max(int(board.worth.max()) // AUCTION_STEPS, 1)
    _kernels.run(
        _kernels.bid_up,
        board.graph,
        (board.load, board.member, bids, board.price),
        step,
        AUCTION_BIDS * len(board.owner),
    )
    return board.price[:-1]


def _opening(rows: _Rows) -> tuple[IntArray, IntArray, IntArray]:
    """Let every unit bid for one of its row's best edges, down to the best edge that its row does not bid
    for.

    Return the units whose bids are the highest that their columns have room for, their edges, and the prices:
    the lowest bid of each full column. At these prices each of them has what it likes best.
    """
    n_columns, unit = len(rows.room), np.arange(rows.units.sum())
    owner = rows.owner
    edge = rows.start[owner] + unit - offsets(rows.units)[owner]
    after = rows.start[:-1] + rows.units
    next_best = np.where(after < rows.start[1:], rows.worth[after], 0)
    bid = rows.worth[edge] - next_best[owner]
    column = rows.column[edge]
    order = np.lexsort((unit, -bid, column))
    rank = _rank_among_equals(column[order])
    kept = rank < rows.room[column[order]]
    order, rank = order[kept], rank[kept]
    lowest = order[rank + 1 == rows.room[column[order]]]
    price = np.zeros_like(bid, shape=n_columns)
    price[column[lowest]] = bid[lowest]
    return order, edge[order], price


def _rank_among_equals(ordered: IntArray) -> IntArray:
    """Return the position of each element among its equals, in a sorted array."""
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))


def least(index: IntArray, bounds: IntArray, n: int) -> IntArray:
    """Return the n least numbers from 0 with bounds[k] at most that of index[k], for each k."""
    found = np.zeros_like(bounds, shape=n)
    np.maximum.at(found, index, bounds)
    return found


def lifted(units: IntArray, lift: int) -> IntArray:
    """Return units + lift; as Python integers where 64 bits may not hold the sums made of them."""
    if int(units.max(initial=0)) + lift > INT64_SAFE:
        return np.asarray(units.astype(object) + lift)
    return units + lift


def offsets(counts: IntArray) -> IntArray:
    """Return where each of so many consecutive parts begins, and the end."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))


def falling_order(row: IntArray, column: IntArray, spread: IntArray) -> IntArray:
    """Return np.lexsort((column, -spread, row)), by one sort where row and spread fit in one word."""
    bits = int(spread.max(initial=0)).bit_length()
    if int(row.max(initial=0) + 1).bit_length() + bits >= WORD_BITS:
        return np.lexsort((column, -spread, row))
    key = (row << bits) - spread
    order = np.argsort(key)
    key = key[order]
    repeats = key[1:] == key[:-1]
    tied = np.flatnonzero(np.append(repeats, False) | np.append(False, repeats))
    some = order[tied]
    order[tied] = some[np.lexsort((column[some], key[tied]))]
    return order
