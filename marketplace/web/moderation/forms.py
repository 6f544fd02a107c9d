from collections.abc import Sequence

from wtforms import HiddenField, RadioField, SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import ValidationError

from marketplace.models import DecisionAction, DecisionGround, ReasonTemplate
from marketplace.models.moderation import TEMPLATE_NAME_MAX
from marketplace.services.reason_templates import TemplateSheet
from marketplace.services.statements import EXPLANATION_MAX, FACTS_MAX, Reasons
from marketplace.web.display import label
from marketplace.web.forms import REQUIRED, BaseForm, LongTextField, TextField, with_blank

# What a moderator does with an adverse decision, one after the other.
SHOW, SEND, CORRECT = "apercu", "envoyer", "corriger"
ACTS = {
    DecisionAction.APPROVE: "Publier l’annonce",
    DecisionAction.REQUEST_CHANGES: "Demander une modification",
    DecisionAction.REJECT: "Refuser l’annonce",
    DecisionAction.REMOVE: "Retirer l’annonce du site",
    DecisionAction.SUSPEND: "Suspendre la structure",
}
GROUNDS = with_blank("Choisissez…", {ground.value: label(ground) for ground in DecisionGround})


def ground_of(value: str) -> DecisionGround | None:
    return DecisionGround(value) if value else None


class ReasonsForm(BaseForm):
    """Why something is taken from somebody; what is left empty comes from the template chosen."""

    template = SelectField("Motif tout prêt", name="modele", default="")
    ground = SelectField("Règle", name="motif", choices=GROUNDS, coerce=ground_of, default="")
    facts = LongTextField("Ce que vous avez constaté", name="faits", max_length=FACTS_MAX, required=False)
    explanation = LongTextField(
        "Pourquoi cela ne va pas", name="explication", max_length=EXPLANATION_MAX, required=False
    )
    step = HiddenField(name="etape")

    def __init__(self, templates: Sequence[ReasonTemplate]) -> None:
        super().__init__()
        self._templates = {str(template.id): template for template in templates}
        self.template.choices = [
            SelectChoice("", "Aucun"),
            *(SelectChoice(key, each.name, _told(each)) for key, each in self._templates.items()),
        ]

    @property
    def is_begun(self) -> bool:
        """The reasons were asked for: what is empty was left so."""
        return self.step.data in {SHOW, SEND, CORRECT}

    @property
    def is_sent(self) -> bool:
        return bool(self.step.data == SEND)

    @property
    def is_corrected(self) -> bool:
        return bool(self.step.data == CORRECT)

    def reasons(self) -> Reasons:
        """Return what is said, and show it in the fields."""
        template = self._templates.get(self.template.data)
        if template is not None:
            self.ground.data = self.ground.data or template.ground
            self.facts.data = self.facts.data or template.facts
            self.explanation.data = self.explanation.data or template.explanation
        return Reasons(self.ground.data, self.facts.data, self.explanation.data)


class DecisionForm(ReasonsForm):
    """A decision on one listing; `seen`: the version of the text that was read."""

    action = RadioField("Décision", name="decision", coerce=DecisionAction)
    seen = HiddenField(name="version")

    def __init__(self, actions: Sequence[DecisionAction], templates: Sequence[ReasonTemplate] = ()) -> None:
        super().__init__(templates)
        self.action.choices = [SelectChoice(action.value, ACTS[action]) for action in actions]


class RestoreForm(BaseForm):
    reason = LongTextField("Pourquoi revenir sur cette décision", name="raison", max_length=FACTS_MAX)


class TemplateForm(BaseForm):
    name = TextField("Nom du motif", name="nom", max_length=TEMPLATE_NAME_MAX)
    ground = SelectField("Règle", name="motif", choices=GROUNDS, coerce=ground_of, default="")
    facts = LongTextField("Constat", name="faits", max_length=FACTS_MAX, required=False)
    explanation = LongTextField(
        "Pourquoi cela ne va pas", name="explication", max_length=EXPLANATION_MAX, required=False
    )

    def validate_ground(self, field: SelectField) -> None:
        if field.data is None:
            raise ValidationError(REQUIRED)

    def sheet(self) -> TemplateSheet:
        return TemplateSheet(
            name=self.name.data,
            ground=self.ground.data,
            facts=self.facts.data,
            explanation=self.explanation.data,
        )


def _told(template: ReasonTemplate) -> dict[str, str]:
    """Return what a script puts in the fields at once."""
    return {
        "data-ground": template.ground.value,
        "data-facts": template.facts,
        "data-explanation": template.explanation,
    }
