"""A live assignment stays as good as a full run, whatever comes and goes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from marketplace.matching import assign, verify
from marketplace.matching.assignment import OBJECTIVES
from marketplace.matching.reoptimisation import LiveAssignment
from tests.matching.graphs import NANO, Market, markets, random_market, same_for

WEIGHTS = st.one_of(
    st.sampled_from([0.25, 0.5, 1.0]), st.integers(0, 3).map(lambda k: 0.5 + k * NANO), st.floats(NANO, 1.0)
)


class LiveMarket(RuleBasedStateMachine):
    """Listings come, go, decline and change their places; `edges` is what the market should be by now."""

    objective = OBJECTIVES[0]

    @initialize(market=markets(most_needs=5, most_offers=4, most_edges=14))
    def open(self, market: Market) -> None:
        self.live = LiveAssignment(*market.arguments, objective=self.objective)
        self.edges = {pair: units * NANO for pair, units in market.best.items()}
        self.needs, self.offers = set(range(market.n_needs)), set(range(len(market.capacity)))
        self.capacity = market.capacity.tolist()

    @rule(data=st.data())
    def a_need_comes(self, data: st.DataObject) -> None:
        edges = self._drawn(data, self.offers)
        need = self._act(lambda: self.live.add_need(list(edges), list(edges.values())))
        self.needs.add(need)
        self.edges |= {(need, offer): weight for offer, weight in edges.items()}

    @rule(data=st.data(), capacity=st.integers(0, 3))
    def an_offer_comes(self, data: st.DataObject, capacity: int) -> None:
        edges = self._drawn(data, self.needs)
        offer = self._act(lambda: self.live.add_offer(capacity, list(edges), list(edges.values())))
        self.offers.add(offer)
        self.capacity.append(capacity)
        self.edges |= {(need, offer): weight for need, weight in edges.items()}

    @precondition(lambda self: self.needs)
    @rule(data=st.data())
    def a_need_is_withdrawn(self, data: st.DataObject) -> None:
        need = data.draw(st.sampled_from(sorted(self.needs)))
        self._act(lambda: (need, self.live.withdraw_need(need)))
        self.needs.remove(need)
        self.edges = {pair: weight for pair, weight in self.edges.items() if pair[0] != need}

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def an_offer_is_withdrawn(self, data: st.DataObject) -> None:
        offer = data.draw(st.sampled_from(sorted(self.offers)))
        self._act(lambda: (offer, self.live.withdraw_offer(offer)))
        self.offers.remove(offer)
        self.capacity[offer] = 0
        self.edges = {pair: weight for pair, weight in self.edges.items() if pair[1] != offer}

    @precondition(lambda self: self.edges)
    @rule(data=st.data())
    def somebody_declines(self, data: st.DataObject) -> None:
        need, offer = data.draw(st.sampled_from(sorted(self.edges)))
        self._act(lambda: (need, self.live.decline(need, offer)))
        del self.edges[need, offer]

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), capacity=st.integers(0, 4))
    def an_offer_changes_its_places(self, data: st.DataObject, capacity: int) -> None:
        offer = data.draw(st.sampled_from(sorted(self.offers)))
        self._act(lambda: (offer, self.live.set_capacity(offer, capacity)))
        self.capacity[offer] = capacity

    @invariant()
    def it_is_as_good_as_a_full_run(self) -> None:
        market = self._market()
        full = assign(*market.arguments, objective=self.objective)
        assert same_for(self.objective, market.value(self.live.assignment), market.value(full))
        assert self.live.total_weight == pytest.approx(market.value(self.live.assignment)[1] * NANO)

    @invariant()
    def it_knows_the_market(self) -> None:
        need, offer, weight = self.live.edges
        assert {*zip(need.tolist(), offer.tolist(), strict=True)} == self.edges.keys()
        market = self._market()
        assert Market(need, offer, weight, market.n_needs, market.capacity).best == market.best
        assert self.live.capacity.tolist() == self.capacity

    @invariant()
    def its_prices_prove_it(self) -> None:
        if self.objective == "weight":
            verify(*self._market().arguments, self.live.assignment, *self.live.prices)

    def _act(self, act: Callable[[], tuple[int, dict[int, int]]]) -> int:
        """Do it; what it says has changed is what has changed."""
        before = self.live.assignment.tolist()
        row, changes = act()
        after = self.live.assignment.tolist()
        before += [-1] * (len(after) - len(before))
        assert changes == {i: after[i] for i in range(len(after)) if after[i] != before[i]}
        return row

    def _drawn(self, data: st.DataObject, others: set[int]) -> dict[int, float]:
        if not others:
            return {}
        return data.draw(st.dictionaries(st.sampled_from(sorted(others)), WEIGHTS, max_size=4))

    def _market(self) -> Market:
        pairs = np.array(sorted(self.edges), np.int64).reshape(-1, 2)
        weight = np.array([self.edges[pair] for pair in sorted(self.edges)], np.float64)
        return Market(
            pairs[:, 0], pairs[:, 1], weight, len(self.live.assignment), np.array(self.capacity, np.int64)
        )


class LiveMarketByCoverage(LiveMarket):
    objective = OBJECTIVES[1]


TestByWeight = LiveMarket.TestCase
TestByCoverage = LiveMarketByCoverage.TestCase
TestByWeight.settings = TestByCoverage.settings = settings(
    max_examples=60, stateful_step_count=12, deadline=None
)


class TestOneAct:
    @pytest.fixture
    def live(self):
        """Needs 0 and 1 both like offer 0 best; 1 has it, for want of another."""
        return LiveAssignment([0, 0, 1], [0, 1, 0], [0.9, 0.8, 0.7], 2, [1, 1])

    def test_a_need_that_comes_moves_those_that_can_do_as_well_elsewhere(self, live):
        assert live.assignment.tolist() == [1, 0]
        assert live.add_need([1], [0.95]) == (2, {0: 0, 1: -1, 2: 1})
        assert live.total_weight == pytest.approx(0.9 + 0.95)

    def test_a_need_that_is_worth_less_than_those_served_stays_alone(self, live):
        assert live.add_need([0, 1], [0.1, 0.1]) == (2, {})

    def test_an_offer_that_comes_takes_who_gains_most(self, live):
        assert live.add_offer(1, [0, 1], [0.85, 0.75]) == (2, {0: 0, 1: 2})
        assert live.total_weight == pytest.approx(0.9 + 0.75)

    def test_a_place_left_free_goes_to_who_wanted_it(self, live):
        assert live.withdraw_need(1) == {0: 0, 1: -1}

    def test_needs_of_an_offer_that_goes_look_for_another(self, live):
        assert live.withdraw_offer(0) == {1: -1}
        assert live.withdraw_offer(1) == {0: -1}
        assert live.total_weight == 0

    def test_a_pair_that_says_no_is_never_matched_again(self, live):
        assert live.decline(1, 0) == {0: 0, 1: -1}
        assert live.withdraw_need(0) == {0: -1}
        assert live.assignment.tolist() == [-1, -1]

    def test_a_pair_without_edge_may_decline_too(self, live):
        assert live.decline(1, 1) == {}

    def test_an_offer_with_one_more_place_serves_one_more(self, live):
        assert live.set_capacity(0, 2) == {0: 0}
        assert live.set_capacity(0, 1) == {0: 1}
        assert live.set_capacity(0, 0) == {1: -1}

    def test_coverage_prefers_two_matches_to_a_better_one(self):
        live = LiveAssignment([0], [0], [1.0], 1, [1], objective="coverage")
        assert live.add_offer(1, [0], [0.1]) == (1, {})
        assert live.add_need([0], [0.1]) == (1, {0: 1, 1: 0})
        assert live.total_weight == pytest.approx(0.2)

    @pytest.mark.parametrize(
        ("act", "refusal"),
        [
            (lambda live: live.add_need([2], [0.5]), "offers must be below 2"),
            (lambda live: live.add_need([0], [0.0]), "weight must be positive"),
            (lambda live: live.add_need([0, 1], [0.5]), "lengths differ: offers 2, weight 1"),
            (lambda live: live.add_offer(-1, [0], [0.5]), "capacity must be a whole number from 0"),
            (lambda live: live.add_offer(1, [-1], [0.5]), "needs must be at least 0"),
            (lambda live: live.add_offer(1, [0], [float("nan")]), "weight must be finite"),
            (lambda live: live.withdraw_need(2), "need 2 is not in the market"),
            (lambda live: live.withdraw_offer(-1), "offer must be a whole number from 0"),
            (lambda live: live.decline(0, 5), "offer 5 is not in the market"),
            (lambda live: live.set_capacity(0, 1.5), "capacity must be a whole number from 0"),
            (
                lambda live: LiveAssignment([0], [0], [0.5], 1, [1], objective="most"),
                "objective must be one of",
            ),
        ],
    )
    def test_bad_input_is_named_and_changes_nothing(self, live, act, refusal):
        with pytest.raises(ValueError, match=refusal):
            act(live)
        assert live.assignment.tolist() == [1, 0]
        assert live.add_need([0], [1.0]) == (2, {1: -1, 2: 0})

    def test_what_was_withdrawn_cannot_be_asked_again(self, live):
        live.withdraw_need(0)
        live.withdraw_offer(0)
        with pytest.raises(ValueError, match="need 0 is not in the market"):
            live.decline(0, 1)
        with pytest.raises(ValueError, match="offers 0 is not in the market"):
            live.add_need([0], [0.5])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("weights", ["any", "ties"])
@pytest.mark.parametrize(("n_needs", "n_offers"), [(300, 200), (400, 60)])
def test_a_busy_week_ends_as_good_as_a_full_run(objective, weights, n_needs, n_offers):
    random = np.random.default_rng(n_needs)
    live = LiveAssignment(
        *random_market(random, n_needs, n_offers, 8 * n_needs, weights=weights).arguments, objective=objective
    )
    needs, offers = list(range(n_needs)), list(range(n_offers))
    for _ in range(60):
        needs.append(live.add_need(random.choice(offers, 8), random.integers(1, 5, 8) / 4)[0])
        offers.append(live.add_offer(2, random.choice(needs, 12), random.integers(1, 5, 12) / 4)[0])
        live.withdraw_need(needs.pop(random.integers(len(needs))))
        live.withdraw_offer(offers.pop(random.integers(len(offers))))
        live.set_capacity(offers[random.integers(len(offers))], int(random.integers(0, 4)))
        served = np.flatnonzero(live.assignment >= 0)
        declining = int(served[random.integers(len(served))])
        live.decline(declining, int(live.assignment[declining]))
    market = Market(*live.edges, len(live.assignment), live.capacity)
    full = assign(*market.arguments, objective=objective)
    assert same_for(objective, market.value(live.assignment), market.value(full))
    if objective == "weight":
        verify(*market.arguments, live.assignment, *live.prices)
