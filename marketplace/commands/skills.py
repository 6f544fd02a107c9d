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
    """Print the skills that TEXT means, best first; when none is sure enough, the domains to choose from."""
    found = service.suggest(text)
    if not found:
        click.echo("not sure what is meant; choose a domain:", err=True)
        for domain in service.all_by_domain():
            click.echo(f"  {domain.slug:<18} {domain.label}", err=True)
    if as_json:
        click.echo(json.dumps([asdict(skill) for skill in found], ensure_ascii=False))
        return
    for skill in found:
        click.echo(f"{skill.score:.2f}  {skill.slug:<26} {skill.label}  ({', '.join(skill.words)})")
