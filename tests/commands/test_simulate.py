"""`flask match simulate`, as an operator types it."""

import json
import sys

import pytest
from sqlalchemy import func, select

from marketplace.models import Match

TINY = ("match", "simulate", "--weeks", "2", "--needs-per-week", "3", "--offers-per-week", "2")


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=list(args))


def test_it_prints_a_column_for_each_rule(run):
    result = run(*TINY)

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 weekly rounds over an invented market in region 53, seed 1")
    assert "score alone       greedy   first come" in result.stdout


def test_json_stands_alone_on_standard_output_and_the_seed_decides(run):
    one, same, other = (json.loads(run(*TINY, "--json", "--seed", seed).stdout) for seed in ("4", "4", "5"))

    assert one == same
    assert one != other


def test_the_present_market_can_be_simulated_and_is_left_alone(run, market, db_session):
    market.need(), market.offer()

    result = run(*TINY, "--present")

    assert result.exit_code == 0, result.output
    assert "the open listings" in result.stdout
    assert db_session.scalar(select(func.count()).select_from(Match)) == 0


def test_an_empty_present_market_is_refused(run):
    result = run(*TINY, "--present")

    assert result.exit_code == 1
    assert "no open need or no open offer" in result.output


def test_the_plot_is_a_picture(run, tmp_path):
    pytest.importorskip("matplotlib")

    result = run(*TINY, "--plot", str(tmp_path / "simulation.png"))

    assert result.exit_code == 0, result.output
    assert (tmp_path / "simulation.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_plot_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    result = run(*TINY, "--plot", str(tmp_path / "simulation.png"))

    assert result.exit_code == 1
    assert "besoin-savoir-faire[plot]" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--weeks", "0"),
        ("--needs-per-week", "-1"),
        ("--seed", "-1"),
        ("--plot", "nowhere/there.png"),
        ("--plot", "x.svg"),
    ],
)
def test_impossible_arguments_are_a_usage_error(run, arguments):
    pytest.importorskip("matplotlib")

    assert run(*TINY, *arguments).exit_code == 2


def test_an_unknown_region_is_refused(run):
    result = run(*TINY, "--region", "99")

    assert result.exit_code == 1
    assert "99" in result.output
