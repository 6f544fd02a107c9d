"""`flask moderation`: what the operator checks of the desks' work."""

import click
from flask.cli import AppGroup

from marketplace.services import audit

moderation = AppGroup("moderation", help="The desks of the territories.")


@moderation.command("verify-log")
def verify_log() -> None:
    """Walk along the audit log and find the first row that is altered, missing or inserted.

    Note the hash that is printed somewhere else: a log rewritten as a whole would show another one.
    """
    found = audit.verify()
    if found.wrong:
        raise click.ClickException(f"{found.wrong} ({found.entries} rows before it are right)")
    click.echo(f"{found.entries} rows, all right; the last hash is {found.head}")
