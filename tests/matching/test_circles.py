"""Exchange circles: the best packing of disjoint cycles, against brute force."""

from functools import cache
from itertools import permutations
from time import monotonic

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.matching import pack_circles, pack_circles_within
from marketplace.matching.circles import best_packing
from marketplace.matching.cycles import find_cycles, graph_of
from marketplace.matching.packing import SEARCHED_FROM

MOST = 7
examples = settings(max_examples=150, deadline=None)


@st.composite
def graphs(draw):
    """Draw edges, with doubles and loops, whose weights are often equal."""
    n = draw(st.integers(0, MOST))
    vertex = st.integers(0, max(n - 1, 0))
    weight = st.sampled_from([0.25, 0.5, 0.75, 1.0]) | st.floats(0.01, 1.0)
    edges = draw(st.lists(st.tuples(vertex, vertex, weight), max_size=40)) if n else []
    return edges, n


def columns(edges):
    return [list(column) for column in zip(*edges, strict=True)] or [[], [], []]


def heaviest(edges):
    best = {}
    for source, target, weight in edges:
        best[source, target] = max(best.get((source, target), 0.0), weight)
    return best


def turns(circle):
    return list(zip(circle, circle[1:] + circle[:1], strict=True))


def weight_of(circle, edges):
    return sum(heaviest(edges)[turn] for turn in turns(circle))


def best_weight(edges, n, max_length):
    """Return the weight of the best packing, by trying them all."""
    known = heaviest(edges)
    cycles = [
        (sum(1 << v for v in circle), sum(known[turn] for turn in turns(circle)))
        for length in range(2, max_length + 1)
        for circle in permutations(range(n), length)
        if circle[0] == min(circle) and all(turn in known for turn in turns(circle))
    ]

    @cache
    def best(free):
        if not free:
            return 0.0
        first = free & -free
        without = best(free & ~first)
        return max(
            [without]
            + [
                weight + best(free & ~members)
                for members, weight in cycles
                if members & first and members & free == members
            ]
        )

    return best((1 << n) - 1)


@examples
@given(graph=graphs(), max_length=st.integers(2, 4))
def test_no_packing_weighs_more(graph, max_length):
    edges, n = graph

    circles = pack_circles(*columns(edges), n, max_length=max_length)

    found = sum(weight_of(circle, edges) for circle in circles)
    assert found == pytest.approx(best_weight(edges, n, max_length), abs=1e-6)


@examples
@given(graph=graphs(), max_length=st.integers(2, 4))
def test_circles_are_disjoint_cycles_of_the_lengths_asked_for_from_their_smallest_member(graph, max_length):
    edges, n = graph

    circles = pack_circles(*columns(edges), n, max_length=max_length)

    members = [v for circle in circles for v in circle]
    assert len(members) == len(set(members))
    assert all(2 <= len(circle) <= max_length and circle[0] == min(circle) for circle in circles)
    assert all(turn in heaviest(edges) for circle in circles for turn in turns(circle))
    assert circles == sorted(circles)


@examples
@given(graph=graphs(), seed=st.integers(0, 2**32))
def test_the_order_of_edges_does_not_matter(graph, seed):
    edges, n = graph
    order = np.random.default_rng(seed).permutation(len(edges))

    assert pack_circles(*columns(edges), n) == pack_circles(*columns([edges[k] for k in order]), n)


@examples
@given(graph=graphs(), seconds=st.sampled_from([None, 0.0, 10.0]))
def test_the_bound_and_the_gap_are_proven_and_hold_without_time_too(graph, seconds):
    edges, n = graph

    packing = pack_circles_within(*columns(edges), n, seconds=seconds)

    best = best_weight(edges, n, 3)
    assert packing.weight == pytest.approx(sum(weight_of(circle, edges) for circle in packing.circles))
    assert packing.weight <= best + 1e-6
    assert packing.bound >= best - 1e-6
    assert packing.gap == pytest.approx(packing.bound / packing.weight - 1 if packing.weight else 0, abs=1e-6)
    if seconds != 0:
        assert packing.gap <= 1e-6


