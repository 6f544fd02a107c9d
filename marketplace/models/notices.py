"""Reports against what is on the site, and appeals against what was decided.

Regulation (EU) 2022/2065: art. 16 (notices), art. 20 (complaints).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import Listing
from marketplace.models.matches import Match
from marketplace.models.moderation import ModerationDecision
from marketplace.models.organisations import Organisation
from marketplace.models.territories import Territory
from marketplace.models.types import UtcDateTime, closed_list, now
from marketplace.models.users import User

EXPLANATION_MAX = 3000
APPEAL_MAX = 5000
REASONS_MAX = 2000


class ReportCategory(StrEnum):
    ILLEGAL = "illegal"
    COMMERCIAL = "commercial"
    PERSONAL_DATA = "personal_data"
    DISRESPECTFUL = "disrespectful"
    OFF_TOPIC = "off_topic"
    OTHER = "other"


class CaseOutcome(StrEnum):
    NO_ACTION = "no_action"
    ACTION = "action"


class AppealOutcome(StrEnum):
    UPHELD = "upheld"  # the first decision stands
    REVERSED = "reversed"


_OPEN = text("closed_at IS NULL")


def _exactly_one(*columns: str) -> str:
    return " + ".join(f"CASE WHEN {name} IS NULL THEN 0 ELSE 1 END" for name in columns) + " = 1"


class ReportCase(Model):
    """What is reported, whoever reports it and how often: one open case for one subject.

    The subject is a listing, a structure, or the message of a match: one of the three.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int | None] = mapped_column(ForeignKey("listing.id"), index=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    match_id: Mapped[int | None] = mapped_column(ForeignKey("match.id"), index=True)
    # Who decides: the territory of the subject when the case was opened; None: decided nationally.
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    # The subject as it read when it was first reported.
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSON)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    outcome: Mapped[CaseOutcome | None] = mapped_column(closed_list(CaseOutcome, "case_outcome"))
    # What the people who reported are told.
    reasons: Mapped[str] = mapped_column(Text, default="")
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("moderation_decision.id"), index=True)

    listing: Mapped[Listing | None] = relationship(lazy="raise_on_sql")
    organisation: Mapped[Organisation | None] = relationship(lazy="raise_on_sql")
    match: Mapped[Match | None] = relationship(lazy="raise_on_sql")
    territory: Mapped[Territory | None] = relationship(lazy="raise_on_sql")
    closed_by: Mapped[User | None] = relationship(lazy="raise_on_sql")
    decision: Mapped[ModerationDecision | None] = relationship(lazy="raise_on_sql")
    reports: Mapped[list["Report"]] = relationship(
        back_populates="case", order_by="Report.id", lazy="raise_on_sql"
    )

    __table_args__ = (
        CheckConstraint(_exactly_one("listing_id", "organisation_id", "match_id"), name="one_subject"),
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed_has_outcome"),
        CheckConstraint(
            "(COALESCE(outcome, '') = 'action') = (decision_id IS NOT NULL)", name="action_has_decision"
        ),
        CheckConstraint(
            "outcome IS NULL OR outcome = 'action' OR length(reasons) > 0", name="none_has_reasons"
        ),
        *(
            Index(
                f"ix_report_case_open_{name}",
                f"{name}_id",
                unique=True,
                sqlite_where=_OPEN,
                postgresql_where=_OPEN,
            )
            for name in ("listing", "organisation", "match")
        ),
        Index("ix_report_case_queue", "closed_at", "territory_siren", "opened_at"),
        Index("ix_report_case_territory", "territory_siren", "opened_at"),
    )


class Report(Model):
    """One person's notice. `name`, `email`: for the receipt and the outcome; the author never sees them."""

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("report_case.id"))
    category: Mapped[ReportCategory] = mapped_column(closed_list(ReportCategory, "report_category"))
    explanation: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str] = mapped_column(String(254))
    # None: without an account, or the account is gone.
    reporter_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    case: Mapped[ReportCase] = relationship(back_populates="reports", lazy="raise_on_sql")

    __table_args__ = (
        UniqueConstraint("case_id", "email"),
        CheckConstraint(f"length(explanation) BETWEEN 1 AND {EXPLANATION_MAX}", name="explanation_length"),
        CheckConstraint("email = lower(email)", name="email_lower"),
    )


class Appeal(Model):
    """A complaint against a decision, or of somebody whose report led to nothing; one for each, decided once.

    `first_decider_id` is copied from what is contested, so that the database itself refuses the same person.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("moderation_decision.id"), unique=True)
    report_id: Mapped[int | None] = mapped_column(ForeignKey("report.id"), unique=True)
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"))
    first_decider_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # When an answer is promised for.
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)

    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    outcome: Mapped[AppealOutcome | None] = mapped_column(closed_list(AppealOutcome, "appeal_outcome"))
    reasons: Mapped[str] = mapped_column(Text, default="")

    decision: Mapped[ModerationDecision | None] = relationship(lazy="raise_on_sql")
    report: Mapped[Report | None] = relationship(lazy="raise_on_sql")
    territory: Mapped[Territory | None] = relationship(lazy="raise_on_sql")
    decided_by: Mapped[User | None] = relationship(foreign_keys=[decided_by_id], lazy="raise_on_sql")

    __table_args__ = (
        CheckConstraint(_exactly_one("decision_id", "report_id"), name="one_subject"),
        CheckConstraint(f"length(text) BETWEEN 1 AND {APPEAL_MAX}", name="text_length"),
        CheckConstraint("(decided_at IS NULL) = (outcome IS NULL)", name="decided_has_outcome"),
        CheckConstraint("outcome IS NULL OR length(reasons) > 0", name="outcome_has_reasons"),
        CheckConstraint("decided_by_id <> first_decider_id", name="another_person"),
        Index("ix_appeal_queue", "decided_at", "territory_siren", "created_at"),
        Index("ix_appeal_territory", "territory_siren", "created_at"),
    )
