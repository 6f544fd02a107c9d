"""The company register: the national search API « recherche-entreprises » (GET /search?q=SIRET)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marketplace.adapters import http
from marketplace.adapters.cache import Cache
from marketplace.adapters.insee import commune_of

# INSEE "tranche d'effectif" to our brackets; codes not listed have no bracket of ours.
SIZES = {
    "NN": "0", "00": "0",
    "01": "1-9", "02": "1-9", "03": "1-9",
    "11": "10-49", "12": "10-49",
    "21": "50-249", "22": "50-249", "31": "50-249",
    "32": "250+", "41": "250+", "42": "250+", "51": "250+", "52": "250+", "53": "250+",
}  # fmt: skip
# First digits of INSEE's legal categories: 92 associations of the law of 1901 and alike; 4 and 7 public law.
ASSOCIATION, PUBLIC = "92", ("4", "7")
CLOSED = "F"
# What stands in the fields of people who asked not to be shown.
WITHHELD = "[NON-DIFFUSIBLE]"
# An answer that is no JSON, or of another shape.
FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
# What was found, for an hour: a person comes back to the form several times.
_found: "Cache[tuple[str, str], Establishment]" = Cache(seconds=3600, size=1000)


class RegisterUnavailable(Exception):
    """The register does not answer, or not as it should."""


@dataclass(frozen=True, slots=True)
class Establishment:
    """What the register says of one SIRET. `kind` and `size_class`: values of the model's closed lists."""

    siret: str
    name: str
    naf: str
    commune_insee: str
    address: str
    kind: str
    size_class: str


@dataclass(frozen=True, slots=True)
class RegisterConfig:
    url: str
    timeout: float


def from_config(config: Mapping[str, object]) -> RegisterConfig:
    return RegisterConfig(
        url=str(config["REGISTER_URL"]).rstrip("/"), timeout=float(str(config["ADAPTER_TIMEOUT_SECONDS"]))
    )


def find(siret: str, config: RegisterConfig) -> Establishment | None:
    """Return the establishment; None when the register does not know it, or says that it is closed.

    Raises RegisterUnavailable.
    """
    kept = _found.get((config.url, siret))
    if kept is not None:
        return kept
    params = {"q": siret, "page": "1", "per_page": "5"}
    try:
        answer = http.get(f"{config.url}/search", params=params, timeout=config.timeout)
        if not answer.is_ok:
            raise RegisterUnavailable(f"status {answer.status}")
        found = next(_establishments(json.loads(answer.body)["results"], siret), None)
    except (http.Unavailable, *FAULTS) as error:
        raise RegisterUnavailable(f"{type(error).__name__}: {error}") from error
    if found is not None:
        _found.put((config.url, siret), found)
    return found


def _establishments(results: list[dict[str, Any]], siret: str) -> Iterator[Establishment]:
    for company in results:
        places = [company.get("siege") or {}, *(company.get("matching_etablissements") or [])]
        for place in places:
            if place.get("siret") == siret and place.get("etat_administratif") != CLOSED:
                yield _establishment(company, place)


def _establishment(company: dict[str, Any], place: dict[str, Any]) -> Establishment:
    size = _told(place, "tranche_effectif_salarie") or _told(company, "tranche_effectif_salarie") or "NN"
    return Establishment(
        siret=place["siret"],
        name=_told(company, "nom_complet"),
        naf=_told(place, "activite_principale") or _told(company, "activite_principale"),
        commune_insee=commune_of(_told(place, "commune")),
        address=_told(place, "adresse"),
        kind=_kind(_told(company, "nature_juridique")),
        size_class=SIZES.get(size, "1-9"),
    )


def _told(row: dict[str, Any], name: str) -> str:
    """Return the text of a field, empty when the register has none or keeps it to itself."""
    text = str(row.get(name) or "")
    return "" if WITHHELD in text else text


def _kind(legal_category: str) -> str:
    if legal_category.startswith(ASSOCIATION):
        return "association"
    return "public" if legal_category.startswith(PUBLIC) else "firm"
