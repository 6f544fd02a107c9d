from collections.abc import Sequence

from wtforms import HiddenField, RadioField, SelectField

from marketplace.models import DecisionAction, DecisionGround
from marketplace.services.moderation import FACTS_MAX
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, LongTextField

ACTS = {
    DecisionAction.APPROVE: "Publier l’annonce",
    DecisionAction.REQUEST_CHANGES: "Demander une modification",
    DecisionAction.REJECT: "Refuser l’annonce",
    DecisionAction.REMOVE: "Retirer l’annonce du site",
}


class DecisionForm(BaseForm):
    """A decision; `seen`: the version of the text that was read. The service asks for the reasons."""

    action = RadioField("Décision", name="decision", coerce=DecisionAction)
    ground = SelectField(
        "Règle",
        name="motif",
        choices=[("", "Choisissez…"), *((ground.value, label(ground)) for ground in DecisionGround)],
        coerce=lambda value: DecisionGround(value) if value else None,
        default="",
    )
    facts = LongTextField("Ce que vous avez constaté", name="faits", max_length=FACTS_MAX, required=False)
    seen = HiddenField(name="version")

    def __init__(self, actions: Sequence[DecisionAction]) -> None:
        super().__init__()
        self.action.choices = [(action.value, ACTS[action]) for action in actions]
