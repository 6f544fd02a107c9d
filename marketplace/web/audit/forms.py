from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from typing import Any

from flask_wtf import FlaskForm
from wtforms import DateField, SelectField
from wtforms.validators import Optional, StopValidation

from marketplace.services.audit import WORDS_MAX, Filters
from marketplace.web.audit.words import SUBJECTS, action
from marketplace.web.forms import BaseForm, TextField, with_blank

_YEARS = (2000, 2100)


class DayField(DateField):
    """A day of the calendar, or none."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, (Optional(),), **kwargs)

    def pre_validate(self, form: FlaskForm) -> None:
        if isinstance(self.data, date) and not _YEARS[0] <= self.data.year < _YEARS[1]:
            raise StopValidation(f"Choisissez une année de {_YEARS[0]} à {_YEARS[1] - 1}.")


class JournalForm(BaseForm):
    """What the journal is narrowed to, as it stands in the address."""

    class Meta(BaseForm.Meta):
        csrf = False

    words = TextField("Mots", name="q", max_length=WORDS_MAX, required=False)
    action = SelectField("Action", default="")
    actor = TextField("Fait par", name="par", max_length=WORDS_MAX, required=False)
    subject = SelectField("À propos de", name="objet", choices=with_blank("Tout", SUBJECTS), default="")
    number = TextField("Son numéro", name="numero", max_length=40, required=False)
    since = DayField("Du", name="du")
    until = DayField("Au", name="au")

    def __init__(self, formdata: Any, *, actions: Sequence[str]) -> None:
        super().__init__(formdata)
        named = sorted((action(code), code) for code in actions)
        self.action.choices = with_blank("Toutes", {code: name for name, code in named})

    def filters(self) -> Filters:
        """Return what is right of it; what is wrong is told at its field, and left out."""
        self.validate()
        right = {
            field.name: self[field.name].data for field in fields(Filters) if not self[field.name].errors
        }
        filters = Filters(**{name: value for name, value in right.items() if value})
        if filters.subject and self.number.data and not self.number.errors:
            return replace(filters, subject=f"{filters.subject} {self.number.data}")
        return filters
