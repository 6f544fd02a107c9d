"""`flask seed`: reference data and the demonstration market."""

import click
from flask.cli import AppGroup

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.services import demo, demo_providers, reference

seed = AppGroup("seed", help="Load reference data or a demonstration market.")
SIZE = click.IntRange(0, 100_000)
SEED = click.IntRange(0, 2**31 - 1)


@seed.command("reference")
@click.option("--force", is_flag=True, help="Load files again even when they did not change.")
@told
def load_reference(force: bool) -> None:
    """Load territories, communes, NAF and skills from seeds/; again and again without doubles."""
    for loaded in reference.load(force=force):
        click.echo(f"{loaded.name}: {loaded.rows} rows, {'loaded' if loaded.changed else 'unchanged'}")


@seed.command("demo")
@click.option("--needs", type=SIZE, default=300, show_default=True)
@click.option("--offers", type=SIZE, default=300, show_default=True)
@click.option(
    "--seed", "seed_number", type=SEED, default=1, show_default=True, help="Same seed, same market."
)
@told
def load_demo(needs: int, offers: int, seed_number: int) -> None:
    """Build a demonstration market in real communes, with invented labelled providers."""
    with progress("Demonstration market") as step:
        report = demo.load(needs=needs, offers=offers, seed=seed_number, on_progress=step)
        demo_providers.load(step)
    click.echo(report.to_text())
