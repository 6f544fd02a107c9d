"""The edges of the graph: all that may be, no more, the best of each need."""

from itertools import groupby
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.matching import candidates, find_candidates
from tests.benchmarks.national import market as national_market
from tests.matching.random_markets import markets
from tests.matching.small import needs, offers, policy

ALL = 10**6
examples = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module", params=["plain", "compiled"])
def way(request):
    """Both ways to find candidates: all pairs in reach, and best first by compiled code."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    with mock.patch.object(candidates, "COMPILE_FROM_NEEDS", 0 if request.param == "compiled" else ALL):
        yield request.param


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    """Compile before a test is timed."""
    with mock.patch.object(candidates, "COMPILE_FROM_NEEDS", 0):
        find_candidates(needs(1), offers(1), policy())


def found(market, **options):
    return find_candidates(market.needs, market.offers, market.policy, excluded=market.banned, **options)


def triples(market, edges):
    return list(zip(market.ids(edges.need, edges.offer), edges.weight.tolist(), strict=True))


@examples
@given(market=markets())
def test_they_are_exactly_the_pairs_that_no_rule_excludes(way, market):
    edges = found(market, top_k=ALL)

    pairs = list(zip(edges.need.tolist(), edges.offer.tolist(), strict=True))
    told = market.feasible()
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == set(told)
    assert edges.weight.tolist() == [told[pair].score for pair in pairs]
    np.testing.assert_array_equal(edges.distance_km, [told[pair].distance_km for pair in pairs])


@examples
@given(market=markets(), top_k=st.integers(1, 4))
def test_each_need_keeps_its_best(way, market, top_k):
    edges = found(market, top_k=top_k)

    best = {}
    for (i, _), told in market.feasible().items():
        best.setdefault(i, []).append(told.score)
    kept = {
        i: edges.weight[list(rows)].tolist()
        for i, rows in groupby(range(len(edges)), key=edges.need.tolist().__getitem__)
    }
    assert kept == {i: sorted(scores, reverse=True)[:top_k] for i, scores in best.items()}


@examples
@given(market=markets(), top_k=st.integers(1, 4))
def test_both_ways_find_the_same_even_where_scores_are_equal(market, top_k):
    with mock.patch.object(candidates, "COMPILE_FROM_NEEDS", 0):
        compiled = found(market, top_k=top_k)

    plain = found(market, top_k=top_k)
    assert triples(market, compiled) == triples(market, plain)


@examples
@given(market=markets(), top_k=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_the_order_of_rows_does_not_matter(way, market, top_k, seed):
    shuffled = market.shuffled(np.random.default_rng(seed))

    one, other = found(market, top_k=top_k), found(shuffled, top_k=top_k)

    assert sorted(triples(market, one)) == sorted(triples(shuffled, other))


@examples
@given(market=markets(availability=0, sector=0, level=2))
def test_edges_are_sorted_by_need_and_best_first(way, market):
    edges = found(market)

    order = np.lexsort((-edges.weight, edges.need))
    assert order.tolist() == list(range(len(edges)))


def test_a_national_market_is_the_same_both_ways():
    pytest.importorskip("numba")
    listings = national_market(1_500, 1_500)
    with mock.patch.object(candidates, "COMPILE_FROM_NEEDS", 0):
        compiled = find_candidates(listings.needs, listings.offers, listings.policy, top_k=5)

    plain = find_candidates(listings.needs, listings.offers, listings.policy, top_k=5)

    assert len(plain) > 1_000
    for name in ("need", "offer", "weight"):
        np.testing.assert_array_equal(getattr(compiled, name), getattr(plain, name))


def test_needs_that_see_equal_offers_spread_over_them(way):
    asking, offering = needs(100), offers(100)

    edges = find_candidates(asking, offering, policy(), top_k=10)

    assert len(np.unique(edges.weight)) == 1
    assert len(np.unique(edges.offer)) >= 90


def test_an_offer_without_a_free_place_is_not_found(way):
    edges = find_candidates(needs(1), offers(2, capacity=[0, 1]), policy())

    assert edges.offer.tolist() == [1]


def test_an_excluded_pair_is_not_found_and_others_of_its_need_are(way):
    edges = find_candidates(needs(2), offers(2), policy(), excluded=([0], [1]))

    assert sorted(zip(edges.need.tolist(), edges.offer.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 1)]


def test_a_listing_without_point_is_only_served_remotely(way):
    edges = find_candidates(needs(2, lat=np.nan, lon=np.nan, places=[3, 7]), offers(1, places=7), policy())

    assert edges.need.tolist() == [1]
    assert np.isnan(edges.distance_km).all()


def test_no_needs_or_no_offers_give_no_edges(way):
    assert len(find_candidates(needs(0), offers(3), policy())) == 0
    assert len(find_candidates(needs(3), offers(0), policy())) == 0
    assert len(find_candidates(needs(3), offers(3), policy(), top_k=0)) == 0


def test_progress_ends_at_one(way):
    told = []

    find_candidates(needs(5), offers(1), policy(), on_progress=told.append)

    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize("top_k", [-1, 1.5, True, "30", None])
def test_a_top_k_that_is_no_count_is_refused(top_k):
    with pytest.raises(ValueError, match="top_k"):
        find_candidates(needs(1), offers(1), policy(), top_k=top_k)


@pytest.mark.parametrize("excluded", [([0], [1]), ([1], [0]), ([-1], [0]), ([0, 0], [0]), ([0.5], [0])])
def test_excluded_rows_that_are_not_there_are_refused(excluded):
    with pytest.raises(ValueError, match="excluded"):
        find_candidates(needs(1), offers(1), policy(), excluded=excluded)


@pytest.mark.parametrize(
    ("asking", "offering", "name"),
    [
        ({"skills": [[3, -1, -1]]}, {}, "needs.skills"),
        ({}, {"skills": [[0, 3, -1]]}, "offers.skills"),
        ({"sector": 1}, {}, "needs.sector"),
        ({}, {"sector": -1}, "offers.sector"),
    ],
)
def test_a_skill_or_a_sector_that_the_policy_does_not_know_is_refused(asking, offering, name):
    with pytest.raises(ValueError, match=name):
        find_candidates(needs(1, **asking), offers(1, **offering), policy())
