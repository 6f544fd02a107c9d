"""Moderators' decisions, each with its statement of reasons (regulation (EU) 2022/2065, art. 17)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import Listing
from marketplace.models.organisations import Organisation
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list, now
from marketplace.models.users import User

TEMPLATE_NAME_MAX = 80


class DecisionAction(StrEnum):
    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"
    REMOVE = "remove"
    SUSPEND = "suspend"  # an organisation
    RESTORE = "restore"  # what an earlier decision took away


# Decisions that take nothing from anybody: they need no statement of reasons.
FAVOURABLE = (DecisionAction.APPROVE, DecisionAction.RESTORE)


class DecisionGround(StrEnum):
    """The rule that an adverse decision applies: a point of the charter, or the law."""

    NOT_DIGITAL = "not_digital"
    COMMERCIAL = "commercial"
    CONTACT_DATA = "contact_data"
    DUPLICATE = "duplicate"
    UNCLEAR = "unclear"
    DISRESPECTFUL = "disrespectful"
    FALSE_IDENTITY = "false_identity"
    REPEATED = "repeated"
    ILLEGAL = "illegal"


class ModerationDecision(Model):
    """One decision on one listing or on one structure; never changed afterwards."""

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int | None] = mapped_column(ForeignKey("listing.id"), index=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    # Territory of the subject when it was decided; None: no EPCI, decided nationally.
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    action: Mapped[DecisionAction] = mapped_column(closed_list(DecisionAction, "decision_action"))
    ground: Mapped[DecisionGround | None] = mapped_column(closed_list(DecisionGround, "decision_ground"))
    facts: Mapped[str] = mapped_column(Text, default="")
    # Why the facts break the rule; for a ground in the law, which law.
    explanation: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    # Pre-checks that had flagged the text: the automated means that art. 17(3)(c) asks to name.
    automated_flags: Mapped[list[str]] = mapped_column(JSON, default=list)
    # Whether somebody had reported it (art. 17(3)(b)).
    follows_notice: Mapped[bool] = mapped_column(default=False, server_default=false())
    # The statement as it was sent; empty when nothing was taken away.
    statement: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    # The decision that this one takes back; one is taken back once.
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("moderation_decision.id"), unique=True)
    # The text, or the structure, as it stood when decided.
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSON)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    listing: Mapped[Listing | None] = relationship(lazy="raise_on_sql")
    organisation: Mapped[Organisation | None] = relationship(lazy="raise_on_sql")
    moderator: Mapped[User | None] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        CheckConstraint("(listing_id IS NULL) <> (organisation_id IS NULL)", name="one_subject"),
        CheckConstraint(
            "action IN ('approve', 'restore') OR (ground IS NOT NULL AND length(facts) > 0)",
            name="adverse_has_reasons",
        ),
        CheckConstraint(
            "action = 'restore' OR (action = 'suspend') = (organisation_id IS NOT NULL)",
            name="suspends_organisations",
        ),
        CheckConstraint("(action = 'restore') = (reverses_id IS NOT NULL)", name="restore_reverses"),
        Index("ix_moderation_decision_territory", "territory_siren", "decided_at"),
    )

    @property
    def is_adverse(self) -> bool:
        return self.action not in FAVOURABLE


class ReasonTemplate(TimestampMixin, Model):
    """Reasons that are often given, ready to be used and changed.

    Without a territory: for all; those with a `code` come with the site. A territory that changes one of
    these, or archives it, gets a row of its own that stands in for it there (`replaces_id`).
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str | None] = mapped_column(String(40), unique=True)
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("reason_template.id"))
    name: Mapped[str] = mapped_column(String(TEMPLATE_NAME_MAX))
    ground: Mapped[DecisionGround] = mapped_column(closed_list(DecisionGround, "template_ground"))
    facts: Mapped[str] = mapped_column(Text, default="")
    explanation: Mapped[str] = mapped_column(Text, default="")
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("territory_siren", "replaces_id"),
        CheckConstraint("replaces_id IS NULL OR territory_siren IS NOT NULL", name="replaced_by_territories"),
        CheckConstraint("code IS NULL OR territory_siren IS NULL", name="code_of_nation"),
        CheckConstraint("length(name) > 0", name="has_name"),
    )
