"""assign() finds an optimum, and verify() believes nothing but a proof."""

import sys
from dataclasses import replace
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.matching import _kernels, _solver, assign, verify
from marketplace.matching.assignment import OBJECTIVES, coverage_bonus
from tests.matching.graphs import (
    NANO,
    Market,
    best_by_scipy,
    best_by_trying_all,
    markets,
    random_market,
    same_for,
)

ENGINES = {"compiled": 0, "plain Python": sys.maxsize}
# Rows per unit that searches may read before the auction takes over: never, at once, soon.
EFFORTS = (_solver.EASY_EFFORT, -1, 0)
# Fixtures only choose which way is taken: the same for every example.
examples = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    if request.param == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setattr(_kernels, "COMPILE_FROM_EDGES", ENGINES[request.param])
    return request.param


@pytest.fixture(params=EFFORTS, ids=["at ease", "auction at once", "auction soon"])
def effort(request, monkeypatch):
    monkeypatch.setattr(_solver, "EASY_EFFORT", request.param)


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    return request.param


def proven(market: Market, objective: str):
    """Return what assign() finds, once verify() has accepted its prices."""
    assignment, u, p = assign(*market.arguments, objective=objective, certificate=True)
    verify(*market.arguments, assignment, u, p, objective=objective)
    return assignment


class TestOptimum:
    @examples
    @given(market=markets())
    def test_small_markets_as_good_as_trying_everything(self, engine, effort, objective, market):
        found = market.value(proven(market, objective))
        assert same_for(objective, found, best_by_trying_all(market, objective))

    @pytest.mark.parametrize("weights", ["any", "ties", "near", "high"])
    @pytest.mark.parametrize(
        ("n_needs", "n_offers", "n_edges"), [(60, 40, 300), (80, 15, 400), (20, 70, 250), (50, 50, 60)]
    )
    def test_larger_markets_as_good_as_scipy(
        self, engine, effort, objective, weights, n_needs, n_offers, n_edges
    ):
        for seed in range(3):
            random = np.random.default_rng((seed, n_needs, n_edges))
            market = random_market(random, n_needs, n_offers, n_edges, weights=weights)
            found = market.value(proven(market, objective))
            assert same_for(objective, found, best_by_scipy(market, objective))

    def test_as_good_as_networkx(self, engine, objective):
        market = random_market(np.random.default_rng(5), 40, 40, 200, most=1)
        graph = nx.Graph()
        for (i, j), weight in market.best.items():
            if market.capacity[j]:
                graph.add_edge(("need", i), ("offer", j), weight=weight)
        theirs = nx.max_weight_matching(graph, maxcardinality=objective == "coverage")
        value = len(theirs), sum(graph.edges[pair]["weight"] for pair in theirs)
        assert same_for(objective, market.value(proven(market, objective)), value)

    def test_one_unit_of_weight_decides(self, engine, effort):
        heavier = [0.5, 0.5 + NANO, 0.5 + NANO, 0.5]
        assert assign([0, 0, 1, 1], [0, 1, 0, 1], heavier, 2, [1, 1]).tolist() == [1, 0]

    def test_coverage_serves_two_where_weight_serves_one_better(self, engine, effort):
        edges = [0, 0, 1], [0, 1, 0], [1.0, 0.2, 0.3]
        assert assign(*edges, 2, [1, 0]).tolist() == [0, -1]
        small = [0, 1, 1], [0, 0, 1], [0.1, 1.0, 0.1]
        assert assign(*small, 2, [1, 1]).tolist() == [-1, 0]
        assert assign(*small, 2, [1, 1], objective="coverage").tolist() == [0, 1]

    def test_coverage_takes_the_heavier_of_two_that_serve_as_many(self, engine, effort):
        edges = [0, 0, 1, 1], [0, 1, 0, 1], [0.4, 0.9, 0.9, 0.4]
        assert assign(*edges, 2, [1, 1], objective="coverage").tolist() == [1, 0]

    def test_coverage_gives_up_any_weight_for_one_more_need(self, engine, effort):
        # A chain: to serve the last need, every other one has to take the offer that it likes a thousand
        # times less.
        n = 60
        need = np.concatenate((np.arange(n), np.arange(n)))
        offer = np.concatenate((np.arange(n), np.arange(1, n + 1)))
        weight = np.concatenate((np.full(n, 0.001), np.full(n, 1.0)))
        chain = Market(need, offer, weight, n + 1, np.ones(n + 1, np.int64))
        last = replace(
            chain, need=np.append(need, n), offer=np.append(offer, n), weight=np.append(weight, 0.001)
        )
        assert proven(last, "coverage").tolist() == [*range(n), n]
        assert proven(last, "weight").tolist() == [*range(1, n + 1), -1]

    def test_of_two_edges_of_a_pair_the_heavier_counts(self, engine, effort):
        market = Market(
            np.array([0, 0, 0]), np.array([0, 0, 1]), np.array([0.2, 0.9, 0.5]), 1, np.array([1, 1])
        )
        assert proven(market, "weight").tolist() == [0]

    @pytest.mark.parametrize("capacity", [[2**62] * 3, [10**18, 0, 1]])
    def test_capacities_may_be_huge(self, engine, effort, objective, capacity):
        market = replace(random_market(np.random.default_rng(1), 30, 3, 60), capacity=np.array(capacity))
        bounded = replace(market, capacity=np.minimum(market.capacity, 30))
        assert same_for(objective, market.value(proven(market, objective)), best_by_scipy(bounded, objective))

    def test_weights_too_wide_for_64_bits_are_counted_and_proven_in_fractions(self, engine, objective):
        market = random_market(np.random.default_rng(2), 3000, 2500, 9000, most=1)
        wide = replace(market, weight=np.ceil(market.weight * 1e6))
        assert coverage_bonus(wide.weight, 3000, wide.capacity) * 1e9 > 2**60
        served, _ = wide.value(proven(wide, objective))
        if objective == "coverage":
            _, u, _ = assign(*wide.arguments, objective=objective, certificate=True)
            assert isinstance(u[0], Fraction)
            assert served == market.value(assign(*market.arguments, objective=objective))[0]

    def test_unbounded_integers_find_the_same(self, engine, effort, objective, monkeypatch):
        market = random_market(np.random.default_rng(3), 60, 40, 300, weights="ties")
        expected = assign(*market.arguments, objective=objective)
        monkeypatch.setattr(_solver, "INT64_SAFE", 10**6)
        assert proven(market, objective).tolist() == expected.tolist()


