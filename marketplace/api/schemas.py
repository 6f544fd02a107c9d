"""What the API takes and gives, as pydantic models: its OpenAPI description is made of them.

No model of an answer has a place for a person: nobody's name, mail, phone or exact point.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from marketplace.models.listings import (
    CAPACITY_MAX,
    DESCRIPTION_MAX,
    DESCRIPTION_MIN,
    EXTRA_SKILLS_MAX,
    RADIUS_MAX_KM,
    TITLE_MAX,
    TITLE_MIN,
    TOTAL_MAX,
)
from marketplace.models.partners import KEY_MAX
from marketplace.services.text import is_keepable, tidy

PAGE_SIZE, PAGE_SIZE_MAX = 20, 100
CURSOR_MAX = 300
ID_MAX = 2**31 - 1

Kind = Literal["need", "offer"]
PlaceName = Literal["helper", "learner", "remote"]


def _all_may_be_missing(schema: dict[str, Any]) -> None:
    """`fields=` leaves out what was not asked for."""
    schema.pop("required", None)
    schema.pop("description", None)  # of the class, for those who read the code


class Out(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, json_schema_extra=_all_may_be_missing)


class Query(BaseModel):
    """The parameters of an address; an unknown one is refused, so that a slip does not go unseen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _a_number(value: object) -> object:
    """A query is text: « 2_0 », « 20.0 » and « ２０ » are no numbers there."""
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(ID_MAX))
    return value if digits or not isinstance(value, str) else None


Number = BeforeValidator(_a_number)
Absent = SkipJsonSchema[None]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
Siren = Annotated[str, Field(pattern=r"^[0-9]{9}$")]
Insee = Annotated[str, Field(pattern=r"^[0-9][0-9AB][0-9]{3}$")]
DepartmentCode = Annotated[str, Field(pattern=r"^[0-9][0-9AB][0-9]?$")]
SectorCode = Annotated[str, Field(pattern=r"^([A-U]|[0-9]{2}(\.[0-9]([0-9][A-Z]?)?)?)$")]
Id = Annotated[int, Field(ge=1, le=ID_MAX), Number]


class Slice(Query):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX, description="Lignes par page."), Number] = PAGE_SIZE
    cursor: Annotated[
        str,
        Field(max_length=CURSOR_MAX, description="Suite d’une liste, telle que l’en-tête Link la donne."),
    ] = ""
    fields: Annotated[
        str,
        Field(
            max_length=CURSOR_MAX,
            pattern=r"^([a-z_]+(,[a-z_]+)*)?$",
            description="Seulement ces champs, séparés par des virgules.",
        ),
    ] = ""


class ListingsQuery(Slice):
    kind: Annotated[Kind | Absent, Field(description="Besoins ou savoir-faire ; les deux par défaut.")] = None
    skill: Annotated[Slug | Absent, Field(description="Compétence, parmi /skills.")] = None
    domain: Annotated[Slug | Absent, Field(description="Domaine de compétences, parmi /skills.")] = None
    territory: Annotated[Siren | Absent, Field(description="SIREN de l’intercommunalité.")] = None
    commune: Annotated[Insee | Absent, Field(description="Code INSEE : autour de cette commune.")] = None
    radius: Annotated[
        Annotated[int, Field(ge=0, le=RADIUS_MAX_KM), Number] | Absent,
        Field(description="Kilomètres à vol d’oiseau autour de la commune ; 20 si rien n’est dit."),
    ] = None
    sector: Annotated[SectorCode | Absent, Field(description="Activité : code NAF, à tout niveau.")] = None
    size: Annotated[
        Literal["0", "1-9", "10-49", "50-249", "250+"] | Absent,
        Field(description="Taille de la structure, en personnes."),
    ] = None
    venue: Annotated[Literal["on_site", "remote"] | Absent, Field(description="Sur place ou à distance.")] = (
        None
    )
    published_since: Annotated[date | Absent, Field(description="Publiées ce jour-là ou après.")] = None


class SkillsQuery(Slice):
    domain: Annotated[Slug | Absent, Field(description="Domaine de compétences.")] = None


class TerritoriesQuery(Slice):
    open: Annotated[
        Literal["true", "false"] | Absent, Field(description="Le territoire anime lui-même l’échange.")
    ] = None
    department: Annotated[DepartmentCode | Absent, Field(description="Code du département.")] = None


