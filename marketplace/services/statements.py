"""The statement of reasons of an adverse decision: regulation (EU) 2022/2065, art. 17(3).

One text, made here by one template: shown before it is sent, mailed, and kept with the decision.
"""

from dataclasses import dataclass
from datetime import datetime

from flask import render_template

from marketplace import clock
from marketplace.models import DecisionAction, DecisionGround, Listing, ListingKind, Organisation
from marketplace.services import appeal_links
from marketplace.services.errors import FieldError

FACTS_MAX = 2000
EXPLANATION_MAX = 1000
# What templates put where the moderator has to quote.
TO_QUOTE = "« … »"


@dataclass(frozen=True, slots=True)
class Reasons:
    """What a moderator says against a listing or a structure.

    `explanation`: why the facts break the rule, where the charter's own words are not enough; for the law,
    which law. `follows_notice`: somebody had reported it.
    """

    ground: DecisionGround | None = None
    facts: str = ""
    explanation: str = ""
    follows_notice: bool = False

    def require(self) -> None:
        """Raise FieldError ("ground", "facts" or "explanation") for what is missing."""
        if self.ground is None:
            raise FieldError("ground", "Dites quelle règle n’est pas respectée.")
        if not self.facts.strip():
            raise FieldError("facts", "Dites ce que vous avez constaté : l’auteur le recevra.")
        if TO_QUOTE in self.facts:
            raise FieldError("facts", f"Citez ce qui pose problème à la place de {TO_QUOTE}.")
        if self.ground is DecisionGround.ILLEGAL and not self.explanation.strip():
            raise FieldError("explanation", "Citez la loi, et dites pourquoi ce contenu lui est contraire.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All that art. 17(3) asks for. `kind` None: `subject` is a structure. `flags`: what software saw."""

    action: DecisionAction
    kind: ListingKind | None
    subject: str
    reasons: Reasons
    flags: tuple[str, ...]
    appeal_until: datetime

    def to_text(self) -> str:
        """Return the statement in French, an empty line between its points."""
        text = render_template("moderation/statement.txt", statement=self)
        return "\n\n".join(part.strip() for part in text.split("\n\n") if part.strip())


def on_listing(listing: Listing, action: DecisionAction, reasons: Reasons) -> Statement:
    return Statement(
        action=action,
        kind=listing.kind,
        subject=listing.title,
        reasons=reasons,
        flags=tuple(listing.flags),
        appeal_until=appeal_links.deadline(clock.now()),
    )


def on_organisation(organisation: Organisation, reasons: Reasons) -> Statement:
    """Return the statement of a suspension."""
    return Statement(
        action=DecisionAction.SUSPEND,
        kind=None,
        subject=organisation.name,
        reasons=reasons,
        flags=(),
        appeal_until=appeal_links.deadline(clock.now()),
    )
