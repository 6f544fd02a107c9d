"""What runs without anybody asking: mail, expiry, reminders, the nightly round. `flask worker` ticks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import JobRun
from marketplace.services import (
    journal,
    listings,
    matches,
    open_data,
    outbox,
    partners,
    retention,
    rounds,
    saved_searches,
    throttle,
)
from marketplace.services.work import unit_of_work

PARIS = ZoneInfo("Europe/Paris")
LONG_AGO = datetime(2000, 1, 1, tzinfo=PARIS)


@dataclass(frozen=True, slots=True)
class Job:
    """`is_due(last run, now)` says whether it runs; `run` does it and returns how many things it did."""

    name: str
    is_due: Callable[[datetime, datetime], bool]
    run: Callable[[], int]


def tick() -> dict[str, int]:
    """Send mail, then run each job that is due, once across all workers. Returns what each did.

    One that fails is logged and tried again at its next due time; the others go on.
    """
    done: dict[str, int] = {}
    _run("mail", outbox.deliver, done)
    for job in JOBS:
        if _is_due(job) and _claim(job):
            _run(job.name, job.run, done)
    return done


def _run(name: str, act: Callable[[], int], done: dict[str, int]) -> None:
    try:
        done[name] = act()
    except Exception:
        current_app.logger.exception("job %s failed", name)
        db.session.rollback()  # PostgreSQL answers nothing more in a transaction that failed


def _is_due(job: Job) -> bool:
    """A plain look, so that an idle worker writes nothing."""
    last = db.session.scalar(select(JobRun.last_run_at).where(JobRun.name == job.name))
    return job.is_due(last or LONG_AGO, clock.now())


def _claim(job: Job) -> bool:
    """Note that the job runs now; False when it is not due or another worker has taken it."""
    try:
        return _note_run(job)
    except IntegrityError:  # its first run ever, noted by another worker at the same instant
        return False


def _note_run(job: Job) -> bool:
    with unit_of_work() as work:
        now = clock.now()
        row = work.session.scalar(
            select(JobRun).where(JobRun.name == job.name).with_for_update(skip_locked=True)
        )
        if row is None:
            if work.session.get(JobRun, job.name) is not None:  # another worker holds its row
                return False
            row = JobRun(name=job.name, last_run_at=LONG_AGO)
            work.session.add(row)
        if not job.is_due(row.last_run_at, now):
            return False
        row.last_run_at = now
    return True


def _every(**gap: float) -> Callable[[datetime, datetime], bool]:
    return lambda last, now: now - last >= timedelta(**gap)


def _nightly(last: datetime, now: datetime) -> bool:
    """Once a night, at the hour of the setting; a worker that slept through it does it late."""
    hour = int(current_app.config["NIGHTLY_ROUND_HOUR"])
    today = now.astimezone(PARIS).replace(hour=hour, minute=0, second=0, microsecond=0)
    due = today if now >= today else today - timedelta(days=1)
    return last < due


def _round() -> int:
    return rounds.run().written


JOBS = (
    Job("expire-matches", _every(minutes=10), matches.expire_due),
    Job("expire-listings", _every(minutes=10), listings.expire_due),
    Job("remind-matches", _every(hours=1), matches.remind_due),
    Job("remind-listings", _every(hours=1), listings.remind_due),
    Job("give-searches", _every(hours=1), saved_searches.give_defaults),
    Job("tell-searches", _every(minutes=1), saved_searches.tell_due),
    Job("forget-attempts", _every(hours=6), throttle.forget_old),
    Job("forget-changes", _every(hours=24), journal.forget_old),
    Job("forget-requests", _every(hours=6), partners.forget_requests),
    Job("open-data", _every(days=7), open_data.keep_latest),
    Job("round", _nightly, _round),
    Job(retention.JOB, _nightly, retention.run),
)
