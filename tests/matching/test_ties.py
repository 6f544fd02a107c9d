"""The wheel that says which of equal offers a need prefers."""

import numpy as np

from marketplace.matching.ties import Wheel
from tests.matching.small import needs, offers

EVERYBODY = np.arange(50)


def test_each_need_meets_each_offer_at_a_turn_of_its_own():
    wheel = Wheel(needs(20), offers(50))

    for need in range(20):
        turns = wheel.turn(np.full(50, need), EVERYBODY)
        assert sorted(turns.tolist()) == EVERYBODY.tolist()


def test_needs_start_at_different_offers():
    wheel = Wheel(needs(20), offers(50))

    first = [int(np.argmin(wheel.turn(np.full(50, need), EVERYBODY))) for need in range(20)]

    assert len(set(first)) > 10


def test_ids_decide_and_not_rows():
    asking, offering = needs(1, id=7), offers(50)
    backwards = offering.take(EVERYBODY[::-1])

    one = Wheel(asking, offering).turn(np.zeros(50, np.int64), EVERYBODY)
    other = Wheel(asking, backwards).turn(np.zeros(50, np.int64), EVERYBODY)

    assert one.tolist() == other.tolist()[::-1]


def test_a_newcomer_does_not_change_the_order_of_the_others():
    asking = needs(1)
    before = Wheel(asking, offers(50)).turn(np.zeros(50, np.int64), EVERYBODY)
    after = Wheel(asking, offers(51)).turn(np.zeros(50, np.int64), EVERYBODY)

    assert np.argsort(before).tolist() == np.argsort(after).tolist()


def test_without_offers_there_is_nothing_to_meet():
    nobody = np.empty(0, np.int64)

    assert Wheel(needs(3), offers(0)).turn(nobody, nobody).tolist() == []
