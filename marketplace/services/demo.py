"""The demonstration market: invented firms in real communes, their listings, people and logins."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any

from flask import current_app
from slugify import slugify
from sqlalchemy import insert, select
from sqlalchemy.orm import aliased
from stdnum.luhn import calc_check_digit

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    Commune,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    Membership,
    MembershipRole,
    MembershipState,
    ModerationMode,
    Organisation,
    Skill,
    SkillRelation,
    TerritoryRoleKind,
    User,
)
from marketplace.services import accounts, demo_desk, demo_guides, passwords, team, territories
from marketplace.services.demo_script import Draft, Firm, Script, Town
from marketplace.services.errors import NotAllowed, NotFound
from marketplace.services.listings import LIFETIME, PERMANENT_LIFETIME
from marketplace.services.market import chunks
from marketplace.services.work import Work, unit_of_work

OnProgress = Callable[[str, float], None]
RENNES_METROPOLE, LIFFRE_CORMIER = "243500139", "243500774"
OPENED: Mapping[str, ModerationMode] = {
    RENNES_METROPOLE: ModerationMode.BEFORE,
    LIFFRE_CORMIER: ModerationMode.AFTER,
}
# Up to this many listings the market stays in these two territories; beyond, it spreads over DEPARTMENTS.
LOCAL_MAX = 4000
DEPARTMENTS = ("35", "44", "78", "92")
FIRMS_AT_ONCE = 2000
_LOADED = "demonstration.loaded"


@dataclass(frozen=True, slots=True)
class Login:
    """An account whose password is published. `firm`: key in seeds/demo/cast_firms.csv; empty for none."""

    role: str
    name: str
    email: str
    password: str
    firm: str = ""
    membership: MembershipRole = MembershipRole.EMPLOYEE


EMPLOYEE = Login(
    "salariée d’une TPE, avec des besoins",
    "Maëlle Brévoguel",
    "maelle@fournil-des-deux-rives.example",
    "six galettes chaudes au comptoir",
    "fournil",
)
HELPER = Login(
    "gérante d’une structure qui offre",
    "Capucine Trémosac",
    "capucine@jardinerie-du-pre-fleuri.example",
    "brouette bleue sous les tulipes",
    "jardinerie",
    MembershipRole.MANAGER,
)
MODERATOR = Login(
    "modératrice de Rennes Métropole",
    "Rozenn Kerbratin",
    "moderation@rennes-metropole.example",
    "dossier vert posé sur la table",
)
ADMINISTRATOR = Login(
    "administrateur national",
    "Gaspard Lanvival",
    "administration@nation.example",
    "phare blanc au bout de la jetée",
)
LOGINS = (EMPLOYEE, HELPER, MODERATOR, ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the call added; `added` False: this very market is already there."""

    added: bool
    needs: int = 0
    offers: int = 0
    organisations: int = 0
    pending: int = 0

    def to_text(self) -> str:
        """Return the figures and the logins."""
        figures = (
            f"{self.needs} needs and {self.offers} offers of {self.organisations} structures; "
            f"{self.pending} wait for a moderator"
            if self.added
            else "this demonstration market is already there: nothing added"
        )
        width = max(len(login.email) for login in LOGINS)
        logins = [f"  {login.email:<{width}}  {login.password}  ({login.role})" for login in LOGINS]
        return "\n".join([figures, "Logins:", *logins])


def load(
    *, needs: int = 300, offers: int = 300, seed: int = 1, on_progress: OnProgress | None = None
) -> DemoReport:
    """Build the market of these arguments in one transaction; again with the same ones adds nothing.

    The first market of a database also opens its territories and creates LOGINS with their published
    passwords. Raises NotAllowed on a site with an https address unless DEMONSTRATION is set, because those
    passwords are public; NotFound when the reference data is not loaded.
    """
    _require_demonstration()
    tell = on_progress or (lambda _name, _fraction: None)
    mark = f"{seed}/{needs}/{offers}"
    with unit_of_work() as work:
        loaded = list(work.session.scalars(select(AuditEntry.subject_id).where(AuditEntry.action == _LOADED)))
        if mark in loaded:
            return DemoReport(added=False)
        first = not loaded
        script = Script(
            seed=seed,
            towns=_towns(local=needs + offers <= LOCAL_MAX),
            related=_related(),
            read_first=RENNES_METROPOLE,
        )
        writer = _Writer(market=len(loaded), authors=_open(work) if first else {})
        for firms in chunks(script.firms(needs=needs, offers=offers, with_cast=first), FIRMS_AT_ONCE):
            writer.write(firms)
            tell("firms and listings", (writer.needs + writer.offers) / max(1, needs + offers))
        report = writer.report()
        if first:
            administrator = work.session.scalars(select(User).where(User.email == ADMINISTRATOR.email)).one()
            demo_desk.play(RENNES_METROPOLE, administrator=administrator)
            demo_guides.play(RENNES_METROPOLE, administrator=administrator)
        work.entries.append(AuditEntry(action=_LOADED, subject_type="demonstration", subject_id=mark))
    return report


