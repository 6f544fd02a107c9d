"""The tables of the open data: their columns in words, and their rows. No person, no structure is in them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Department,
    Listing,
    Match,
    MatchState,
    Provider,
    ProviderLabel,
    Region,
    Skill,
    SkillDomain,
    Territory,
)
from marketplace.services import directory, providers
from marketplace.services.roll_up import SMALLEST, Cell, rolled_up
from marketplace.services.saved_searches import KIND_NAMES

Row = tuple[object, ...]
COMMUNE, TERRITORY, DEPARTMENT, REGION, NATION = "commune", "territoire", "departement", "region", "france"
LEVELS = (COMMUNE, TERRITORY, DEPARTMENT, REGION, NATION)
STATES = {
    MatchState.PROPOSED: "proposee",
    MatchState.ACCEPTED: "acceptee-par-une",
    MatchState.AGREED: "acceptee-par-les-deux",
    MatchState.COMPLETED: "realisee",
    MatchState.DECLINED: "declinee",
    MatchState.EXPIRED: "sans-reponse",
    MatchState.CANCELLED: "annulee",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column. `type`, `pattern`, `choices`: as Table Schema has them; `required`: never empty."""

    name: str
    type: str
    description: str
    required: bool = True
    choices: tuple[str, ...] = ()
    pattern: str = ""
    minimum: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A file: `key` names the columns that tell its rows apart, in whose order they stand."""

    name: str
    title: str
    description: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    rows: Callable[[], Iterable[Row]]


_PLACE = (
    Field("niveau", "string", "Niveau du lieu : un lieu large ne compte que ce qui n’a pas sa propre ligne.",
          choices=LEVELS),
    Field("code", "string", "Code du lieu : INSEE de la commune, SIREN du territoire, code du département ou "
          "de la région ; vide pour la France.", required=False),
    Field("nom", "string", "Nom du lieu ; « Hors territoire » là où il n’y a pas d’intercommunalité."),
)  # fmt: skip
_AROUND = (Commune.territory_siren, Commune.department_code, Commune.region_code)
_KIND = Field("nature", "string", "Ce que dit l’annonce.", choices=tuple(KIND_NAMES.values()))


def _listings_by_domain() -> Iterator[Row]:
    cells = (
        Cell((insee, siren or "", department, region, ""), (KIND_NAMES[kind], domain), count, structures)
        for insee, siren, department, region, domain, kind, count, structures in _online(
            Commune.insee, *_AROUND, Skill.domain_slug
        )
    )
    names = _names()
    for level, cell in rolled_up(cells):
        yield (*_place(level, cell, names), *cell.about, cell.count)


def _listings_by_skill() -> Iterator[Row]:
    cells = (
        Cell((siren or "", department, region, ""), (KIND_NAMES[kind], skill), count, structures)
        for siren, department, region, skill, kind, count, structures in _online(*_AROUND, Skill.slug)
    )
    names = _names()
    for level, cell in rolled_up(cells):
        yield (*_place(level + 1, cell, names), *cell.about, cell.count)


def _online(*columns: Any) -> Iterable[Any]:
    """Return what is online by these columns and kind: how many listings, of how many structures."""
    query = (
        select(
            *columns,
            Listing.kind,
            func.count(Listing.id),
            func.count(func.distinct(Listing.organisation_id)),
        )
        .join(Commune, Commune.insee == Listing.commune_insee)
        .join(Skill, Skill.id == Listing.skill_id)
        .where(directory.is_listed())
    )
    return db.session.execute(query.group_by(*columns, Listing.kind))


def _matches() -> Iterator[Row]:
    query = (
        select(Match.created_at, Match.state, *_AROUND, Match.need_organisation_id)
        .join(Listing, Listing.id == Match.need_id)
        .join(Commune, Commune.insee == Listing.commune_insee)
    )
    counts: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[int, set[int]]] = {}
    for created_at, state, siren, department, region, organisation in db.session.execute(query):
        key = (siren or "", department, region, ""), (f"{created_at:%Y-%m}", STATES[state])
        count, structures = counts.get(key, (0, set()))
        structures.add(organisation)
        counts[key] = count + 1, structures
    cells = [Cell(*key, count, len(structures)) for key, (count, structures) in counts.items()]
    names = _names()
    for level, cell in rolled_up(cells):
        yield (*_place(level + 1, cell, names), *cell.about, cell.count)


def _skills() -> Iterator[Row]:
    query = select(Skill, SkillDomain).join(SkillDomain, SkillDomain.slug == Skill.domain_slug)
    for skill, domain in db.session.execute(query.order_by(Skill.slug)):
        yield skill.slug, skill.label, domain.slug, domain.label, skill.digcomp


def _territories() -> Iterator[Row]:
    for territory in db.session.scalars(select(Territory).order_by(Territory.siren)):
        yield (
            territory.siren,
            territory.name,
            territory.type,
            territory.department_code,
            territory.region_code,
            territory.population,
            "true" if territory.is_open else "false",
        )


def _providers() -> Iterator[Row]:
    query = (
        select(Provider, ProviderLabel, Commune.name)
        .join(ProviderLabel, ProviderLabel.provider_id == Provider.id)
        .join(Commune, Commune.insee == Provider.commune_insee)
        .where(Provider.retired_at.is_(None), providers.label_holds(clock.now().date()))
        .order_by(Provider.key, ProviderLabel.list_slug, ProviderLabel.record_key)
    )
    for provider, label, commune in db.session.execute(query):
        yield (
            provider.key,
            provider.name,
            label.name,
            label.list_slug,
            label.record_key,
            label.valid_until.isoformat() if label.valid_until else "",
            provider.commune_insee,
            commune,
        )


def _names() -> dict[tuple[str, str], str]:
    """Return the name of each place by its level and code."""
    names = {(NATION, ""): "France", (TERRITORY, ""): "Hors territoire"}
    for level, code, name in (
        (COMMUNE, Commune.insee, Commune.name),
        (TERRITORY, Territory.siren, Territory.name),
        (DEPARTMENT, Department.code, Department.name),
        (REGION, Region.code, Region.name),
    ):
        names |= {(level, key): said for key, said in db.session.execute(select(code, name))}
    return names


def _place(level: int, cell: Cell, names: dict[tuple[str, str], str]) -> Row:
    return LEVELS[level], cell.places[0], names[LEVELS[level], cell.places[0]]


TABLES = (
    Table(
        "annonces-par-lieu",
        "Annonces en ligne, par lieu et domaine",
        f"Une ligne n’est donnée que si {SMALLEST} structures au moins y sont comptées.",
        (*_PLACE, _KIND,
         Field("domaine", "string", "Nom court du domaine de compétences (voir competences.csv)."),
         Field("annonces", "integer", "Nombre d’annonces en ligne.", minimum=1)),
        ("niveau", "code", "nature", "domaine"),
        _listings_by_domain,
    ),
    Table(
        "annonces-par-competence",
        "Annonces en ligne, par territoire et compétence",
        f"Une ligne n’est donnée que si {SMALLEST} structures au moins y sont comptées.",
        (*_PLACE, _KIND,
         Field("competence", "string", "Nom court de la compétence principale (voir competences.csv)."),
         Field("annonces", "integer", "Nombre d’annonces en ligne.", minimum=1)),
        ("niveau", "code", "nature", "competence"),
        _listings_by_skill,
    ),
    Table(
        "mises-en-relation",
        "Mises en relation, par territoire du besoin et mois",
        f"Une ligne n’est donnée que si {SMALLEST} structures au moins y sont comptées.",
        (*_PLACE,
         Field("mois", "yearmonth", "Mois où la mise en relation a été proposée."),
         Field("etat", "string", "Où elle en est.", choices=tuple(STATES.values())),
         Field("mises_en_relation", "integer", "Nombre de mises en relation.", minimum=1)),
        ("niveau", "code", "mois", "etat"),
        _matches,
    ),
    Table(
        "competences",
        "Les compétences",
        "Le référentiel des compétences numériques qui s’échangent.",
        (Field("competence", "string", "Nom court.", pattern="[a-z0-9-]+"),
         Field("libelle", "string", "Nom en toutes lettres."),
         Field("domaine", "string", "Nom court du domaine.", pattern="[a-z0-9-]+"),
         Field("libelle_domaine", "string", "Nom du domaine."),
         Field("digcomp", "string", "Compétence correspondante du cadre européen DigComp 2.2.",
               pattern=r"[1-5]\.[1-6]")),
        ("competence",),
        _skills,
    ),
    Table(
        "territoires",
        "Les territoires",
        "Les intercommunalités, et celles qui participent.",
        (Field("siren", "string", "Numéro SIREN de l’intercommunalité.", pattern=r"\d{9}"),
         Field("nom", "string", "Nom."),
         Field("type", "string", "Type d’intercommunalité."),
         Field("departement", "string", "Code du département du siège."),
         Field("region", "string", "Code de la région du siège."),
         Field("population", "integer", "Population.", minimum=0),
         Field("participe", "boolean", "Le territoire relit lui-même ses annonces.")),
        ("siren",),
        _territories,
    ),
    Table(
        "prestataires",
        "Les prestataires labellisés",
        "Ce que disent les listes publiques de labels, une ligne par label en cours.",
        (Field("cle", "string", "SIRET, ou liste et numéro dans la liste."),
         Field("nom", "string", "Nom du prestataire."),
         Field("label", "string", "Nom du label."),
         Field("liste", "string", "Liste publique d’où vient la ligne."),
         Field("numero", "string", "Numéro dans cette liste."),
         Field("valable_jusqu_au", "date", "Fin de validité ; vide quand la liste n’en donne pas.",
               required=False),
         Field("commune", "string", "Code INSEE de la commune."),
         Field("nom_commune", "string", "Nom de la commune.")),
        ("cle", "liste", "numero"),
        _providers,
    ),
)  # fmt: skip
