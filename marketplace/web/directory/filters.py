"""The filters of a list, as they stand in its address. A bad one is told at its field, and left out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import Field, SelectField

from marketplace.models import ListingKind, SizeClass, SkillDomain
from marketplace.models.listings import RADIUS_MAX_KM
from marketplace.models.search import WORDS_MAX
from marketplace.services import directory, places, search, skills, territories
from marketplace.services.directory import Filters, Sort
from marketplace.services.errors import NotFound
from marketplace.services.saved_searches import KIND_NAMES, VENUE_NAMES
from marketplace.services.search import Counts
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, CommuneField, TextField, WholeNumber, skill_choices, with_blank

VENUES = {name: venue for venue, name in VENUE_NAMES.items()}
VENUE_LABELS = {"sur-place": "Sur place", "a-distance": "À distance"}
_NAMED_VENUES = {venue: (name, VENUE_LABELS[name]) for venue, name in VENUE_NAMES.items()}
SORTS = {"pertinence": Sort.RELEVANCE, "distance": Sort.DISTANCE, "date": Sort.DATE}
SORT_LABELS = {
    "pertinence": "Les plus ressemblantes",
    "distance": "Les plus proches",
    "date": "Les plus récentes",
}
KINDS = {name: kind for kind, name in KIND_NAMES.items()}
KIND_LABELS = {"besoin": "Besoins", "savoir-faire": "Savoir-faire"}
LISTS = {ListingKind.NEED: "directory.needs", ListingKind.OFFER: "directory.offers"}
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
        self.choices = with_blank(self.blank, {key: said(row) for key, row in rows.items()})

    def offer_skills(self, domains: Sequence[SkillDomain]) -> None:
        """Offer the skills by domain."""
        self.rows = {skill.slug: skill for domain in domains for skill in domain.skills}
        self.choices = {"Sans filtre": with_blank(self.blank, {}), **skill_choices(domains)}


class FilterForm(BaseForm):
    class Meta(BaseForm.Meta):
        csrf = False

    words = TextField("Que cherchez-vous ?", name="q", max_length=WORDS_MAX, required=False)
    kind = SelectField(
        "Annonces", name="type", default="", choices=with_blank("Besoins et savoir-faire", KIND_LABELS)
    )
    skill = ReferenceField("Compétence", name="competence", blank="Toutes", filters=(skills.current_slug,))
    commune = CommuneField("Autour de", required=False)
    radius_km = WholeNumber("Rayon (km)", name="rayon", minimum=0, maximum=RADIUS_MAX_KM, required=False)
    domain = ReferenceField("Domaine", name="domaine", blank="Tous")
    sector = ReferenceField("Activité de la structure", name="secteur", blank="Toutes")
    size = SelectField(
        "Taille de la structure",
        name="effectif",
        default="",
        choices=with_blank("Toutes", {size.value: label(size).capitalize() for size in SizeClass}),
    )
    territory = ReferenceField("Territoire", name="territoire", blank="Tous")
    venue = SelectField(
        "Lieu de l’échange", name="lieu", default="", choices=with_blank("Peu importe", VENUE_LABELS)
    )
    sort = SelectField("Ordre", name="tri", default="", choices=with_blank("", SORT_LABELS))

    @property
    def further(self) -> list[Field]:
        """The fields that are folded until one of them is used."""
        of_kind = [self.kind] if "kind" in self else []
        return [*of_kind, self.domain, self.sector, self.size, self.territory, self.venue]


@dataclass(frozen=True, slots=True)
class Link:
    """`current`: it leads to what is shown now. `number`: how many listings are there, if that is told."""

    label: str
    url: str
    current: bool = False
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """Choices that would narrow the list, each with what it would leave."""

    label: str
    links: Sequence[Link]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for. `state`: its valid part, which the links of the page keep.

    `kind`: both when None. `list_of`: the kind that the page shows whatever the address says.
    """

    form: FilterForm
    filters: Filters
    kind: ListingKind | None
    list_of: ListingKind | None
    state: Mapping[str, str]

    def url(self, **changes: str | int | None) -> str:
        values: dict[str, Any] = {**self.state, **changes}
        return url_for(request.endpoint or "", **values)

    @property
    def kept(self) -> dict[str, str]:
        """The filters alone, without their order, the kind of a list among them."""
        of_list = {"type": KIND_NAMES[self.list_of]} if self.list_of else {}
        return {name: value for name, value in self.state.items() if name != "tri"} | of_list

    @property
    def feed_url(self) -> str:
        """Where a program reads what the page shows, the newest first."""
        values: dict[str, Any] = dict(self.kept)
        return url_for("integration.listings_feed", **values)

    @property
    def save_url(self) -> str:
        """Where a POST saves this search, and a visitor is asked to log in first."""
        values: dict[str, Any] = dict(self.kept)
        return url_for("search.save", **values)

    def page_url(self, number: int) -> str:
        return self.url(page=number if number > 1 else None)

    @property
    def chips(self) -> list[Link]:
        """One link per filter in use, which leads to the list without it."""
        said = _said(self.form, self.filters)
        return [Link(said[name], self.url(**{name: None})) for name in self.state if name in said]

    @property
    def sorts(self) -> list[Link]:
        """The orders to choose from: words to look like and a place to measure from make more than one."""
        possible = {"pertinence": bool(self.filters.words), "distance": self.filters.near is not None}
        links = [
            Link(label, self.url(tri=name), current=SORTS[name] is self.filters.sort)
            for name, label in SORT_LABELS.items()
            if possible.get(name, True)
        ]
        return links if len(links) > 1 else []

    def facets(self, counts: Counts) -> list[Facet]:
        """Return what to narrow the list by, but for what leaves no choice."""
        skills = {skill.id: skill for skill in self.form.skill.rows.values()}
        facets = [
            Facet("Annonces", [self._kind_link(kind, number) for kind, number in counts.kinds.items()]),
            Facet("Lieu", [self._choice("lieu", _NAMED_VENUES[v], n) for v, n in counts.venues.items()]),
            Facet(
                "Domaine",
                [
                    self._choice("domaine", (slug, self.form.domain.rows[slug].label), number)
                    for slug, number in counts.domains.items()
                ],
            ),
            Facet(
                "Compétence",
                [
                    self._choice("competence", (skills[key].slug, skills[key].label), number)
                    for key, number in counts.skills.items()
                ],
            ),
            Facet(
                "Territoire",
                [
                    self._choice("territoire", (territory.siren, _cut(territory.name)), number)
                    for territory, number in counts.territories.items()
                ],
            ),
        ]
        return [
            facet for facet in facets if len(facet.links) > 1 or any(link.current for link in facet.links)
        ]

    def _choice(self, name: str, value: tuple[str, str], number: int) -> Link:
        """Return the link that chooses a value, or lets it go when it is chosen."""
        key, label = value
        chosen = self.state.get(name) == key
        return Link(label, self.url(**{name: None if chosen else key}), chosen, number)

    def _kind_link(self, kind: ListingKind, number: int) -> Link:
        key = KIND_NAMES[kind]
        if self.list_of is None:
            return self._choice("type", (key, KIND_LABELS[key]), number)
        values: dict[str, Any] = dict(self.state)
        url = url_for(LISTS[kind], **values)
        return Link(KIND_LABELS[key], url, kind is self.list_of, number)

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


