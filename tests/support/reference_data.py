"""The skills reference as the files say it, whatever a test let the administrator do to it."""

from sqlalchemy import delete, select, update

from marketplace.extensions import db
from marketplace.models import SeedFile, Skill, SkillEdition, SkillWord
from marketplace.services import reference


def is_edited() -> bool:
    return db.session.scalar(select(SkillEdition.number).limit(1)) is not None


def restore() -> None:
    """Undo every edit. What refers to skills, and their editions, must be deleted already."""
    made_by_hand = Skill.digcomp == ""
    db.session.execute(update(Skill).values(edited_in=None, retired_at=None, successor_id=None))
    db.session.execute(delete(SkillWord).where(SkillWord.is_added))
    db.session.execute(delete(Skill).where(made_by_hand))
    load_again()


def load_again() -> None:
    """Load the files of the skills once more, as after a change in them."""
    db.session.execute(update(SeedFile).where(SeedFile.name == "skills.csv").values(sha256="changed"))
    db.session.commit()
    reference.load()
