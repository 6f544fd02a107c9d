"""Acts that happen at the same instant, each as in a request of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from flask import Flask

from marketplace.extensions import db


def at_once(app: Flask, *acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads that start together; return what each returned, or the exception it raised."""
    together = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        with app.app_context():
            together.wait()
            try:
                return act()
            except Exception as error:
                return error

    db.session.rollback()  # the test itself holds no lock, and reads afresh afterwards
    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def in_a_thread(app: Flask, act: Callable[[], Any]) -> Any:
    """Run the act beside the test, whose own transaction stays open; return what it returned."""

    def run() -> Any:
        with app.app_context():
            return act()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()
