"""What every form shares: French messages, text that can be kept, fields that find a commune or an activity.

A field keeps what was typed in `data`, so that a refused form comes back as it was sent.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from email_validator import EmailNotValidError, validate_email
from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from wtforms import IntegerField, PasswordField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.utils import unset_value
from wtforms.validators import DataRequired, InputRequired, NumberRange, Optional, StopValidation
from wtforms.widgets import EmailInput, TextArea, TextInput

from marketplace.models import Commune, Sector, SkillDomain
from marketplace.services import places, sectors
from marketplace.services.errors import FieldError
from marketplace.services.organisations import clean_siret
from marketplace.services.text import is_keepable, tidy
from marketplace.web.display import label

INVALID_STATUS = 422
REQUIRED = "Remplissez ce champ."
INVISIBLE = "Ce texte contient des caractères invisibles que nous ne pouvons pas garder."
NOT_A_NUMBER = "Écrivez un nombre entier, en chiffres."
NOT_AN_ADDRESS = "Cette adresse n’est pas complète. Exemple : prenom@entreprise.fr."
UNKNOWN_COMMUNE = "Nous ne connaissons pas cette commune. Vérifiez le nom ou tapez le code postal."
SEVERAL_COMMUNES = "Plusieurs communes répondent à ce nom ou à ce code : choisissez la vôtre ci-dessous."
UNKNOWN_SECTOR = (
    "Nous ne trouvons pas cette activité. Essayez un mot plus général, ou le code de votre avis de situation "
    "(exemple : 10.71C)."
)
SEVERAL_SECTORS = "Plusieurs activités correspondent : choisissez la vôtre ci-dessous, ou précisez."

# WTForms' own messages that people can meet.
_FRENCH = {
    "This field is required.": "Ce champ est nécessaire.",
    "Not a valid choice.": "Choisissez une réponse de la liste.",
    "Invalid Choice: could not coerce.": "Choisissez une réponse de la liste.",
    "Invalid choice(s): one or more data inputs could not be coerced.": "Choisissez dans la liste.",
    "'%(value)s' is not a valid choice for this field.": "Choisissez dans la liste.",
    "'%(value)s' are not valid choices for this field.": "Choisissez dans la liste.",
    "Not a valid integer value.": NOT_A_NUMBER,
    "Number must be at least %(min)s.": "%(min)s au moins.",
    "Number must be at most %(max)s.": "%(max)s au plus.",
    "Number must be between %(min)s and %(max)s.": "Choisissez un nombre de %(min)s à %(max)s.",
    "Not a valid date value.": "Cette date ne se lit pas. Exemple : 31/12/2026.",
    "Not a valid datetime value.": "Cette date ou cette heure ne se lit pas.",
    "Not a valid time value.": "Cette heure ne se lit pas. Exemple : 14:30.",
    "Field must be equal to %(other_name)s.": "Les deux réponses doivent être les mêmes.",
}


class BaseForm(FlaskForm):
    """A form that reads fields only, never files: a file sent for a text counts as no text."""

    class Meta(FlaskForm.Meta):
        def wrap_formdata(self, form: FlaskForm, formdata: object) -> object:
            if formdata is None or hasattr(formdata, "getlist"):
                return formdata
            return request.form if form.is_submitted() else None

        def get_translations(self, form: FlaskForm) -> "_French":
            return _French()

    def add_error(self, error: FieldError) -> None:
        """Put a service's refusal at its field, or at the top when the form has no such field."""
        if error.field in self:
            self[error.field].errors = [*self[error.field].errors, error.message]
        else:
            self.form_errors.append(error.message)


def form_page(template: str, form: BaseForm, **context: Any) -> ResponseReturnValue:
    """Render the page of a form: status 422 when it comes back with errors."""
    return render_template(template, form=form, **context), INVALID_STATUS if form.errors else 200


class TextField(StringField):
    """A line of text, without white space around it; nothing sent is the empty text."""

    several_lines: ClassVar[bool] = False

    def __init__(
        self,
        label: str,
        validators: tuple[Any, ...] = (),
        *,
        max_length: int,
        min_length: int = 0,
        required: bool = True,
        **kwargs: Any,
    ) -> None:
        presence = DataRequired(REQUIRED) if required else Optional()
        super().__init__(label, (presence, *validators), **kwargs)
        self.max_length, self.min_length = max_length, min_length

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = tidy(valuelist[0]) if valuelist else ""

    def pre_validate(self, form: FlaskForm) -> None:
        text = self.data or ""
        if not is_keepable(text, several_lines=self.several_lines):
            raise StopValidation(INVISIBLE)
        if len(text) > self.max_length:
            raise StopValidation(f"{self.max_length} caractères au plus : raccourcissez.")
        if 0 < len(text) < self.min_length:
            raise StopValidation(f"{self.min_length} caractères au moins : dites-en un peu plus.")


class LongTextField(TextField):
    """Several lines of text."""

    widget = TextArea()
    several_lines = True


class EmailField(TextField):
    widget = EmailInput()

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, max_length=254, **kwargs)

    def pre_validate(self, form: FlaskForm) -> None:
        super().pre_validate(form)
        if self.data and not _is_address(self.data):
            raise StopValidation(NOT_AN_ADDRESS)


