from collections.abc import Sequence

from wtforms import BooleanField, HiddenField, RadioField, SelectField, SelectMultipleField
from wtforms.fields.choices import SelectChoice

from marketplace.models import ReviewGround
from marketplace.services import skills
from marketplace.services.provider_reviews import FACTS_MAX, REPLY_MAX, TEXT_MAX, TEXT_MIN, Writer
from marketplace.services.provider_upkeep import REASON_MAX
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, LongTextField, TextField, skill_choices, with_blank

RATINGS = [
    SelectChoice(5, "5 – Très satisfait"),
    SelectChoice(4, "4 – Satisfait"),
    SelectChoice(3, "3 – Moyen"),
    SelectChoice(2, "2 – Déçu"),
    SelectChoice(1, "1 – Très déçu"),
]
PUBLISH, REFUSE = "publier", "refuser"
VERDICTS = [SelectChoice(PUBLISH, "Publier"), SelectChoice(REFUSE, "Refuser")]


class ReviewForm(BaseForm):
    organisation = SelectField("Au nom de", name="structure", coerce=int)
    rating = RadioField("Votre note", name="note", coerce=int, choices=RATINGS)
    text = LongTextField("Votre avis", name="avis", max_length=TEXT_MAX, min_length=TEXT_MIN)
    in_good_faith = BooleanField(
        "Je déclare de bonne foi que ma structure a eu un échange avec ce prestataire, ou a reçu de lui un "
        "service, et que je n’ai rien reçu pour écrire cet avis.",
        name="bonne_foi",
    )

    def __init__(self, writers: Sequence[Writer]) -> None:
        super().__init__()
        self.organisation.choices = [
            SelectChoice(one.organisation.id, one.organisation.name) for one in writers
        ]


class ReplyForm(BaseForm):
    reply = LongTextField("Votre réponse", name="reponse", max_length=REPLY_MAX)


class DecisionForm(BaseForm):
    """`seen`: the version of the text that was read. The service asks for the reasons of a refusal."""

    decision = RadioField("Décision", choices=VERDICTS)
    ground = SelectField(
        "Règle",
        name="motif",
        choices=with_blank("Choisissez…", {ground.value: label(ground) for ground in ReviewGround}),
        coerce=lambda value: ReviewGround(value) if value else None,
        default="",
    )
    facts = LongTextField("Ce que vous avez constaté", name="faits", max_length=FACTS_MAX, required=False)
    seen = HiddenField(name="version")


class ThemeForm(BaseForm):
    skills = SelectMultipleField("Compétences couvertes", name="competence")

    def __init__(self, chosen: Sequence[str]) -> None:
        super().__init__(data={"skills": list(chosen)})
        self.skills.choices = skill_choices(skills.all_by_domain())


class SuppressForm(BaseForm):
    reason = TextField("Qui l’a demandé, et quand", name="raison", max_length=REASON_MAX)
