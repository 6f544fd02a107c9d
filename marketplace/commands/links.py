"""`flask links`: the links to trainings, diagnoses and aid elsewhere."""

import click
from flask import current_app
from flask.cli import AppGroup

from marketplace.adapters import link_tester
from marketplace.commands.refusals import told
from marketplace.services import help_links

links = AppGroup("links", help="Links to trainings, diagnoses and aid elsewhere.")


@links.command()
@told
def check() -> None:
    """Test every link in use and record what came of it; one that fails twice in a row is hidden."""
    config = link_tester.from_config(current_app.config)
    try:
        tested = help_links.check(lambda urls: link_tester.statuses(urls, config))
    except help_links.Offline as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{tested.alive} answer, {tested.failing} do not")
    for key in tested.hidden:
        click.echo(f"hidden from now on: {key}")
