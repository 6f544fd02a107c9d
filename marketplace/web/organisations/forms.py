from wtforms import RadioField, SelectField

from marketplace.models import OrganisationKind, SizeClass
from marketplace.web.forms import BaseForm, CommuneField, SectorField, SiretField, TextField, choices_of


class JoinForm(BaseForm):
    siret = SiretField("Numéro SIRET de votre structure")


class CreateForm(BaseForm):
    siret = SiretField("Numéro SIRET")
    name = TextField("Nom de la structure", name="nom", max_length=120)
    sector = SectorField("Activité", name="activite")
    commune = CommuneField("Commune")
    address = TextField("Adresse (facultatif)", name="adresse", max_length=200, required=False)
    kind = RadioField(
        "Type de structure",
        name="type",
        choices=choices_of(OrganisationKind),
        coerce=OrganisationKind,
    )
    size = SelectField(
        "Nombre de personnes",
        name="effectif",
        choices=choices_of(SizeClass),
        coerce=SizeClass,
    )
