"""Lists of providers as their publishers write them, and the import of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Organisation, Provider, ProviderReview
from marketplace.services import provider_import, provider_lists
from marketplace.services.provider_import import ImportReport
from tests.support.builders import siret

ACTIVATEURS = "Identifiant de la structure;Nom de la structure;Type;Adresse;Code postal;Ville;Thématiques"
EXPERTCYBER = "Nom;SIRET;Adresse;Code postal;Ville;Date du label;Site;Courriel"
CSV = "SIRET;Nom;Label;Code postal;Commune;Thèmes;Coordonnées;Date fin"
_START, _SUBJECT = "adressePhysiqueOrganismeFormation", "informationsDeclarees.specialitesDeFormation"
QUALIOPI = ";".join(
    (
        "numeroDeclarationActivite", "denomination", "siren", "siretEtablissementDeclarant",
        f"{_START}.voie", f"{_START}.codePostal", f"{_START}.ville", "certifications.actionsDeFormation",
        "certifications.VAE", f"{_SUBJECT}.libelleSpecialite1", f"{_SUBJECT}.libelleSpecialite2", "",
    )
)  # fmt: skip


def expert(number: int, *, name: str = "", town: str = "35000;Rennes", day: str = "03/02/2026") -> str:
    """Return a row of ExpertCyber's."""
    said = name or f"Rempart {number}"
    return f"{said};{siret(number)};1 rue du Puits;{town};{day};www.rempart.example;avis@rempart.example"


def activateur(key: str, *, name: str = "Atelier du Web", themes: str = "Vente en ligne") -> str:
    return f"{key};{name};Privé;2 rue du Puits;35000;Rennes;{themes}"


def write(path: Path, header: str, rows: Sequence[str], *, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
    return path


class Importer:
    """Writes rows as a file and brings it in."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "list.csv"

    def __call__(self, source: str, header: str, rows: Sequence[str], **options: Any) -> ImportReport:
        name = options.pop("name", "Label de la chambre" if source == "csv" else "")
        write(self.path, header, rows)
        return provider_import.run(provider_lists.of_source(source, name=name), self.path, **options)


def provider(name: str) -> Provider:
    return db.session.scalars(select(Provider).where(Provider.name == name)).one()


def review_of(organisation: Organisation) -> ProviderReview | None:
    query = select(ProviderReview).where(ProviderReview.organisation_id == organisation.id)
    return db.session.scalars(query).one_or_none()
