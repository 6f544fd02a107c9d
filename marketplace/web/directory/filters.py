"""The filters of a list, as they stand in its address. A bad one is told at its field, and left out."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from werkzeug.datastructures import MultiDict
from wtforms import Field, SelectField

from marketplace.models import Venue
from marketplace.models.listings import RADIUS_MAX_KM
from marketplace.services import directory, places, skills, territories
from marketplace.services.directory import Filters, Sort
from marketplace.services.errors import NotFound
from marketplace.web.forms import BaseForm, CommuneField, TextField, WholeNumber

VENUES = {"sur-place": Venue.ON_SITE, "a-distance": Venue.REMOTE}
VENUE_LABELS = {"sur-place": "Sur place", "a-distance": "À distance"}
SORTS = {"distance": Sort.DISTANCE, "date": Sort.DATE}
SORT_LABELS = {"distance": "Les plus proches", "date": "Les plus récentes"}
SORT_NEEDS_PLACE = "Indiquez une commune pour voir d’abord les annonces les plus proches."
_LONG_LABEL = 60


class ReferenceField(SelectField):
    """One row of a reference, or all of them; `row` once valid."""

    def __init__(self, label: str, *, blank: str, **kwargs: Any) -> None:
        super().__init__(label, default="", **kwargs)
        self.blank = blank
        self.rows: Mapping[str, Any] = {}
        self.choices: Any = []

    @property
    def row(self) -> Any:
        return None if self.errors else self.rows.get(self.data)

    def offer(self, rows: Mapping[str, Any], said: Callable[[Any], str]) -> None:
        self.rows = rows
        self.choices = [("", self.blank), *((key, said(row)) for key, row in rows.items())]


class FilterForm(BaseForm):
    class Meta(BaseForm.Meta):
        csrf = False

    skill = ReferenceField("Compétence", name="competence", blank="Toutes")
    commune = CommuneField("Autour de", required=False)
    radius_km = WholeNumber("Rayon (km)", name="rayon", minimum=0, maximum=RADIUS_MAX_KM, required=False)
    words = TextField("Mots du titre", name="mots", max_length=100, required=False)
    domain = ReferenceField("Domaine", name="domaine", blank="Tous")
    sector = ReferenceField("Activité de la structure", name="secteur", blank="Toutes")
    territory = ReferenceField("Territoire", name="territoire", blank="Tous")
    venue = SelectField(
        "Lieu de l’échange", name="lieu", default="", choices=[("", "Peu importe"), *VENUE_LABELS.items()]
    )
    sort = SelectField("Ordre", name="tri", default="", choices=[("", ""), *SORT_LABELS.items()])

    @property
    def further(self) -> list[Field]:
        """The fields that are folded until one of them is used."""
        return [self.words, self.domain, self.sector, self.territory, self.venue]


@dataclass(frozen=True, slots=True)
class Link:
    """`current`: it leads to what is shown now."""

    label: str
    url: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for. `state`: its valid part, which the links of the page keep."""

    form: FilterForm
    filters: Filters
    state: Mapping[str, str]

    def url(self, **changes: str | int | None) -> str:
        values: dict[str, Any] = {**self.state, **changes}
        return url_for(request.endpoint or "", **values)

    def page_url(self, number: int) -> str:
        return self.url(page=number if number > 1 else None)

    @property
    def chips(self) -> list[Link]:
        """One link per filter in use, which leads to the list without it."""
        said = _said(self.form, self.filters)
        return [Link(said[name], self.url(**{name: None})) for name in self.state if name in said]

    @property
    def sorts(self) -> list[Link]:
        """The orders to choose from: with no place to measure from there is but one."""
        if self.filters.near is None:
            return []
        return [
            Link(label, self.url(tri=name), current=SORTS[name] is self.filters.sort)
            for name, label in SORT_LABELS.items()
        ]

    @property
    def further_used(self) -> int:
        return sum(bool(field.data) for field in self.form.further)

    @property
    def further_wrong(self) -> bool:
        return any(field.errors for field in self.form.further)

    @property
    def wider_km(self) -> int | None:
        """A radius worth trying when this one finds nothing."""
        if self.filters.near is None or self.filters.radius_km >= RADIUS_MAX_KM:
            return None
        return min(RADIUS_MAX_KM, max(10, 2 * round(self.filters.radius_km)))