class ProvidersQuery(Slice):
    skill: Annotated[Slug | Absent, Field(description="Compétence que couvre le label.")] = None
    label: Annotated[
        Literal["activateur", "expertcyber", "qualiopi", "other"] | Absent,
        Field(description="Label encore valable."),
    ] = None
    kind: Annotated[
        Literal["public", "private", "association"] | Absent, Field(description="Statut du prestataire.")
    ] = None
    free_first_meeting: Annotated[
        Literal["true"] | Absent, Field(description="Le premier rendez-vous est gratuit.")
    ] = None
    commune: Annotated[Insee | Absent, Field(description="Code INSEE : autour de cette commune.")] = None
    radius: Annotated[
        Annotated[int, Field(ge=0, le=RADIUS_MAX_KM), Number] | Absent,
        Field(description="Kilomètres à vol d’oiseau autour de la commune ; 20 si rien n’est dit."),
    ] = None


class StatsQuery(Query):
    territory: Annotated[Siren | Absent, Field(description="SIREN ; toute la France par défaut.")] = None


class PairQuery(Query):
    need: Annotated[Id, Field(description="Identifiant du besoin.")]
    offer: Annotated[Id, Field(description="Identifiant du savoir-faire.")]


HalfDay = Literal[
    "monday-morning", "monday-afternoon", "tuesday-morning", "tuesday-afternoon",
    "wednesday-morning", "wednesday-afternoon", "thursday-morning", "thursday-afternoon",
    "friday-morning", "friday-afternoon", "saturday-morning", "saturday-afternoon",
    "sunday-morning", "sunday-afternoon",
]  # fmt: skip
HALF_DAYS: tuple[HalfDay, ...] = get_args(HalfDay)


def _kept(text: str) -> str:
    if not is_keepable(text):
        raise ValueError("Ce texte contient des caractères invisibles que nous ne pouvons pas garder.")
    return text


def _kept_lines(text: str) -> str:
    if not is_keepable(text, several_lines=True):
        raise ValueError("Ce texte contient des caractères invisibles que nous ne pouvons pas garder.")
    return text


def _tidied(text: object) -> object:
    return tidy(text) if isinstance(text, str) else text


Tidy = BeforeValidator(_tidied)


class OwnQuery(Query):
    """A list of what a partner created."""

    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX, description="Lignes par page."), Number] = PAGE_SIZE
    cursor: Annotated[str, Field(max_length=CURSOR_MAX, description="Suite, comme l’en-tête Link.")] = ""


class KeyHeader(BaseModel):
    """Of the headers, the key that makes a request sent twice one request."""

    idempotency_key: Annotated[
        str,
        Field(
            pattern=rf'^"?[!#-~]{{1,{KEY_MAX}}}"?$',
            description="Une valeur nouvelle par demande, par exemple un UUID ; la même pour la renvoyer.",
        ),
    ]


