"""`flask data`: open data, and the data of people."""

import json
from pathlib import Path

import click
from flask.cli import AppGroup

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.services import open_data, personal_data, retention

data = AppGroup("data", help="Open data, retention, one person's data.")


@data.command("dump")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", required=False)
def dump(folder: Path | None) -> None:
    """Write the open data into DIR; without DIR, into the folder that the site offers for download."""
    try:
        if folder is None:
            click.echo(f"{open_data.keep_latest()} files, offered at /donnees")
            return
        with progress("Open data") as step:
            made = open_data.dump(folder, on_step=step)
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder}: {error.strerror}") from error
    for file in made.files:
        rows = f", {file.rows} rows" if file.rows is not None else ""
        click.echo(f"{file.name}: {file.bytes} bytes{rows}")


@data.command("purge")
@told
def purge() -> None:
    """Erase what has been kept long enough (services/retention.py); the worker does it every night."""
    for name, count in retention.purge().items():
        click.echo(f"{name}: {count}")


@data.command("export-user")
@click.argument("mail")
@told
def export_user(mail: str) -> None:
    """Print all that is kept about one person, as JSON."""
    click.echo(json.dumps(personal_data.export_by_email(mail), ensure_ascii=False, indent=2))
