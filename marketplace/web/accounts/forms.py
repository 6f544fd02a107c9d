import re

from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField
from wtforms.validators import StopValidation
from wtforms.widgets import TelInput

from marketplace.web.forms import BaseForm, EmailField, SecretField, TextField

NOT_A_PHONE = "Ce numéro n’est pas complet. Exemple : 06 12 34 56 78."
_PHONE = re.compile(r"(?:\+|0)[0-9 .()-]{7,19}")
_DIGITS_MIN, _DIGITS_MAX = 8, 15  # ITU-T E.164


class PhoneField(TextField):
    widget = TelInput()

    def pre_validate(self, form: FlaskForm) -> None:
        super().pre_validate(form)
        digits = len(re.sub(r"[^0-9]", "", self.data))
        if self.data and not (_PHONE.fullmatch(self.data) and _DIGITS_MIN <= digits <= _DIGITS_MAX):
            raise StopValidation(NOT_A_PHONE)


class SignUpForm(BaseForm):
    name = TextField("Votre prénom et votre nom", name="nom", max_length=120)
    email = EmailField("Votre adresse mail professionnelle", name="mail")
    password = SecretField("Mot de passe", name="mot_de_passe")


class LoginForm(BaseForm):
    email = EmailField("Votre adresse mail", name="mail")
    password = SecretField("Mot de passe", name="mot_de_passe")
    remember = BooleanField("Rester connecté sur cet appareil", name="rester_connecte")


class MailForm(BaseForm):
    email = EmailField("Votre adresse mail", name="mail")


class NewPasswordForm(BaseForm):
    password = SecretField("Nouveau mot de passe", name="mot_de_passe")


class ProfileForm(BaseForm):
    name = TextField("Votre prénom et votre nom", name="nom", max_length=120)
    phone = PhoneField("Votre téléphone (facultatif)", name="telephone", max_length=20, required=False)


class CodeForm(BaseForm):
    """Six digits of the phone, or a recovery code."""

    code = TextField("Votre code", name="code", max_length=30)


class SetUpForm(BaseForm):
    code = TextField("Le code à 6 chiffres que montre l’application", name="code", max_length=30)
    sealed = HiddenField(name="cle")


class PasswordForm(BaseForm):
    password = SecretField("Votre mot de passe", name="mot_de_passe")
