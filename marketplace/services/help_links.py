"""What can also help: links to diagnoses, trainings and aid elsewhere, filled with what is known of the need.

The links are data (models.help.HelpLink), first those of seeds/links.csv. A placeholder whose value nobody
knows takes its parameter with it: better a page without a filter than a wrong one.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from urllib.parse import urlencode, urlsplit

from slugify import slugify
from sqlalchemy import func, select

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Guide,
    HelpLink,
    LinkFamily,
    LinkSize,
    Listing,
    Organisation,
    Postcode,
    Sector,
    SizeClass,
    Skill,
    SkillDomain,
    SkillWord,
    User,
    WordKind,
)
from marketplace.models.help import FAILURES_HIDE
from marketplace.services import guides, rights
from marketplace.services.errors import FieldError, NotFound
from marketplace.services.work import unit_of_work

# Of one family on one page.
SHOWN_MAX = 6
TPE = (SizeClass.NONE, SizeClass.MICRO)
PLACEHOLDERS = ("subject", "skill", "commune", "insee", "postcode", "department", "naf", "section", "size")
_PARAMETER = re.compile(
    r"(?P<name>[\w.\[\]-]{1,40})=(?=.)(?P<before>[\w.,:-]{0,60})"
    r"(?:\{(?P<placeholder>\w+)\}(?P<after>[\w.,:-]{0,60}))?"
)
# A page that asks who reads it, or how fast, is there.
_ALIVE_REFUSALS = (401, 403, 405, 429)
_REFUSED_FROM = 400
WRONG_URL = "Écrivez une adresse complète, en https://."
WRONG_PARAMETERS = (
    "Écrivez « nom={valeur} » ou « nom=texte », avec « | » entre deux. Valeurs connues : "
    + ", ".join(PLACEHOLDERS)
    + "."
)
UNKNOWN_DOMAIN = "Un de ces domaines n’existe pas."
UNKNOWN_SECTION = "Une de ces sections n’existe pas : ce sont des lettres, de A à U."


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSheet:
    """What the administrator says of a link."""

    name: str
    publisher: str
    family: LinkFamily
    reason: str
    url: str
    parameters: str
    size: LinkSize
    domains: tuple[str, ...]
    sections: tuple[str, ...]
    is_active: bool
    checked_on: date


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of whoever looks for help. `sector`: any code of the NAF tree."""

    skill: Skill
    commune: Commune | None = None
    sector: Sector | None = None
    size: SizeClass | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """A link as the page shows it. `as_of`: when it last answered, or else when somebody wrote it down."""

    link: HelpLink
    url: str
    as_of: date
    has_answered: bool


@dataclass(frozen=True, slots=True)
class Help:
    """What can also help, by family in their order, and what others say of it."""

    families: Mapping[LinkFamily, Sequence[Filled]]
    guides: Sequence[Guide]

    def of(self, family: LinkFamily) -> Sequence[Filled]:
        return self.families.get(family, ())


@dataclass(frozen=True, slots=True)
class Tested:
    """What a check found: how many answered, how many did not, which are hidden from now on."""

    alive: int
    failing: int
    hidden: Sequence[str]


class Offline(Exception):
    """Nothing outside answered: the network is not there, and nothing was learnt about the links."""


def for_situation(situation: Situation) -> Help:
    """Return the links that fit, filled, and guides of the same trade or subject."""
    shown = HelpLink.is_active & (HelpLink.failures < FAILURES_HIDE)
    found = db.session.scalars(select(HelpLink).where(shown).order_by(HelpLink.position, HelpLink.id))
    links = [link for link in found if _fits(link, situation)]
    values = _values(situation, _placeholders(links))
    families: dict[LinkFamily, list[Filled]] = {family: [] for family in LinkFamily}
    for link in links:
        if len(families[link.family]) < SHOWN_MAX:
            families[link.family].append(_filled(link, values))
    told = guides.near(
        skill_id=situation.skill.id,
        section=situation.sector.section if situation.sector else None,
        territory_siren=situation.commune.territory_siren if situation.commune else None,
    )
    return Help({family: links for family, links in families.items() if links}, told)


