"""`flask users`: accounts opened by the operator."""

import click
from flask.cli import AppGroup

from marketplace.commands.refusals import told
from marketplace.services import accounts

users = AppGroup("users", help="People's accounts.")


@users.command("create-admin")
@click.option("--email", prompt=True)
@click.option("--name", prompt=True)
@click.password_option()
@told
def create_admin(email: str, name: str, password: str) -> None:
    """Open the account of a national administrator, or promote an existing one."""
    user = accounts.create_admin(email=email, name=name, password=password)
    click.echo(f"{user.email} is a national administrator")
