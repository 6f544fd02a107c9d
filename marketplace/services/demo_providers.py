"""The demonstration providers: invented, in files of the published columns, brought in as real ones are."""

from marketplace.extensions import db
from marketplace.models import ProviderList
from marketplace.services import provider_import, provider_lists
from marketplace.services.provider_import import ImportReport, OnProgress

SOURCES = ("activateurs", "expertcyber", "qualiopi")


def load(on_progress: OnProgress | None = None) -> list[ImportReport]:
    """Bring in the lists that the site does not hold yet: those it holds may be the real ones."""
    return [
        provider_import.run(
            provider_lists.of_source(source),
            provider_lists.FOLDER / "demo" / f"{source}.csv",
            on_progress=on_progress,
        )
        for source in SOURCES
        if db.session.get(ProviderList, source) is None
    ]