class TestShapes:
    @pytest.mark.parametrize(("n_needs", "capacity"), [(0, []), (0, [1, 2]), (3, []), (3, [0, 5])])
    def test_without_edges_nobody_is_served(self, engine, objective, n_needs, capacity):
        assignment, u, p = assign([], [], [], n_needs, capacity, objective=objective, certificate=True)
        assert assignment.tolist() == [-1] * n_needs
        assert u.tolist() == [0] * n_needs
        assert p.tolist() == [0] * len(capacity)

    def test_offers_without_places_serve_nobody(self, engine, effort, objective):
        market = Market(np.array([0, 1]), np.array([0, 0]), np.array([0.5, 0.9]), 2, np.array([0]))
        assert proven(market, objective).tolist() == [-1, -1]

    def test_listings_without_edges_change_nothing(self, engine, effort, objective):
        market = random_market(np.random.default_rng(4), 30, 20, 100)
        wider = Market(
            market.need * 2 + 1, market.offer * 2 + 1, market.weight, 61, np.repeat(market.capacity, 2)
        )
        assert (proven(wider, objective)[1::2] // 2).tolist() == proven(market, objective).tolist()

    @pytest.mark.parametrize(("needs", "offers"), [(4000, 1000), (1000, 4000), (2000, 2000)])
    def test_scarcity_on_either_side_is_solved_and_proven(self, engine, objective, needs, offers):
        market = random_market(np.random.default_rng(6), needs, offers, 16_000, most=2)
        proven(market, objective)

    def test_a_hundred_thousand_components(self, engine, objective):
        n = 100_000
        need, offer = np.repeat(np.arange(n), 2), np.repeat(np.arange(n), 2) * 2 + np.tile([0, 1], n)
        market = Market(need, offer, np.tile([0.3, 0.6], n), n, np.ones(2 * n, np.int64))
        assert (proven(market, objective) == np.arange(n) * 2 + 1).all()

    def test_one_component_where_needs_and_places_are_just_as_many(self, engine, objective):
        n = 1500
        near = (np.arange(n)[:, None] + np.arange(-8, 9)) % n
        random = np.random.default_rng(7)
        weight = 1 - random.random(near.size)
        market = Market(np.repeat(np.arange(n), 17), near.reshape(-1), weight, n, np.ones(n, np.int64))
        assert (proven(market, "coverage") >= 0).all()
        proven(market, objective)

    def test_one_offer_with_places_for_half_of_all(self, engine, effort, objective):
        weight = 1 - np.random.default_rng(8).random(400)
        market = Market(np.arange(400), np.zeros(400, np.int64), weight, 400, np.array([200]))
        best = np.sort(weight)[-200:]
        assert weight[proven(market, objective) >= 0].sum() == pytest.approx(best.sum(), abs=1e-6)


class TestSameAnswer:
    @examples
    @given(market=markets(most_needs=12, most_offers=9, most_edges=60), data=st.data())
    def test_whatever_the_order_of_edges(self, effort, objective, market, data):
        order = np.array(data.draw(st.permutations(range(len(market.need)))), np.int64)
        shuffled = market.with_edges(order)
        assert (
            assign(*shuffled.arguments, objective=objective).tolist()
            == assign(*market.arguments, objective=objective).tolist()
        )

    @pytest.mark.parametrize("weights", ["any", "ties", "near"])
    def test_compiled_or_not(self, monkeypatch, effort, objective, weights):
        pytest.importorskip("numba")
        market = random_market(np.random.default_rng(9), 900, 500, 9000, weights=weights)
        answers = []
        for limit in ENGINES.values():
            monkeypatch.setattr(_kernels, "COMPILE_FROM_EDGES", limit)
            answers.append(assign(*market.arguments, objective=objective, certificate=True))
        for one, other in zip(*answers, strict=True):
            assert one.tolist() == other.tolist()

    @pytest.mark.parametrize("weights", ["any", "ties"])
    def test_worth_as_much_whatever_the_order_of_rows(self, engine, effort, objective, weights):
        random = np.random.default_rng(10)
        market = random_market(random, 300, 200, 1500, weights=weights)
        needs, offers = random.permutation(300), random.permutation(200)
        renamed = Market(
            needs[market.need], offers[market.offer], market.weight, 300, market.capacity[np.argsort(offers)]
        )
        assert same_for(
            objective, renamed.value(proven(renamed, objective)), market.value(proven(market, objective))
        )

    def test_the_same_assignment_whatever_the_order_of_rows_when_only_one_is_best(
        self, engine, effort, objective
    ):
        random = np.random.default_rng(11)
        market = random_market(random, 200, 150, 900)
        needs, offers = random.permutation(200), random.permutation(150)
        renamed = Market(
            needs[market.need], offers[market.offer], market.weight, 200, market.capacity[np.argsort(offers)]
        )
        expected = proven(market, objective)
        named = np.where(expected >= 0, offers[expected], -1)
        assert proven(renamed, objective)[needs].tolist() == named.tolist()

    def test_without_numba(self, monkeypatch):
        market = random_market(np.random.default_rng(12), 300, 200, 1500)
        expected = assign(*market.arguments)
        monkeypatch.setattr(_kernels, "COMPILE_FROM_EDGES", 0)
        monkeypatch.setattr(_kernels, "find_spec", lambda name: None)
        assert assign(*market.arguments).tolist() == expected.tolist()

    def test_arguments_are_left_as_they_were(self, engine, objective):
        market = random_market(np.random.default_rng(13), 30, 20, 100)
        before = [np.copy(argument) for argument in market.arguments]
        assign(*market.arguments, objective=objective, certificate=True)
        for argument, copy in zip(market.arguments, before, strict=True):
            assert np.array_equal(argument, copy)

    def test_arrays_that_nobody_may_write_or_that_have_gaps_do_as_well(self, engine, objective):
        market = random_market(np.random.default_rng(13), 30, 20, 100)
        spread = [np.repeat(column, 2)[::2] for column in (market.need, market.offer, market.weight)]
        for column in spread:
            column.flags.writeable = False
        found = assign(*spread, market.n_needs, market.capacity, objective=objective)
        assert found.tolist() == assign(*market.arguments, objective=objective).tolist()

    def test_lists_do_as_well_as_arrays(self):
        assert assign([0, 0, 1], [0, 1, 0], [0.9, 0.8, 0.7], 2, [1, 1]).tolist() == [1, 0]


class TestCertificate:
    """verify() refuses whatever is not proven; `market` has matches, a need without offer, an offer with
    room."""

    @pytest.fixture
    def market(self):
        return Market(
            np.array([0, 0, 1, 2, 3]),
            np.array([0, 1, 0, 0, 2]),
            np.array([0.9, 0.8, 0.7, 0.2, 0.6]),
            4,
            np.array([1, 1, 2]),
        )

    @pytest.fixture
    def answer(self, market):
        return assign(*market.arguments, certificate=True)

    def test_prices_are_in_units_of_weight(self, market, answer):
        assignment, u, p = answer
        assert assignment.tolist() == [1, 0, -1, 2]
        assert u.sum() + (p * market.capacity).sum() == pytest.approx(0.8 + 0.7 + 0.6, abs=1e-9)
        assert (u[market.need] + p[market.offer] >= market.weight - 1e-9).all()

    def test_coverage_prices_speak_of_raised_weights(self, market):
        assignment, u, p = assign(*market.arguments, objective="coverage", certificate=True)
        bonus = coverage_bonus(market.weight, market.n_needs, market.capacity)
        assert bonus == pytest.approx(4 * (0.9 - 0.2))
        total = 0.8 + 0.7 + 0.6 + 3 * bonus
        assert u.sum() + (p * market.capacity).sum() == pytest.approx(total, abs=1e-8)
        verify(*market.arguments, assignment, u, p, objective="coverage")

    def test_prices_of_one_objective_do_not_prove_the_other(self, market, answer):
        with pytest.raises(ValueError, match="worth more than its two prices"):
            verify(*market.arguments, *answer, objective="coverage")

    @pytest.mark.parametrize(
        ("assignment", "refusal"),
        [
            ([1, 0, 2, 2], "need 2 has an offer that it has no edge to"),
            ([0, 0, -1, 2], "offer 0 has more needs than places"),
            ([1, 0, -1, -1], "complementary slackness: need 3 has no offer and a price above 0"),
            ([0, -1, -1, 2], "complementary slackness"),
            ([1, -1, 0, 2], "complementary slackness"),
        ],
    )
    def test_another_assignment_is_refused(self, market, answer, assignment, refusal):
        _, u, p = answer
        with pytest.raises(ValueError, match=refusal):
            verify(*market.arguments, assignment, u, p)

    @pytest.mark.parametrize("by", [NANO, 0.1, 5.0])
    def test_no_price_can_be_changed_even_by_one_unit(self, market, answer, by):
        assignment, u, p = answer
        for k in range(4):
            with pytest.raises(ValueError, match="slackness"):
                verify(*market.arguments, assignment, u + by * (np.arange(4) == k), p)
        for k in range(3):
            with pytest.raises(ValueError, match="slackness"):
                verify(*market.arguments, assignment, u, p + by * (np.arange(3) == k))
            if p[k] >= by:
                with pytest.raises(ValueError, match="worth more"):
                    verify(*market.arguments, assignment, u, p - by * (np.arange(3) == k))

    @examples
    @given(market=markets(), data=st.data())
    def test_an_assignment_that_is_worth_less_has_no_proof(self, objective, market, data):
        assignment, u, p = assign(*market.arguments, objective=objective, certificate=True)
        other = assignment.copy()
        served = np.flatnonzero(assignment >= 0)
        if not len(served):
            return
        dropped = data.draw(st.sampled_from(served.tolist()))
        other[dropped] = -1
        with pytest.raises(ValueError, match="slackness"):
            verify(*market.arguments, other, u, p, objective=objective)

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"assignment": [1, 0, -1]}, "assignment must have 4 elements, not 3"),
            ({"assignment": [1, 0, -2, 2]}, "assignment must be at least -1"),
            ({"assignment": [1, 0, 3, 2]}, "assignment must be below 3"),
            ({"assignment": [1.0, 0.0, -1.0, 2.0]}, "assignment must hold integers"),
            ({"u": [0.0, 0.0]}, r"u must be of shape \(4,\)"),
            ({"u": [np.nan] * 4}, "u must hold finite numbers"),
            ({"u": ["a"] * 4}, "u must hold finite numbers"),
            ({"u": [-1.0, 0, 0, 0]}, "u must be 0 or more"),
            ({"p": [0.0] * 4}, r"p must be of shape \(3,\)"),
            ({"p": [np.inf] * 3}, "p must hold finite numbers"),
            ({"p": [-NANO, 0, 0]}, "p must be 0 or more"),
        ],
    )
    def test_bad_certificates_are_named(self, market, answer, change, refusal):
        given = dict(zip(("assignment", "u", "p"), answer, strict=True)) | change
        with pytest.raises(ValueError, match=refusal):
            verify(*market.arguments, given["assignment"], given["u"], given["p"])


