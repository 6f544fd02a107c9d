"""`flask match`: matching rounds, and why a pair has its score."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from flask.cli import AppGroup

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.services import policies, ranking, rounds, tuning
from marketplace.services.errors import PairExcluded

match = AppGroup("match", help="Pair needs with offers.")


@match.command()
@click.option("--territory", metavar="SIREN", help="Only the needs of this intercommunality.")
@click.option("--dry-run", is_flag=True, help="Compute and print; write nothing.")
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --dry-run: other settings (JSON or TOML), compared with the present ones over the last round.",
)
@click.option("--json", "as_json", is_flag=True)
@told
def run(territory: str | None, dry_run: bool, policy: Path | None, as_json: bool) -> None:
    """Run a matching round."""
    if policy and not dry_run:
        raise click.UsageError("--policy is for a --dry-run: a round follows the settings that were applied")
    settings = policies.read_file(policy) if policy else None
    with progress("Matching") as step:
        report = rounds.run(territory=territory, dry_run=dry_run, settings=settings, on_step=step)
    if settings is None:
        click.echo(report.to_json() if as_json else report.to_text())
        return
    comparison = tuning.compare(territory, settings)
    if as_json:
        click.echo(json.dumps({**asdict(report), "comparison": asdict(comparison)}, ensure_ascii=False))
    else:
        click.echo(f"{report.to_text()}\n{comparison.to_text()}")


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
