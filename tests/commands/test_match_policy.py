"""`flask match run --dry-run --policy FILE`, as an operator types it."""

import json

import pytest
from sqlalchemy import func, select

from marketplace.models import Match
from tests.support.builders import RENNES_METROPOLE


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=["match", "run", *args])


@pytest.fixture
def strict(tmp_path):
    path = tmp_path / "strict.json"
    path.write_text('{"level_gap": 0}')
    return str(path)


@pytest.fixture
def one_pair(market):
    return market.need(level=4), market.offer(level=3)


def test_it_prints_the_round_under_the_file_and_the_comparison(run, one_pair, strict):
    result = run("--dry-run", "--policy", strict)

    assert result.exit_code == 0, result.output
    assert "matched 0 (circles: 0)" in result.stdout
    assert "matched 1 → 0" in result.stdout
    assert "lose it: 1" in result.stdout


def test_json_holds_the_figures_of_the_round_and_the_comparison(run, one_pair, strict):
    need, _ = one_pair

    told = json.loads(run("--dry-run", "--policy", strict, "--territory", RENNES_METROPOLE, "--json").stdout)

    assert (told["territory"], told["matched"]) == (RENNES_METROPOLE, 0)
    assert told["comparison"]["losses"]["named"][0]["need_id"] == need.id


def test_nothing_is_written(run, one_pair, strict, db_session):
    run("--dry-run", "--policy", strict)

    assert db_session.scalar(select(func.count()).select_from(Match)) == 0


def test_toml_is_read_too(run, one_pair, tmp_path):
    path = tmp_path / "strict.toml"
    path.write_text("level_gap = 0\n")

    assert "matched 1 → 0" in run("--dry-run", "--policy", str(path)).stdout


def test_a_round_that_counts_takes_no_file(run, strict):
    result = run("--policy", strict)

    assert result.exit_code == 2
    assert "--dry-run" in result.output


def test_a_setting_that_cannot_be_is_refused_at_its_name(run, tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text('{"weights": {"skill": 0.9}}')

    result = run("--dry-run", "--policy", str(path))

    assert result.exit_code == 1
    assert "weights.skill: Choisissez un nombre de 0,3 à 0,7." in result.output


def test_a_file_that_is_not_there_is_a_usage_error(run):
    assert run("--dry-run", "--policy", "nowhere.json").exit_code == 2
