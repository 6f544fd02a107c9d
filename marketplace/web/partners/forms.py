from wtforms import SelectField, SelectMultipleField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired
from wtforms.widgets import CheckboxInput, ListWidget

from marketplace.models import Scope
from marketplace.models.partners import NAME_MAX
from marketplace.services.partners import LIFETIMES_DAYS
from marketplace.web.forms import BaseForm, TextField, choices_of


class IssueForm(BaseForm):
    name = TextField("Nom du partenaire", name="nom", max_length=NAME_MAX)
    scopes = SelectMultipleField(
        "Ce que le jeton permet",
        name="droits",
        validators=[DataRequired("Cochez au moins un droit.")],
        choices=choices_of(Scope),
        coerce=Scope,
        default=list(Scope),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    days = SelectField(
        "Valable",
        name="duree",
        choices=[SelectChoice(str(days), f"{days} jours") for days in LIFETIMES_DAYS],
        coerce=int,
        default=LIFETIMES_DAYS[-1],
    )
