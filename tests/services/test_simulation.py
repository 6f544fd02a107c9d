"""The report of a simulation: figures that add up, by size of firm, rurality and territory."""

import json

import pytest

from marketplace.services import populations, simulation
from marketplace.services.populations import Arrivals

RULES = ["matcher", "score alone", "greedy", "first come"]


@pytest.fixture
def report(app):
    arrivals = Arrivals(weeks=5, needs_per_week=8, offers_per_week=2, seed=2)
    described = populations.invented(arrivals, region="53")
    return simulation.run(described, weeks=5, seed=2, starved_after=2)


def test_each_rule_is_told_over_the_same_market(report):
    assert list(report.rules) == RULES
    assert len({outcome.feasible > 0 for outcome in report.rules.values()}) == 1
    for outcome in report.rules.values():
        assert outcome.coverage == pytest.approx(outcome.served / outcome.feasible)


def test_the_groups_add_up_to_the_whole(report):
    waits = report.rules["matcher"].waits
    by_size = [group for name, group in waits.items() if name.endswith("people")]
    by_rurality = [waits[name] for name in populations.RURALITIES if name in waits]

    assert sum(group.needs for group in by_size) == waits["all"].needs
    assert sum(group.needs for group in by_rurality) == waits["all"].needs
    assert waits["all"].needs == report.rules["matcher"].feasible
    assert all(group.median_wait <= group.p90_wait <= group.longest_wait for group in waits.values())


def test_the_curves_end_at_the_figures(report):
    for outcome in report.rules.values():
        assert len(outcome.coverage_by_week) == len(outcome.distance_by_week) == 5
        assert outcome.coverage_by_week[-1] == pytest.approx(outcome.coverage)
        assert outcome.distance_by_week[-1] == pytest.approx(outcome.mean_distance_km)
        assert list(outcome.waiting) == sorted(outcome.waiting, reverse=True)


def test_help_is_counted_by_structure(report):
    helpers = report.rules["matcher"].helpers

    assert 0 < helpers.structures <= report.rules["matcher"].served
    assert 1 <= helpers.most <= report.rules["matcher"].served
    assert 0 <= helpers.gini < 1
    assert 0 < helpers.top_share <= 1


def test_json_and_text_tell_the_same(report):
    told = json.loads(report.to_json())
    text = report.to_text()

    assert told["rules"]["matcher"]["served"] == report.rules["matcher"].served
    assert told["behaviour"]["exchange_weeks"] == 3
    assert f"{report.needs} needs, {report.offers} offers" in text
    assert all(name in text for name in ("wait, rural", "passed over in > 2 rounds", "Jain's index"))


def test_progress_names_the_rule(app):
    arrivals = Arrivals(weeks=2, needs_per_week=2, offers_per_week=1, seed=1)
    told = []

    simulation.run(
        populations.invented(arrivals, region="53"),
        weeks=2,
        seed=1,
        starved_after=1,
        on_step=lambda name, fraction: told.append((name, fraction)),
    )

    assert told == [(name, fraction) for name in RULES for fraction in (0.5, 1.0)]


def test_a_market_where_nothing_fits_is_told_without_figures(market):
    market.need(skill="boutique-en-ligne")
    market.offer(skill="paie-en-ligne")
    described = populations.present(Arrivals(weeks=2, needs_per_week=0, offers_per_week=0, seed=1))

    report = simulation.run(described, weeks=2, seed=1, starved_after=1)

    assert report.rules["matcher"].feasible == 0
    assert "0.0%" in report.to_text()