class SecretField(PasswordField):
    """A password: kept to the letter, spaces included; never shown again."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, [InputRequired(REQUIRED)], **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = valuelist[0] if valuelist else ""


class WholeNumber(IntegerField):
    """A whole number between two bounds; None when optional and left empty."""

    def __init__(
        self, label: str, *, minimum: int, maximum: int, required: bool = True, **kwargs: Any
    ) -> None:
        presence = InputRequired(REQUIRED) if required else Optional()
        super().__init__(label, [presence, NumberRange(minimum, maximum)], **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        text = re.sub(r"\s", "", valuelist[0]) if valuelist else ""
        if not text:
            return
        if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
            raise ValueError(NOT_A_NUMBER)
        self.data = int(text)

    def pre_validate(self, form: FlaskForm) -> None:
        if self.process_errors:
            raise StopValidation()


@dataclass(frozen=True, slots=True)
class Option:
    """One of several things that a text may mean. `value` is what its radio button sends."""

    value: str
    label: str
    row: Commune | Sector


class _LookupWidget:
    def __call__(self, field: "LookupField", **kwargs: Any) -> Markup:
        suggestions = field.suggestions()
        if suggestions:
            kwargs["list"] = f"{field.id}-list"
        control = TextInput()(field, **kwargs)
        html = render_template(
            "components/lookup.html", field=field, control=control, suggestions=suggestions
        )
        return Markup(html)  # noqa: S704


class LookupField(TextField):
    """A text that must mean one entry of a reference.

    When it means several, the form comes back with `options` as radio buttons named `choice_name`, so that no
    JavaScript is needed. The choice counts only while the text still means it.
    """

    widget = _LookupWidget()
    suffix: ClassVar[str]
    unknown: ClassVar[str]
    several: ClassVar[str]
    legend: ClassVar[str]
    max_options: ClassVar[int] = 50

    def __init__(self, label: str, *, max_length: int = 200, **kwargs: Any) -> None:
        super().__init__(label, max_length=max_length, **kwargs)
        self.options: list[Option] = []
        self.chosen: Option | None = None
        self.choice = ""

    @property
    def choice_name(self) -> str:
        return f"{self.name}_{self.suffix}"

    def find(self, text: str) -> list[Option]:
        raise NotImplementedError

    def suggestions(self) -> list[str]:
        """Return what the browser may propose while one types."""
        return []

    def process(
        self, formdata: MultiDict[str, str] | None, data: object = unset_value, extra_filters: Any = None
    ) -> None:
        super().process(formdata, data, extra_filters)
        self.choice = (formdata.get(self.choice_name) or "") if formdata else ""

    def pre_validate(self, form: FlaskForm) -> None:
        super().pre_validate(form)
        if not self.data:
            return
        found = self.find(self.data)
        meant = [option for option in found if option.value == self.choice] or found
        if not meant:
            raise StopValidation(self.unknown)
        if len(meant) > 1:
            self.options = meant[: self.max_options]
            raise StopValidation(self.several)
        self.chosen = meant[0]


class CommuneField(LookupField):
    """A commune by its name, its postcode or « Cesson-Sévigné (35510) »; `commune` once valid."""

    suffix = "insee"
    unknown = UNKNOWN_COMMUNE
    several = SEVERAL_COMMUNES
    legend = "Quelle commune ?"

    @property
    def commune(self) -> Commune | None:
        return self.chosen.row if self.chosen and isinstance(self.chosen.row, Commune) else None

    def find(self, text: str) -> list[Option]:
        return [Option(commune.insee, places.said(commune), commune) for commune in places.resolve(text)]


class SectorField(LookupField):
    """An activity (NAF subclass) by its code, its label or words of it; `sector` once valid."""

    suffix = "code"
    unknown = UNKNOWN_SECTOR
    several = SEVERAL_SECTORS
    legend = "Quelle activité ?"
    max_options = 15

    @property
    def sector(self) -> Sector | None:
        return self.chosen.row if self.chosen and isinstance(self.chosen.row, Sector) else None

    def find(self, text: str) -> list[Option]:
        return [Option(sector.code, sectors.said(sector), sector) for sector in sectors.resolve(text)]

    def suggestions(self) -> list[str]:
        return [sectors.said(sector) for sector in sectors.subclasses()]


class SiretField(TextField):
    """The 14 digits of an establishment, spaces allowed; `siret` once valid."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, max_length=40, **kwargs)
        self.siret = ""

    def pre_validate(self, form: FlaskForm) -> None:
        super().pre_validate(form)
        if not self.data:
            return
        try:
            self.siret = clean_siret(self.data)
        except FieldError as error:
            raise StopValidation(error.message) from error


def choices_of(kind: type[Enum]) -> list[SelectChoice]:
    """Return the members of a closed list as choices."""
    return [SelectChoice(each.value, label(each).capitalize()) for each in kind]


def with_blank(blank: str, labels: Mapping[str, str]) -> list[SelectChoice]:
    """Return the choices of a list, label by value, after an empty one that says `blank`."""
    return [SelectChoice("", blank), *(SelectChoice(value, said) for value, said in labels.items())]


def skill_choices(domains: Iterable[SkillDomain]) -> dict[str, list[SelectChoice]]:
    """Return the skills of a list of choices, by domain."""
    return {
        domain.label: [SelectChoice(skill.slug, skill.label) for skill in domain.skills] for domain in domains
    }


class _French:
    """What WTForms asks for its messages."""

    def gettext(self, string: str) -> str:
        return _FRENCH.get(string, string)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return self.gettext(singular if n == 1 else plural)


def _is_address(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError:
        return False
    return text.isascii()
