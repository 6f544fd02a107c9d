"""Acts that happen at the same instant, each as in a request of its own."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

from flask import Flask

from marketplace.extensions import db


def at_once(app: Flask, *acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads that start together; return what each returned, or the exception it raised."""
    together = Barrier(len(acts))
    outcomes: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        with app.app_context():
            together.wait()
            try:
                outcomes[place] = act()
            except Exception as error:
                outcomes[place] = error

    db.session.rollback()  # the test itself holds no lock, and reads afresh afterwards
    threads = [Thread(target=run, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
