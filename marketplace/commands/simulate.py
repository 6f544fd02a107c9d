"""`flask match simulate`: months of rounds, against simpler rules."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.services import populations, simulation

BRITTANY = "53"


@click.command()
@click.option("--weeks", type=click.IntRange(1, 260), default=30, show_default=True, help="Weekly rounds.")
@click.option("--needs-per-week", type=click.FloatRange(0, 1000), default=40, show_default=True)
@click.option("--offers-per-week", type=click.FloatRange(0, 1000), default=6, show_default=True)
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Same seed, same course."
)
@click.option(
    "--region",
    metavar="CODE",
    default=BRITTANY,
    show_default=True,
    help="INSEE region of an invented market.",
)
@click.option("--present", is_flag=True, help="Start from the open listings; arrivals are like them.")
@click.option("--starved-after", type=click.IntRange(1, 260), default=12, show_default=True, metavar="ROUNDS")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
@told
def simulate(
    *,
    weeks: int,
    needs_per_week: float,
    offers_per_week: float,
    seed: int,
    region: str,
    present: bool,
    starved_after: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Simulate weekly rounds with the matcher and with simpler rules; writes nothing to the database."""
    if plot:
        _require_drawing(plot)
    arrivals = populations.Arrivals(
        weeks=weeks, needs_per_week=needs_per_week, offers_per_week=offers_per_week, seed=seed
    )
    described = populations.present(arrivals) if present else populations.invented(arrivals, region=region)
    with progress("Simulation") as step:
        report = simulation.run(described, weeks=weeks, seed=seed, starved_after=starved_after, on_step=step)
    if plot:
        from marketplace.commands.simulation_plot import draw  # noqa: PLC0415 (an optional extra)

        draw(report, plot)
    click.echo(report.to_json() if as_json else report.to_text())


def _require_drawing(path: Path) -> None:
    """Refuse before the work is done, not after."""
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError as error:
        raise click.ClickException(
            "--plot needs matplotlib: pip install 'besoin-savoir-faire[plot]'"
        ) from error
    if path.suffix.lower() != ".png":
        raise click.BadParameter(f"{path} does not end in .png", param_hint="--plot")
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}", param_hint="--plot")
