"""The skills reference as the files say it, whatever a test let the administrator do to it."""

from pathlib import Path

from sqlalchemy import delete, update

from marketplace.extensions import db
from marketplace.models import SeedFile, Skill, SkillWord
from marketplace.services import reference


def restore() -> None:
    """Undo every edit. What refers to skills, and their editions, must be deleted already."""
    made_by_hand = Skill.digcomp == ""
    db.session.execute(update(Skill).values(edited_in=None, retired_at=None, successor_id=None))
    db.session.execute(delete(SkillWord).where(SkillWord.is_added))
    db.session.execute(delete(Skill).where(made_by_hand))
    load_again()


def load_again(name: str = "skills.csv", *, seeds: Path = reference.SEEDS) -> None:
    """Load a file of `seeds` once more, as after a change in it; those of the skills by default."""
    db.session.execute(update(SeedFile).where(SeedFile.name == name).values(sha256="changed"))
    db.session.commit()
    reference.load(seeds)
