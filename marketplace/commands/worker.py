"""`flask worker`: mail, expiry, reminders, the nightly round."""

import signal
import threading
from types import FrameType

import click
from flask import current_app
from flask.cli import with_appcontext

from marketplace.extensions import db
from marketplace.services import jobs, outbox


@click.command()
@click.option("--once", is_flag=True, help="Do what is due now, then stop.")
@click.option(
    "--every", type=click.FloatRange(0.1, 3600), default=5.0, show_default=True, help="Seconds of rest."
)
@with_appcontext
def worker(once: bool, every: float) -> None:
    """Run the jobs that are due, again and again; several workers may run at a time."""
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    if not once:
        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)
    while not stop.is_set():
        done = _tick(fails_loudly=once)
        if once:
            return
        more_waits = done.get("mail", 0) >= outbox.BATCH
        stop.wait(0 if more_waits else every)


def _tick(*, fails_loudly: bool) -> dict[str, int]:
    """One round of jobs, and what each did. A database that is away for a minute must not end the worker."""
    try:
        done = jobs.tick()
        for name, count in done.items():
            if count:
                click.echo(f"{name}: {count}")
        return done
    except Exception:
        if fails_loudly:
            raise
        current_app.logger.exception("worker: trying again soon")
        return {}
    finally:
        db.session.rollback()
