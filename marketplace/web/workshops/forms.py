from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, SelectMultipleField, TimeField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, StopValidation
from wtforms.widgets import CheckboxInput, ListWidget

from marketplace.models import WorkshopInvitation
from marketplace.models.workshops import CAPACITY_MAX, HOST_MAX, MESSAGE_MAX, PLACE_MAX, REASON_MAX
from marketplace.services.dashboard import PARIS
from marketplace.services.workshops import WorkshopSheet
from marketplace.web.forms import REQUIRED, BaseForm, LongTextField, TextField, WholeNumber

# What a calendar can be asked for; the service says how far ahead.
_YEARS = (2000, 2100)


class DayField(DateField):
    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, [InputRequired(REQUIRED)], **kwargs)

    def pre_validate(self, form: FlaskForm) -> None:
        if isinstance(self.data, date) and not _YEARS[0] <= self.data.year < _YEARS[1]:
            raise StopValidation(f"Choisissez une année de {_YEARS[0]} à {_YEARS[1] - 1}.")


class PlanForm(BaseForm):
    """`mark`: of the proposal that the moderator has in front of them."""

    day = DayField("Jour", name="jour")
    hour = TimeField("Heure de début", [InputRequired(REQUIRED)], name="heure")
    place = TextField("Lieu précis", name="lieu", max_length=PLACE_MAX)
    capacity = WholeNumber("Nombre de places", name="places", minimum=1, maximum=CAPACITY_MAX)
    host = TextField("Qui anime (facultatif)", name="anime", max_length=HOST_MAX, required=False)
    message = LongTextField(
        "Un mot pour les structures invitées (facultatif)",
        name="message",
        max_length=MESSAGE_MAX,
        required=False,
    )
    mark = HiddenField(name="marque")

    def add_error(self, error: Any) -> None:
        """The service knows the moment, the form its day."""
        if error.field == "starts_at":
            self.day.errors = [*self.day.errors, error.message]
        elif error.field == "mark":
            self.form_errors.append(error.message)
        else:
            super().add_error(error)

    def sheet(self) -> WorkshopSheet:
        return WorkshopSheet(
            place=self.place.data,
            starts_at=datetime.combine(self.day.data, self.hour.data, tzinfo=PARIS),
            capacity=self.capacity.data or 1,
            host=self.host.data,
            message=self.message.data,
        )


class CancelForm(BaseForm):
    reason = TextField("Pourquoi (les structures le liront)", name="motif", max_length=REASON_MAX)


class HeldForm(BaseForm):
    present = WholeNumber("Personnes présentes", name="presents", minimum=0, maximum=CAPACITY_MAX)
    attended = SelectMultipleField(
        "Structures venues",
        name="venues",
        coerce=int,
        choices=[],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validate_choice=True,
    )

    def __init__(self, invitations: Sequence[WorkshopInvitation], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attended.choices = [SelectChoice(each.id, each.organisation.name) for each in invitations]