def read(args: MultiDict[str, str], list_of: ListingKind | None = None) -> Asked:
    """Read the filters of an address; of a list of one kind when that is given."""
    form = FilterForm(args)
    if list_of:
        del form.kind
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
        size=SizeClass(size) if (size := _valid(form.size)) else None,
        venue=VENUES.get(_valid(form.venue)),
        words=_valid(form.words) or "",
        sort=_sort(form),
    )
    kind = list_of or KINDS.get(_valid(form.kind))
    return Asked(form, filters, kind, list_of, _state(form))


def page(template: str, asked: Asked) -> ResponseReturnValue:
    """Render what an address asks for."""
    number = request.args.get("page", default=1, type=int)
    answer = search.find(asked.kind, asked.filters, page=number)
    return render_template(
        template,
        asked=asked,
        kind=asked.kind,
        answer=answer,
        results=answer.results,
        facets=asked.facets(answer.counts),
        publish_url=_publish_url(asked),
    )


def _publish_url(asked: Asked) -> str:
    """Return the form of a listing that answers this list, filled in with what was looked for."""
    form = "listings.publish_offer" if asked.kind is ListingKind.NEED else "listings.publish_need"
    return url_for(form, competence=asked.state.get("competence"), commune=asked.state.get("commune"))


def _offer(form: FilterForm, args: MultiDict[str, str]) -> None:
    """Fill the lists. A link may name an activity or a territory that they leave out."""
    domains = skills.all_by_domain()
    form.skill.offer_skills(domains)
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
    """What resembles the words most, else the nearest, else the newest first, unless one says otherwise."""
    has_words, has_place = bool(_valid(form.words)), form.commune.commune is not None
    usual = Sort.RELEVANCE if has_words else Sort.DISTANCE if has_place else Sort.DATE
    sort = SORTS.get(_valid(form.sort), usual)
    is_possible = has_words if sort is Sort.RELEVANCE else has_place or sort is Sort.DATE
    return sort if is_possible else usual


def _valid(field: Field) -> Any:
    return None if field.errors else field.data


def _state(form: FilterForm) -> dict[str, str]:
    return {
        field.name: str(field.data) for field in form if not field.errors and field.data not in ("", None)
    }


def _said(form: FilterForm, filters: Filters) -> dict[str, str]:
    """Return each filter in use in words, by its name in the address."""
    said = {
        form.words.name: filters.words and f"« {filters.words} »",
        "type": KIND_LABELS.get(form.kind.data) if "kind" in form else None,
        form.skill.name: filters.skill and filters.skill.label,
        form.commune.name: filters.near and f"À {filters.radius_km} km au plus de {filters.near.name}",
        form.domain.name: filters.domain and filters.domain.label,
        form.sector.name: filters.sector and _cut(filters.sector.label),
        form.size.name: filters.size and label(filters.size).capitalize(),
        form.territory.name: filters.territory and filters.territory.name,
        form.venue.name: filters.venue and VENUE_LABELS[form.venue.data],
    }
    return {name: words for name, words in said.items() if words}


def _cut(text: str) -> str:
    return text if len(text) <= _LONG_LABEL else text[: _LONG_LABEL - 1].rstrip(" ,;") + "…"
