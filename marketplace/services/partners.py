"""Partners that publish by program: their tokens, the consent of structures, what they create and close."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    IdempotentRequest,
    Listing,
    ListingKind,
    Organisation,
    Partner,
    PartnerConsent,
    PartnerListing,
    PartnerToken,
    Scope,
    Territory,
    User,
)
from marketplace.models.partners import NAME_MAX, PREFIX_LENGTH
from marketplace.services import listings, organisations, policies, rights
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.listings import SHOWN, ListingSheet
from marketplace.services.work import Work, unit_of_work

LIFETIMES_DAYS = (30, 90, 180, 365)
# More than a territory works with.
PARTNERS_MAX, TOKENS_MAX = 50, 20
KEY_KEPT = timedelta(hours=24)
# A request that has not been answered for so long has died with its process.
STALLED = timedelta(minutes=1)
_USE_NOTED_EVERY = timedelta(minutes=1)
_SECRET = re.compile(rf"bsf_(?P<prefix>[a-z0-9]{{{PREFIX_LENGTH}}})_[A-Za-z0-9_-]{{43}}", re.ASCII)
Answer = dict[str, Any]


class ProgramRefusal(Exception):
    """A refusal that only programs meet: api.problems tells it, and no page."""


class BadToken(ProgramRefusal):
    """No token, or one that is unknown, revoked or past its term."""


class NoConsent(NotAllowed):
    """No such structure in the territory, or it does not let the partner publish for it: told alike."""


class KeyReused(ProgramRefusal):
    """The key came before with another request."""


class KeyUnderWay(ProgramRefusal):
    """The request with this key is being done right now."""


@dataclass(frozen=True, slots=True)
class Issued:
    """`secret`: the whole token, told once."""

    token: PartnerToken
    secret: str


@dataclass(frozen=True, slots=True)
class TerritoryPartners:
    territory: Territory
    partners: Sequence[Partner]


@dataclass(frozen=True, slots=True)
class Consents:
    """The partners of a structure's territory; `given`: by the partner's id."""

    organisation: Organisation
    partners: Sequence[Partner]
    given: Mapping[int, PartnerConsent]


@dataclass(frozen=True, slots=True)
class Done:
    """`is_replayed`: it was done before, with the same key."""

    answer: Answer
    is_replayed: bool


# --- What the territory does ---


def of_territory(siren: str, *, by: User) -> TerritoryPartners:
    """Return the partners of a territory with their tokens. Raises NotFound unless `by` moderates there."""
    territory = policies.territory_of(siren, by=by)
    query = select(Partner).where(Partner.territory_siren == siren).order_by(Partner.name).limit(PARTNERS_MAX)
    found = db.session.scalars(query.options(selectinload(Partner.tokens)))
    return TerritoryPartners(territory, found.all())


def issue(siren: str, *, name: str, scopes: Sequence[Scope], days: int, by: User) -> Issued:
    """Give a token to the partner so named, who is new or known. Its secret is not kept.

    Raises NotFound unless `by` moderates there; FieldError (name) when there are too many.
    """
    with unit_of_work() as work:
        territory = policies.territory_of(siren, by=by)
        work.lock(Territory, siren)
        partner = _partner(work, territory, name)
        prefix = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(PREFIX_LENGTH))
        secret = f"bsf_{prefix}_{secrets.token_urlsafe(32)}"
        token = work.add(
            PartnerToken(
                partner_id=partner.id,
                prefix=prefix,
                sha256=_digest(secret),
                scopes=[scope.value for scope in Scope if scope in scopes],
                expires_at=clock.now() + timedelta(days=days),
                issued_by_id=by.id,
            )
        )
        after = {"partner": partner.name, "token": prefix, "scopes": token.scopes, "days": days}
        work.audit("partner.token_issued", token, by=by, territory=siren, after=after)
    return Issued(token, secret)


def revoke(siren: str, token_id: int, *, by: User) -> PartnerToken:
    """End a token at once; a second time changes nothing. Raises NotFound."""
    with unit_of_work() as work:
        policies.territory_of(siren, by=by)
        token = work.lock(PartnerToken, token_id)
        partner = work.session.get_one(Partner, token.partner_id)
        if partner.territory_siren != siren:
            raise NotFound(f"token {token_id}")
        if token.revoked_at is None:
            token.revoked_at = clock.now()
            after = {"partner": partner.name, "token": token.prefix}
            work.audit("partner.token_revoked", token, by=by, territory=siren, after=after)
    return token


# --- What the structure does ---


def consents(organisation_id: int, *, by: User) -> Consents:
    """Return who may publish for a structure, and who could. Raises NotFound unless `by` manages it."""
    organisation = _managed(organisation_id, by)
    agreed = exists().where(
        PartnerConsent.partner_id == Partner.id, PartnerConsent.organisation_id == organisation_id
    )
    query = select(Partner).where(_of_commune(organisation) & _has_token() | agreed).order_by(Partner.name)
    partners = db.session.scalars(query.limit(2 * PARTNERS_MAX)).all()
    given = db.session.scalars(
        select(PartnerConsent)
        .where(PartnerConsent.organisation_id == organisation_id)
        .options(joinedload(PartnerConsent.given_by))
    )
    return Consents(organisation, partners, {consent.partner_id: consent for consent in given})


def consent(organisation_id: int, partner_id: int, *, given: bool, by: User) -> None:
    """Let a partner publish for the structure, or no longer. Raises NotFound."""
    with unit_of_work() as work:
        organisation = _managed(organisation_id, by)
        work.lock(Organisation, organisation_id)
        partner = work.session.get(Partner, partner_id)
        held = work.session.get(PartnerConsent, (partner_id, organisation_id))
        if partner is None or (held is None and not _is_near(partner, organisation)):
            raise NotFound(f"partner {partner_id}")
        if given and held is None:
            rights.require_confirmed(by)
            work.add(
                PartnerConsent(partner_id=partner_id, organisation_id=organisation_id, given_by_id=by.id)
            )
        elif not given and held is not None:
            work.session.delete(held)
        else:
            return
        action = "partner.consent_given" if given else "partner.consent_withdrawn"
        work.audit(
            action, organisation, by=by, territory=partner.territory_siren, after={"partner": partner.name}
        )


# --- What the partner does ---


def authenticate(secret: str) -> PartnerToken:
    """Return the token, with its partner and territory, and note that it was used. Raises BadToken."""
    found = _SECRET.fullmatch(secret)
    token = found and db.session.scalar(
        select(PartnerToken)
        .where(PartnerToken.prefix == found["prefix"])
        .options(joinedload(PartnerToken.partner).joinedload(Partner.territory))
    )
    if not token or not hmac.compare_digest(token.sha256, _digest(secret)):
        raise BadToken("unknown")
    _require_valid(token)
    if not token.partner.territory.is_open:
        raise BadToken("its territory no longer takes part")
    _note_use(token)
    return token


def create_listing(
    token: PartnerToken,
    kind: ListingKind,
    sheet: ListingSheet,
    *,
    siret: str,
    key: str,
    fingerprint: str,
    told: Callable[[Listing], Answer],
) -> Done:
    """Publish for a structure that agreed, by the rules that hold for everybody, once per `key`.

    Whoever agreed is the author, and is told by mail. `told`: what to answer of the listing. Raises
    NoConsent, FieldError (siret), KeyReused, KeyUnderWay.
    """
    siret = organisations.clean_siret(siret)

    def publish(work: Work) -> Answer:
        organisation = organisations.by_siret(siret)
        if organisation is None:
            raise NoConsent(f"no organisation has the SIRET {siret}")
        author = _author(work, token, organisation.id)
        listing = listings.publish(kind, sheet, organisation_id=organisation.id, by=author)
        if work.session.get(PartnerListing, listing.id) is None:
            work.add(PartnerListing(listing_id=listing.id, partner_id=token.partner_id, token_id=token.id))
        _audit(work, "partner.listing_created", listing, token)
        return told(listing)

    return _once(token, key, fingerprint, publish)


def close_listing(
    token: PartnerToken, listing_id: int, *, key: str, fingerprint: str, told: Callable[[Listing], Answer]
) -> Done:
    """Withdraw a listing that the partner created, once per `key`.

    Raises NotFound, NoConsent, InvalidTransition when it is over already, KeyReused, KeyUnderWay.
    """

    def withdraw(work: Work) -> Answer:
        listing = own_listing(token, listing_id)
        author = _author(work, token, listing.organisation_id)
        listing = listings.withdraw(listing_id, by=author)
        _audit(work, "partner.listing_closed", listing, token)
        return told(listing)

    return _once(token, key, fingerprint, withdraw)


def own_listings(token: PartnerToken, *, before: int | None, limit: int) -> tuple[list[Listing], bool]:
    """Return what the partner created for those who still agree, the latest first; and if there is more."""
    query = _own(token)
    if before is not None:
        query = query.where(Listing.id < before)
    rows = list(db.session.scalars(query.order_by(Listing.id.desc()).limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def own_listing(token: PartnerToken, listing_id: int) -> Listing:
    """Return one of them. Raises NotFound."""
    found: Listing | None = db.session.scalar(_own(token).where(Listing.id == listing_id))
    if found is None:
        raise NotFound(f"listing {listing_id}")
    return found


def forget_requests() -> int:
    """Delete the keys that are no longer kept. Returns how many."""
    with unit_of_work() as work:
        old = delete(IdempotentRequest).where(IdempotentRequest.started_at < clock.now() - KEY_KEPT)
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]


def _partner(work: Work, territory: Territory, name: str) -> Partner:
    here = select(Partner).where(Partner.territory_siren == territory.siren)
    partner = work.session.scalar(here.where(Partner.name == name))
    if partner is None:
        if len(work.session.scalars(here.limit(PARTNERS_MAX)).all()) == PARTNERS_MAX:
            raise FieldError("name", f"{PARTNERS_MAX} partenaires au plus : reprenez un nom de la liste.")
        return work.add(Partner(territory_siren=territory.siren, name=name[:NAME_MAX]))
    tokens = select(PartnerToken).where(PartnerToken.partner_id == partner.id, _is_valid())
    if len(work.session.scalars(tokens.limit(TOKENS_MAX)).all()) == TOKENS_MAX:
        raise FieldError("name", f"Ce partenaire a déjà {TOKENS_MAX} jetons : retirez-en d’abord.")
    return partner


def _managed(organisation_id: int, by: User) -> Organisation:
    organisation = db.session.get(
        Organisation, organisation_id, options=[joinedload(Organisation.commune)], populate_existing=True
    )
    if organisation is None or not rights.manages(by, organisation_id):
        raise NotFound(f"organisation {organisation_id}")
    return organisation


def _of_commune(organisation: Organisation) -> ColumnElement[bool]:
    here = select(Commune.territory_siren).where(Commune.insee == organisation.commune_insee)
    return Partner.territory_siren == here.scalar_subquery()


def _has_token() -> ColumnElement[bool]:
    return exists().where(PartnerToken.partner_id == Partner.id, _is_valid())


def _is_near(partner: Partner, organisation: Organisation) -> bool:
    query = select(Partner.id).where(Partner.id == partner.id, _of_commune(organisation), _has_token())
    return db.session.scalar(query) is not None


def _is_valid() -> ColumnElement[bool]:
    return PartnerToken.revoked_at.is_(None) & (PartnerToken.expires_at > clock.now())


def _require_valid(token: PartnerToken) -> None:
    if token.revoked_at is not None or token.expires_at <= clock.now():
        raise BadToken("revoked or past its term")


def _digest(secret: str) -> str:
    """The secret has 256 random bits: a slow hash, as for passwords, would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _note_use(token: PartnerToken) -> None:
    """Note it once a minute: to tell who uses a token is not worth a write for each request."""
    noted = token.last_used_at
    if noted is not None and noted > clock.now() - _USE_NOTED_EVERY:
        return
    token_id, now = token.id, clock.now()
    with unit_of_work() as work:
        work.session.execute(update(PartnerToken).where(PartnerToken.id == token_id).values(last_used_at=now))


