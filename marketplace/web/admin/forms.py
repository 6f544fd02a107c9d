from collections.abc import Sequence

from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from marketplace.models import ModerationMode, Territory
from marketplace.services.two_factor import REASON_MAX
from marketplace.web.forms import BaseForm, EmailField, LongTextField, choices_of


class OpeningForm(BaseForm):
    """The territory among those found, how it moderates, and who will be in charge."""

    territory = RadioField("Le territoire", name="territoire")
    mode = RadioField(
        "Quand relire les annonces ?",
        name="mode",
        choices=choices_of(ModerationMode),
        coerce=ModerationMode,
        default=ModerationMode.BEFORE,
    )
    email = EmailField("L’adresse mail de la personne responsable", name="mail")

    def __init__(self, found: Sequence[Territory]) -> None:
        super().__init__()
        self.territory.choices = [
            SelectChoice(territory.siren, f"{territory.name} ({territory.department.name})")
            for territory in found
        ]


class ResetForm(BaseForm):
    reason = LongTextField("Comment avez-vous vérifié qui demande ?", name="motif", max_length=REASON_MAX)