GOOD = {"need": [0, 1], "offer": [0, 1], "weight": [0.5, 0.5], "n_needs": 2, "capacity": [1, 1]}


@pytest.mark.parametrize(
    ("bad", "refusal"),
    [
        ({"need": [0, 2]}, "need must be below 2, not 2"),
        ({"need": [0, -1]}, "need must be at least 0, not -1"),
        ({"need": [0.0, 1.0]}, "need must hold integers"),
        ({"need": [[0, 1]]}, "need must be one-dimensional"),
        ({"need": [0, 1, 1]}, "lengths differ: need 3, offer 2, weight 2"),
        ({"offer": [0, 2]}, "offer must be below 2, not 2"),
        ({"offer": [-1, 0]}, "offer must be at least 0, not -1"),
        ({"offer": [0]}, "lengths differ"),
        ({"offer": ["a", "b"]}, "offer must hold integers"),
        ({"weight": [0.5]}, "lengths differ"),
        ({"weight": [0.5, np.nan]}, "weight must be finite"),
        ({"weight": [0.5, np.inf]}, "weight must be finite"),
        ({"weight": [0.5, 0.0]}, "weight must be positive"),
        ({"weight": [0.5, -0.1]}, "weight must be positive"),
        ({"weight": [0.5, 1e7]}, "weight must be at most"),
        ({"weight": ["a", "b"]}, "weight must hold numbers"),
        ({"weight": [[0.5, 0.5]]}, "weight must be one-dimensional"),
        ({"n_needs": 1}, "need must be below 1"),
        ({"n_needs": -1}, "n_needs must be a whole number from 0"),
        ({"n_needs": 2.0}, "n_needs must be a whole number from 0"),
        ({"n_needs": True}, "n_needs must be a whole number from 0"),
        ({"capacity": [1, -1]}, "capacity must be at least 0, not -1"),
        ({"capacity": [1.0, 1.0]}, "capacity must hold integers"),
        ({"capacity": [1]}, "offer must be below 1"),
        ({"capacity": 3}, "capacity must be one-dimensional"),
        ({"objective": "count"}, "objective must be one of weight, coverage, not 'count'"),
        ({"objective": None}, "objective must be one of"),
    ],
)
def test_bad_input_is_named(bad, refusal):
    arguments = GOOD | bad
    with pytest.raises(ValueError, match=refusal):
        assign(**arguments)
    with pytest.raises(ValueError, match=refusal):
        verify(**arguments, assignment=[0, 1], u=[0.5, 0.5], p=[0.0, 0.0])
