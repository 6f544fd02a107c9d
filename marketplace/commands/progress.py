"""A progress bar on standard error, so that standard output keeps the result alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

STEPS = 1000


@contextmanager
def progress(label: str, *, hidden: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Yield `step(name, fraction)`: shows the running step's name and how far it is."""
    with click.progressbar(
        length=STEPS, label=label, file=sys.stderr, hidden=hidden, item_show_func=lambda name: name or ""
    ) as bar:

        def step(name: str, fraction: float) -> None:
            target = int(min(max(fraction, 0.0), 1.0) * STEPS)
            if target < bar.pos:  # a new step starts over
                bar.pos = 0
            bar.update(target - bar.pos, name)

        yield step
