"""`flask match`: matching rounds, and why a pair has its score."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from flask.cli import AppGroup

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.models import Listing, Place
from marketplace.services import explanations, policies, ranking, rounds, tuning
from marketplace.services.explanations import Verdict
from marketplace.services.market import Exclusion

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
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Of dask.distributed, e.g. tcp://10.0.0.1:8786: its workers find the candidates.",
)
@click.option("--json", "as_json", is_flag=True)
@told
def run(
    territory: str | None, dry_run: bool, policy: Path | None, scheduler: str | None, as_json: bool
) -> None:
    """Run a matching round."""
    if policy and not dry_run:
        raise click.UsageError("--policy is for a --dry-run: a round follows the settings that were applied")
    settings = policies.read_file(policy) if policy else None
    with progress("Matching") as step:
        report = rounds.run(
            territory=territory, dry_run=dry_run, settings=settings, scheduler=scheduler, on_step=step
        )
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
@click.argument("offer_id", type=click.IntRange(1, 2**31 - 1), required=False)
@told
def explain(need_id: int, offer_id: int | None) -> None:
    """Tell why this pair has its score, or which rule excludes it; of a need alone, why it has nobody."""
    if offer_id is None:
        _tell_need(need_id)
        return
    need, offer = explanations.need_of(need_id), explanations.offer_of(offer_id)
    why = ranking.judged(need, offer)
    distance = "unknown" if why.distance_km is None else f"{why.distance_km:.1f} km"
    if isinstance(why, Exclusion):
        click.echo(f"excluded by: {', '.join(why.rules)}; distance {distance}")
        click.echo(
            f"wanted: {why.need_skill}, level {why.need_level}, within {why.need_radius_km} km; "
            f"offered: {why.offer_skill}, level {why.offer_level}, within {why.offer_radius_km} km"
        )
        return
    click.echo(f"score {why.score:.4f}; distance {distance}{'; remote' if why.remote else ''}")
    click.echo(f"wanted: {why.need_skill}; offered: {why.offer_skill}")
    for part in why.parts:
        click.echo(
            f"  {part.criterion:<13} value {part.value:.3f} × weight {part.weight:.3f}"
            f" = {part.share:.1%} of the score ({part.detail})"
        )
    _tell_verdict(explanations.verdicts(need, [offer]).get(offer.id))


def _tell_verdict(verdict: Verdict | None) -> None:
    if verdict is None:
        click.echo("no round weighed the two together")
    elif verdict.is_chosen:
        click.echo(f"round {verdict.round.id}: chosen")
    else:
        cost = "in circles" if verdict.loss is None else f"the total would lose {verdict.loss:.4f} at least"
        click.echo(
            f"round {verdict.round.id}: not chosen; the need got offer {_ids(verdict.got)},"
            f" the offer went to need {_ids(verdict.winners)}; {cost}"
        )


def _ids(found: Sequence[Listing]) -> str:
    return ", ".join(str(one.id) for one in found) or "none"


def _tell_need(need_id: int) -> None:
    why = explanations.why(explanations.need_of(need_id))
    if why is None:
        click.echo("not online: it takes no part")
        return
    now = why.now
    click.echo(f"obstacle: {now.obstacle}; fitting {now.fitting}, full {now.full}, closed {now.closed}")
    for step in now.radius:
        click.echo(f"  within {step.value} km: {step.offers} more")
    if now.remote:
        click.echo(f"  remotely: {now.remote} more")
    for step in now.places:
        click.echo(f"  at the {'helper' if step.value == Place.HELPER else 'learner'}'s: {step.offers} more")
    for step in now.level:
        click.echo(f"  at level {step.value}: {step.offers} more")
    for step in now.skills:
        click.echo(f"  with the skill {why.skills[step.value].slug}: {step.offers} more")
    if now.competitors:
        click.echo(f"  with competitors: {now.competitors} more")
    if why.outcome:
        click.echo(f"round {why.outcome.round_id}: {why.outcome.reason}")
    for lost in why.lost:
        cost = "places are in circles" if lost.loss is None else f"the total would lose {lost.loss:.4f}"
        winners = ", ".join(str(need.id) for need in lost.winners) or "needs no longer online"
        click.echo(f"  offer {lost.offer.id} went to {winners}; {cost}")