def for_listing(listing: Listing) -> Help:
    """Return what can also help with a need. Needs skill, commune and organisation with its sector loaded."""
    organisation: Organisation = listing.organisation
    return for_situation(
        Situation(listing.skill, listing.commune, organisation.sector, organisation.size_class)
    )


def fill(link: HelpLink, values: Mapping[str, str]) -> str:
    """Return the address with each parameter whose value is known."""
    pairs = []
    for match in _PARAMETER.finditer(link.parameters):
        known = values.get(match["placeholder"], "") if match["placeholder"] else ""
        if known or not match["placeholder"]:
            pairs.append((match["name"], f"{match['before']}{known}{match['after'] or ''}"))
    if not pairs:
        return link.url
    return f"{link.url}{'&' if '?' in link.url else '?'}{urlencode(pairs)}"


def all_links(*, by: User) -> list[HelpLink]:
    """Return every link, by family. Raises NotAllowed."""
    rights.require_administrator(by)
    order = {family: number for number, family in enumerate(LinkFamily)}
    links = db.session.scalars(select(HelpLink).order_by(HelpLink.position, HelpLink.id))
    return sorted(links, key=lambda link: order[link.family])


def show(link_id: int, *, by: User) -> HelpLink:
    """Return a link to change. Raises NotAllowed, NotFound."""
    rights.require_administrator(by)
    link = db.session.get(HelpLink, link_id)
    if link is None:
        raise NotFound(f"link {link_id}")
    return link


def change(link_id: int, sheet: LinkSheet, *, by: User) -> HelpLink:
    """Rewrite a link; the file no longer changes it, and a new address starts unharmed.

    Raises NotAllowed, NotFound, FieldError.
    """
    rights.require_administrator(by)
    _require_sound(sheet)
    with unit_of_work() as work:
        link = work.lock(HelpLink, link_id)
        before = _told(link)
        if link.url != sheet.url:
            link.failures, link.status, link.tested_at = 0, None, None
        _set(link, sheet)
        work.audit("link.changed", link, by=by, before=before, after=_told(link))
    return link


def create(sheet: LinkSheet, *, by: User) -> HelpLink:
    """Add a link, last of its family. Raises NotAllowed, FieldError."""
    rights.require_administrator(by)
    _require_sound(sheet)
    with unit_of_work() as work:
        last = work.session.scalar(select(func.max(HelpLink.position))) or 0
        link = HelpLink(key=_free_key(sheet.name), position=last + 1)
        _set(link, sheet)
        work.add(link)
        work.audit("link.created", link, by=by, after=_told(link))
    return link


def check(test: Callable[[Sequence[str]], Mapping[str, int | None]]) -> Tested:
    """Test every link in use and record what came of it; a second failure in a row hides the link.

    `test` tells the HTTP status of each address, None where nothing answered. Raises Offline, and changes
    nothing, when nothing answered anywhere.
    """
    used = select(HelpLink.id, HelpLink.url).where(HelpLink.is_active).order_by(HelpLink.id)
    urls = {link_id: url for link_id, url in db.session.execute(used)}
    db.session.rollback()  # no transaction stays open while the network is slow
    statuses = test(list(dict.fromkeys(urls.values())))
    if urls and all(status is None for status in statuses.values()):
        raise Offline("no link answered: is the network there? Nothing was changed.")
    with unit_of_work() as work:
        links = [work.lock(HelpLink, link_id) for link_id in urls]
        hidden = [link.key for link in links if _record(link, urls[link.id], statuses)]
    failing = sum(link.failures > 0 for link in links)
    return Tested(alive=len(links) - failing, failing=failing, hidden=hidden)


def is_alive(status: int | None) -> bool:
    return status is not None and (status < _REFUSED_FROM or status in _ALIVE_REFUSALS)


