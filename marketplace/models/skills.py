"""The skills reference: domains, skills with their levels, their relations and the words people use for them.

The files of seeds/ fill it; the national administrator edits it, and an edit outlives the next loading of
the files (services.reference). Each edit is one SkillEdition, whose number every process asks for before it
uses what it has read of the reference.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.types import UtcDateTime, closed_list, now
from marketplace.models.users import User

SLUG_MAX, LABEL_MAX, DESCRIPTION_MAX, LEVEL_TEXT_MAX, WORD_MAX = 40, 120, 600, 200, 200
LEVELS = (1, 2, 3, 4)


class WordKind(StrEnum):
    SYNONYM = "synonym"
    BRAND = "brand"
    SITUATION = "situation"
    SYMPTOM = "symptom"
    TRADE = "trade"


class EditionKind(StrEnum):
    """What an edition did. Those of words change no listing and no match."""

    WORD_ADDED = "word_added"
    WORD_REMOVED = "word_removed"
    CHANGED = "changed"
    CREATED = "created"
    RETIRED = "retired"


WORDS_ONLY = (EditionKind.WORD_ADDED, EditionKind.WORD_REMOVED)


class SkillDomain(Model):
    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    label: Mapped[str] = mapped_column(String(80))
    position: Mapped[int]

    skills: Mapped[list["Skill"]] = relationship(
        back_populates="domain", order_by="Skill.position", lazy="raise_on_sql"
    )


class Skill(Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    domain_slug: Mapped[str] = mapped_column(ForeignKey("skill_domain.slug"), index=True)
    label: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text, default="")
    digcomp: Mapped[str] = mapped_column(String(4))
    position: Mapped[int]
    # The edition that last changed the sheet; None: the files of seeds/ say it.
    edited_in: Mapped[int | None]
    # A retired skill is no longer proposed; its address leads to the one that took its place.
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    successor_id: Mapped[int | None] = mapped_column(ForeignKey("skill.id"), index=True)

    domain: Mapped[SkillDomain] = relationship(back_populates="skills", lazy="raise_on_sql")
    related: Mapped[list["Skill"]] = relationship(
        secondary="skill_relation",
        primaryjoin="Skill.id == SkillRelation.skill_id",
        secondaryjoin="Skill.id == SkillRelation.related_id",
        order_by="Skill.position",
        lazy="raise_on_sql",
        viewonly=True,
    )
    levels: Mapped[list["SkillLevel"]] = relationship(
        order_by="SkillLevel.level", lazy="raise_on_sql", viewonly=True
    )
    successor: Mapped["Skill | None"] = relationship(
        foreign_keys=[successor_id], remote_side=[id], lazy="raise_on_sql", viewonly=True
    )

    __table_args__ = (
        CheckConstraint("(retired_at IS NULL) = (successor_id IS NULL)", name="retired_has_successor"),
        CheckConstraint("successor_id <> id", name="not_its_own_successor"),
    )


class SkillLevel(Model):
    """« Je sais… » at one of the four levels of a skill."""

    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(LEVEL_TEXT_MAX))

    __table_args__ = (CheckConstraint("level BETWEEN 1 AND 4", name="level_bounds"),)


class SkillRelation(Model):
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True)
    related_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True)

    __table_args__ = (CheckConstraint("skill_id <> related_id", name="not_itself"),)


class SkillWord(Model):
    """A word, brand, situation or symptom that leads to a skill."""

    id: Mapped[int] = mapped_column(primary_key=True)
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), index=True)
    kind: Mapped[WordKind] = mapped_column(closed_list(WordKind, "word_kind"))
    text: Mapped[str] = mapped_column(String(WORD_MAX))
    # By the administrator: no loading of the files takes it away.
    is_added: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (UniqueConstraint("skill_id", "text"),)


class SkillRemovedWord(Model):
    """A word of the files that the administrator took away: loading them does not bring it back."""

    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True)
    text: Mapped[str] = mapped_column(String(WORD_MAX), primary_key=True)


class SkillEdition(Model):
    """One change of the reference by the administrator. A number is never given twice."""

    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[EditionKind] = mapped_column(closed_list(EditionKind, "edition_kind"))
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    # What changed, in words.
    summary: Mapped[str] = mapped_column(Text)

    skill: Mapped[Skill] = relationship(lazy="raise_on_sql")
    by: Mapped[User | None] = relationship(lazy="raise_on_sql")

    __table_args__ = ({"sqlite_autoincrement": True},)