def _author(work: Work, token: PartnerToken, organisation_id: int) -> User:
    """Return the person who agreed, while they manage the structure and it is in the partner's territory."""
    agreed = work.session.get(PartnerConsent, (token.partner_id, organisation_id))
    partner = work.session.get_one(Partner, token.partner_id)
    organisation = work.session.get(Organisation, organisation_id)
    author = work.session.get(User, agreed.given_by_id) if agreed else None
    if author is None or organisation is None or not _is_in_territory(organisation, partner):
        raise NoConsent(f"organisation {organisation_id}")
    if not rights.manages(author, organisation_id):
        raise NoConsent(f"organisation {organisation_id}: who agreed manages it no longer")
    return author


def _is_in_territory(organisation: Organisation, partner: Partner) -> bool:
    return db.session.get_one(Commune, organisation.commune_insee).territory_siren == partner.territory_siren


def _own(token: PartnerToken) -> Select[Any]:
    agreed = exists().where(
        PartnerConsent.partner_id == token.partner_id,
        PartnerConsent.organisation_id == Listing.organisation_id,
    )
    return (
        select(Listing)
        .join(PartnerListing, PartnerListing.listing_id == Listing.id)
        .where(PartnerListing.partner_id == token.partner_id, agreed)
        .options(*SHOWN)
    )


