"""The company register: the national search API « recherche-entreprises » (GET /search?q=SIRET)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

# INSEE "tranche d'effectif" to our brackets; codes not listed have no bracket of ours.
SIZES = {
    "NN": "0", "00": "0",
    "01": "1-9", "02": "1-9", "03": "1-9",
    "11": "10-49", "12": "10-49",
    "21": "50-249", "22": "50-249", "31": "50-249",
    "32": "250+", "41": "250+", "42": "250+", "51": "250+", "52": "250+", "53": "250+",
}  # fmt: skip
# First digits of INSEE's legal categories: 92 associations under the law of 1901 and alike; 4 and 7 public law.
ASSOCIATION, PUBLIC = "92", ("4", "7")


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
    """Return the establishment, or None when the register does not know it. Raises RegisterUnavailable."""
    try:
        answer = httpx.get(
            f"{config.url}/search", params={"q": siret, "page": 1, "per_page": 5}, timeout=config.timeout
        )
        answer.raise_for_status()
        results = answer.json()["results"]
        return next(_establishments(results, siret), None)
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegisterUnavailable(f"{type(error).__name__}: {error}") from error


def _establishments(results: list[dict[str, Any]], siret: str) -> Iterator[Establishment]:
    for company in results:
        places = [company.get("siege") or {}, *(company.get("matching_etablissements") or [])]
        for place in places:
            if place.get("siret") == siret:
                yield _establishment(company, place)


def _establishment(company: dict[str, Any], place: dict[str, Any]) -> Establishment:
    size = place.get("tranche_effectif_salarie") or company.get("tranche_effectif_salarie") or "NN"
    return Establishment(
        siret=place["siret"],
        name=str(company.get("nom_complet") or ""),
        naf=str(place.get("activite_principale") or company.get("activite_principale") or ""),
        commune_insee=str(place.get("commune") or ""),
        address=str(place.get("adresse") or ""),
        kind=_kind(str(company.get("nature_juridique") or "")),
        size_class=SIZES.get(size, "1-9"),
    )


def _kind(legal_category: str) -> str:
    if legal_category.startswith(ASSOCIATION):
        return "association"
    return "public" if legal_category.startswith(PUBLIC) else "firm"
