"""Pre-checks of a text before publication: what they see makes the listing wait for a moderator."""

import re
from difflib import SequenceMatcher

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Listing, ListingKind, ListingState
from marketplace.services.text import fold

PHONE = re.compile(r"(?<!\d)(?:(?:\+|00)33\s?\(?0?\)?|0)\s?[1-9](?:[\s.\-]?\d{2}){4}(?!\d)")
EMAIL = re.compile(r"[\w.+-]+\s?(?:@|\(at\)|\[at\]|\barobase\b)\s?[\w-]+\s?(?:\.|\bpoint\b)\s?[a-z]{2,}", re.IGNORECASE)
LINK = re.compile(
    r"https?://|\bwww\.|\b[\w-]+\.(?:fr|com|net|org|eu|io|bzh|biz|info|shop|pro)\b", re.IGNORECASE
)
PRICE = re.compile(
    r"\d\s?(?:€|euros?\b|eur\b)|€\s?\d|\b(?:tarifs?|devis gratuit|promo(?:tion)?s?|remises?|prix imbattables?)\b",
    re.IGNORECASE,
)
# How alike two texts must be to count as one: half a sentence changed in a short description.
REPEAT_RATIO = 0.9
_COMPARED = 200


def flags_of(title: str, description: str) -> list[str]:
    """Return the names of what the text alone sets off: "phone", "email", "link", "price"."""
    text = f"{title}\n{description}"
    without_mail = EMAIL.sub(" ", text)  # the domain of an address is not a second find
    found = {
        "phone": PHONE.search(text),
        "email": EMAIL.search(text),
        "link": LINK.search(without_mail),
        "price": PRICE.search(text),
    }
    return [name for name, hit in found.items() if hit]


def repeats_another(
    *, kind: ListingKind, skill_id: int, description: str, organisation_id: int, listing_id: int | None
) -> bool:
    """Say whether a listing of the same kind and skill, or of the same structure, already says this."""
    told = fold(description)
    query = (
        select(Listing.description)
        .where(
            Listing.kind == kind,
            Listing.state.in_((ListingState.PUBLISHED, ListingState.PENDING, ListingState.PAUSED)),
            (Listing.skill_id == skill_id) | (Listing.organisation_id == organisation_id),
            Listing.id != (listing_id or 0),
        )
        .order_by(Listing.id.desc())
        .limit(_COMPARED)
    )
    return any(_alike(told, fold(other)) for other in db.session.scalars(query))


def _alike(one: str, other: str) -> bool:
    if not one or not other:
        return False
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    # The two bounds are cheap and settle nearly every pair.
    return (
        matcher.real_quick_ratio() >= REPEAT_RATIO
        and matcher.quick_ratio() >= REPEAT_RATIO
        and matcher.ratio() >= REPEAT_RATIO
    )
