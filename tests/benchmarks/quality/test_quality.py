"""The order that the matcher gives is the one a person would give."""

from collections import Counter

import numpy as np
import pytest

from tests.benchmarks.quality.cases import GAIN, cases, policy
from tests.benchmarks.quality.evaluation import evaluate, only, ranking, without


def test_the_set_is_large_and_each_need_has_all_three_judgements():
    judged = cases()

    assert len(judged) >= 20
    assert sum(len(case.offers) for case in judged) >= 200
    assert all(set(Counter(case.gain)) == set(GAIN.values()) and len(case.offers) >= 10 for case in judged)


def test_good_offers_come_first():
    quality = evaluate(cases(), policy())

    assert quality.ndcg >= 0.9
    assert quality.precision_at_1 >= 0.95
    assert min(quality.ndcg_by_need.values()) >= 0.75


def test_no_good_offer_is_left_out_by_a_rule_but_one():
    left_out = {
        case.name: int(
            (case.gain == GAIN["good"]).sum() - (case.gain[ranking(case, policy())] == GAIN["good"]).sum()
        )
        for case in cases()
    }

    # A beauty salon is in the NAF class of the hairdresser who refuses competitors: the rule knows no better.
    assert {name: count for name, count in left_out.items() if count} == {"booking": 1}


def test_the_measure_tells_a_worse_order():
    by_distance = evaluate(cases(), policy(), only("distance"))

    assert by_distance.ndcg < evaluate(cases(), policy()).ndcg - 0.05


def test_the_reverse_order_is_worth_less():
    assert evaluate(cases(), policy(), lambda columns: -columns.score).ndcg < 0.8


@pytest.mark.parametrize("criterion", ["skill", "level", "availability"])
def test_the_criteria_that_people_named_pay(criterion):
    whole = evaluate(cases(), policy()).ndcg

    assert evaluate(cases(), policy(), without(criterion, policy())).ndcg < whole - 0.01


def test_the_ablation_of_nothing_is_the_score_itself():
    (case, *_) = cases()

    by_parts = ranking(case, policy(), lambda columns: columns.score)

    np.testing.assert_array_equal(by_parts, ranking(case, policy()))
