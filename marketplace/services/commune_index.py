"""All communes in memory, to place thousands of addresses without asking the database for each."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz, process
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Commune, Postcode, SeedFile
from marketplace.services.text import fold_place

# How alike two names must be, of 100, when they share a postcode.
ALIKE = 88
_OVERSEAS = ("97", "98")
_CORSICA = {"20": ("2A", "2B")}
# « RENNES CEDEX 7 », « LYON 3EME ARRONDISSEMENT », « PARIS 08 ».
_AFTER_NAME = re.compile(r"( cedex.*| \d{1,2}( ?(e|er|eme))?( arr(ondissement)?)?)$")


class Spot(NamedTuple):
    insee: str
    name: str
    department: str
    lat: float | None
    lon: float | None


def current() -> "CommuneIndex":
    """Return the index of the communes as last loaded, read once per process."""
    loaded = select(SeedFile.sha256).where(SeedFile.name == "communes.csv")
    return _read(str(db.engine.url), db.session.scalar(loaded))


@lru_cache(maxsize=2)
def _read(_database: str, _digest: str | None) -> "CommuneIndex":
    return CommuneIndex()


class CommuneIndex:
    """About 35,000 communes, 20 MB; what was found is kept."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Spot | None] = {}
        self._by_insee: dict[str, Spot] = {}
        self._by_name: dict[str, list[Spot]] = defaultdict(list)
        self._by_postcode: dict[str, list[Spot]] = defaultdict(list)
        columns = (Commune.insee, Commune.search_name, Commune.department_code, Commune.lat, Commune.lon)
        for row in db.session.execute(select(*columns)):
            spot = Spot(*row)
            self._by_insee[spot.insee] = spot
            self._by_name[spot.name].append(spot)
        for code, insee in db.session.execute(select(Postcode.code, Postcode.commune_insee)):
            self._by_postcode[code].append(self._by_insee[insee])

    def find(self, *, insee: str = "", postcode: str = "", town: str = "") -> Spot | None:
        """Return the commune that the three mean together; None when they mean none, or several."""
        asked = insee, postcode, town
        if asked not in self._found:
            self._found[asked] = self._find(*asked)
        return self._found[asked]

    def _find(self, insee: str, postcode: str, town: str) -> Spot | None:
        if insee in self._by_insee:
            return self._by_insee[insee]
        name = _AFTER_NAME.sub("", fold_place(town))
        here = self._by_postcode.get(postcode, [])
        return (
            _only(spot for spot in here if spot.name == name)
            or _most_alike(name, here)
            or _only(spot for spot in self._by_name.get(name, []) if _is_of(spot, postcode))
            or (here[0] if len(here) == 1 and not name else None)
        )


def _only(spots: Iterable[Spot]) -> Spot | None:
    found = list(spots)
    return found[0] if len(found) == 1 else None


def _most_alike(name: str, spots: list[Spot]) -> Spot | None:
    if not name or not spots:
        return None
    found = process.extractOne(name, [spot.name for spot in spots], scorer=fuzz.ratio, score_cutoff=ALIKE)
    return spots[found[2]] if found else None


def _is_of(spot: Spot, postcode: str) -> bool:
    """A postcode of big receivers (cedex) is in no reference: its department is what it tells."""
    start = postcode[:3] if postcode.startswith(_OVERSEAS) else postcode[:2]
    return spot.department in _CORSICA.get(start, (start,))
