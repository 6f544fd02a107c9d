"""The level and the trade that a text lets one guess, with the words that say so: proposed, never imposed.

Rules over words, not statistics: each can be read, said back to the author and put right in one line. They
stay silent when nothing speaks or when two things speak against each other. docs/skills.md tells what they
get right on labelled sentences.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from marketplace.models import ListingKind, Sector
from marketplace.services import sectors
from marketplace.services.text import fold

# More than a first page only costs time.
CHARACTERS_MAX = 3000
_WORD = re.compile(r"\w+|[,.;:!?()\n]")
_CLAUSE, _SENTENCE = ",", "."
# What turns the words after it round: « je ne suis pas expert ». Looked for so many words before.
_NEGATIONS, _NEGATION_REACH = frozenset(("ne", "n", "pas", "jamais", "ni")), 3
# Cues that say no themselves: « n’y connais rien ».
_SAYS_NO = re.compile(r"\b(?:pas|plus|jamais|rien|aucune?|sans|nulle?s?)\b")
# Somebody else whose trade is told.
_OTHERS = re.compile(
    r"\b(?:client|voisin|ami|copain|copine|concurrent|fournisseur|patient|mari|femme|frere|soeur|fils|fille|"
    r"neveu|niece|cousin|comme)(?:e?s?)\b"
)


@dataclass(frozen=True, slots=True)
class LevelGuess:
    """`level`: 1 to 4 as models.listings; `words`: the passages that decided, as they were typed."""

    level: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SectorGuess:
    sector: Sector
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cue:
    """Words that tell a level. `weight`: only cues of the greatest weight found decide."""

    level: int
    weight: int
    words: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Read:
    """A text as folded words with one space between, and where each stands in what was typed."""

    typed: str
    folded: str
    starts: Sequence[int]
    spans: Sequence[tuple[int, int]]

    def quote(self, found: re.Match[str]) -> str:
        """Return the passage as it was typed."""
        inside = [
            span
            for start, span in zip(self.starts, self.spans, strict=True)
            if found.start() <= start < found.end()
        ]
        return " ".join(self.typed[inside[0][0] : inside[-1][1]].split())

    def before(self, found: re.Match[str]) -> str:
        """Return what stands before the passage in its sentence."""
        return self.folded[: found.start()].rpartition(_SENTENCE)[2]


def level(kind: ListingKind, text: str) -> LevelGuess | None:
    """Return the level that a need asks for or an offer can teach; None when the text does not tell."""
    read = _read(text)
    found = [(cue, read.quote(match)) for cue in _CUES[kind] for match in _said(cue, read)]
    heaviest = max((cue.weight for cue, _ in found), default=0)
    heard = [(cue.level, words) for cue, words in found if cue.weight == heaviest]
    decided = _decided(kind, {level for level, _ in heard})
    if decided is None or _is_contradicted(kind, decided, {cue.level for cue, _ in found}):
        return None
    return LevelGuess(decided, tuple(dict.fromkeys(words for level, words in heard if level == decided)))


def sector(text: str) -> SectorGuess | None:
    """Return the trade that the author says is theirs; None when they do not, or name two."""
    read = _read(text)
    found = [
        (_TRADES[_singular(match["trade"])], read.quote(match))
        for pattern in (_OF_PEOPLE, _OF_PLACES)
        for match in pattern.finditer(read.folded)
        if not _OTHERS.search(read.before(match))
    ]
    # Bakers and pastry cooks are one class: two of its activities are no contradiction.
    if len({code[:5] for code, _ in found}) != 1:
        return None
    row = sectors.get(found[0][0])
    return SectorGuess(row, tuple(dict.fromkeys(words for _, words in found))) if row else None


def _read(text: str) -> _Read:
    typed, words, starts, spans = text[:CHARACTERS_MAX], [], [], []
    at = 0
    for match in _WORD.finditer(typed):
        mark = match[0] if match[0] in ",." else _SENTENCE
        word = fold(match[0]).replace(" ", "") or (_CLAUSE if mark == "," else _SENTENCE)
        words.append(word)
        starts.append(at)
        spans.append(match.span())
        at += len(word) + 1
    return _Read(typed, " ".join(words), starts, spans)


def _said(cue: _Cue, read: _Read) -> Iterator[re.Match[str]]:
    """Yield where the cue stands, but for where it is denied."""
    for match in cue.words.finditer(read.folded):
        clause = read.before(match).rpartition(_CLAUSE)[2].split()
        is_denied = _NEGATIONS.intersection(clause[-_NEGATION_REACH:])
        if not is_denied or _SAYS_NO.search(match[0]):
            yield match


def _decided(kind: ListingKind, levels: set[int]) -> int | None:
    if len(levels) == 1 or kind is ListingKind.OFFER:
        return max(levels, default=None)
    return _TEACH if _TEACH in levels else None


def _is_contradicted(kind: ListingKind, decided: int, levels: set[int]) -> bool:
    """Say whether an offer speaks of beginners and yet of one who knows: of whom, nobody can tell."""
    return kind is ListingKind.OFFER and decided == 1 and max(levels) > 2  # noqa: PLR2004


def _cues(level: int, weight: int, *words: str) -> list[_Cue]:
    return [_Cue(level, weight, re.compile(rf"\b(?:{each})\b")) for each in words]


def _singular(trade: str) -> str:
    return trade if trade in _TRADES else trade.removesuffix("s")


# Who wants to teach others wants all below too.
_TEACH = 4
_STATE, _GOAL = 1, 2
_WHO = "(?:me|m|nous|se|s)"
_DID = (
    "fait|faite|faits|refait|cree|creee|monte|ouvert|installe|mis en place|change de|passe a|lance|adopte|"
    "construit|numerise|configure"
)
_YEARS_FEW = "(?:trois|quatre|cinq|six|sept|[3-7]|plusieurs|des)"
_YEARS_MANY = "(?:huit|neuf|dix|douze|quinze|vingt|trente|[89]|[1-4][0-9])"
_CUES: dict[ListingKind, list[_Cue]] = {
    ListingKind.NEED: [
        *_cues(
            4,
            _GOAL,
            r"form(?:er|erai|era|erons) (?:ensuite |moi meme )?"
            r"(?:mes|nos|les|mon|ma|toute?|l equipe|d autres)",
            r"referente?s?(?: \w+)?",
            r"devenir experte?s?",
            r"animer des (?:ateliers|formations)",
            r"(?:l |les )?enseigner(?: a \w+ \w+)?",
            r"(?:montrer|transmettre|expliquer|apprendre)(?: ensuite| apres| cela| ca| le)* a "
            r"(?:mes|mon|ma|nos|notre|toute?|l equipe|d autres|tous)(?: \w+)?",
        ),
        *_cues(
            3,
            _GOAL,
            r"aller plus loin",
            rf"{_WHO} perfectionner",
            r"progresser",
            r"approfondir",
            r"vitesse superieure",
            r"plus pousse\w*",
            r"niveau au dessus",
            r"exploiter (?:toute?s|tout|mieux|a fond)(?: \w+)?",
            r"(?:ameliorer|augmenter) (?:mon|notre) (?:niveau|usage|maitrise)",
            r"monter en competences?",
            r"(?:mieux|bien) (?:exploiter|maitriser)",
        ),
        *_cues(
            2,
            _GOAL,
            r"(?:moi|nous|soi|elle|lui) memes?",
            r"toute? seule?s?",
            r"tous seuls",
            r"autonom\w+",
            r"seule?s? avec",
            r"propres moyens",
            r"(?:m|s) en (?:sorte|sortir)",
            r"(?:reprendre|garder) la main",
            r"plus (?:avoir a )?(?:dependre|dependant)",
            r"etre independante?s?",
            r"sans (?:appeler|l aide de|passer par|demander|attendre)(?: \w+)?",
            r"(?:etre )?capables? de",
            r"(?:faire|gerer|modifier|tenir)(?: \w+){0,2} seule?s?",
            rf"{_WHO} debrouiller(?: \w+){{0,2}}",
            r"sans que [^.]{3,30} (?:soit|sache|vienne)",
        ),
        *_cues(
            3,
            _STATE,
            r"(?:utilis\w+|gerons|gere|vendons|vend|vends|tenons|tiens|publions|publie|fais|faisons) deja",
            r"mais sans (?:resultats?|succes|grand resultat)",
            r"connais(?:sons)? (?:deja )?(?:le logiciel|l outil|les bases)",
            r"(?:fait|fais|faisons|ai|avons|a|utilis\w+|vend\w*) deja [^.]{3,160}? mais",
            r"(?:ai|avons) les bases",
            rf"{_WHO} debrouill\w+ [^.]{{3,120}}? mais",
        ),
        *_cues(
            1,
            _STATE,
            r"(?:grande? )?debut(?:e|ons|ante?s?)",
            r"novices?",
            r"par(?:s|t|tons) de (?:zero|rien)",
            r"sa(?:is|it|vons) (?:meme )?pas (?:du tout )?"
            r"(?:par ou commencer|comment (?:s y|m y|nous y) prendre|ce qu \w+)",
            r"par(?:s|t|tons) de loin",
            r"fait deux",
            r"pas (?:du tout |trop |vraiment )?(?:l habitude|doue\w*|a l aise)",
            r"deux doigts",
            r"connais pas",
            r"(?:commence|commencons) (?:tout )?juste",
            r"m y mettre",
            r"comprendre (?:de quoi il s agit|ce que c est|a quoi \w+ \w+)",
            r"premiers pas",
            r"(?:largue|depasse|noye)(?:e|s|es)?",
            r"(?:connais|connait|connaissons|comprends|comprend|comprenons) (?:vraiment )?"
            r"(?:rien|pas grand chose)",
            r"jamais (?:rien )?(?:fait|touche|essaye|utilise|ouvert|appris|vendu|vu|mis|su|cree)",
            r"nul(?:le)?s? en",
            r"(?:aucune|moindre) (?:idee|connaissance|notion|experience)",
            r"pas (?:de|la moindre) (?:notions?|connaissances?|bases?)",
            r"c est quoi",
            r"a quoi (?:ca |cela )?sert",
            r"perdue?s? (?:avec|devant|face|dans)",
            r"premiere fois",
            r"decouv(?:re|rir|rons)",
            r"(?:expliquer|reprendre) (?:depuis le debut|de zero)",
            r"montre(?:r)? les bases",
            r"(?:sais|savoir) ce que c est",
        ),
    ],
    ListingKind.OFFER: [
        *_cues(
            4,
            _STATE,
            r"(?:fais|fait|faisons|pratique|pratiquons|utilise|utilisons|travaille|travaillons|sers)\b"
            r"[^.]{0,80}? (?:tous les jours|chaque jour|au quotidien|quotidiennement)",
            r"travaille quotidiennement",
            r"(?:mon|notre|de) metier",
            r"de profession",
            r"expert(?:e|s|es)? (?:en|du|de)",
            r"specialistes? (?:en|du|de)",
            r"professionnel(?:le)?s? (?:en|du|de)",
            r"anciens?(?:nes?)? \w+(?:eur|euse|trice|ien|ienne)",
            r"(?:ai|avons) (?:deja )?forme",
            r"(?:suis|sommes) forma(?:teur|trice)s?",
            r"(?:je forme|nous formons)",
            r"(?:ma|notre) profession",
            rf"{_YEARS_MANY} ans (?:de|d)",
            r"(?:diplome|certifie)e?s? (?:en|de|d)",
            r"(?:donne|donnons) des (?:cours|formations)",
            rf"depuis (?:plus de )?{_YEARS_MANY} ans",
            rf"fait {_YEARS_MANY} ans que",
        ),
        *_cues(
            3,
            _STATE,
            r"(?:je|nous|on) maitris(?:e|ons)",
            r"(?:bonne|tres bonne) maitrise",
            r"a l aise",
            r"(?:solide|bonne|longue|grande) (?:experience|pratique|connaissance)",
            r"(?:m y )?connais (?:tres )?bien",
            rf"depuis (?:plus de )?{_YEARS_FEW} (?:ans|annees)",
            rf"fait {_YEARS_FEW} ans que",
            r"(?:depanner|debloquer)",
            r"connais (?:les|toutes les) (?:astuces|pieges)",
            r"adapter a (?:votre|une autre) (?:activite|metier|cas)",
        ),
        *_cues(
            2,
            _STATE,
            rf"(?:j ai|avons|on a|a|venons de|vient de) (?:tout )?(?:{_DID})",
            r"(?:vient|venons) de passer",
            r"(?:sommes|est|suis) passee?s?",
            r"(?:ai|avons|a) (?:appris|reussi)(?: sur le tas| seule?)?",
            r"(?:moi|nous) memes?",
        ),
        *_cues(
            1,
            _GOAL,
            r"(?:les|notions de) bases?",
            r"(?:quelques |des )?notions",
            r"initiation",
            r"initier",
            r"premiers (?:pas|gestes)",
            r"rudiments",
            r"debutante?s?",
            r"pour commencer",
            r"n osent pas",
            r"demystifier",
            r"debute(?:nt)?",
            r"jamais (?:commence|essaye|touche|fait|utilise)",
            r"par ou commencer",
            r"pas (?:une? )?(?:expert|specialiste)e?s?",
        ),
    ],
}

# What people call themselves, and what they keep, by activity. Said of oneself only: « mon comptable » is
# somebody else, so trades that other firms employ or pay stand here as places alone.
_PEOPLE = {
    "boulanger": "10.71C", "boulangere": "10.71C", "patissier": "10.71D", "patissiere": "10.71D",
    "chocolatier": "10.82Z", "boucher": "47.22Z", "bouchere": "47.22Z", "charcutier": "10.13B",
    "poissonnier": "47.23Z", "fromager": "47.29Z", "caviste": "47.25Z", "primeur": "47.21Z",
    "epicier": "47.11B", "epiciere": "47.11B", "traiteur": "56.21Z", "restaurateur": "56.10A",
    "restauratrice": "56.10A", "pizzaiolo": "56.10C", "fleuriste": "47.76Z", "libraire": "47.61Z",
    "opticien": "47.78A", "opticienne": "47.78A", "bijoutier": "47.77Z", "pharmacien": "47.73Z",
    "pharmacienne": "47.73Z", "coiffeur": "96.02A", "coiffeuse": "96.02A", "barbier": "96.02A",
    "estheticienne": "96.02B", "garagiste": "45.20A", "carrossier": "45.20A", "plombier": "43.22A",
    "chauffagiste": "43.22B", "electricien": "43.21A", "electricienne": "43.21A", "menuisier": "43.32A",
    "menuisiere": "43.32A", "charpentier": "43.91A", "couvreur": "43.91B", "macon": "43.99C",
    "peintre en batiment": "43.34Z", "artisan peintre": "43.34Z", "carreleur": "43.33Z",
    "platrier": "43.31Z", "serrurier": "43.32B", "paysagiste": "81.30Z", "maraicher": "01.13Z",
    "maraichere": "01.13Z", "viticulteur": "01.21Z", "viticultrice": "01.21Z", "vigneron": "01.21Z",
    "vigneronne": "01.21Z", "chauffeur de taxi": "49.32Z", "dentiste": "86.23Z",
}  # fmt: skip
_PLACES = {
    "boulangerie": "10.71C", "boulangerie patisserie": "10.71C", "fournil": "10.71C", "patisserie": "10.71D",
    "chocolaterie": "10.82Z", "boucherie": "47.22Z", "boucherie charcuterie": "47.22Z",
    "charcuterie": "10.13B", "poissonnerie": "47.23Z", "fromagerie": "47.29Z", "cave a vin": "47.25Z",
    "primeur": "47.21Z", "epicerie": "47.11B", "superette": "47.11C", "restaurant": "56.10A",
    "creperie": "56.10A", "brasserie": "56.10A", "pizzeria": "56.10C", "food truck": "56.10C",
    "camion pizza": "56.10C", "snack": "56.10C", "bar": "56.30Z", "hotel": "55.10Z", "gite": "55.20Z",
    "chambre d hotes": "55.20Z", "camping": "55.30Z", "jardinerie": "47.76Z", "librairie": "47.61Z",
    "papeterie": "47.62Z", "bijouterie": "47.77Z", "parfumerie": "47.75Z", "pharmacie": "47.73Z",
    "boutique de vetements": "47.71Z", "magasin de vetements": "47.71Z", "pret a porter": "47.71Z",
    "magasin de chaussures": "47.72A", "quincaillerie": "47.52A", "salon de coiffure": "96.02A",
    "institut de beaute": "96.02B", "institut": "96.02B", "pressing": "96.01B", "garage": "45.20A",
    "carrosserie": "45.20A", "auto ecole": "85.53Z", "salle de sport": "93.13Z", "menuiserie": "43.32A",
    "atelier de menuiserie": "43.32A", "domaine viticole": "01.21Z", "exploitation viticole": "01.21Z",
    "cabinet comptable": "69.20Z", "cabinet d expertise comptable": "69.20Z",
    "agence immobiliere": "68.31Z", "cabinet dentaire": "86.23Z", "creche": "88.91A",
    "micro creche": "88.91A", "association": "94.99Z",
}  # fmt: skip
_TRADES = _PEOPLE | _PLACES
# « la boulangerie » is one’s own, unless it is one that all know: « la mairie », « l’association ».
_PUBLIC = frozenset(("association", "pharmacie", "creche", "restaurant", "primeur", "bar", "brasserie"))
_NOT_OURS = (
    r"(?! (?:voisine?|d a cote|d en face|du coin|du village|du quartier|de mon|de ma|d un|"
    r"prefere\w*|favori\w*))"
)
_ADJECTIVE = r"(?:(?:petite?|jeune|vieille|ancien|ancienne|toute|deux|grande?) )?"


def _any_of(words: Iterator[str]) -> str:
    return "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))


_OF_PEOPLE = re.compile(
    r"(?:(?:^|[.,] )(?:moi |artisane? |jeune )?|"
    r"\b(?:je suis|nous sommes|on est|etant|en tant que|metier de|artisane?) "
    rf"(?:\w+ ){{0,1}})(?P<trade>(?:{_any_of(iter(_PEOPLE))})s?)\b{_NOT_OURS}"
)
_OF_PLACES = re.compile(
    rf"(?:(?:^|\. ){_ADJECTIVE}|\b(?:mon|ma|mes|notre|nos) {_ADJECTIVE}|"
    r"\b(?:ai|avons|a|tiens|tenons|tient|gere|gerons|loue|louons|dirige|dirigeons|sommes|suis|ouvre) "
    rf"(?:une?|la|le|l|deux) {_ADJECTIVE}|"
    rf"\b(?:la|le|l|au) (?!(?:{'|'.join(sorted(_PUBLIC))})\b))"
    rf"(?P<trade>(?:{_any_of(iter(_PLACES))})s?)\b{_NOT_OURS}"
)
