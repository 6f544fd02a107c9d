"""The skills reference: domains, skills, their relations and the words people use for them."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.extensions import Model
from marketplace.models.types import closed_list


class WordKind(StrEnum):
    SYNONYM = "synonym"
    BRAND = "brand"
    SITUATION = "situation"
    SYMPTOM = "symptom"
    TRADE = "trade"


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

    domain: Mapped[SkillDomain] = relationship(back_populates="skills", lazy="raise_on_sql")
    related: Mapped[list["Skill"]] = relationship(
        secondary="skill_relation",
        primaryjoin="Skill.id == SkillRelation.skill_id",
        secondaryjoin="Skill.id == SkillRelation.related_id",
        order_by="Skill.position",
        lazy="raise_on_sql",
        viewonly=True,
    )


class SkillRelation(Model):
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True)
    related_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True)

    __table_args__ = (CheckConstraint("skill_id <> related_id", name="not_itself"),)


class SkillWord(Model):
    """A word, brand, situation or symptom that leads to a skill."""

    id: Mapped[int] = mapped_column(primary_key=True)
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id", ondelete="CASCADE"), index=True)
    kind: Mapped[WordKind] = mapped_column(closed_list(WordKind, "word_kind"))
    text: Mapped[str] = mapped_column(String(200))

    __table_args__ = (UniqueConstraint("skill_id", "text"),)
