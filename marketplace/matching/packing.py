"""Choosing disjoint cycles of the largest weight: exactly, or nearly with a proof of how nearly.

The cycle formulation (Abraham, Blum and Sandholm 2007): a variable for each cycle, at most one cycle for
each vertex. Its linear relaxation is tight; rounding by diving and a search of large neighbourhoods (Shaw
1998) come near to it.
"""

from dataclasses import dataclass, field
from time import monotonic

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array, csr_array
from scipy.sparse.csgraph import connected_components

from marketplace.matching.cycles import Cycles
from marketplace.matching.ties import stirred
from marketplace.matching.validation import BoolArray, FloatArray, IntArray
from marketplace.matching.workers import mapped, processors

ROUNDING = 1e-9
# A dive keeps cycles of this value or more; where none has, the best part of those left.
KEPT_FROM, KEPT_PART = 0.7, 0.01
# A neighbourhood holds about so many cycles that may gain (reduced cost above), solved in so many nodes.
NEIGHBOURHOOD, MAY_GAIN, NODES = 150, -0.1, 30
# A search stops after so many sweeps that gain nothing; so many in all where the clock must not decide.
PATIENCE, SWEEPS = 3, 10
# Groups of more cycles are searched before branch and bound is tried. Its nodes where the clock must not.
SEARCHED_FROM, STEADY_NODES = 3_000, 500
# Branch and bound is only tried with so many times the time that the relaxation took: it looks at the clock
# too rarely to stop in time with less.
PROOF_TAKES = 5
# What differs less from a whole number is one.
WHOLE = 1e-6


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows of disjoint cycles, and a weight that no choice exceeds."""

    rows: IntArray
    bound: float


@dataclass(frozen=True, slots=True)
class Problem:
    """Cycles as columns of a matrix of their vertices; `deadline`: by monotonic(), None for no limit."""

    cycles: Cycles
    deadline: float | None
    members: csc_array = field(init=False)

    def __post_init__(self) -> None:
        column, place = np.nonzero(self.cycles.vertex >= 0)
        _, row = np.unique(self.cycles.vertex[column, place], return_inverse=True)
        shape = (int(row.max(initial=-1)) + 1, len(self.cycles))
        object.__setattr__(self, "members", csc_array((np.ones(len(row)), (row, column)), shape=shape))

    def __len__(self) -> int:
        return len(self.cycles)

    @property
    def weight(self) -> FloatArray:
        return self.cycles.weight

    @property
    def seconds_left(self) -> float:
        return np.inf if self.deadline is None else max(self.deadline - monotonic(), 0.0)

    def value(self, rows: IntArray) -> float:
        return float(self.weight[rows].sum())

    def vertices(self, rows: IntArray) -> IntArray:
        """Return the vertices of these cycles, end to end."""
        return np.asarray(self.members[:, rows].indices, np.int64)

    def groups(self) -> list[IntArray]:
        """Return the rows of cycles that share vertices, directly or through others; small groups first."""
        _, label = connected_components(self.members @ self.members.T, directed=False)
        of_cycle = label[self.members.indices[self.members.indptr[:-1]]]
        order = np.argsort(of_cycle, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(of_cycle[order])) + 1)
        return sorted(groups, key=len)


@dataclass(frozen=True, slots=True)
class Relaxed:
    """An optimum of the linear relaxation.

    The value of each cycle, the price of each vertex, the gain of each cycle over the prices of its vertices
    (0 at most, up to rounding), and the seconds it took.
    """

    value: FloatArray
    price: FloatArray
    gain: FloatArray
    seconds: float

    @property
    def bound(self) -> float:
        """What no choice exceeds: it holds for any prices from 0, however they were found."""
        return float(self.price.sum() + np.maximum(self.gain, 0.0).sum())

    @property
    def is_whole(self) -> bool:
        return bool((np.abs(self.value - np.rint(self.value)) < WHOLE).all())


def chosen_cycles(cycles: Cycles, *, deadline: float | None = None, is_exact: bool = True) -> Chosen:
    """Choose disjoint cycles of the largest weight.

    `deadline`: when to stop, by monotonic(). `is_exact`: without a deadline, go on until the optimum is
    proven; else do an amount of work that depends on the cycles only, never on the clock.
    """
    whole = Problem(cycles, deadline)
    if not len(whole):
        return Chosen(np.empty(0, np.int64), 0.0)
    simple = by_exchanges(whole)
    relaxed = _relaxed(whole, np.arange(len(whole)), seconds=whole.seconds_left)
    if relaxed is None:
        return Chosen(simple, max(_easy_bound(whole), whole.value(simple)))

    def settled(rows: IntArray) -> Chosen:
        part = Problem(cycles.take(rows), deadline)
        price = relaxed.price[np.unique(whole.vertices(rows))]
        seconds = relaxed.seconds * len(rows) / len(whole)
        of_part = Relaxed(relaxed.value[rows], price, relaxed.gain[rows], seconds)
        floor = np.flatnonzero(np.isin(rows, simple))
        chosen = _settled(part, of_part, floor, is_exact)
        return Chosen(rows[chosen.rows], chosen.bound)

    parts = list(mapped(settled, whole.groups(), processors()))
    return Chosen(np.concatenate([part.rows for part in parts]), sum(part.bound for part in parts))


def _settled(problem: Problem, relaxed: Relaxed, floor: IntArray, is_exact: bool) -> Chosen:
    """Choose among cycles that all hang together; never worse than `floor`."""
    if relaxed.is_whole:
        rows = np.flatnonzero(relaxed.value > 0.5)  # noqa: PLR2004
        return Chosen(rows, max(relaxed.bound, problem.value(rows)))
    has_clock, is_large = problem.deadline is not None, len(problem) > SEARCHED_FROM
    is_steady = not (is_exact or has_clock)
    has_time = problem.seconds_left > PROOF_TAKES * relaxed.seconds
    best, bound = floor, relaxed.bound
    if is_steady or (has_clock and (is_large or not has_time)):
        found = _searched(problem, _dive(problem, relaxed), relaxed, sweeps=SWEEPS if is_steady else None)
        best = max(best, found, key=problem.value)
    if has_time and not (is_steady and is_large):
        everything, nodes = np.arange(len(problem)), STEADY_NODES if is_steady else None
        found, proven = _solved(problem, everything, seconds=problem.seconds_left, nodes=nodes)
        best, bound = max(best, found, key=problem.value), min(bound, proven)
    return Chosen(best, max(bound, problem.value(best)))


def by_exchanges(problem: Problem) -> IntArray:
    """Take the heaviest cycles per member one by one, then put cycles in the place of lighter ones."""
    cycles = problem.cycles
    order = np.lexsort((np.arange(len(cycles)), -cycles.weight / cycles.length))
    rows = _first_that_fit(problem, order, np.zeros(problem.members.shape[0], np.bool_))
    while True:
        owner = np.full(problem.members.shape[0] + 1, -1)
        owner[problem.vertices(rows)] = np.repeat(rows, cycles.length[rows])
        better = _exchanges(problem, owner)
        if not len(better):
            return np.sort(rows)
        leaving = np.unique(owner[problem.vertices(better)])
        rows = np.concatenate((np.setdiff1d(rows, leaving), better))


def _exchanges(problem: Problem, owner: IntArray) -> IntArray:
    """Return cycles worth more than those that hold their vertices, none touching what another touches."""
    pointer, vertex = problem.members.indptr, problem.members.indices
    held = np.full((len(problem.cycles), 4), -1)
    lengths = problem.cycles.length
    for place in range(4):
        has = np.flatnonzero(lengths > place)
        held[has, place] = owner[vertex[pointer[has] + place]]
    held = np.sort(held, axis=1)
    counts = held >= 0
    counts[:, 1:] &= held[:, 1:] != held[:, :-1]
    lost = np.where(counts, problem.weight[held], 0.0).sum(axis=1)
    gain = problem.weight - lost
    order = np.flatnonzero(gain > ROUNDING)
    order = order[np.lexsort((order, -gain[order]))]
    touched: set[int] = set()
    better = []
    for row in order.tolist():
        owners = {int(one) for one in held[row] if one >= 0}
        touches = owners | {-2 - int(v) for v in vertex[pointer[row] : pointer[row + 1]]}
        if touched.isdisjoint(touches):
            touched |= touches
            better.append(row)
    return np.array(better, np.int64)


def _first_that_fit(problem: Problem, order: IntArray, taken: BoolArray) -> IntArray:
    """Return the cycles of `order` that meet neither `taken` nor an earlier one; mark theirs as taken."""
    pointer, vertex = problem.members.indptr.tolist(), problem.members.indices.tolist()
    marks = taken.tolist()
    rows = []
    for row in order.tolist():
        mine = vertex[pointer[row] : pointer[row + 1]]
        if not any(marks[v] for v in mine):
            rows.append(row)
            for v in mine:
                marks[v] = True
    taken[:] = marks
    return np.array(rows, np.int64)


def _rows_used(problem: Problem, columns: IntArray) -> csr_array:
    matrix = problem.members[:, columns].tocsr()
    return matrix[np.flatnonzero(np.diff(matrix.indptr))]


def _solved(
    problem: Problem, columns: IntArray, *, seconds: float = np.inf, nodes: int | None = None
) -> tuple[IntArray, float]:
    """Return the best choice found among these cycles, and a bound of it."""
    nothing = np.empty(0, np.int64)
    if not len(columns) or seconds <= 0:
        return nothing, float(problem.weight[columns].sum())
    options: dict[str, float] = {"mip_rel_gap": 0.0}
    options |= {"time_limit": seconds} if np.isfinite(seconds) else {}
    options |= {"node_limit": nodes} if nodes else {}
    matrix = _rows_used(problem, columns)
    solved = milp(
        -problem.weight[columns],
        integrality=np.ones(len(columns)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, ub=np.ones(matrix.shape[0])),
        options=options,
    )
    found = nothing if solved.x is None else columns[solved.x > 0.5]  # noqa: PLR2004
    bound = np.inf if solved.mip_dual_bound is None else -solved.mip_dual_bound
    return found, float(bound)


def _relaxed(
    problem: Problem, columns: IntArray, *, seconds: float = np.inf, method: str = "highs-ipm"
) -> Relaxed | None:
    """Solve the linear relaxation over these cycles; None if the time is too short."""
    if seconds <= 0:
        return None
    start = monotonic()
    matrix = _rows_used(problem, columns)
    solved = linprog(
        -problem.weight[columns],
        A_ub=matrix,
        b_ub=np.ones(matrix.shape[0]),
        method=method,
        options={"time_limit": seconds} if np.isfinite(seconds) else {},
    )
    if solved.status != 0:
        return None
    price = np.maximum(-solved.ineqlin.marginals, 0.0)
    gain = problem.weight[columns] - matrix.T @ price
    return Relaxed(solved.x, price, gain, monotonic() - start)


def _easy_bound(problem: Problem) -> float:
    """Return a bound without solving: each vertex pays its part of the best cycle that it is in."""
    part = problem.weight / np.diff(problem.members.indptr)
    price = np.zeros(problem.members.shape[0])
    np.maximum.at(price, problem.members.indices, np.repeat(part, np.diff(problem.members.indptr)))
    return float(price.sum())


def _dive(problem: Problem, relaxed: Relaxed) -> IntArray:
    """Round: keep what the relaxation takes nearly whole, relax the rest again, until nothing is left."""
    taken = np.zeros(problem.members.shape[0], np.bool_)
    columns = np.flatnonzero(relaxed.gain > 3 * MAY_GAIN)
    value = relaxed.value[columns]
    rows = []
    while len(columns):
        order = np.lexsort((columns, -value))
        order = order[value[order] > ROUNDING]
        sure = int((value[order] >= KEPT_FROM).sum())
        order = order[: sure or max(1, int(len(order) * KEPT_PART))]
        rows.append(_first_that_fit(problem, columns[order], taken))
        columns = columns[problem.members[:, columns].T @ taken.astype(np.float64) == 0]
        again = (
            _relaxed(problem, columns, seconds=problem.seconds_left, method="highs-ds")
            if len(columns)
            else None
        )
        if again is None or not len(order):
            break
        value = again.value
    rows.append(_first_that_fit(problem, np.argsort(-relaxed.gain, kind="stable"), taken))
    return np.sort(np.concatenate(rows))


def _searched(problem: Problem, rows: IntArray, relaxed: Relaxed, *, sweeps: int | None) -> IntArray:
    """Solve neighbourhoods, apart from each other, where the choice is worth less than its vertices cost."""
    idle, sweep = 0, 0
    while idle < PATIENCE and (sweeps is None or sweep < sweeps) and problem.seconds_left > 0:
        areas = _Areas(problem, rows, relaxed, turn=sweep)
        better = list(mapped(areas.best, areas.worth_a_try, processors()))
        improved = areas.replaced(better)
        idle = 0 if problem.value(improved) > problem.value(rows) + ROUNDING else idle + 1
        rows = improved
        sweep += 1
    return rows


class _Areas:
    """Neighbourhoods that share no vertex, grown from vertices that cost more than they bring."""

    def __init__(self, problem: Problem, rows: IntArray, relaxed: Relaxed, *, turn: int) -> None:
        self.problem, self.rows, self.relaxed = problem, rows, relaxed
        useful = np.flatnonzero(relaxed.gain > MAY_GAIN)
        label = self._grown(useful, self._losing(), turn)
        low, high = self._extremes(label)
        self.area = np.where((low == high) & (low >= 0), low, -1)
        within = self.area >= 0
        held = np.zeros(len(label), np.bool_)
        held[problem.vertices(rows[~within[rows]])] = True
        free = useful[within[useful]]
        free = free[problem.members[:, free].T @ held.astype(np.float64) == 0]
        order = np.argsort(self.area[free], kind="stable")
        self.columns, self.area_of = free[order], self.area[free][order]
        n_areas = int(label.max(initial=-1)) + 1
        mine = rows[within[rows]]
        self.now = np.bincount(self.area[mine], problem.weight[mine], minlength=n_areas)
        vertices = np.flatnonzero((label >= 0) & ~held)
        most = np.bincount(label[vertices], relaxed.price[vertices], minlength=n_areas)
        most += np.bincount(self.area_of, np.maximum(relaxed.gain[self.columns], 0.0), minlength=n_areas)
        self.worth_a_try = [int(area) for area in np.flatnonzero(most > self.now + ROUNDING)]

    def best(self, area: int) -> IntArray:
        start, end = np.searchsorted(self.area_of, [area, area + 1])
        columns = self.columns[start:end]
        return _solved(self.problem, columns, seconds=self.problem.seconds_left, nodes=NODES)[0]

    def replaced(self, better: list[IntArray]) -> IntArray:
        """Return the rows with those of an area replaced where that adds weight."""
        won = [
            (area, rows)
            for area, rows in zip(self.worth_a_try, better, strict=True)
            if self.problem.value(rows) > self.now[area] + ROUNDING
        ]
        gone = np.isin(self.area[self.rows], [area for area, _ in won])
        return np.sort(np.concatenate([self.rows[~gone], *(rows for _, rows in won)]))

    def _losing(self) -> IntArray:
        """Return the vertices that are in no cycle though they cost something, or in one that costs more."""
        losing = self.relaxed.price > ROUNDING
        losing[self.problem.vertices(self.rows[self.relaxed.gain[self.rows] >= -ROUNDING])] = False
        return np.flatnonzero(losing)

    def _grown(self, useful: IntArray, seeds: IntArray, turn: int) -> IntArray:
        """Return the area of each vertex, −1 for none; `turn` decides which seeds come first."""
        label = [-1] * self.problem.members.shape[0]
        columns = self.problem.members[:, useful]
        first, vertex = columns.indptr.tolist(), columns.indices.tolist()
        rows = columns.tocsr()
        begin, column = rows.indptr.tolist(), rows.indices.tolist()
        area = 0
        for seed in seeds[np.argsort(stirred(seeds + turn * len(label)), kind="stable")].tolist():
            if label[seed] >= 0:
                continue
            label[seed] = area
            queue, met, at = [seed], set[int](), 0
            while at < len(queue) and len(met) < NEIGHBOURHOOD:
                for c in column[begin[queue[at]] : begin[queue[at] + 1]]:
                    if c in met:
                        continue
                    met.add(c)
                    for v in vertex[first[c] : first[c + 1]]:
                        if label[v] < 0:
                            label[v] = area
                            queue.append(v)
                at += 1
            area += 1
        return np.array(label, np.int64)

    def _extremes(self, label: IntArray) -> tuple[IntArray, IntArray]:
        """Return the lowest and the highest label of each cycle."""
        labels = label[self.problem.members.indices]
        starts = self.problem.members.indptr[:-1]
        return np.minimum.reduceat(labels, starts), np.maximum.reduceat(labels, starts)