def read(args: MultiDict[str, str]) -> Asked:
    """Read the filters of an address."""
    form = FilterForm(args)
    _offer(form, args)
    form.validate()
    _settle_place(form)
    filters = Filters(
        skill=form.skill.row,
        domain=form.domain.row,
        near=form.commune.commune,
        radius_km=_valid(form.radius_km) or 0,
        territory=form.territory.row,
        sector=form.sector.row,
        venue=VENUES.get(_valid(form.venue)),
        words=_valid(form.words) or "",
        sort=_sort(form),
    )
    return Asked(form, filters, _state(form))


def _offer(form: FilterForm, args: MultiDict[str, str]) -> None:
    """Fill the lists. A link may name an activity or a territory that they leave out."""
    domains = skills.all_by_domain()
    form.skill.rows = {skill.slug: skill for domain in domains for skill in domain.skills}
    form.skill.choices = {
        "Sans filtre": [("", form.skill.blank)],
        **{domain.label: [(skill.slug, skill.label) for skill in domain.skills] for domain in domains},
    }
    form.domain.offer({domain.slug: domain for domain in domains}, lambda domain: domain.label)
    sections = {section.code: section for section in directory.sections()}
    named = args.get(form.sector.name, "")
    if named not in sections and (sector := directory.sector(named)):
        sections[named] = sector
    form.sector.offer(sections, lambda sector: _cut(sector.label))
    open_now = {territory.siren: territory for territory in directory.open_territories()}
    siren = args.get(form.territory.name, "")
    if siren and siren not in open_now:
        with suppress(NotFound):  # the field tells it
            open_now[siren] = territories.get(siren)
    form.territory.offer(open_now, lambda territory: _cut(territory.name))


def _settle_place(form: FilterForm) -> None:
    """Say the commune in full, and the radius that is used when none is given."""
    near = form.commune.commune
    if near:
        form.commune.data = places.said(near)
        if not form.radius_km.errors and form.radius_km.data is None:
            form.radius_km.raw_data, form.radius_km.data = None, directory.usual_radius_km(near)
    elif form.sort.data == "distance" and not form.commune.errors:
        form.commune.errors = [SORT_NEEDS_PLACE]


def _sort(form: FilterForm) -> Sort:
    """The nearest first where a place is asked for, unless one says otherwise."""
    if form.commune.commune is None:
        return Sort.DATE
    return SORTS.get(_valid(form.sort), Sort.DISTANCE)


def _valid(field: Field) -> Any:
    return None if field.errors else field.data


def _state(form: FilterForm) -> dict[str, str]:
    return {
        field.name: str(field.data) for field in form if not field.errors and field.data not in ("", None)
    }


def _said(form: FilterForm, filters: Filters) -> dict[str, str]:
    """Return each filter in use in words, by its name in the address."""
    said = {
        form.skill.name: filters.skill and filters.skill.label,
        form.commune.name: filters.near and f"À {filters.radius_km} km au plus de {filters.near.name}",
        form.words.name: filters.words and f"« {filters.words} »",
        form.domain.name: filters.domain and filters.domain.label,
        form.sector.name: filters.sector and _cut(filters.sector.label),
        form.territory.name: filters.territory and filters.territory.name,
        form.venue.name: filters.venue and VENUE_LABELS[form.venue.data],
    }
    return {name: words for name, words in said.items() if words}


def _cut(text: str) -> str:
    return text if len(text) <= _LONG_LABEL else text[: _LONG_LABEL - 1].rstrip(" ,;") + "…"
