"""Text as people type it, made comparable."""

import re
import unicodedata

_NOT_WORD = re.compile(r"[^a-z0-9]+")


def fold(text: str) -> str:
    """Return `text` in lower case without accents, ligatures, punctuation: « Saint-Œn’s » → "saint oen s"."""
    text = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae"))
    plain = "".join(c for c in text if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", plain).strip()


def fold_place(name: str) -> str:
    """Return a place name folded, with "st" and "ste" written out, as in « St Malo »."""
    words = {"st": "saint", "ste": "sainte"}
    return " ".join(words.get(word, word) for word in fold(name).split())