def _require_demonstration() -> None:
    public = str(current_app.config["PUBLIC_URL"]).startswith("https://")
    if public and not current_app.config["DEMONSTRATION"]:
        raise NotAllowed("the passwords of the demonstration are public: set DEMONSTRATION=1 to load it here")


def _towns(*, local: bool) -> list[Town]:
    where = Commune.territory_siren.in_(OPENED) if local else Commune.department_code.in_(DEPARTMENTS)
    query = (
        select(Commune).where(where, Commune.lat.is_not(None), Commune.population > 0).order_by(Commune.insee)
    )
    towns = [
        Town(
            commune.insee, commune.name, commune.territory_siren, commune.population, commune.lat, commune.lon
        )
        for commune in db.session.scalars(query)
        if commune.lat is not None and commune.lon is not None
    ]
    if not towns:
        raise NotFound("no communes: load the reference data first")
    return towns


def _related() -> dict[str, list[str]]:
    one, other = aliased(Skill), aliased(Skill)
    query = (
        select(one.slug, other.slug)
        .join(SkillRelation, SkillRelation.skill_id == one.id)
        .join(other, other.id == SkillRelation.related_id)
        .order_by(one.position, other.position)
    )
    near: dict[str, list[str]] = defaultdict(list)
    for slug, related in db.session.execute(query):
        near[slug].append(related)
    return near


def _open(work: Work) -> dict[str, int]:
    """Open the territories and the accounts of LOGINS; return who writes for which firm of the cast."""
    for siren, mode in OPENED.items():
        if not territories.get(siren).is_open:
            territories.open_territory(siren, mode=mode)
    people = {login: _account(work, login) for login in LOGINS}
    people[ADMINISTRATOR].is_admin = True
    team.appoint(RENNES_METROPOLE, MODERATOR.email, TerritoryRoleKind.HEAD)
    return {login.firm: user.id for login, user in people.items() if login.firm}


def _account(work: Work, login: Login) -> User:
    user = accounts.by_email(login.email)
    if user is not None:
        return user
    return work.add(
        User(
            email=login.email,
            name=login.name,
            password_hash=passwords.hash_password(login.password),
            email_confirmed_at=clock.now(),
        )
    )


