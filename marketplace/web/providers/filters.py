"""The filters of the list of providers, as they stand in its address. A bad one is told, and left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, SelectField

from marketplace.models import LabelKind, ProviderKind
from marketplace.models.listings import RADIUS_MAX_KM
from marketplace.services import directory, places, skills
from marketplace.services.providers import Filters
from marketplace.web.directory.filters import Link, ReferenceField
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, CommuneField, WholeNumber, with_blank

LABELS = {
    "activateur-france-num": LabelKind.ACTIVATEUR,
    "expertcyber": LabelKind.EXPERTCYBER,
    "qualiopi": LabelKind.QUALIOPI,
    "autre": LabelKind.OTHER,
}
KINDS = {
    "public": ProviderKind.PUBLIC,
    "prive": ProviderKind.PRIVATE,
    "association": ProviderKind.ASSOCIATION,
}


class FilterForm(BaseForm):
    class Meta(BaseForm.Meta):
        csrf = False

    skill = ReferenceField("Compétence", name="competence", blank="Toutes")
    commune = CommuneField("Autour de", required=False)
    radius_km = WholeNumber("Rayon (km)", name="rayon", minimum=0, maximum=RADIUS_MAX_KM, required=False)
    label = SelectField(
        "Label",
        default="",
        choices=with_blank("Tous", {name: label(kind) for name, kind in LABELS.items()}),
    )
    kind = SelectField(
        "Type",
        name="type",
        default="",
        choices=with_blank("Peu importe", {name: label(kind).capitalize() for name, kind in KINDS.items()}),
    )
    is_free = BooleanField("Premier rendez-vous gratuit", name="gratuit", false_values=("", "non"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for. `state`: its valid part, which the links of the page keep."""

    form: FilterForm
    filters: Filters
    state: Mapping[str, str]

    def url(self, **changes: str | int | None) -> str:
        values: dict[str, Any] = {**self.state, **changes}
        return url_for("providers.index", **values)

    def page_url(self, number: int) -> str:
        return self.url(page=number if number > 1 else None)

    @property
    def chips(self) -> Sequence[Link]:
        """One link per filter in use, which leads to the list without it."""
        filters = self.filters
        said = {
            "competence": filters.skill.label if filters.skill else "",
            "commune": f"À {filters.radius_km:.0f} km au plus de {filters.near.name}" if filters.near else "",
            "label": label(filters.label) if filters.label else "",
            "type": label(filters.kind).capitalize() if filters.kind else "",
            "gratuit": "Premier rendez-vous gratuit" if filters.is_free else "",
        }
        return [Link(said[name], self.url(**{name: None})) for name in self.state if said.get(name)]

    @property
    def wider_km(self) -> int | None:
        """A radius worth trying when this one finds nothing."""
        if self.filters.near is None or self.filters.radius_km >= RADIUS_MAX_KM:
            return None
        return min(RADIUS_MAX_KM, max(20, 2 * round(self.filters.radius_km)))


def read(args: MultiDict[str, str]) -> Asked:
    """Read the filters of an address."""
    form = FilterForm(args)
    form.skill.offer_skills(skills.all_by_domain())
    form.validate()
    near = form.commune.commune
    if near:
        form.commune.data = places.said(near)
        if not form.radius_km.errors and form.radius_km.data is None:
            form.radius_km.raw_data, form.radius_km.data = None, directory.usual_radius_km(near)
    filters = Filters(
        skill=form.skill.row,
        near=near,
        radius_km=_valid(form.radius_km) or 0,
        label=LABELS.get(_valid(form.label)),
        kind=KINDS.get(_valid(form.kind)),
        is_free=bool(_valid(form.is_free)),
    )
    return Asked(form, filters, _state(form))


def _valid(field: Field) -> Any:
    return None if field.errors else field.data


def _state(form: FilterForm) -> dict[str, str]:
    told = {
        field.name: str(field.data)
        for field in form
        if not field.errors and field.data not in ("", None) and field is not form.is_free
    }
    return told | ({form.is_free.name: "oui"} if form.is_free.data else {})
