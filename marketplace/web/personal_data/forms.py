from wtforms import BooleanField
from wtforms.validators import DataRequired

from marketplace.web.forms import BaseForm, SecretField


class ExportForm(BaseForm):
    password = SecretField("Votre mot de passe", name="mot_de_passe", id="emporter-mot-de-passe")


class DeleteForm(BaseForm):
    password = SecretField("Votre mot de passe", name="mot_de_passe", id="effacer-mot-de-passe")
    sure = BooleanField(
        "Je veux effacer mon compte, pour toujours",
        [DataRequired("Cochez cette case pour confirmer.")],
        name="confirmer",
    )
