"""The short cycles of a directed graph, without those that no packing needs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from marketplace.matching.validation import FloatArray, IntArray

LENGTHS = (2, 4)
# Paths tried at a time: bounds the memory, about 30 MB.
BLOCK = 500_000


@dataclass(frozen=True, slots=True)
class Graph:
    """Edges sorted by (source, target), each pair once, no loops; `start`: where those of a vertex begin."""

    source: IntArray
    target: IntArray
    weight: FloatArray
    n: int

    @property
    def start(self) -> IntArray:
        return np.searchsorted(self.source, np.arange(self.n + 1))

    def find(self, source: IntArray, target: IntArray) -> IntArray:
        """Return the edges between these vertices, −1 where there is none."""
        keys = self.source * self.n + self.target
        wanted = source * self.n + target
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, at, -1) if len(keys) else np.full(len(wanted), -1)


@dataclass(frozen=True, slots=True)
class Cycles:
    """m cycles. `vertex`: (m, 4), smallest first, −1 after the last; `weight`: (m,), sum of the edges."""

    vertex: IntArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def length(self) -> IntArray:
        return np.asarray((self.vertex >= 0).sum(axis=1), np.int64)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Cycles":
        return Cycles(self.vertex[rows], self.weight[rows])

    def tuples(self) -> list[tuple[int, ...]]:
        return [tuple(v for v in row if v >= 0) for row in self.vertex.tolist()]


def graph_of(source: IntArray, target: IntArray, weight: FloatArray, n: int) -> Graph:
    """Sort the edges; of several edges from one vertex to another the heaviest stays, a loop never does."""
    order = np.lexsort((-weight, target, source))
    repeats = np.ones(len(order), np.bool_)
    repeats[:1] = False
    for ends in (source, target):
        in_order = ends[order]
        repeats[1:] &= in_order[1:] == in_order[:-1]
    order = order[~repeats & (source != target)[order]]
    return Graph(source[order], target[order], weight[order], n)


def find_cycles(graph: Graph, max_length: int) -> Cycles:
    """Return the cycles of 2 to `max_length` vertices that a maximum-weight packing may need.

    A cycle is left out when cycles inside its set of vertices weigh as much, so that among equals the
    shorter and then the lexicographically smaller stays. Sorted by length, then by vertices.

    Each cycle is built from its vertex of least degree outwards (Chiba and Nishizeki 1985), which keeps
    hubs from making it quadratic.
    """
    compact, vertices = _compact(graph)
    compact = _on_cycles(compact)
    ranked, names = _by_degree(compact)
    found = [_rotated(names[cycles]) for cycles in _closed_paths(ranked, max_length)]
    del ranked  # as large as all edges
    vertex = np.concatenate([_padded(cycles) for cycles in found])
    cycles = Cycles(vertex, _weights(compact, vertex))
    cycles = _undominated(cycles.take(np.lexsort((*vertex.T[::-1], cycles.length))), compact.n)
    return Cycles(np.append(vertices, -1)[cycles.vertex], cycles.weight)


def _compact(graph: Graph) -> tuple[Graph, IntArray]:
    """Number the vertices that have edges, in their order; return also the vertex of each number."""
    names = np.union1d(np.unique(graph.source), np.unique(graph.target))
    source, target = np.searchsorted(names, graph.source), np.searchsorted(names, graph.target)
    return Graph(source, target, graph.weight, len(names)), names


def _on_cycles(graph: Graph) -> Graph:
    """Keep the edges inside strongly connected components: no other lies on a cycle."""
    matrix = csr_array(
        (np.ones(len(graph.source), np.int8), (graph.source, graph.target)), shape=(graph.n, graph.n)
    )
    _, component = connected_components(matrix, directed=True, connection="strong")
    kept = component[graph.source] == component[graph.target]
    return Graph(graph.source[kept], graph.target[kept], graph.weight[kept], graph.n)


def _by_degree(graph: Graph) -> tuple[Graph, IntArray]:
    """Number the vertices by degree; return also the vertex of each number."""
    degree = np.bincount(graph.source, minlength=graph.n) + np.bincount(graph.target, minlength=graph.n)
    names = np.argsort(degree, kind="stable")
    number = np.empty(graph.n, np.int64)
    number[names] = np.arange(graph.n)
    return graph_of(number[graph.source], number[graph.target], graph.weight, graph.n), names


def _closed_paths(graph: Graph, max_length: int) -> list[IntArray]:
    """Return (m, length) arrays of cycles by length, the least number first."""
    back = graph.find(graph.target, graph.source)
    pairs = np.flatnonzero((back >= 0) & (graph.source < graph.target))
    found = [[np.column_stack((graph.source[pairs], graph.target[pairs]))], [], []]
    if max_length > LENGTHS[0]:
        for first, second, last in _around(graph):
            closes = (second != last) & (graph.find(second, last) >= 0)
            found[1].append(np.column_stack((first, second, last))[closes])
            if max_length == LENGTHS[1]:
                found[2].extend(_fours(graph, first, second, last))
    return [
        np.concatenate(group) if group else np.empty((0, k + 2), np.int64) for k, group in enumerate(found)
    ]


def _around(graph: Graph) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Yield blocks of (vertex, successor, predecessor), both of higher number than the vertex."""
    out = np.flatnonzero(graph.source < graph.target)
    into = np.flatnonzero(graph.target < graph.source)
    into = into[np.lexsort((graph.source[into], graph.target[into]))]
    first = np.searchsorted(graph.target[into], graph.source[out], side="left")
    count = np.searchsorted(graph.target[into], graph.source[out], side="right") - first
    for rows in _blocks(count):
        edge, position = _expand(first[rows], count[rows])
        edge = out[rows][edge]
        yield graph.source[edge], graph.target[edge], graph.source[into[position]]


