from collections.abc import Sequence

from flask import request
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from marketplace.models import DeclineReason
from marketplace.services.ranking import Ranked
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, LongTextField

MESSAGE_MAX = 500


class ProposeForm(BaseForm):
    """Which of one's own listings goes with somebody else's; `fitting`: those that may."""

    listing = RadioField("Avec laquelle de vos annonces ?", name="annonce", coerce=int)
    message = LongTextField(
        "Un mot pour l’autre structure (facultatif)", max_length=MESSAGE_MAX, required=False
    )

    def __init__(self, fitting: Sequence[Ranked]) -> None:
        best = {"listing": fitting[0].listing.id} if fitting and request.method == "GET" else None
        super().__init__(data=best)
        self.listing.choices = [SelectChoice(own.listing.id, own.listing.title) for own in fitting]


class CancelForm(BaseForm):
    comment = LongTextField(
        "Un mot pour l’autre structure (facultatif)",
        name="commentaire",
        max_length=MESSAGE_MAX,
        required=False,
    )


class DeclineForm(CancelForm):
    reason = RadioField(
        "Pourquoi ?",
        name="raison",
        choices=[SelectChoice(reason.value, label(reason)) for reason in DeclineReason],
        coerce=DeclineReason,
    )
