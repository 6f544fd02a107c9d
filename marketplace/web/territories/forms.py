from typing import Any

from wtforms import FileField, RadioField

from marketplace.models import ModerationMode, Territory
from marketplace.models.territories import CONTACT_MAX, TRUSTED_AFTER_MAX
from marketplace.services import territories
from marketplace.services.territories import (
    PARTNER_LABEL_MAX,
    PARTNER_URL_MAX,
    PARTNERS_MAX,
    RADIUS_MAX_KM,
    TEXT_MAX,
    Partner,
    Settings,
)
from marketplace.web.forms import BaseForm, LongTextField, WholeNumber, choices_of

# Settings that the form shows as they are kept.
_PLAIN = ("moderation_mode", "trusted_after", "default_radius_km", "welcome_text", "charter", "contact")


class SettingsForm(BaseForm):
    """`partners`: one a line, its name and then its address."""

    moderation_mode = RadioField(
        "Quand relire les annonces ?", name="mode", choices=choices_of(ModerationMode), coerce=ModerationMode
    )
    trusted_after = WholeNumber(
        "Annonces acceptées avant de publier directement",
        name="confiance",
        minimum=0,
        maximum=TRUSTED_AFTER_MAX,
    )
    default_radius_km = WholeNumber("Rayon proposé, en km", name="rayon", minimum=0, maximum=RADIUS_MAX_KM)
    welcome_text = LongTextField("Mot d’accueil", name="accueil", max_length=TEXT_MAX, required=False)
    charter = LongTextField("Charte", name="charte", max_length=TEXT_MAX, required=False)
    contact = LongTextField("Contact", name="contact", max_length=CONTACT_MAX, required=False)
    partners = LongTextField(
        "Liens de partenaires",
        name="partenaires",
        max_length=PARTNERS_MAX * (PARTNER_LABEL_MAX + PARTNER_URL_MAX + 2),
        required=False,
    )

    @classmethod
    def showing(cls, territory: Territory, **options: Any) -> "SettingsForm":
        """Return the form as the territory is set now; what was sent wins."""
        said = [f"{partner.label} {partner.url}" for partner in territories.partners_of(territory)]
        now = {name: getattr(territory, name) for name in _PLAIN}
        return cls(data={**now, "partners": "\n".join(said)}, **options)

    def settings(self) -> Settings:
        values: dict[str, Any] = {name: self[name].data for name in _PLAIN}
        return Settings(**values, partners=self._partners())

    def _partners(self) -> tuple[Partner, ...]:
        lines = [line.strip() for line in (self.partners.data or "").splitlines() if line.strip()]
        cut = [line.rpartition(" ") for line in lines]
        return tuple(Partner(name.rstrip(" :–-"), url) for name, _, url in cut)


class LogoForm(BaseForm):
    """The file itself is read from the request: forms keep texts only."""

    logo = FileField("Image du logo", name="logo")