def _audit(work: Work, action: str, listing: Listing, token: PartnerToken) -> None:
    partner = work.session.get_one(Partner, token.partner_id)
    after = {"partner": partner.name, "token": token.prefix, "state": listing.state}
    work.audit(action, listing, by=None, territory=listing.territory_siren, after=after)


# --- Once per key ---


def _once(token: PartnerToken, key: str, fingerprint: str, act: Callable[[Work], Answer]) -> Done:
    """Do the act and keep its answer in one transaction; give the answer again for the same key.

    See draft-ietf-httpapi-idempotency-key-header. What is refused is not kept: it may be sent again.
    """
    token_id = token.id
    answered = _begin(token_id, key, fingerprint)
    if answered is not None:
        return Done(answered, is_replayed=True)
    try:
        with unit_of_work() as work:
            _require_valid(work.lock(PartnerToken, token_id))
            answer = act(work)
            work.session.get_one(IdempotentRequest, (token_id, key)).answer = answer
    except BaseException:
        _give_up(token_id, key)
        raise
    return Done(answer, is_replayed=False)


def _begin(token_id: int, key: str, fingerprint: str) -> Answer | None:
    """Claim the key, committed at once so that others see it; or return the answer it had."""
    dialect: Any = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    claim = dialect.insert(IdempotentRequest).values(
        token_id=token_id, key=key, fingerprint=fingerprint, started_at=clock.now()
    )
    claim = claim.on_conflict_do_nothing().returning(IdempotentRequest.key)
    with unit_of_work() as work:
        if work.session.execute(claim).first() is not None:
            return None
        held = work.lock(IdempotentRequest, (token_id, key))
        is_old = held.started_at <= clock.now() - KEY_KEPT
        if held.fingerprint != fingerprint and not is_old:
            raise KeyReused(key)
        if held.answer is not None and not is_old:
            return held.answer
        if held.started_at > clock.now() - STALLED:
            raise KeyUnderWay(key)
        held.fingerprint, held.started_at, held.answer = fingerprint, clock.now(), None
    return None


def _give_up(token_id: int, key: str) -> None:
    with unit_of_work() as work:
        held = delete(IdempotentRequest).where(
            IdempotentRequest.token_id == token_id,
            IdempotentRequest.key == key,
            IdempotentRequest.answer.is_(None),
        )
        work.session.execute(held)
