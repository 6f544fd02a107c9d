"""Matching rounds, exchange circles, and matches: one need paired with one offer."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.listings import InvalidTransition, Listing, ListingKind
from marketplace.models.types import TimestampMixin, UtcDateTime, closed_list


class MatchState(StrEnum):
    PROPOSED = "proposed"
    ACCEPTED = "accepted"  # by one side
    AGREED = "agreed"  # by both
    COMPLETED = "completed"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class MatchOrigin(StrEnum):
    ROUND = "round"
    CIRCLE = "circle"
    PERSON = "person"


class DeclineReason(StrEnum):
    TOO_FAR = "too_far"
    NOT_THIS_SKILL = "not_this_skill"
    NO_TIME = "no_time"
    OTHER = "other"


_S = MatchState
TRANSITIONS: dict[MatchState, frozenset[MatchState]] = {
    _S.PROPOSED: frozenset({_S.ACCEPTED, _S.DECLINED, _S.EXPIRED, _S.CANCELLED}),
    _S.ACCEPTED: frozenset({_S.AGREED, _S.DECLINED, _S.EXPIRED, _S.CANCELLED}),
    _S.AGREED: frozenset({_S.COMPLETED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.DECLINED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}
# A live match holds a place of its need and of its offer.
LIVE = (_S.PROPOSED, _S.ACCEPTED, _S.AGREED)
_LIVE_SQL = "state IN ('proposed', 'accepted', 'agreed')"
_LISTING = ["listing.id", "listing.organisation_id", "listing.kind"]


class MatchingRound(Model):
    """One run of the optimiser: with which policy, over what, with which figures."""

    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    territory_siren: Mapped[str | None] = mapped_column(ForeignKey("territory.siren"), index=True)
    started_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)


class LeftAlone(StrEnum):
    """Why a round proposed nothing to a need."""

    OUTBID = "outbid"  # offers fit, and their places went to others
    SHARE = "share"  # so, and its structure got a proposal for another need
    TAKEN = "taken"  # those that fit were full before
    CLOSED = "closed"  # those that fit were declined, or rest
    RADIUS = "radius"
    LEVEL = "level"
    PLACES = "places"
    COMPETITOR = "competitor"
    SEVERAL = "several"  # more than one rule stands against each offer of the skill
    SKILL = "skill"  # nobody has it


class RoundOutcome(Model):
    """Why the last round over a need left it alone; no row for a need that got a proposal.

    `lost`: offers that fitted ({"offer_id", "loss"}), the smallest loss first: how much less the round's
    total would have been with this pair, None where the places went to circles.
    """

    need_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("matching_round.id"), index=True)
    reason: Mapped[LeftAlone] = mapped_column(closed_list(LeftAlone, "left_alone"))
    lost: Mapped[list[dict[str, Any]]] = mapped_column(JSON)

    round: Mapped[MatchingRound] = relationship(lazy="raise_on_sql")


class RoundPrice(Model):
    """What a listing's place was worth in the last round that it took part in: see matching.Prices.

    None where circles took it: they are held fixed.
    """

    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("matching_round.id"), index=True)
    price: Mapped[float | None]

    round: Mapped[MatchingRound] = relationship(lazy="raise_on_sql")


class ExchangeCircle(Model):
    """2 to 4 structures, each of which helps the next."""

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("matching_round.id"), index=True)
    size: Mapped[int]

    matches: Mapped[list["Match"]] = relationship(
        back_populates="circle", order_by="Match.id", lazy="raise_on_sql"
    )

    __table_args__ = (CheckConstraint("size BETWEEN 2 AND 4", name="size_bounds"),)


class Match(TimestampMixin, Model):
    """One need paired with one offer of another structure.

    ix_match_live_need: at most one live match per need. ix_match_pair: a pair that is live, done or was
    declined is never proposed again. The offer's capacity is kept by listing.live_matches.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    need_id: Mapped[int] = mapped_column()
    offer_id: Mapped[int] = mapped_column()
    need_organisation_id: Mapped[int] = mapped_column(index=True)
    offer_organisation_id: Mapped[int] = mapped_column(index=True)
    # Constants, so that the foreign keys below accept a need on one side and an offer on the other only.
    need_kind: Mapped[ListingKind] = mapped_column(
        closed_list(ListingKind, "need_kind"), default=ListingKind.NEED
    )
    offer_kind: Mapped[ListingKind] = mapped_column(
        closed_list(ListingKind, "offer_kind"), default=ListingKind.OFFER
    )
    state: Mapped[MatchState] = mapped_column(
        closed_list(MatchState, "match_state"), default=MatchState.PROPOSED
    )
    origin: Mapped[MatchOrigin] = mapped_column(closed_list(MatchOrigin, "match_origin"))
    round_id: Mapped[int | None] = mapped_column(ForeignKey("matching_round.id"), index=True)
    circle_id: Mapped[int | None] = mapped_column(ForeignKey("exchange_circle.id"), index=True)
    started_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))

    score: Mapped[float]
    distance_km: Mapped[float | None]
    # Parts of the score as matching.explain gives them.
    explanation: Mapped[dict[str, Any]] = mapped_column(JSON)
    message: Mapped[str] = mapped_column(Text, default="")

    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reminded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    need_accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    offer_accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Which side ended it (declined, cancelled); None when time did.
    closed_side: Mapped[ListingKind | None] = mapped_column(closed_list(ListingKind, "closed_side"))
    close_reason: Mapped[DeclineReason | None] = mapped_column(closed_list(DeclineReason, "close_reason"))
    close_comment: Mapped[str] = mapped_column(String(500), default="")

    need: Mapped[Listing] = relationship(foreign_keys=[need_id], lazy="raise_on_sql", viewonly=True)
    offer: Mapped[Listing] = relationship(foreign_keys=[offer_id], lazy="raise_on_sql", viewonly=True)
    circle: Mapped[ExchangeCircle | None] = relationship(back_populates="matches", lazy="raise_on_sql")

    __table_args__ = (
        ForeignKeyConstraint(["need_id", "need_organisation_id", "need_kind"], _LISTING),
        ForeignKeyConstraint(["offer_id", "offer_organisation_id", "offer_kind"], _LISTING),
        CheckConstraint("need_kind = 'need' AND offer_kind = 'offer'", name="a_need_and_an_offer"),
        CheckConstraint("need_organisation_id <> offer_organisation_id", name="two_organisations"),
        CheckConstraint(
            "state <> 'proposed' OR (need_accepted_at IS NULL AND offer_accepted_at IS NULL)",
            name="proposed_by_none",
        ),
        CheckConstraint(
            "state <> 'accepted' OR (need_accepted_at IS NULL) <> (offer_accepted_at IS NULL)",
            name="accepted_by_one",
        ),
        CheckConstraint(
            "state NOT IN ('agreed', 'completed') OR "
            "(need_accepted_at IS NOT NULL AND offer_accepted_at IS NOT NULL)",
            name="agreed_by_both",
        ),
        CheckConstraint(
            "state <> 'declined' OR (close_reason IS NOT NULL AND closed_side IS NOT NULL)",
            name="declined_has_reason",
        ),
        CheckConstraint(f"({_LIVE_SQL}) = (closed_at IS NULL)", name="closed_has_date"),
        CheckConstraint("(origin = 'circle') = (circle_id IS NOT NULL)", name="circle_of_origin"),
        CheckConstraint("score > 0 AND score <= 1", name="score_bounds"),
        Index(
            "ix_match_live_need",
            "need_id",
            unique=True,
            sqlite_where=text(_LIVE_SQL),
            postgresql_where=text(_LIVE_SQL),
        ),
        Index(
            "ix_match_pair",
            "need_id",
            "offer_id",
            unique=True,
            sqlite_where=text("state NOT IN ('expired', 'cancelled')"),
            postgresql_where=text("state NOT IN ('expired', 'cancelled')"),
        ),
        Index("ix_match_need_state", "need_id", "state"),
        Index("ix_match_offer_state", "offer_id", "state"),
        Index("ix_match_expiry", "state", "expires_at"),
    )

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    def accepted_at(self, side: ListingKind) -> datetime | None:
        return self.need_accepted_at if side is ListingKind.NEED else self.offer_accepted_at

    def transition(self, target: MatchState) -> None:
        """Move to `target`. Raises InvalidTransition when TRANSITIONS does not hold the move."""
        if target not in TRANSITIONS[self.state]:
            raise InvalidTransition(f"match {self.id}", self.state, target)
        self.state = target
