from wtforms import BooleanField, HiddenField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired

from marketplace.models import DecisionAction, DecisionGround, ReportCategory
from marketplace.models.notices import EXPLANATION_MAX, REASONS_MAX
from marketplace.services.reports import Measure, Notice
from marketplace.services.statements import EXPLANATION_MAX as WHY_MAX
from marketplace.services.statements import FACTS_MAX
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, EmailField, LongTextField, TextField

EXPLANATION_MIN = 10
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


class MeasureForm(BaseForm):
    """What to do about a subject, with its reasons; `seen`: the version of the listing that was read."""

    action = RadioField("Décision", name="decision", coerce=str)
    ground = SelectField(
        "Règle",
        name="motif",
        choices=[
            SelectChoice("", "Choisissez…"),
            *(SelectChoice(ground.value, label(ground)) for ground in DecisionGround),
        ],
        coerce=lambda value: DecisionGround(value) if value else None,
        default="",
    )
    facts = LongTextField("Ce que vous avez constaté", name="faits", max_length=FACTS_MAX, required=False)
    explanation = LongTextField(
        "Pourquoi cela ne va pas (pour la loi : laquelle)",
        name="pourquoi",
        max_length=WHY_MAX,
        required=False,
    )
    seen = HiddenField(name="version")

    def measure(self) -> Measure:
        return Measure(
            action=DecisionAction(self.action.data),
            ground=self.ground.data,
            facts=self.facts.data,
            explanation=self.explanation.data,
            version=self.seen.data or "",
        )


class CaseForm(MeasureForm):
    reasons = LongTextField("Pourquoi ne rien faire", name="raisons", max_length=REASONS_MAX, required=False)

    def __init__(self) -> None:
        super().__init__()
        self.action.choices = [
            SelectChoice(NOTHING, "Ne rien faire"),
            *(SelectChoice(a.value, label(a)) for a in DecisionAction),
        ]

    @property
    def does_nothing(self) -> bool:
        return bool(self.action.data == NOTHING)
