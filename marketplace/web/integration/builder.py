"""What /integration makes of one's choices: addresses and code to copy."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import url_for
from markupsafe import escape
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, SelectField
from wtforms.fields.choices import SelectChoice

from marketplace.models.integration import CAMPAIGN_MAX
from marketplace.services.mailer import public_url
from marketplace.web.directory.filters import Asked
from marketplace.web.forms import BaseForm, TextField, WholeNumber
from marketplace.web.integration.widget import HEIGHT_TOLD, NUMBER_MAX, NUMBER_USUAL, THEMES

FRAME_HEIGHT = 720
SIZES = "0, 1-9, 10-49, 50-249, 250+"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of our addresses: what it means, an example, and where it counts."""

    name: str
    meaning: str
    example: str
    publish: bool = False
    lists: bool = False
    widget: bool = False


PARAMETERS = (
    Parameter("competence", "une compétence, par son nom court (dans l’adresse de sa page)",
              "boutique-en-ligne", publish=True, lists=True, widget=True),
    Parameter("domaine", "un domaine de compétences, par son nom court", "vente-en-ligne",
              publish=True, lists=True, widget=True),
    Parameter("commune", "un nom, un code postal ou un code INSEE", "35510",
              publish=True, lists=True, widget=True),
    Parameter("rayon", "la distance autour de la commune, en kilomètres", "20",
              publish=True, lists=True, widget=True),
    Parameter("territoire", "le numéro SIREN d’une intercommunalité", "243500139", lists=True, widget=True),
    Parameter("secteur", "un code NAF : section, division, classe ou sous-classe", "10.71C",
              publish=True, lists=True, widget=True),
    Parameter("effectif", f"la taille de la structure : {SIZES}", "1-9",
              publish=True, lists=True, widget=True),
    Parameter("type", "besoin ou savoir-faire ; sans lui, les deux", "besoin", lists=True, widget=True),
    Parameter("description", "le texte de l’annonce", "Je veux vendre en ligne", publish=True),
    Parameter("titre", "le titre de l’annonce", "Vendre mes confitures", publish=True),
    Parameter("niveau", "le niveau, de 1 (découverte) à 4 (expertise)", "2", publish=True),
    Parameter("lieu", "dans une liste : sur-place ou a-distance", "a-distance", lists=True, widget=True),
    Parameter("q", "des mots à chercher", "facture", lists=True, widget=True),
    Parameter("theme", "clair, sombre ou auto", "clair", widget=True),
    Parameter("nombre", f"le nombre d’annonces, de 1 à {NUMBER_MAX}", "5", widget=True),
    Parameter("hauteur", "auto : le cadre dit sa hauteur au script facultatif", "auto", widget=True),
    Parameter("campagne", "le nom sous lequel compter les visites : lettres, chiffres et tirets", "francenum",
              publish=True, lists=True, widget=True),
)  # fmt: skip


class LookForm(BaseForm):
    """How the widget looks; the filters of what it shows are those of lists."""

    class Meta(BaseForm.Meta):
        csrf = False

    number = WholeNumber(
        "Nombre d’annonces",
        name="nombre",
        minimum=1,
        maximum=NUMBER_MAX,
        required=False,
        default=NUMBER_USUAL,
    )
    theme = SelectField("Couleurs", choices=[SelectChoice(*each) for each in THEMES.items()], default="auto")
    campaign = TextField("Nom de votre campagne", name="campagne", max_length=CAMPAIGN_MAX, required=False)
    height = BooleanField("Ajuster la hauteur du cadre", name="hauteur")


@dataclass(frozen=True, slots=True)
class Example:
    """Addresses and code for what was chosen. `preview`: the frame's address on this site."""

    preview: str
    frame: str
    script: str
    need: str
    offer: str
    search: str
    feed: str


def read(args: MultiDict[str, str]) -> LookForm:
    form = LookForm(args)
    form.validate()
    return form


def example(asked: Asked, form: LookForm) -> Example:
    of_list = asked.kept
    campaign = {"campagne": form.campaign.data} if _holds(form.campaign) else {}
    shown: dict[str, Any] = {**of_list, **_look(form), **campaign}
    of_form = {name: value for name, value in of_list.items() if name in _OF_FORM} | campaign
    frame = _address("integration.widget_listings", shown)
    return Example(
        preview=url_for("integration.widget_listings", **shown),
        frame=(
            f'<iframe src="{escape(frame)}" title="Échanges de savoir-faire numériques près de chez vous" '
            f'width="100%" height="{FRAME_HEIGHT}" loading="lazy" style="border: 0"></iframe>'
        ),
        script=f'<script src="{public_url("integration.widget_height")}" async></script>',
        need=_address("listings.publish_need", of_form),
        offer=_address("listings.publish_offer", of_form),
        search=_address("search.results", of_list | campaign),
        feed=_address("integration.listings_feed", of_list),
    )


_OF_FORM = {parameter.name for parameter in PARAMETERS if parameter.publish}


def _look(form: LookForm) -> dict[str, str]:
    look = {}
    if _holds(form.theme) and form.theme.data != form.theme.default:
        look["theme"] = form.theme.data
    if _holds(form.number) and form.number.data != NUMBER_USUAL:
        look["nombre"] = str(form.number.data)
    if form.height.data:
        look["hauteur"] = HEIGHT_TOLD
    return look


def _holds(field: Any) -> bool:
    return bool(field.data) and not field.errors


def _address(endpoint: str, values: dict[str, Any]) -> str:
    address = public_url(endpoint)
    return f"{address}?{urlencode(values)}" if values else address