class _Writer:
    """Writes firms in bulk. `market`: how many demonstration markets the database holds already."""

    def __init__(self, *, market: int, authors: Mapping[str, int]) -> None:
        self._market = market
        self._authors = authors
        self._now = clock.now()
        # Nobody logs in with it: one hash for the crowd, because hashing is slow on purpose.
        self._closed_password = passwords.hash_password(token_urlsafe(32))
        self._skills = {skill.slug: skill.id for skill in db.session.scalars(select(Skill))}
        self.organisations = self.needs = self.offers = self.pending = 0

    def write(self, firms: Sequence[Firm]) -> None:
        numbers = range(self.organisations, self.organisations + len(firms))
        organisations = _insert(
            Organisation, [self._organisation(n, f) for n, f in zip(numbers, firms, strict=True)]
        )
        people = _insert(User, [self._person(n, f) for n, f in zip(numbers, firms, strict=True)])
        members = list(zip(firms, organisations, people, strict=True))
        _insert(
            Membership, [row for firm, key, person in members for row in self._memberships(firm, key, person)]
        )
        drafts = [
            (draft, firm, key, self._authors.get(firm.key, person))
            for firm, key, person in members
            for draft in firm.drafts
        ]
        listings = _insert(Listing, [self._listing(*row) for row in drafts])
        self._write_extra_skills(listings, [draft for draft, *_ in drafts])
        self.organisations += len(firms)
        self._count([draft for draft, *_ in drafts])

    def report(self) -> DemoReport:
        return DemoReport(
            added=True,
            needs=self.needs,
            offers=self.offers,
            organisations=self.organisations,
            pending=self.pending,
        )

    def _organisation(self, number: int, firm: Firm) -> dict[str, Any]:
        return {
            "siret": invented_siret(number, market=self._market),
            "name": firm.name,
            "kind": firm.kind,
            "size_class": firm.size_class,
            "sector_code": firm.sector_code,
            "commune_insee": firm.town.insee,
            "address": firm.address,
            "lat": firm.lat,
            "lon": firm.lon,
            "is_demonstration": True,
        }

    def _person(self, number: int, firm: Firm) -> dict[str, Any]:
        host = f"{slugify(firm.name)}-{number + 1}" + (f"-{self._market + 1}" if self._market else "")
        return {
            "email": f"contact@{host}.example",
            "name": firm.person,
            "password_hash": self._closed_password,
            "email_confirmed_at": self._now,
        }

    def _memberships(self, firm: Firm, organisation: int, person: int) -> list[dict[str, Any]]:
        roles = [(person, MembershipRole.MANAGER)]
        if firm.key in self._authors:
            login = next(login for login in LOGINS if login.firm == firm.key)
            roles.append((self._authors[firm.key], login.membership))
        return [
            {
                "user_id": user,
                "organisation_id": organisation,
                "role": role,
                "state": MembershipState.ACTIVE,
                "decided_at": self._now,
            }
            for user, role in roles
        ]

    def _listing(self, draft: Draft, firm: Firm, organisation: int, author: int) -> dict[str, Any]:
        sent = self._now - timedelta(hours=draft.age_hours)
        shown = draft.state is not ListingState.PENDING
        lifetime = PERMANENT_LIFETIME if draft.is_permanent else LIFETIME
        return {
            **{name: getattr(draft, name) for name in _COPIED},
            "skill_id": self._skills[draft.skill],
            "flags": list(draft.flags),
            "organisation_id": organisation,
            "author_id": author,
            "commune_insee": firm.town.insee,
            "territory_siren": firm.town.territory_siren,
            "sector_code": firm.sector_code,
            "lat": firm.lat,
            "lon": firm.lon,
            "created_at": sent,
            "updated_at": sent,
            "submitted_at": sent,
            "published_at": sent if shown else None,
            "expires_at": sent + lifetime if shown else None,
        }

    def _write_extra_skills(self, listings: Sequence[int], drafts: Sequence[Draft]) -> None:
        rows = [
            {"listing_id": listing, "rank": rank, "skill_id": self._skills[slug]}
            for listing, draft in zip(listings, drafts, strict=True)
            for rank, slug in enumerate(draft.extra_skills, start=1)
        ]
        if rows:
            db.session.execute(insert(ListingSkill), rows)

    def _count(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self.needs += draft.kind is ListingKind.NEED
            self.offers += draft.kind is ListingKind.OFFER
            self.pending += draft.state is ListingState.PENDING


_COPIED = (
    "kind", "state", "level", "title", "description", "places", "radius_km", "availability", "urgency",
    "capacity", "total_limit", "is_permanent", "avoid_competitors", "competitor_radius_km",
)  # fmt: skip


def invented_siret(number: int, *, market: int) -> str:
    """Return a SIRET that passes the checksum and, beginning with 000, is nobody's.

    `number` below 100,000 for that; each further `market` of a database has its own establishment number.
    """
    siren = f"{number:08d}"
    siren += calc_check_digit(siren)
    siret = f"{siren}{market + 1:04d}"
    return siret + calc_check_digit(siret)


def _insert(model: type[Any], rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert the rows and return their ids, in the same order."""
    if not rows:
        return []
    returned = insert(model).returning(model.id, sort_by_parameter_order=True)
    # Without it rows with a NULL more or less make statements of their own.
    return list(db.session.scalars(returned, rows, execution_options={"render_nulls": True}))
