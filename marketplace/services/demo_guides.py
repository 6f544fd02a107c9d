"""The guides and testimonials of the demonstration: invented, as all of it."""

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import GuideKind, Skill, User
from marketplace.services import guides
from marketplace.services.demo_tables import FOLDER, rows
from marketplace.services.guides import GuideSheet


def play(territory_siren: str, *, administrator: User) -> None:
    """Publish the guides of seeds/demo, the local ones for this territory."""
    ids = {slug: key for slug, key in db.session.execute(select(Skill.slug, Skill.id))}
    for row in rows(FOLDER / "guides.csv"):
        sheet = GuideSheet(
            kind=GuideKind(row["kind"]),
            title=row["title"],
            text=row["text"],
            url=row["url"],
            publisher=row["publisher"],
            section=row["section"] or None,
            skill_id=ids[row["skill"]],
            territory_siren=territory_siren if row["is_local"] == "yes" else None,
        )
        guides.propose(sheet, by=administrator)
