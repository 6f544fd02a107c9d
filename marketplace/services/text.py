"""Text as people type it, made comparable."""

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

_STEMMER = snowballstemmer.stemmer("french")
_SHORT = 3
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


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Return the stem of a folded word in French: « factures », « facturer » → "factur"."""
    # The stemmer leaves some plurals whole: « vidéos ».
    return str(_STEMMER.stemWord(word[:-1] if len(word) > _SHORT and word[-1] == "s" else word))
