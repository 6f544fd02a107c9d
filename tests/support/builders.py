"""Building a market row by row: every builder has sensible defaults, and commits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import select
from stdnum.luhn import calc_check_digit

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Appeal,
    Commune,
    DecisionAction,
    DecisionGround,
    DeclineReason,
    LabelKind,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    Match,
    MatchOrigin,
    MatchState,
    Membership,
    MembershipRole,
    MembershipState,
    ModerationDecision,
    ModerationMode,
    Organisation,
    Place,
    PointSource,
    Provider,
    ProviderLabel,
    ProviderLabelTheme,
    ProviderList,
    ProviderReview,
    ProviderTheme,
    ProviderThemeSkill,
    Report,
    ReportCase,
    ReportCategory,
    ReviewBasis,
    Skill,
    Territory,
    TerritoryRole,
    TerritoryRoleKind,
    User,
)
from marketplace.models.matches import LIVE
from marketplace.services import passwords

PASSWORD = "vingt-deux brioches au four"
RENNES, CESSON, LIFFRE, PARIS = "35238", "35051", "35152", "75056"
RENNES_METROPOLE, LIFFRE_CORMIER = "243500139", "243500774"
_hashes: dict[str, str] = {}


def siret(number: int) -> str:
    """Return the `number`-th SIRET that passes the checksum."""
    siren = f"{10_000_000 + number:08d}"
    siren += calc_check_digit(siren)
    start = f"{siren}0001"
    return start + calc_check_digit(start)


Made = TypeVar("Made")


def _whole(make: Callable[..., Made]) -> Callable[..., Made]:
    """Make something and all that it needs in one transaction: each takes some milliseconds."""

    @wraps(make)
    def made(self: "Market", *args: Any, **kwargs: Any) -> Made:
        with self.in_one_transaction():
            return make(self, *args, **kwargs)

    return made


class Market:
    """What a test says it needs, and no more."""

    def __init__(self) -> None:
        self._number = count(1)
        self._save = db.session.commit
        self._skill_ids: dict[str, int] = {}

    @contextmanager
    def in_one_transaction(self) -> Iterator[None]:
        """Commit once, at the end of the block: quicker where a test needs dozens of rows."""
        outside, self._save = self._save, db.session.flush
        try:
            yield
        finally:
            self._save = outside
        self._save()

    def user(
        self,
        email: str = "",
        *,
        name: str = "",
        confirmed: bool = True,
        admin: bool = False,
        phone: str = "",
        second_factor: bool | None = None,
    ) -> User:
        """Return a person. `second_factor`: as set up; by default by administrators only."""
        number = next(self._number)
        second_factor = admin if second_factor is None else second_factor
        return self._keep(
            User(
                email=email or f"personne{number}@structure{number}.example",
                name=name or f"Personne {number}",
                phone=phone,
                password_hash=_hash(),
                email_confirmed_at=clock.now() if confirmed else None,
                is_admin=admin,
                second_factor_at=clock.now() if second_factor else None,
            )
        )

    @_whole
    def organisation(
        self,
        *,
        name: str = "",
        commune: str = RENNES,
        sector: str = "",
        manager: User | None = None,
        **fields: Any,
    ) -> Organisation:
        number = next(self._number)
        place = db.session.get_one(Commune, commune)
        # Sectors differ by default, so that nobody is a competitor unless the test says so.
        organisation = self._keep(
            Organisation(
                **{
                    "siret": siret(number),
                    "name": name or f"Structure {number}",
                    "commune_insee": commune,
                    "sector_code": sector or "47.76Z",
                    "lat": place.lat,
                    "lon": place.lon,
                    **fields,
                }
            )
        )
        self.employee(organisation, user=manager, role=MembershipRole.MANAGER)
        return organisation

    @_whole
    def employee(
        self,
        organisation: Organisation,
        *,
        user: User | None = None,
        role: MembershipRole = MembershipRole.EMPLOYEE,
        state: MembershipState = MembershipState.ACTIVE,
    ) -> User:
        user = user or self.user()
        self._keep(Membership(user_id=user.id, organisation_id=organisation.id, role=role, state=state))
        return user

    def speaker(self, of: Organisation | Listing) -> User:
        """Return somebody who speaks for the structure, or for the listing's."""
        key = of.organisation_id if isinstance(of, Listing) else of.id
        query = select(User).join(Membership, Membership.user_id == User.id)
        active = Membership.state == MembershipState.ACTIVE
        return db.session.scalars(
            query.where(Membership.organisation_id == key, active).order_by(User.id)
        ).first()

    def skill(self, slug: str) -> Skill:
        return db.session.scalars(select(Skill).where(Skill.slug == slug)).one()

    def need(self, **fields: Any) -> Listing:
        return self._listing(ListingKind.NEED, {"urgency": 1, **fields})

    def offer(self, **fields: Any) -> Listing:
        return self._listing(ListingKind.OFFER, fields)

    @_whole
    def match(
        self,
        *,
        need: Listing | None = None,
        offer: Listing | None = None,
        state: MatchState = MatchState.PROPOSED,
        **fields: Any,
    ) -> Match:
        """Return a match with the marks of its state, its places held."""
        need, offer = need or self.need(), offer or self.offer()
        now = clock.now()
        both = state in (MatchState.AGREED, MatchState.COMPLETED)
        marks: dict[str, Any] = {}
        if both or state is MatchState.ACCEPTED:
            marks["need_accepted_at"] = now
        if both:
            marks["offer_accepted_at"] = now
        if state is MatchState.DECLINED:
            marks |= {"close_reason": DeclineReason.NO_TIME, "closed_side": ListingKind.OFFER}
        if state not in LIVE:
            marks["closed_at"] = now
        match = Match(
            **{
                "need_id": need.id,
                "offer_id": offer.id,
                "need_organisation_id": need.organisation_id,
                "offer_organisation_id": offer.organisation_id,
                "state": state,
                "origin": MatchOrigin.ROUND,
                "score": 0.8,
                "distance_km": 4.2,
                "explanation": EXPLANATION,
                "expires_at": now + timedelta(days=10),
                **marks,
                **fields,
            }
        )
        for listing in (need, offer):
            listing.live_matches += state in LIVE
            listing.completed_matches += state is MatchState.COMPLETED
        return self._keep(match)

    @_whole
    def provider(
        self, name: str = "", *, skill: str = "boutique-en-ligne", commune: str = RENNES, **fields: Any
    ) -> Provider:
        """Return a provider whose label holds and covers the skill; `label`: fields of the label."""
        number, place = next(self._number), db.session.get_one(Commune, commune)
        label, now = fields.pop("label", {}), clock.now()
        self._keep(
            db.session.get(ProviderList, "liste")
            or ProviderList(
                slug="liste",
                name="Liste des tests",
                publisher="Chambre des tests",
                data_on=now.date(),
                imported_at=now,
                standing=0,
                version=1,
            )
        )
        said = name or f"Prestataire {number}"
        provider = self._keep(
            Provider(
                **{
                    "key": f"liste:{number}",
                    "list_slug": "liste",
                    "name": said,
                    "sort_name": said.lower(),
                    "commune_insee": commune,
                    "lat": place.lat,
                    "lon": place.lon,
                    "point_source": PointSource.COMMUNE,
                    **fields,
                }
            )
        )
        self.label(provider, self.theme(skill), **label)
        return provider

    @_whole
    def label(self, provider: Provider, theme: ProviderTheme, **fields: Any) -> ProviderLabel:
        told = {
            "provider_id": provider.id,
            "list_slug": "liste",
            "record_key": provider.key,
            "kind": LabelKind.ACTIVATEUR,
            "name": "Activateur France Num",
            "digest": "x",
            **fields,
        }
        label = self._keep(ProviderLabel(**told))
        self._keep(ProviderLabelTheme(label_id=label.id, theme_id=theme.id))
        return label

    @_whole
    def theme(self, skill: str) -> ProviderTheme:
        """Return a subject of lists that stands for the skill."""
        key = f"sujet {skill}"
        found = db.session.scalars(select(ProviderTheme).where(ProviderTheme.key == key)).one_or_none()
        if found is None:
            found = self._keep(ProviderTheme(key=key, label=f"Sujet {skill}"))
            self._keep(ProviderThemeSkill(theme_id=found.id, skill_id=self.skill(skill).id))
        return found

    @_whole
    def review(self, provider: Provider, **fields: Any) -> ProviderReview:
        """Return what a structure said of a provider; it waits for a moderator unless the test says not."""
        organisation = fields.pop("organisation", None) or self.organisation()
        told = {
            "provider_id": provider.id,
            "organisation_id": organisation.id,
            "author_id": self.speaker(organisation).id,
            "territory_siren": db.session.get_one(Commune, provider.commune_insee).territory_siren,
            "basis": ReviewBasis.SERVICE,
            "rating": 4,
            "text": f"Avis numéro {next(self._number)} : clair, patient, et à l’heure.",
        }
        return self._keep(ProviderReview(**told | fields))

    def open_territory(
        self, siren: str = RENNES_METROPOLE, *, mode: ModerationMode = ModerationMode.AFTER
    ) -> Territory:
        territory = db.session.get_one(Territory, siren)
        territory.is_open, territory.moderation_mode = True, mode
        db.session.commit()
        return territory

    @_whole
    def moderator(
        self,
        siren: str = RENNES_METROPOLE,
        *,
        role: TerritoryRoleKind = TerritoryRoleKind.MODERATOR,
        second_factor: bool = True,
        **person: Any,
    ) -> User:
        user = self.user(second_factor=second_factor, **person)
        self._keep(TerritoryRole(user_id=user.id, territory_siren=siren, role=role))
        return user

    def head(self, siren: str = RENNES_METROPOLE, **person: Any) -> User:
        """Return somebody who is in charge of the territory."""
        return self.moderator(siren, role=TerritoryRoleKind.HEAD, **person)

    def admin(self) -> User:
        return self.user(admin=True)

    def case(
        self,
        subject: Listing | Organisation,
        *,
        category: ReportCategory = ReportCategory.COMMERCIAL,
        **fields: Any,
    ) -> ReportCase:
        """Return an open case on the subject, with one report in it."""
        is_listing = isinstance(subject, Listing)
        commune = db.session.get_one(Commune, subject.commune_insee)
        number = next(self._number)
        case = ReportCase(
            **{
                "listing_id": subject.id if is_listing else None,
                "organisation_id": None if is_listing else subject.id,
                "territory_siren": commune.territory_siren,
                "snapshot": {"title": subject.title, "text": subject.description}
                if is_listing
                else {"title": subject.name},
                **fields,
            }
        )
        case.reports = [
            Report(
                category=category,
                explanation="Ce texte vend une prestation.",
                name=f"Voisin {number}",
                email=f"voisin{number}@passage.example",
            )
        ]
        return self._keep(case)

    def report_of(self, case: ReportCase) -> Report:
        """Return the first report of a case."""
        return db.session.scalars(select(Report).where(Report.case_id == case.id).order_by(Report.id)).first()

    def rejection(self, listing: Listing, *, by: User | None = None, **fields: Any) -> ModerationDecision:
        """Return a decision against the listing; the listing's own state is the test's affair."""
        return self._keep(
            ModerationDecision(
                **{
                    "listing_id": listing.id,
                    "territory_siren": listing.territory_siren,
                    "moderator_id": by.id if by else None,
                    "action": DecisionAction.REJECT,
                    "ground": DecisionGround.UNCLEAR,
                    "facts": "On ne comprend pas ce qui est cherché.",
                    "snapshot": {"title": listing.title, "description": listing.description},
                    **fields,
                }
            )
        )

    def suspension(self, organisation: Organisation, *, by: User | None = None) -> ModerationDecision:
        """Return a decision that suspends the structure; whether it still is, is the test's affair."""
        commune = db.session.get_one(Commune, organisation.commune_insee)
        return self._keep(
            ModerationDecision(
                organisation_id=organisation.id,
                territory_siren=commune.territory_siren,
                moderator_id=by.id if by else None,
                action=DecisionAction.SUSPEND,
                ground=DecisionGround.REPEATED,
                facts="Trois annonces vendent la même prestation.",
                snapshot={"name": organisation.name},
            )
        )

    def appeal(self, decision: ModerationDecision, **fields: Any) -> Appeal:
        return self._keep(
            Appeal(
                decision_id=decision.id,
                territory_siren=decision.territory_siren,
                first_decider_id=decision.moderator_id,
                text="Le texte dit bien ce que nous cherchons.",
                due_at=clock.now() + timedelta(days=15),
                **fields,
            )
        )

    @_whole
    def _listing(self, kind: ListingKind, fields: dict[str, Any]) -> Listing:
        organisation = fields.pop("organisation", None) or self.organisation()
        skill_id = self._skill_id(fields.pop("skill", "boutique-en-ligne"))
        extra = fields.pop("extra_skills", ())
        state = fields.pop("state", ListingState.PUBLISHED)
        commune = db.session.get_one(Commune, organisation.commune_insee)
        number, now = next(self._number), clock.now()
        dated = state in (
            ListingState.PUBLISHED, ListingState.PAUSED, ListingState.FULFILLED, ListingState.EXPIRED,
        )  # fmt: skip
        listing = Listing(
            **{
                "kind": kind,
                "state": state,
                "organisation_id": organisation.id,
                "author_id": self.speaker(organisation).id,
                "skill_id": skill_id,
                "level": 2 if kind is ListingKind.NEED else 3,
                "title": f"{'Apprendre' if kind is ListingKind.NEED else 'Montrer'} le sujet {number}",
                "description": f"Texte numéro {number}, écrit pour un voisin qui connaît le métier.",
                "commune_insee": commune.insee,
                "territory_siren": commune.territory_siren,
                "sector_code": organisation.sector_code,
                "lat": organisation.lat,
                "lon": organisation.lon,
                "places": int(Place.HELPER | Place.LEARNER),
                "radius_km": 30,
                "submitted_at": now,
                "published_at": now if dated else None,
                "expires_at": now + timedelta(days=90) if dated else None,
                **fields,
            }
        )
        listing.extra_skills = [
            ListingSkill(rank=rank, skill_id=self._skill_id(slug)) for rank, slug in enumerate(extra, start=1)
        ]
        return self._keep(listing)

    def _skill_id(self, slug: str) -> int:
        if slug not in self._skill_ids:
            self._skill_ids[slug] = self.skill(slug).id
        return self._skill_ids[slug]

    def _keep(self, row: Any) -> Any:
        db.session.add(row)
        self._save()
        return row


EXPLANATION = {
    "score": 0.8,
    "distance_km": 4.2,
    "remote": False,
    "need_skill": "Ouvrir une boutique en ligne",
    "offer_skill": "Ouvrir une boutique en ligne",
    "parts": [
        {"criterion": "skill", "value": 1.0, "weight": 0.45, "share": 0.55, "detail": "same"},
        {"criterion": "level", "value": 1.0, "weight": 0.1, "share": 0.12, "detail": "1"},
        {"criterion": "distance", "value": 0.8, "weight": 0.25, "share": 0.23, "detail": "4.2"},
        {"criterion": "sector", "value": 0.2, "weight": 0.05, "share": 0.01, "detail": "section"},
        {"criterion": "availability", "value": 1.0, "weight": 0.05, "share": 0.06, "detail": "any"},
        {"criterion": "waiting", "value": 0.2, "weight": 0.1, "share": 0.03, "detail": "12"},
    ],
}


def _hash() -> str:
    """One hash for all: hashing is slow on purpose."""
    if PASSWORD not in _hashes:
        _hashes[PASSWORD] = passwords.hash_password(PASSWORD)
    return _hashes[PASSWORD]
