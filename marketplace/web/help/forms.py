"""The forms of links and guides. Bounds are those of models.help."""

import re
from datetime import date
from typing import Any

from wtforms import BooleanField, DateField, SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from marketplace import clock
from marketplace.models import GuideKind, HelpLink, LinkFamily, LinkSize
from marketplace.models.help import (
    DECISION_MAX,
    GUIDE_TEXT_MAX,
    GUIDE_TITLE_MAX,
    NAME_MAX,
    PARAMETERS_MAX,
    REASON_MAX,
    URL_MAX,
)
from marketplace.services import directory, skills
from marketplace.services.guides import GuideFilters, GuideSheet
from marketplace.services.help_links import LinkSheet
from marketplace.web.forms import REQUIRED, BaseForm, LongTextField, TextField, choices_of, with_blank

LIST_MAX = 200
_SEPARATORS = re.compile(r"[\s,;|]+")


class LinkForm(BaseForm):
    name = TextField("Nom", name="nom", max_length=NAME_MAX, min_length=2)
    publisher = TextField("Qui le publie", name="editeur", max_length=NAME_MAX, min_length=2)
    family = SelectField("Famille", name="famille", choices=choices_of(LinkFamily))
    reason = TextField("Pourquoi c’est utile", name="raison", max_length=REASON_MAX, min_length=10)
    url = TextField("Adresse", name="adresse", max_length=URL_MAX)
    parameters = TextField("Paramètres", name="parametres", max_length=PARAMETERS_MAX, required=False)
    size = SelectField("Pour qui", name="taille", choices=choices_of(LinkSize))
    domains = TextField("Domaines de compétences", name="domaines", max_length=LIST_MAX, required=False)
    sections = TextField("Activités", name="activites", max_length=LIST_MAX, required=False)
    checked_on = DateField("Lu le", name="lu_le", validators=[InputRequired(REQUIRED)])
    is_active = BooleanField("Montrer ce lien", name="actif", default=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_submitted() and self.checked_on.data is None:
            self.checked_on.data = clock.now().date()

    @staticmethod
    def answers_of(link: HelpLink) -> dict[str, object]:
        """Return the link as the answers of its form."""
        names = (
            "name",
            "publisher",
            "family",
            "reason",
            "url",
            "parameters",
            "size",
            "checked_on",
            "is_active",
        )
        lists = {"domains": ", ".join(link.domains), "sections": ", ".join(link.sections)}
        return {name: getattr(link, name) for name in names} | lists

    def sheet(self) -> LinkSheet:
        """Return what was said; the form must be valid."""
        checked_on: date = self.checked_on.data
        return LinkSheet(
            name=self.name.data,
            publisher=self.publisher.data,
            family=LinkFamily(self.family.data),
            reason=self.reason.data,
            url=self.url.data,
            parameters=self.parameters.data or "",
            size=LinkSize(self.size.data),
            domains=_listed(self.domains.data),
            sections=_listed((self.sections.data or "").upper()),
            is_active=self.is_active.data,
            checked_on=checked_on,
        )


class GuideForm(BaseForm):
    kind = SelectField("C’est", name="genre", choices=choices_of(GuideKind))
    title = TextField("Titre", name="titre", max_length=GUIDE_TITLE_MAX, min_length=5)
    text = LongTextField(
        "Ce qu’on y apprend, ou votre histoire", name="texte", max_length=GUIDE_TEXT_MAX, min_length=30
    )
    url = TextField("Adresse de la page", name="adresse", max_length=URL_MAX, required=False)
    publisher = TextField("Qui le dit", name="auteur", max_length=NAME_MAX, min_length=2)
    section = SelectField("Pour quelle activité ?", name="secteur", default="")
    skill = SelectField("Sur quelle compétence ?", name="competence", default="")
    territory = TextField("Pour quel territoire ?", name="territoire", max_length=20, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self.section, self.skill, blank="Toutes")

    def sheet(self) -> GuideSheet:
        """Return what was said; the form must be valid."""
        skill = skills.by_slug(self.skill.data) if self.skill.data else None
        return GuideSheet(
            kind=GuideKind(self.kind.data),
            title=self.title.data,
            text=self.text.data,
            url=self.url.data or "",
            publisher=self.publisher.data,
            section=self.section.data or None,
            skill_id=skill.id if skill else None,
            territory_siren="".join((self.territory.data or "").split()) or None,
        )


class GuideFilterForm(BaseForm):
    """The filters of the list, as they stand in its address; a bad one is left out."""

    class Meta(BaseForm.Meta):
        csrf = False

    kind = SelectField("C’est", name="genre", default="")
    section = SelectField("Activité", name="secteur", default="")
    skill = SelectField("Compétence", name="competence", default="")
    territory = SelectField("Territoire", name="territoire", default="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind.choices = [SelectChoice("", "Guides et témoignages"), *choices_of(GuideKind)]
        _offer(self.section, self.skill, blank="Toutes")
        self.territory.choices = with_blank(
            "Tous", {each.siren: each.name for each in directory.open_territories()}
        )
        self.validate()

    def filters(self) -> GuideFilters:
        told = {field.short_name: "" if field.errors else field.data for field in self}
        skill = skills.by_slug(told["competence"]) if told["competence"] else None
        return GuideFilters(
            kind=GuideKind(told["genre"]) if told["genre"] else None,
            section=told["secteur"] or None,
            skill_id=skill.id if skill else None,
            territory_siren=told["territoire"] or None,
        )

    def state(self) -> dict[str, str]:
        """Return the valid part of the address, which the links of the page keep."""
        return {field.short_name: field.data for field in self if field.data and not field.errors}


class DecisionForm(BaseForm):
    reason = LongTextField(
        "Pourquoi ne pas le publier", name="raison", max_length=DECISION_MAX, required=False
    )


def _offer(section: SelectField, skill: SelectField, *, blank: str) -> None:
    section.choices = with_blank(blank, {each.code: each.label.capitalize() for each in directory.sections()})
    skill.choices = [
        SelectChoice("", blank),
        *(
            SelectChoice(each.slug, each.label, optgroup=domain.label)
            for domain in skills.all_by_domain()
            for each in domain.skills
        ),
    ]


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, _SEPARATORS.split(text or ""))))
