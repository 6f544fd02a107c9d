"""Text as people type it, made comparable."""

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

_STEMMER = snowballstemmer.stemmer("french")
_SHORT = 3
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
# Marks that turn the reading direction round: a name could be made to read as another.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNREADABLE = "\ufffd"  # what the server puts for bytes that are not UTF-8


def tidy(text: str) -> str:
    """Return `text` as the site keeps it: one way of writing accents and lines, no white space around."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    # One strip takes the white space, the next what it hid.
    return text.strip().strip(_ZERO_WIDTH).strip()


def is_keepable(text: str, *, several_lines: bool = False) -> bool:
    """Say whether a text holds only characters that the site can store and show."""
    allowed = "\n\t" if several_lines else ""
    return not any(
        (unicodedata.category(c) in {"Cc", "Cs", "Co"} and c not in allowed)
        or c in _DIRECTION
        or c == _UNREADABLE
        for c in set(text)
    )


def fold(text: str) -> str:
    """Return `text` in lower case without accents, ligatures, punctuation: « Saint-Œn’s » → "saint oen s"."""
    text = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae"))
    plain = "".join(c for c in text if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", plain).strip()


def fold_place(name: str) -> str:
    """Return a place name folded, with "st" and "ste" written out, as in « St Malo »."""
    words = {"st": "saint", "ste": "sainte"}
    return " ".join(words.get(word, word) for word in fold(name).split())


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Return the stem of a folded word in French: « factures », « facturer » → "factur"."""
    # The stemmer leaves some plurals whole: « vidéos ».
    return str(_STEMMER.stemWord(word[:-1] if len(word) > _SHORT and word[-1] == "s" else word))