def test_a_large_graph_is_packed_in_time_and_nearly_as_well_as_can_be():
    random = np.random.default_rng(1)
    source, target = random.integers(0, 400, (2, 10_000))
    weight = random.uniform(0.5, 1.0, 10_000)
    start = monotonic()

    packing = pack_circles_within(source, target, weight, 400, seconds=2.0)

    assert monotonic() - start < 20
    assert 0 < packing.gap < 0.03


def test_a_round_packs_the_same_circles_again_whatever_the_clock_says():
    random = np.random.default_rng(2)
    source, target = random.integers(0, 400, (2, 10_000))
    cycles = find_cycles(graph_of(source, target, random.uniform(0.5, 1.0, 10_000), 400), 3)

    one, other = (best_packing(cycles, is_exact=False) for _ in range(2))

    assert len(cycles) > SEARCHED_FROM
    assert one == other
    assert one.gap < 0.03


def test_of_equal_circles_the_shorter_is_taken():
    three = [(0, 1, 0.5), (1, 2, 0.5), (2, 0, 0.5)]
    two = [(1, 0, 1.0)]

    assert pack_circles(*columns(three + two), 3) == [(0, 1)]


def test_of_two_ways_round_that_weigh_the_same_the_smaller_is_taken():
    one_way, the_other = [(0, 1), (1, 2), (2, 0)], [(0, 2), (2, 1), (1, 0)]
    heavier = [(a, b, 0.6) for a, b in one_way] + [(a, b, 0.6) for a, b in the_other]

    assert pack_circles(*columns(heavier), 3) == [(0, 1, 2)]


def test_two_circles_of_two_can_be_worth_more_than_the_one_that_looks_best():
    edges = [(0, 1, 0.7), (1, 0, 0.7), (1, 2, 1.0), (2, 1, 1.0), (2, 3, 0.7), (3, 2, 0.7)]

    assert pack_circles(*columns(edges), 4) == [(0, 1), (2, 3)]


def test_vertices_without_edges_cost_nothing():
    n = 10**12

    assert pack_circles([n - 1, 5], [5, n - 1], [1.0, 1.0], n) == [(5, n - 1)]


def test_many_small_groups_are_solved_each_for_itself():
    n = 3_000
    pairs = np.arange(n).reshape(-1, 3)
    source = np.concatenate((pairs[:, 0], pairs[:, 1], pairs[:, 1], pairs[:, 2]))
    target = np.concatenate((pairs[:, 1], pairs[:, 0], pairs[:, 2], pairs[:, 1]))
    weight = np.repeat([0.5, 0.5, 0.6, 0.6], len(pairs))

    circles = pack_circles(source, target, weight, n)

    assert circles == [(b, c) for _, b, c in pairs.tolist()]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"source": [0, 2]}, "source"),
        ({"source": [0, -1]}, "source"),
        ({"source": [0.5, 1]}, "source"),
        ({"source": [[0, 1]]}, "source"),
        ({"target": [1, 2]}, "target"),
        ({"weight": [1.0]}, "weight"),
        ({"weight": [1.0, 0.0]}, "weight"),
        ({"weight": [1.0, -1.0]}, "weight"),
        ({"weight": [1.0, np.nan]}, "weight"),
        ({"weight": [1.0, np.inf]}, "weight"),
        ({"weight": ["a", "b"]}, "weight"),
        ({"n": -1}, "n must"),
        ({"n": 2.5}, "n must"),
        ({"max_length": 1}, "max_length"),
        ({"max_length": 5}, "max_length"),
        ({"max_length": True}, "max_length"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
    ],
)
def test_bad_input_is_refused_by_name(change, name):
    arguments = {"source": [0, 1], "target": [1, 0], "weight": [1.0, 1.0], "n": 2} | change

    with pytest.raises(ValueError, match=name):
        pack_circles_within(**arguments)


def test_no_edges_make_no_circles():
    assert pack_circles([], [], [], 0) == []
    assert pack_circles([], [], [], 5) == []
    assert pack_circles_within([0], [0], [1.0], 1).gap == 0
