"""`flask match`: matching rounds, and why a pair has its score."""

import click
from flask.cli import AppGroup

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.services import ranking, rounds
from marketplace.services.errors import PairExcluded

match = AppGroup("match", help="Pair needs with offers.")


@match.command()
@click.option("--territory", metavar="SIREN", help="Only the needs of this intercommunality.")
@click.option("--dry-run", is_flag=True, help="Compute and print; write nothing.")
@click.option("--json", "as_json", is_flag=True)
@told
def run(territory: str | None, dry_run: bool, as_json: bool) -> None:
    """Run a matching round."""
    with progress("Matching") as step:
        report = rounds.run(territory=territory, dry_run=dry_run, on_step=step)
    click.echo(report.to_json() if as_json else report.to_text())


@match.command()
@click.argument("need_id", type=click.IntRange(1, 2**31 - 1))
@click.argument("offer_id", type=click.IntRange(1, 2**31 - 1))
@told
def explain(need_id: int, offer_id: int) -> None:
    """Tell why this pair has its score, or which rule excludes it."""
    try:
        why = ranking.explain(need_id, offer_id)
    except PairExcluded as error:
        click.echo(f"excluded by: {', '.join(error.rules)}")
        return
    distance = "unknown" if why.distance_km is None else f"{why.distance_km:.1f} km"
    click.echo(f"score {why.score:.4f}; distance {distance}{'; remote' if why.remote else ''}")
    click.echo(f"wanted: {why.need_skill}; offered: {why.offer_skill}")
    for part in why.parts:
        click.echo(
            f"  {part.criterion:<13} value {part.value:.3f} × weight {part.weight:.3f}"
            f" = {part.share:.1%} of the score ({part.detail})"
        )
