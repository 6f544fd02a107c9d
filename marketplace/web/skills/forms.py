"""The forms of the skills reference. Bounds are those of models.skills."""

from typing import Any

from wtforms import HiddenField, SelectField, SelectMultipleField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired

from marketplace.models import Skill, SkillDomain, WordKind
from marketplace.models.skills import DESCRIPTION_MAX, LABEL_MAX, LEVEL_TEXT_MAX, LEVELS, WORD_MAX
from marketplace.services import skills
from marketplace.services.skill_editions import EditedSkill, SkillSheet
from marketplace.web import display
from marketplace.web.forms import REQUIRED, BaseForm, LongTextField, TextField, with_blank

WORD_KINDS = {
    WordKind.SYNONYM: "autre nom",
    WordKind.BRAND: "marque ou logiciel",
    WordKind.SITUATION: "situation, comme on la raconte",
    WordKind.SYMPTOM: "panne ou souci",
    WordKind.TRADE: "mot de métier",
}


def _level(number: int) -> TextField:
    return TextField(
        f"Niveau {number}, {display.LEVELS[number]}",
        name=f"niveau_{number}",
        max_length=LEVEL_TEXT_MAX,
        min_length=10,
    )


class SkillForm(BaseForm):
    label = TextField("Nom", name="nom", max_length=LABEL_MAX, min_length=3)
    description = LongTextField("Deux phrases simples", max_length=DESCRIPTION_MAX, min_length=20)
    level_1, level_2, level_3, level_4 = (_level(number) for number in LEVELS)
    related = SelectMultipleField("Compétences proches (facultatif)", name="proches", default=[])
    version = HiddenField("", name="version")

    def __init__(self, *args: Any, skill: Skill | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.domains = skills.all_by_domain()
        self.related.choices = _listed(self.domains, without=skill)

    @classmethod
    def showing(cls, edited: EditedSkill) -> "SkillForm":
        """Return the form filled with what the skill says now."""
        skill = edited.skill
        levels = {f"level_{level.level}": level.text for level in skill.levels}
        told = {"label": skill.label, "description": skill.description, "version": edited.version}
        related = [other.slug for other in skill.related]
        return cls(formdata=None, skill=skill, data=told | levels | {"related": related})

    def sheet(self) -> SkillSheet:
        """Return what was said; the form must be valid."""
        return SkillSheet(
            label=self.label.data,
            description=self.description.data,
            levels=(self.level_1.data, self.level_2.data, self.level_3.data, self.level_4.data),
            related=tuple(dict.fromkeys(self.related.data)),
        )


class NewSkillForm(SkillForm):
    domain = SelectField("Domaine", name="domaine", validators=[DataRequired(REQUIRED)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.domain.choices = with_blank("Choisissez", {domain.slug: domain.label for domain in self.domains})


class WordForm(BaseForm):
    text = TextField("Mot ou expression", name="mot", max_length=WORD_MAX, min_length=2)
    kind = SelectField(
        "C’est", name="sorte", choices=[SelectChoice(kind.value, said) for kind, said in WORD_KINDS.items()]
    )


class RetireForm(BaseForm):
    successor = SelectField("Remplacée par", name="remplacante", validators=[DataRequired(REQUIRED)])

    def __init__(self, skill: Skill, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        listed = _listed(skills.all_by_domain(), without=skill)
        self.successor.choices = [SelectChoice("", "Choisissez"), *listed]


def _listed(domains: list[SkillDomain], *, without: Skill | None) -> list[SelectChoice]:
    return [
        SelectChoice(skill.slug, skill.label, optgroup=domain.label)
        for domain in domains
        for skill in domain.skills
        if without is None or skill.id != without.id
    ]
