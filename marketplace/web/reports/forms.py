from collections.abc import Sequence

from wtforms import BooleanField, HiddenField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired

from marketplace.models import DecisionAction, ReasonTemplate, ReportCategory
from marketplace.models.notices import EXPLANATION_MAX, REASONS_MAX
from marketplace.services.reports import Measure, Notice
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, EmailField, LongTextField, TextField
from marketplace.web.moderation.forms import ReasonsForm

EXPLANATION_MIN = 10
CHOICES = [SelectChoice(action.value, label(action)) for action in DecisionAction]
# What the button « Ne rien faire » sends where others send the action of a decision.
NOTHING = "rien"


class ReportForm(BaseForm):
    category = RadioField(
        "De quoi s’agit-il ?",
        name="categorie",
        choices=[SelectChoice(category.value, label(category)) for category in ReportCategory],
        coerce=ReportCategory,
    )
    explanation = LongTextField(
        "Expliquez ce qui ne va pas",
        name="explication",
        min_length=EXPLANATION_MIN,
        max_length=EXPLANATION_MAX,
    )
    name = TextField("Votre nom", name="nom", max_length=120)
    email = EmailField("Votre adresse mail", name="mail")
    in_good_faith = BooleanField(
        "Je pense de bonne foi que ce que j’écris est exact et complet.",
        name="bonne_foi",
        validators=[DataRequired("Cochez cette case pour envoyer le signalement.")],
    )
    # People do not see this field; programs fill it.
    website = StringField("Ne remplissez pas ce champ", name="site")

    def __init__(self, *, is_known: bool) -> None:
        super().__init__()
        if is_known:
            del self.name
            del self.email

    @property
    def is_from_a_program(self) -> bool:
        return bool(self.website.data)

    def notice(self) -> Notice:
        return Notice(
            category=self.category.data,
            explanation=self.explanation.data,
            in_good_faith=self.in_good_faith.data,
            name=self.name.data if "name" in self else "",
            email=self.email.data if "email" in self else "",
        )


class MeasureForm(ReasonsForm):
    """What to do about a subject; `seen`: the version of the listing that was read."""

    action = RadioField("Décision", name="decision", coerce=str)
    seen = HiddenField(name="version")

    def measure(self) -> Measure:
        return Measure(
            action=DecisionAction(self.action.data), reasons=self.reasons(), version=self.seen.data or ""
        )


class CaseForm(MeasureForm):
    why_nothing = LongTextField(
        "Pourquoi ne rien faire", name="raisons", max_length=REASONS_MAX, required=False
    )

    def __init__(self, templates: Sequence[ReasonTemplate]) -> None:
        super().__init__(templates)
        self.action.choices = [SelectChoice(NOTHING, "Ne rien faire"), *CHOICES]

    @property
    def does_nothing(self) -> bool:
        return bool(self.action.data == NOTHING)
