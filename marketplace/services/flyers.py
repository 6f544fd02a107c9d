"""A sheet to hand out: its texts are the templates' work, its code and its address are made here."""

from enum import StrEnum
from io import BytesIO

import segno

from marketplace.models import Territory
from marketplace.services.mailer import public_url


class FlyerText(StrEnum):
    """What the sheet speaks of: registering a firm, or the invoicing reform (Mesure 3 of the roadmap)."""

    REGISTRATION = "inscription"
    INVOICING = "facturation"


def address(territory: Territory, text: FlyerText) -> str:
    """Return the territory's page, by which a visit is counted as the sheet's."""
    siren = territory.siren
    return public_url("directory.territory", siren=siren, campagne=f"affiche-{text}", territoire=siren)


def shown_address(territory: Territory) -> str:
    """Return the same page as one types it."""
    return public_url("directory.territory", siren=territory.siren).partition("://")[2]


def code(territory: Territory, text: FlyerText) -> bytes:
    """Return the QR code of the address as SVG; it still reads with a quarter of it hidden."""
    drawn = BytesIO()
    segno.make(address(territory, text), error="q", micro=False).save(
        drawn, kind="svg", scale=8, border=4, light="white", svgclass=None, lineclass=None
    )
    return drawn.getvalue()
