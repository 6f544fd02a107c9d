"""What an author changed in a listing since a moderator read it, word by word."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Listing, Skill

# Beyond so many words on both sides a comparison would take too long: the two texts are shown whole.
_WORDS_MAX = 1200


@dataclass(frozen=True, slots=True)
class Part:
    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is said otherwise now. `name`: title, description, skill, level, places or radius_km.

    `parts`: for texts, the whole, in reading order; for the others, `before` and `after` alone.
    """

    name: str
    before: Any
    after: Any
    parts: Sequence[Part] = ()


def skill_labels(snapshots: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """Return the labels of the skills that these texts were classed under."""
    ids = {snapshot.get("skill_id") for snapshot in snapshots}
    return {
        key: label
        for key, label in db.session.execute(select(Skill.id, Skill.label).where(Skill.id.in_(ids)))
    }


def since(snapshot: Mapping[str, Any], listing: Listing, labels: Mapping[int, str]) -> list[Change]:
    """Return what differs between the text that was decided on (moderation.snapshot) and the present one.

    `labels`: skill_labels(); the listing's own skill is loaded.
    """
    changes = []
    for name in ("title", "description"):
        before, after = str(snapshot.get(name, "")), str(getattr(listing, name))
        if before != after:
            changes.append(Change(name, before, after, compare(before, after)))
    if snapshot.get("skill_id") != listing.skill_id:
        changes.append(Change("skill", labels.get(snapshot.get("skill_id", 0), ""), listing.skill.label))
    for name in ("level", "places", "radius_km"):
        if snapshot.get(name) != getattr(listing, name):
            changes.append(Change(name, snapshot.get(name), getattr(listing, name)))
    return changes


def compare(before: str, after: str) -> list[Part]:
    """Return both texts as one, each word marked (Ratcliff and Obershelp's matching, on words)."""
    old, new = _words(before), _words(after)
    if len(old) + len(new) > _WORDS_MAX:
        return [Part("removed", before), Part("added", after)]
    parts: list[Part] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(Part("same", "".join(old[a:b])))
            continue
        if a < b:
            parts.append(Part("removed", "".join(old[a:b])))
        if c < d:
            parts.append(Part("added", "".join(new[c:d])))
    return parts


def _words(text: str) -> list[str]:
    """Cut a text in words and what stands between them: joined, they are the text again."""
    return re.findall(r"\s+|[^\s]+", text)
