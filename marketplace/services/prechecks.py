"""Pre-checks of a text before publication: what they see makes the listing wait for a moderator."""

import re
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Listing, ListingKind, ListingState
from marketplace.services.text import fold

# French numbering plan: ten digits from 0, or a country or overseas code and nine digits.
PHONE = re.compile(
    r"(?<!\d)(?:(?:\+|00)\s?(?:33|262|59[046])\s?\(?0?\)?|0)\s?[1-9]"
    r"(?:(?:[\s.\-]{0,3}\d){8}|(?:/\d{2}){4})(?!\d)"
)
# The look-behinds make a long run of letters tried once, not once from each letter.
EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]+\s?(?:@|\(at\)|\[at\]|\barobase\b)\s?[\w-]+\s?(?:\.|\bpoint\b)\s?[a-z]{2,}",
    re.IGNORECASE,
)
LINK = re.compile(
    r"https?://|\bwww\.|\b(?:wa|t)\.me/|"
    r"(?<![\w-])[\w-]+\.(?:fr|com|net|org|eu|io|bzh|biz|info|shop|pro|app|site|store|online|be|ch)\b",
    re.IGNORECASE,
)
# A sum of money. « Afficher mes tarifs » is something to learn.
PRICE = re.compile(
    r"\d\s?k?(?:€|euros?\b|eur\b)|€\s?\d|"
    r"\b(?:dix|vingt|trente|quarante|cinquante|soixante|cents?|mille)\seuros?\b",
    re.IGNORECASE,
)
# Words that sell, as no neighbour who helps would write them.
COMMERCIAL = re.compile(
    r"\bnos\s(?:tarifs|prix|promos?|promotions|offres)\b|"
    r"\b(?:tarifs?|prix)\s(?:attractifs?|imbattables?|cassés?|compétitifs?|préférentiels?|sur\sdemande)\b|"
    r"\b(?:meilleurs?|petits?)\sprix\b|\brapport\squalité[\s-]prix\b|"
    r"\bdevis\s(?:gratuits?|offerts?|sur\sdemande|sous)\b|"
    r"\b(?:remises?|promo(?:tion)?s?)\s(?:de\s)?-?\d|\bcodes?\spromos?\b|"
    r"\boffres?\s(?:spéciales?|exceptionnelles?|limitées?|promotionnelles?|de\slancement)\b|"
    r"\bsatisfaits?\sou\sremboursés?\b|\bsans\sengagement\b|\bessais?\sgratuits?\b|"
    r"\bprofitez(?:-en)?\s(?:vite|dès|de\snos|de\snotre)\b|\b(?:commandez|achetez|réservez)\s(?:vite|dès|maintenant)\b|"
    r"\bleaders?\s(?:du|de|des|en|sur|dans)\b",
    re.IGNORECASE,
)
# Share of their words that two texts have in common when one repeats the other: a word in ten may differ.
REPEAT_RATIO = 0.9
_COMPARED = 200
_QUOTED_MAX = 80


@dataclass(frozen=True, slots=True)
class Passage:
    """What a pre-check saw. `words`: as they were typed; empty where the whole text repeats another."""

    flag: str
    words: str = ""


def check(
    *,
    kind: ListingKind,
    skill_id: int,
    title: str,
    description: str,
    organisation_id: int,
    listing_id: int | None = None,
) -> list[str]:
    """Return the names of what the text sets off: "phone", "email", "link", "price", "commercial",
    "repeat".

    `listing_id`: the listing itself when it is there already. Time grows with the length of the text.
    """
    repeated = _repeats_another(kind, skill_id, description, organisation_id, listing_id)
    return flags_of(title, description) + (["repeat"] if repeated else [])


def flags_of(title: str, description: str) -> list[str]:
    """Return the names of what the text alone sets off: "phone", "email", "link", "price", "commercial"."""
    return list(dict.fromkeys(passage.flag for passage in passages(title, description)))


def passages(title: str, description: str) -> list[Passage]:
    """Return every passage that sets off a pre-check by itself, check by check."""
    text = f"{title}\n{description}"
    without_mail = EMAIL.sub(" ", text)  # the domain of an address is not a second find
    seen = [
        *(("phone", match, text) for match in PHONE.finditer(text)),
        *(("email", match, text) for match in EMAIL.finditer(text)),
        *(("link", match, without_mail) for match in LINK.finditer(without_mail)),
        *(("price", match, text) for match in PRICE.finditer(text)),
        *(("commercial", match, text) for match in COMMERCIAL.finditer(text)),
    ]
    return list(dict.fromkeys(Passage(flag, _whole_words(match, within)) for flag, match, within in seen))


def _whole_words(match: re.Match[str], text: str) -> str:
    """Return what was seen, to the end of the words that it begins and ends in: « https:// » says little."""
    start, end = match.span()
    head = re.search(r"\S*$", text[max(0, start - _QUOTED_MAX) : start])
    tail = re.match(r"\S*", text[end : end + _QUOTED_MAX])
    before, after = head[0] if head else "", tail[0] if tail else ""
    return f"{before}{match[0]}{after}".strip(' \n\t.,;:!?()«»"')[:_QUOTED_MAX]


def _repeats_another(
    kind: ListingKind, skill_id: int, description: str, organisation_id: int, listing_id: int | None
) -> bool:
    """Say whether a listing of the same kind and skill, or of the same structure, already says this."""
    told = _words(description)
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
    return any(_alike(told, _words(other)) for other in db.session.scalars(query))


def _words(text: str) -> Counter[str]:
    return Counter(fold(text).split())


def _alike(one: Counter[str], other: Counter[str]) -> bool:
    """Compare by Sørensen–Dice on words, whatever their order: sentences moved round are a repeat too."""
    total = one.total() + other.total()
    return total > 0 and 2 * (one & other).total() >= REPEAT_RATIO * total
