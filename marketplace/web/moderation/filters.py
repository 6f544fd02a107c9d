"""The filters of the queue, as they stand in its address; what cannot be read is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from marketplace.models import ListingKind, Skill, SkillDomain, Territory
from marketplace.services import desk, skills
from marketplace.services.desk import QueueFilters, QueueView
from marketplace.services.text import is_keepable
from marketplace.web.display import FLAGS

VIEWS = {"attente": QueueView.WAITING, "en-ligne": QueueView.ONLINE}
KINDS = {"besoin": ListingKind.NEED, "savoir-faire": ListingKind.OFFER}
FLAG_NAMES = {
    "revenue": desk.RETURNED,
    "signalee": desk.REPORTED,
    "telephone": "phone",
    "courriel": "email",
    "lien": "link",
    "prix": "price",
    "ton-commercial": "commercial",
    "texte-proche": "repeat",
    "premiere": desk.FIRST,
}
DOMAIN_MARK = "domaine:"
NAMES = ("etat", "type", "portee", "signe", "sujet", "territoire", "age", "q")


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Asked:
    """`chosen`: the filters that count, by the names that they have in an address."""

    filters: QueueFilters
    chosen: dict[str, str]

    @property
    def narrowed(self) -> bool:
        return bool(set(self.chosen) - {"etat", "portee"})

    def url(self, endpoint: str, **values: Any) -> str:
        """Return the address of a page of the desk that keeps the filters; `values` win."""
        return url_for(endpoint, **{**self.chosen, **values})


@dataclass(frozen=True, slots=True)
class Offered:
    """What each filter offers. `domains`: with their skills."""

    flags: list[Choice]
    ages: list[Choice]
    territories: Sequence[Territory]
    domains: list[SkillDomain]


def asked() -> Asked:
    """Read the filters of the request's address."""
    told = {name: request.args[name] for name in NAMES if request.args.get(name)}
    domain, skill = _subject(told.get("sujet", ""))
    age = told.get("age", "")
    filters = QueueFilters(
        view=VIEWS.get(told.get("etat", ""), QueueView.WAITING),
        kind=KINDS.get(told.get("type", "")),
        national=told.get("portee") == "nationale",
        flag=FLAG_NAMES.get(told.get("signe", ""), ""),
        domain=domain,
        skill_id=skill.id if skill else None,
        territory=told.get("territoire", "")[:9],
        older_than_days=int(age) if age in {str(days) for days in desk.AGES_DAYS} else 0,
        words=_words(told.get("q", "")),
    )
    return Asked(filters, {name: value for name, value in told.items() if _counts(name, value, filters)})


def offered(territories: Sequence[Territory]) -> Offered:
    return Offered(
        flags=[Choice(name, FLAGS[flag].capitalize()) for name, flag in FLAG_NAMES.items()],
        ages=[
            Choice(str(days), f"depuis {days} jours ou plus" if days > 1 else "depuis un jour ou plus")
            for days in desk.AGES_DAYS
        ],
        territories=territories,
        domains=skills.all_by_domain(),
    )


def _subject(text: str) -> tuple[str, Skill | None]:
    if text.startswith(DOMAIN_MARK):
        domain = skills.domain(text.removeprefix(DOMAIN_MARK))
        return domain.slug if domain else "", None
    return "", skills.by_slug(text) if text else None


def _words(text: str) -> str:
    text = " ".join(text.split())[: desk.WORDS_MAX]
    return text if is_keepable(text) else ""


def _counts(name: str, value: str, filters: QueueFilters) -> bool:
    return {
        "etat": value in VIEWS,
        "type": value in KINDS,
        "portee": filters.national,
        "signe": bool(filters.flag),
        "sujet": bool(filters.domain) or filters.skill_id is not None,
        "territoire": value == filters.territory and is_keepable(value),
        "age": bool(filters.older_than_days),
        "q": bool(filters.words),
    }[name]
