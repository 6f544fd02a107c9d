"""`flask match run --scheduler ADDRESS`: candidates found by workers of dask.distributed."""

import json

import pytest
from sqlalchemy import func, select

from marketplace.models import Match, Territory
from tests.support.builders import CESSON, LIFFRE, LIFFRE_CORMIER, RENNES
from tests.support.clusters import on_the_cluster


@pytest.fixture
def run(app):
    return lambda *args: app.test_cli_runner().invoke(args=["match", "run", *args])


@pytest.fixture
def several(market, db_session):
    """A market under two policies: one territory chose its own."""
    db_session.get_one(Territory, LIFFRE_CORMIER).policy = {"half_distance_km": 60.0}
    for commune in (RENNES, CESSON, LIFFRE, LIFFRE):
        market.need(organisation=market.organisation(commune=commune))
        market.offer(organisation=market.organisation(commune=commune))
    db_session.commit()


def figures(result):
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    return {name: told[name] for name in ("needs", "offers", "edges", "matched", "circles", "total_weight")}


@on_the_cluster
def test_workers_give_the_round_that_one_machine_gives(run, several, scheduler, clock):
    shared = figures(run("--dry-run", "--json", "--scheduler", scheduler))

    assert shared == figures(run("--dry-run", "--json"))


def test_a_scheduler_that_does_not_answer_is_refused_and_nothing_is_written(
    run, several, db_session, monkeypatch
):
    pytest.importorskip("distributed")
    monkeypatch.setattr("marketplace.matching.distributed.WAIT_SECONDS", 0.3)

    result = run("--scheduler", "tcp://127.0.0.1:1")

    assert result.exit_code == 1
    assert "no scheduler answers at tcp://127.0.0.1:1" in result.output
    assert db_session.scalar(select(func.count()).select_from(Match)) == 0
