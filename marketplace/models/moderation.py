"""Moderators' decisions, each with its statement of reasons (regulation (EU) 2022/2065, art. 17)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import Listing
from marketplace.models.types import UtcDateTime, closed_list, now
from marketplace.models.users import User


class DecisionAction(StrEnum):
    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"
    REMOVE = "remove"


class DecisionGround(StrEnum):
    """The rule that an adverse decision applies: a point of the charter, or the law."""

    NOT_DIGITAL = "not_digital"
    COMMERCIAL = "commercial"
    CONTACT_DATA = "contact_data"
    DUPLICATE = "duplicate"
    UNCLEAR = "unclear"
    DISRESPECTFUL = "disrespectful"
    ILLEGAL = "illegal"


class ModerationDecision(Model):
    """One decision on one listing; never changed afterwards."""

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id"), index=True)
    # Territory of the listing when it was decided; None: no EPCI, decided nationally.
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    action: Mapped[DecisionAction] = mapped_column(closed_list(DecisionAction, "decision_action"))
    ground: Mapped[DecisionGround | None] = mapped_column(closed_list(DecisionGround, "decision_ground"))
    facts: Mapped[str] = mapped_column(Text, default="")
    # Pre-checks that had flagged the text: the automated means that art. 17(3)(c) asks to name.
    automated_flags: Mapped[list[str]] = mapped_column(JSON, default=list)
    # The text as it stood when decided.
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSON)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    listing: Mapped[Listing] = relationship(lazy="raise_on_sql")
    moderator: Mapped[User | None] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        CheckConstraint(
            "action = 'approve' OR (ground IS NOT NULL AND length(facts) > 0)", name="adverse_has_reasons"
        ),
        Index("ix_moderation_decision_territory", "territory_siren", "decided_at"),
    )
