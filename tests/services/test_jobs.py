"""What the worker does without anybody asking."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from marketplace.extensions import db
from marketplace.models import Listing, ListingState, Match, MatchState
from marketplace.services import jobs
from tests.support.threads import at_once

PARIS = ZoneInfo("Europe/Paris")


def test_the_first_tick_runs_a_round_and_the_second_does_not(market, db_session):
    market.need(), market.offer()

    assert jobs.tick()["round"] == 1
    assert "round" not in jobs.tick()
    assert db_session.scalar(select(Match.state)) is MatchState.PROPOSED


def test_the_round_comes_back_the_next_night(market, clock):
    clock.set(datetime(2026, 5, 4, 12, 0, tzinfo=PARIS))
    jobs.tick()

    clock.move(hours=14)  # two in the morning
    assert "round" not in jobs.tick()
    clock.move(hours=1)
    assert "round" in jobs.tick()


def test_the_night_of_the_clock_change_has_one_round(market, clock):
    clock.set(datetime(2026, 10, 24, 23, 0, tzinfo=PARIS))
    jobs.tick()

    ran = 0
    for _ in range(20):
        clock.move(minutes=30)
        ran += "round" in jobs.tick()

    assert ran == 1


def test_listings_and_proposals_past_their_term_are_closed(market, db_session, clock):
    match = market.match(state=MatchState.PROPOSED)
    clock.move(days=91)

    done = jobs.tick()

    assert (done["expire-matches"], done["expire-listings"]) == (1, 2)
    assert db_session.get(Listing, match.need_id).state is ListingState.EXPIRED


def test_a_job_that_fails_does_not_stop_the_others(market, monkeypatch):
    def fail():
        raise RuntimeError

    broken = jobs.Job("broken", lambda _last, _now: True, fail)
    monkeypatch.setattr(jobs, "JOBS", (broken, *jobs.JOBS))

    done = jobs.tick()

    assert "broken" not in done
    assert "round" in done


def test_a_job_that_fails_in_the_database_does_not_stop_the_others(market, monkeypatch):
    def fail():
        db.session.execute(text("SELECT nonsense"))

    broken = jobs.Job("broken", lambda _last, _now: True, fail)
    monkeypatch.setattr(jobs, "JOBS", (broken, *jobs.JOBS))

    assert "round" in jobs.tick()


def test_mail_that_fails_does_not_stop_the_jobs(market, monkeypatch):
    def fail():
        raise RuntimeError

    monkeypatch.setattr(jobs.outbox, "deliver", fail)

    done = jobs.tick()

    assert "mail" not in done
    assert "round" in done


def test_a_failed_job_comes_back_at_its_next_time(market, clock, monkeypatch):
    tries = []

    def fail():
        tries.append(clock.now)
        raise RuntimeError

    monkeypatch.setattr(jobs, "JOBS", (jobs.Job("broken", jobs._every(minutes=10), fail),))
    for _ in range(3):
        jobs.tick()
        clock.move(minutes=5)

    assert len(tries) == 2


@pytest.mark.parametrize("ran_before", [False, True])
def test_workers_at_the_same_time_run_a_job_once(app, clock, monkeypatch, ran_before):
    runs = []
    job = jobs.Job("counted", jobs._every(minutes=10), lambda: runs.append(1) or 1)
    monkeypatch.setattr(jobs, "JOBS", (job,))
    if ran_before:
        jobs.tick()
        clock.move(minutes=10)
        runs.clear()

    done = at_once(app, *[jobs.tick] * 4)

    assert runs == [1]
    assert sum("counted" in each for each in done) == 1
