"""Collective workshops: one evening for many needs on one skill, and what each invited structure answered."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import InvalidTransition, Listing
from marketplace.models.organisations import Organisation
from marketplace.models.skills import Skill
from marketplace.models.territories import Commune, Territory
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list, now

PLACE_MAX = 200
HOST_MAX = 200
MESSAGE_MAX = 2000
REASON_MAX = 500
CAPACITY_MAX = 500


class WorkshopState(StrEnum):
    PLANNED = "planned"
    HELD = "held"
    CANCELLED = "cancelled"


class InvitationAnswer(StrEnum):
    ACCEPTED = "accepted"
    DECLINED = "declined"


_S = WorkshopState
TRANSITIONS: dict[WorkshopState, frozenset[WorkshopState]] = {
    _S.PLANNED: frozenset({_S.HELD, _S.CANCELLED}),
    _S.HELD: frozenset(),
    _S.CANCELLED: frozenset(),
}


class Workshop(TimestampMixin, Model):
    """A workshop that a territory's moderators organise on one skill, in one commune.

    `host`: who runs it, as the moderator typed it. `present`: how many people came, once it was held.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    territory_siren: Mapped[str] = mapped_column(ForeignKey("territory.siren"))
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id"), index=True)
    commune_insee: Mapped[str] = mapped_column(ForeignKey("commune.insee"))
    state: Mapped[WorkshopState] = mapped_column(
        closed_list(WorkshopState, "workshop_state"), default=WorkshopState.PLANNED
    )
    place: Mapped[str] = mapped_column(String(PLACE_MAX))
    host: Mapped[str] = mapped_column(String(HOST_MAX), default="")
    message: Mapped[str] = mapped_column(Text, default="")
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    capacity: Mapped[int]
    organiser_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    present: Mapped[int | None]
    cancel_reason: Mapped[str] = mapped_column(String(REASON_MAX), default="")

    territory: Mapped[Territory] = relationship(lazy="raise_on_sql")
    skill: Mapped[Skill] = relationship(lazy="raise_on_sql")
    commune: Mapped[Commune] = relationship(lazy="raise_on_sql")
    invitations: Mapped[list["WorkshopInvitation"]] = relationship(
        back_populates="workshop", order_by="WorkshopInvitation.id", lazy="raise_on_sql"
    )

    __table_args__ = (
        CheckConstraint(f"capacity BETWEEN 1 AND {CAPACITY_MAX}", name="capacity_bounds"),
        CheckConstraint(f"present BETWEEN 0 AND {CAPACITY_MAX}", name="present_bounds"),
        CheckConstraint("(state = 'held') = (present IS NOT NULL)", name="held_has_present"),
        CheckConstraint(f"length(message) <= {MESSAGE_MAX}", name="message_length"),
        Index("ix_workshop_territory", "territory_siren", "state", "starts_at"),
    )

    def transition(self, target: WorkshopState) -> None:
        """Move to `target`. Raises InvalidTransition when TRANSITIONS does not hold the move."""
        if target not in TRANSITIONS[self.state]:
            raise InvalidTransition(f"workshop {self.id}", self.state, target)
        self.state = target


class WorkshopInvitation(Model):
    """A need that a workshop answers, and what its structure said.

    `answer` None: nothing yet. `attended`, `fulfilled` None: not known, or not asked yet.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    workshop_id: Mapped[int] = mapped_column(ForeignKey("workshop.id", ondelete="CASCADE"))
    need_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), index=True)
    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id", ondelete="CASCADE"), index=True
    )
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    answer: Mapped[InvitationAnswer | None] = mapped_column(
        closed_list(InvitationAnswer, "invitation_answer")
    )
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attended: Mapped[bool | None]
    fulfilled: Mapped[bool | None]

    workshop: Mapped[Workshop] = relationship(back_populates="invitations", lazy="raise_on_sql")
    need: Mapped[Listing] = relationship(lazy="raise_on_sql")
    organisation: Mapped[Organisation] = relationship(lazy="raise_on_sql")

    __table_args__ = (
        UniqueConstraint("workshop_id", "need_id"),
        CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answer_has_date"),
        CheckConstraint("fulfilled IS NULL OR attended", name="fulfilled_after_attending"),
    )
