"""`flask users`: accounts opened by the operator."""

import click
from flask.cli import AppGroup

from marketplace.commands.refusals import told
from marketplace.services import accounts, two_factor

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


@users.command("reset-second-factor")
@click.argument("mail")
@click.option("--reason", required=True, help="How you made sure who asks; kept in the audit log.")
@told
def reset_second_factor(mail: str, reason: str) -> None:
    """Take the second factor off somebody who lost their phone and their recovery codes."""
    user = two_factor.reset_by_mail(mail, reason=reason)
    click.echo(f"{user.email} logs in by password alone, until they set up a new second factor")