def _record(link: HelpLink, url: str, statuses: Mapping[str, int | None]) -> bool:
    """Write down what came of one link. Says whether it is hidden from now on."""
    if link.url != url:  # changed while it was tested
        return False
    link.tested_at, link.status = clock.now(), statuses[url]
    link.failures = 0 if is_alive(link.status) else link.failures + 1
    return link.failures == FAILURES_HIDE


def _fits(link: HelpLink, situation: Situation) -> bool:
    """Say whether the link is for this subject, trade and size; what is not known excludes nothing."""
    if link.domains and situation.skill.domain_slug not in link.domains:
        return False
    if link.sections and situation.sector and situation.sector.section not in link.sections:
        return False
    if situation.size is None or link.size is LinkSize.ALL:
        return True
    return (link.size is LinkSize.TPE) == (situation.size in TPE)


def _placeholders(links: Sequence[HelpLink]) -> set[str]:
    return {match["placeholder"] for link in links for match in _PARAMETER.finditer(link.parameters)}


def _values(situation: Situation, wanted: Collection[str]) -> dict[str, str]:
    """Return what is known, by placeholder; what takes a query only where it is wanted."""
    told = {"skill": situation.skill.label}
    if "subject" in wanted:
        told["subject"] = _subject(situation.skill)
    if situation.commune:
        told |= {
            "commune": situation.commune.name,
            "insee": situation.commune.insee,
            "department": situation.commune.department_code,
        }
    if situation.commune and "postcode" in wanted:
        first = select(func.min(Postcode.code)).where(Postcode.commune_insee == situation.commune.insee)
        told["postcode"] = db.session.scalar(first) or ""
    if situation.sector:
        told |= {"naf": situation.sector.code, "section": situation.sector.section}
    if situation.size:
        told["size"] = LinkSize.TPE if situation.size in TPE else LinkSize.PME
    return told


def _subject(skill: Skill) -> str:
    """Return the word that people use for the skill: the first of its synonyms."""
    named = SkillWord.skill_id == skill.id, SkillWord.kind == WordKind.SYNONYM
    query = select(SkillWord.text).where(*named).order_by(SkillWord.is_added, SkillWord.id)
    return db.session.scalar(query.limit(1)) or skill.label


def _filled(link: HelpLink, values: Mapping[str, str]) -> Filled:
    has_answered = link.tested_at is not None and is_alive(link.status)
    as_of = link.tested_at.date() if link.tested_at and has_answered else link.checked_on
    return Filled(link, fill(link, values), as_of, has_answered)


def _require_sound(sheet: LinkSheet) -> None:
    parts = urlsplit(sheet.url)
    if parts.scheme not in ("http", "https") or "." not in (parts.hostname or "") or " " in sheet.url:
        raise FieldError("url", WRONG_URL)
    for pair in filter(None, sheet.parameters.split("|")):
        match = _PARAMETER.fullmatch(pair)
        if match is None or (match["placeholder"] and match["placeholder"] not in PLACEHOLDERS):
            raise FieldError("parameters", WRONG_PARAMETERS)
    known = set(db.session.scalars(select(SkillDomain.slug)))
    if not known.issuperset(sheet.domains):
        raise FieldError("domains", UNKNOWN_DOMAIN)
    sections = set(db.session.scalars(select(Sector.code).where(Sector.level == "section")))
    if not sections.issuperset(sheet.sections):
        raise FieldError("sections", UNKNOWN_SECTION)


def _set(link: HelpLink, sheet: LinkSheet) -> None:
    for name, value in asdict(sheet).items():
        setattr(link, name, list(value) if isinstance(value, tuple) else value)
    link.edited_at = clock.now()


def _told(link: HelpLink) -> dict[str, object]:
    names = LinkSheet.__dataclass_fields__
    return {name: getattr(link, name) for name in names} | {"checked_on": link.checked_on.isoformat()}


def _free_key(name: str) -> str:
    start = slugify(name, max_length=36, word_boundary=True) or "lien"
    taken = set(db.session.scalars(select(HelpLink.key).where(HelpLink.key.startswith(start))))
    numbered = (start, *(f"{start}-{number}" for number in range(2, len(taken) + 3)))
    return next(key for key in numbered if key not in taken)