class NewListing(BaseModel):
    """A listing that a partner publishes for a structure."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    siret: Annotated[str, Field(pattern=r"^[0-9]{14}$", description="La structure, qui a donné son accord.")]
    kind: Kind
    skill: Annotated[Slug, Field(description="Compétence, parmi /skills.")]
    extra_skills: Annotated[list[Slug], Field(max_length=EXTRA_SKILLS_MAX)] = []
    level: Annotated[int, Field(ge=1, le=4, description="1 découverte, 2 autonomie, 3 maîtrise, 4 expertise")]
    title: Annotated[str, Field(min_length=TITLE_MIN, max_length=TITLE_MAX), Tidy, AfterValidator(_kept)]
    description: Annotated[
        str,
        Field(min_length=DESCRIPTION_MIN, max_length=DESCRIPTION_MAX),
        Tidy,
        AfterValidator(_kept_lines),
    ]
    places: Annotated[list[PlaceName], Field(min_length=1, max_length=3)]
    radius_km: Annotated[int, Field(ge=0, le=RADIUS_MAX_KM)]
    half_days: Annotated[
        list[HalfDay], Field(max_length=len(HALF_DAYS), description="Vide : à tout moment.")
    ] = []
    urgency: Annotated[int, Field(ge=1, le=3, description="Besoins seulement.")] = 1
    capacity: Annotated[int, Field(ge=1, le=CAPACITY_MAX, description="Savoir-faire seulement.")] = 1
    total_limit: Annotated[
        Annotated[int, Field(ge=1, le=TOTAL_MAX)] | None, Field(description="Savoir-faire seulement.")
    ] = None
    is_permanent: Annotated[bool, Field(description="Savoir-faire seulement.")] = False
    avoid_competitors: bool = False
    competitor_radius_km: Annotated[int, Field(ge=0, le=RADIUS_MAX_KM)] = 10


class OwnListing(Out):
    """A listing as the partner that created it sees it."""

    id: int
    kind: Kind
    state: Literal[
        "draft", "pending", "published", "paused", "fulfilled", "expired", "withdrawn", "changes_requested",
        "rejected", "removed",
    ]  # fmt: skip
    url: str
    title: str
    skill: str
    organisation: str
    published_at: datetime | None
    expires_at: datetime | None


class OwnListings(Out):
    data: list[OwnListing]


class SkillRef(Out):
    slug: str
    label: str
    domain: str


class CommuneRef(Out):
    insee: str
    name: str


class TerritoryRef(Out):
    siren: str
    name: str


class SectorRef(Out):
    code: str
    label: str


class OrganisationRef(Out):
    id: int
    name: str
    url: str
    sector: SectorRef


class ListingOut(Out):
    """An online need or offer."""

    id: int
    kind: Kind
    url: str
    title: str
    description: str
    skill: SkillRef
    extra_skills: list[SkillRef]
    level: Annotated[int, Field(ge=1, le=4, description="1 découverte, 2 autonomie, 3 maîtrise, 4 expertise")]
    organisation: OrganisationRef
    commune: CommuneRef
    territory: TerritoryRef | None
    places: list[PlaceName]
    radius_km: int
    half_days: Annotated[list[HalfDay], Field(description="Vide : à tout moment.")]
    urgency: Annotated[int | None, Field(description="Besoins : 1 quand ce sera possible à 3 urgent.")]
    capacity: Annotated[int | None, Field(description="Savoir-faire : échanges en même temps.")]
    places_left: int
    is_permanent: bool
    competitors_refused_within_km: int | None
    distance_km: Annotated[int | None, Field(description="Depuis la commune demandée, au kilomètre.")]
    published_at: datetime | None
    expires_at: datetime | None


class SkillOut(Out):
    slug: str
    label: str
    description: str
    domain: str
    domain_label: str
    related: list[str]
    url: str
    needs: int
    offers: int


class TerritoryOut(Out):
    siren: str
    name: str
    type: str
    department: str
    region: str
    population: int
    is_open: bool
    url: str
    needs: int
    offers: int


class LabelOut(Out):
    """A label that holds today."""

    kind: Literal["activateur", "expertcyber", "qualiopi", "other"]
    name: str
    scopes: list[str]
    valid_until: Annotated[date | None, Field(description="Vide : tant que la liste le dit.")]
    source: Annotated[str, Field(description="La liste publiée d’où il vient.")]
    source_date: date


class ProviderOut(Out):
    """A labelled provider."""

    id: int
    name: str
    kind: Literal["public", "private", "association"] | None
    url: str
    website: str
    commune: CommuneRef
    labels: list[LabelOut]
    subjects: Annotated[list[str], Field(description="Ce qui couvre la compétence demandée.")]
    free_first_meeting: bool | None
    reviews: int
    rating: Annotated[float | None, Field(description="À partir de 3 avis.")]
    distance_km: Annotated[int | None, Field(description="Depuis la commune demandée, au kilomètre.")]


class Listings(Out):
    data: list[ListingOut]


class Skills(Out):
    data: list[SkillOut]


class Territories(Out):
    data: list[TerritoryOut]


class Providers(Out):
    data: list[ProviderOut]


class SkillFigures(Out):
    skill: str
    needs: int
    offers: int


class Stats(Out):
    """What is online now, and the exchanges that were completed."""

    territory: str | None
    needs: int
    offers: int
    organisations: int
    completed_exchanges: int
    skills: list[SkillFigures]


class PartOut(Out):
    """One criterion of a score; all `share` make 1."""

    criterion: str
    label: str
    value: float
    weight: float
    share: float
    text: str


class BrokenRule(Out):
    rule: str
    text: str


class PairOut(Out):
    """Why this pair has its score, or which rules exclude it."""

    need: int
    offer: int
    fits: bool
    score: float | None
    distance_km: int | None
    remote: bool | None
    parts: list[PartOut]
    excluded_by: list[BrokenRule]


ChangeName = Literal["radius", "remote", "place", "level", "skill", "competitors"]


class ChangeOut(Out):
    """One change of the need, and how many more offers would fit with it."""

    change: ChangeName
    value: str | int | None
    offers: int
    text: str


class SituationOut(Out):
    """What a need finds now, and what would change it."""

    need: int
    situation: str
    text: str
    fitting: int
    full: int
    nearest_out_of_reach_km: int | None
    changes: list[ChangeOut]


class FieldProblem(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldProblem] | None = None
