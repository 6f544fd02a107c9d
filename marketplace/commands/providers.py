"""`flask providers`: the lists of labelled providers."""

from datetime import datetime
from pathlib import Path

import click
from flask.cli import AppGroup

from marketplace.commands.progress import progress
from marketplace.commands.refusals import told
from marketplace.services import provider_import, provider_lists, provider_upkeep

providers = AppGroup("providers", help="Labelled providers.")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@providers.command("import")
@click.argument("source", type=click.Choice(provider_lists.SOURCES))
@click.argument("file", type=FILE)
@click.option("--name", default="", help="Of the list, for the source csv: « Label de la chambre ».")
@click.option(
    "--date", "data_on", type=click.DateTime(["%Y-%m-%d"]), help="Of the data; today when it is not told."
)
@click.option("--mapping", type=FILE, help="Other column names, in the form of seeds/providers/columns.csv.")
@click.option("--dry-run", is_flag=True, help="Read, judge and print; write nothing.")
@click.option("--force", is_flag=True, help="Also when more than 30 % of the list would be retired.")
@click.option("--json", "as_json", is_flag=True)
@told
def import_list(
    *,
    source: str,
    file: Path,
    name: str,
    data_on: datetime | None,
    mapping: Path | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Bring a list up to what FILE says: a CSV in its published columns, plain or gzip."""
    form = provider_lists.of_source(source, mapping=mapping, name=name)
    with progress("Providers") as step:
        report = provider_import.run(
            form,
            file,
            data_on=data_on.date() if data_on else None,
            dry_run=dry_run,
            force=force,
            on_progress=step,
        )
    click.echo(report.to_json() if as_json else report.to_text())


@providers.command()
@click.argument("identifier")
@click.option("--reason", required=True, help="Who asked, and when.")
@told
def suppress(identifier: str, reason: str) -> None:
    """Delete a provider that asks not to be here: a SIREN, or LIST:NUMBER. No import brings it back."""
    deleted = provider_upkeep.suppress(identifier, reason=reason)
    click.echo(f"{deleted} deleted; {identifier} will not be imported again")


@providers.command()
@told
def locate() -> None:
    """Ask the address service (BAN_DOMAIN) for the points of addresses that only have their commune's."""
    with progress("Addresses") as step:
        found, asked = provider_upkeep.locate(on_progress=step)
    click.echo(f"{found} of {asked} addresses found")
