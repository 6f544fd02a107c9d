"""`flask skills`: from somebody's words to skills."""

import json
from dataclasses import asdict

import click
from flask.cli import AppGroup

from marketplace.commands.refusals import told
from marketplace.services import skills as service

skills = AppGroup("skills", help="The skills reference.")


@skills.command()
@click.argument("text")
@click.option("--json", "as_json", is_flag=True)
@told
def suggest(text: str, as_json: bool) -> None:
    """Print the skills that TEXT means, best first."""
    found = service.suggest(text)
    if as_json:
        click.echo(json.dumps([asdict(skill) for skill in found], ensure_ascii=False))
        return
    for skill in found:
        click.echo(f"{skill.score:.2f}  {skill.slug:<26} {skill.label}  ({', '.join(skill.words)})")
    if not found:
        click.echo("no skill found", err=True)
