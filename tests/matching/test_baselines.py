"""Simpler rules: greedy by weight, and first come first served."""

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from marketplace.matching import Edges, _kernels, assign, first_come, greedy
from tests.matching.graphs import Market, markets, random_market

RULES = {"greedy": greedy, "first come": first_come}
examples = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["compiled", "plain Python"])
def engine(request, monkeypatch):
    if request.param == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setattr(_kernels, "COMPILE_FROM_EDGES", 0 if request.param == "compiled" else sys.maxsize)


@pytest.fixture(params=RULES)
def rule(request):
    return RULES[request.param]


def edges_of(market: Market) -> Edges:
    return Edges(market.need, market.offer, np.zeros(len(market.need)), market.weight)


def taken(rule, market: Market) -> list[int]:
    return rule(edges_of(market), market.n_needs, market.capacity).tolist()


def one_by_one(market: Market, order: list[int]) -> list[int]:
    """Take the edges in this order, as a person would."""
    left, found = market.capacity.tolist(), [-1] * market.n_needs
    for e in order:
        i, j = int(market.need[e]), int(market.offer[e])
        if found[i] < 0 and left[j]:
            found[i] = j
            left[j] -= 1
    return found


@examples
@given(market=markets(most_needs=10, most_offers=8, most_edges=40))
def test_greedy_takes_the_heaviest_edge_that_is_still_free(engine, market):
    units = np.maximum(np.rint(market.weight * 1e9), 1)
    order = sorted(range(len(units)), key=lambda e: (-units[e], market.need[e], market.offer[e]))
    assert taken(greedy, market) == one_by_one(market, order)


@examples
@given(market=markets(most_needs=10, most_offers=8, most_edges=40))
def test_first_come_lets_each_need_choose_in_turn(engine, market):
    units = np.maximum(np.rint(market.weight * 1e9), 1)
    order = sorted(range(len(units)), key=lambda e: (market.need[e], -units[e], market.offer[e]))
    assert taken(first_come, market) == one_by_one(market, order)


@examples
@given(market=markets())
def test_no_rule_beats_the_optimum(rule, market):
    _, weight = market.value(np.array(taken(rule, market), np.int64))
    _, best = market.value(assign(*market.arguments))
    assert weight <= best


@examples
@given(market=markets())
def test_greedy_gives_at_least_half_of_the_optimum(market):
    _, weight = market.value(np.array(taken(greedy, market), np.int64))
    _, best = market.value(assign(*market.arguments))
    assert 2 * weight >= best


def test_greedy_keeps_a_pair_that_the_optimum_gives_up(engine):
    market = Market(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.9, 0.8, 0.7]), 2, np.array([1, 1]))
    assert taken(greedy, market) == [0, -1]
    assert assign(*market.arguments).tolist() == [1, 0]


def test_the_first_need_takes_the_offer_that_the_second_wanted_more(engine):
    market = Market(np.array([0, 1]), np.array([0, 0]), np.array([0.2, 0.9]), 2, np.array([1]))
    assert taken(first_come, market) == [0, -1]
    assert taken(greedy, market) == [-1, 0]


def test_the_order_of_edges_makes_no_difference(engine, rule):
    random = np.random.default_rng(1)
    market = random_market(random, 200, 100, 1500, weights="ties")
    shuffled = market.with_edges(random.permutation(1500))
    assert taken(rule, shuffled) == taken(rule, market)


def test_nobody_is_served_without_edges(rule):
    nothing = Edges(*(np.empty(0, np.int64),) * 2, *(np.empty(0),) * 2)
    assert rule(nothing, 0, np.empty(0, np.int64)).tolist() == []
    assert rule(nothing, 2, np.array([1])).tolist() == [-1, -1]


def test_the_capacity_given_is_left_as_it_was(rule):
    capacity = np.array([2, 1])
    rule(edges_of(Market(np.array([0, 1]), np.array([0, 0]), np.array([0.2, 0.9]), 2, capacity)), 2, capacity)
    assert capacity.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("need", "capacity", "refusal"),
    [
        ([0, 2], [1], "need must be below 2"),
        ([0, 1], [-1], "capacity"),
        ([0, 1], [], "offer must be below 0"),
    ],
)
def test_bad_input_is_named(rule, need, capacity, refusal):
    edges = Edges(np.array(need), np.array([0, 0]), np.zeros(2), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match=refusal):
        rule(edges, 2, np.array(capacity, np.int64))
