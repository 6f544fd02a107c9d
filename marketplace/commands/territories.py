"""`flask territories`: which intercommunalities take part, and who moderates them."""

import click
from flask.cli import AppGroup

from marketplace.commands.refusals import told
from marketplace.models import ModerationMode, TerritoryRoleKind
from marketplace.services import team
from marketplace.services import territories as service

territories = AppGroup("territories", help="Intercommunalities that take part.")


@territories.command("open")
@click.argument("siren")
@click.option(
    "--moderation",
    type=click.Choice([mode.value for mode in ModerationMode]),
    default=ModerationMode.BEFORE.value,
    show_default=True,
    help="Read listings before or after publication.",
)
@told
def open_territory(siren: str, moderation: str) -> None:
    """Open a territory: its own moderators decide there from now on."""
    territory = service.open_territory(siren, mode=ModerationMode(moderation))
    click.echo(f"{territory.name} is open, moderation {territory.moderation_mode}")


@territories.command("close")
@click.argument("siren")
@told
def close_territory(siren: str) -> None:
    """Close a territory: the national administrators moderate there again."""
    click.echo(f"{service.close_territory(siren).name} is closed")


@territories.command("add-moderator")
@click.argument("siren")
@click.argument("mail")
@click.option("--head", is_flag=True, help="Also in charge of the territory's settings.")
@told
def add_moderator(siren: str, mail: str, head: bool) -> None:
    """Give somebody who has an account the right to moderate a territory."""
    role = team.appoint(siren, mail, TerritoryRoleKind.HEAD if head else TerritoryRoleKind.MODERATOR)
    click.echo(f"{mail} is {role.role} of {siren}")


@territories.command("remove-moderator")
@click.argument("siren")
@click.argument("mail")
@told
def remove_moderator(siren: str, mail: str) -> None:
    """Take the right back."""
    team.dismiss(siren, mail)
    click.echo(f"{mail} no longer moderates {siren}")
