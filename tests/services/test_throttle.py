from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import AttemptCounter
from marketplace.services.errors import TooManyAttempts
from marketplace.services.throttle import count_attempt, forget_old
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("app")


def test_the_attempt_after_the_limit_is_refused():
    for _ in range(3):
        count_attempt("login:a@b.example", limit=3, seconds=900)
    with pytest.raises(TooManyAttempts):
        count_attempt("login:a@b.example", limit=3, seconds=900)


def test_one_person_does_not_use_up_the_attempts_of_another():
    count_attempt("login:a@b.example", limit=1, seconds=900)
    count_attempt("login:c@d.example", limit=1, seconds=900)


def test_the_wait_ends_with_the_window_and_is_told_in_seconds(clock):
    clock.set(datetime(2026, 5, 4, 12, 5, 0, tzinfo=UTC))
    count_attempt("key", limit=1, seconds=900)
    with pytest.raises(TooManyAttempts) as refusal:
        count_attempt("key", limit=1, seconds=900)
    assert refusal.value.retry_after == 600
    clock.move(seconds=600)
    count_attempt("key", limit=1, seconds=900)


def test_every_worker_counts_in_the_same_place(app):
    def attempt() -> None:
        count_attempt("key", limit=5, seconds=900)

    outcomes = at_once(app, *[attempt] * 8)
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 3


def test_a_very_long_key_is_counted_too():
    count_attempt("é" * 5000, limit=1, seconds=900)
    with pytest.raises(TooManyAttempts):
        count_attempt("é" * 5000, limit=1, seconds=900)


def test_past_windows_are_forgotten_and_the_present_one_kept(clock):
    count_attempt("old", limit=1, seconds=60)
    clock.move(hours=1)
    count_attempt("new", limit=1, seconds=60)
    forget_old()
    assert db.session.scalar(select(func.count()).select_from(AttemptCounter)) == 1
