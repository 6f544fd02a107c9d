"""nDCG@10 and precision@1 of a ranking, and what each criterion brings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from marketplace.matching import CRITERIA, Components, Policy, find_candidates, score_edges
from tests.benchmarks.quality.cases import GAIN, Case

DEPTH = 10
Score = Callable[[Components], np.ndarray]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the needs; `ndcg_by_need`: need → nDCG@10."""

    ndcg: float
    precision_at_1: float
    ndcg_by_need: Mapping[str, float]


def evaluate(cases: tuple[Case, ...], policy: Policy, score: Score | None = None) -> Quality:
    """Rank each need's offers by the hard rules and a score (by default the matcher's), and judge the order.

    An offer that a rule excludes is not shown: a good one left out costs its gain.
    """
    orders = {case.name: ranking(case, policy, score) for case in cases}
    gains = {case.name: case.gain[orders[case.name]] for case in cases}
    by_need = {case.name: _ndcg(gains[case.name], case.gain) for case in cases}
    first = [len(found) > 0 and found[0] == GAIN["good"] for found in gains.values()]
    return Quality(float(np.mean(list(by_need.values()))), float(np.mean(first)), by_need)


def ranking(case: Case, policy: Policy, score: Score | None = None) -> np.ndarray:
    """Return the rows of the offers shown for the need, best first; ties by id."""
    edges = find_candidates(case.needs, case.offers, policy, top_k=len(case.offers))
    if score is None:
        return edges.offer
    values = np.round(score(score_edges(case.needs, case.offers, edges, policy)), 12)
    return edges.offer[np.lexsort((edges.offer, -values))]


def without(criterion: str, policy: Policy) -> Score:
    """Return the score with the weight of one criterion at 0 and the others made to sum to 1 again."""
    left = {name: policy.weights[name] for name in CRITERIA if name != criterion}
    return lambda columns: (
        sum((weight * getattr(columns, name) for name, weight in left.items()), np.zeros(len(columns.score)))
        / sum(left.values())
    )


def only(criterion: str) -> Score:
    return lambda columns: getattr(columns, criterion)


def _ndcg(shown: np.ndarray, judged: np.ndarray) -> float:
    """Return the normalised discounted cumulative gain (Järvelin and Kekäläinen 2002) of the first ten."""
    return _dcg(shown) / _dcg(np.sort(judged)[::-1])


def _dcg(gains: np.ndarray) -> float:
    gains = gains[:DEPTH]
    return float((gains / np.log2(np.arange(len(gains)) + 2)).sum())