def _fours(graph: Graph, first: IntArray, second: IntArray, last: IntArray) -> list[IntArray]:
    differ = second != last
    first, second, last = first[differ], second[differ], last[differ]
    start = graph.start
    count = start[second + 1] - start[second]
    found = []
    for rows in _blocks(count):
        path, edge = _expand(start[second[rows]], count[rows])
        path = rows[path]
        third = graph.target[edge]
        inner = np.flatnonzero((third > first[path]) & (third != last[path]))
        path, third = path[inner], third[inner]
        closes = graph.find(third, last[path]) >= 0
        path, third = path[closes], third[closes]
        found.append(np.column_stack((first[path], second[path], third, last[path])))
    return found


def _blocks(count: IntArray) -> list[IntArray]:
    """Cut the rows so that the sum of `count` in a block stays about BLOCK."""
    number = np.cumsum(count) // BLOCK
    return np.split(np.arange(len(count)), np.flatnonzero(np.diff(number)) + 1) if len(count) else []


def _expand(first: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """Return the ranges first[k] … first[k] + count[k] − 1 end to end, and the k of each element."""
    group = np.repeat(np.arange(len(count)), count)
    begin = np.cumsum(count) - count
    return group, first[group] + np.arange(len(group)) - begin[group]


def _rotated(cycles: IntArray) -> IntArray:
    """Turn each cycle so that its smallest vertex comes first."""
    columns = np.arange(cycles.shape[1])
    turn = (np.argmin(cycles, axis=1)[:, None] + columns) % cycles.shape[1]
    return np.take_along_axis(cycles, turn, axis=1)


def _padded(cycles: IntArray) -> IntArray:
    return np.pad(cycles, ((0, 0), (0, LENGTHS[1] - cycles.shape[1])), constant_values=-1)


def _weights(graph: Graph, vertex: IntArray) -> FloatArray:
    total = np.zeros(len(vertex))
    for column in range(vertex.shape[1]):
        here = np.flatnonzero(vertex[:, column] >= 0)
        after = vertex[here, (column + 1) % vertex.shape[1]]
        after = np.where(after >= 0, after, vertex[here, 0])
        total[here] += graph.weight[graph.find(vertex[here, column], after)]
    return total


def _undominated(cycles: Cycles, n: int) -> Cycles:
    """Drop cycles that others inside their set of vertices match; `cycles` sorted, shorter ones first."""
    cycles = cycles.take(cycles.weight > 0)
    sets = np.sort(cycles.vertex, axis=1)
    order = np.lexsort((-cycles.weight, *sets.T))
    new = np.ones(len(order), np.bool_)
    new[1:] = (sets[order[1:]] != sets[order[:-1]]).any(axis=1)
    cycles = cycles.take(np.sort(order[new]))
    inside = np.zeros(len(cycles))
    length, sets = cycles.length, np.sort(cycles.vertex, axis=1)[:, ::-1]
    pairs = _Lookup(sets[length == 2, :2], cycles.weight[length == 2], n)  # noqa: PLR2004
    threes = np.flatnonzero(length == 3)  # noqa: PLR2004
    for a, b in ((0, 1), (0, 2), (1, 2)):
        inside[threes] = np.maximum(inside[threes], pairs(sets[threes][:, [a, b]]))
    triples = _Lookup(sets[threes, :3], cycles.weight[threes], n)
    fours = np.flatnonzero(length == 4)  # noqa: PLR2004
    for a, b, c, d in ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2)):
        two = pairs(sets[fours][:, [a, b]]) + pairs(sets[fours][:, [c, d]])
        inside[fours] = np.maximum(inside[fours], two)
    for left_out in range(4):
        kept = [column for column in range(4) if column != left_out]
        inside[fours] = np.maximum(inside[fours], triples(sets[fours][:, kept]))
    return cycles.take(cycles.weight > inside)


class _Lookup:
    """Weights by set of vertices (sorted downwards); 0 for an unknown one."""

    def __init__(self, sets: IntArray, weight: FloatArray, n: int) -> None:
        self.n = n
        keys = self._keys(sets)
        order = np.argsort(keys)
        self.keys, self.weight = keys[order], weight[order]

    def __call__(self, sets: IntArray) -> FloatArray:
        if not len(self.keys):
            return np.zeros(len(sets))
        wanted = self._keys(sets)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.weight[at], 0.0)

    def _keys(self, sets: IntArray) -> IntArray:
        keys = np.zeros(len(sets), np.int64)
        for column in range(sets.shape[1]):
            keys = keys * self.n + sets[:, column]
        return keys
