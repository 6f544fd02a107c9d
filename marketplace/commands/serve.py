"""`flask serve`: the site and its worker on one machine, ready to use."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask_migrate import upgrade
from gunicorn.app.base import BaseApplication

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.extensions import db
from marketplace.services import demo, demo_providers, reference, rounds
from marketplace.settings import ROOT


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option(
    "--demo", "with_demo", is_flag=True, help="Load the demonstration market first, and run a round."
)
@with_appcontext
@told
def serve(host: str, port: int, threads: int, with_demo: bool) -> None:
    """Bring the database up to date, then serve the site and run its worker until interrupted.

    One process with threads, as suits SQLite; README.md says how to run several.
    """
    upgrade()
    reference.load()
    if with_demo:
        _load_demo()
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    db.session.remove()
    db.engine.dispose()  # a forked server must not share its connections
    _Server(app, host=host, port=port, threads=threads, with_demo=with_demo).run()


def _load_demo() -> None:
    with progress("Demonstration market") as step:
        demo.load(on_progress=step)
        demo_providers.load(step)
    if not rounds.latest(1):
        with progress("Matching") as step:
            rounds.run(on_step=step)


class _Server(BaseApplication):
    """gunicorn with a worker beside it."""

    def __init__(self, app: Flask, *, host: str, port: int, threads: int, with_demo: bool) -> None:
        self.app = app
        self.with_demo = with_demo
        self.worker: subprocess.Popen[bytes] | None = None
        self.options: dict[str, Any] = {
            "bind": f"{host}:{port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": threads,
            "loglevel": "warning",
            "when_ready": self._started(f"http://{host}:{port}"),
            "on_exit": self._stopped,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self.app

    def _started(self, address: str) -> Callable[[object], None]:
        def when_ready(_server: object) -> None:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", "worker"], cwd=ROOT
            )
            click.echo(f"\nServing on {address} (stop with Ctrl-C)")
            for login in demo.LOGINS if self.with_demo else ():
                click.echo(f"  {login.role:<32} {login.email:<40} {login.password}")

        return when_ready

    def _stopped(self, _server: object) -> None:
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait(timeout=10)
