"""What structures say of providers: declared in good faith, read by a moderator, open to a reply.

Moderators of the provider's territory decide, or the national administrator; nobody on a review of their own
structure. The provider answers by a link mailed to its address, or through an administrator.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased, joinedload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Match,
    MatchState,
    Organisation,
    Provider,
    ProviderReview,
    ReviewBasis,
    ReviewGround,
    ReviewState,
    User,
)
from marketplace.models.providers import RATING_MAX, RATING_MIN
from marketplace.services import mailer, organisations, rights, throttle, tokens
from marketplace.services.errors import (
    AlreadyDecided,
    FieldError,
    NotAllowed,
    NotFound,
    TokenExpired,
)
from marketplace.services.paging import Page, page_of
from marketplace.services.work import Work, unit_of_work

PER_PAGE, QUEUE_PAGE = 10, 20
TEXT_MIN, TEXT_MAX, REPLY_MAX, FACTS_MAX = 30, 1500, 1500, 2000
# A provider has this long to answer a review.
REPLY_MAX_AGE = 180 * tokens.DAY
REPLY_PURPOSE = "provider-reply"
REVIEWS_PER_DAY = 10
TWICE = "Votre structure vient de donner un avis : rechargez la page."
SHOWN = (joinedload(ProviderReview.organisation).joinedload(Organisation.commune),)


@dataclass(frozen=True, slots=True)
class Writer:
    """A structure that may review: on what ground, and what it wrote before."""

    organisation: Organisation
    basis: ReviewBasis
    review: ProviderReview | None


@dataclass(frozen=True, slots=True)
class Desk:
    """A review as its moderator reads it. `is_own`: of a structure they speak for; somebody else decides."""

    review: ProviderReview
    version: str
    is_own: bool


def published(provider_id: int, *, page: int) -> Page[ProviderReview]:
    """Return a page of the reviews that anybody may read, the newest first."""
    query = select(ProviderReview).where(
        ProviderReview.provider_id == provider_id, ProviderReview.state == ReviewState.PUBLISHED
    )
    newest = query.order_by(ProviderReview.submitted_at.desc(), ProviderReview.id.desc())
    return page_of(newest.options(*SHOWN), number=page, size=PER_PAGE)


def writers(provider_id: int, *, by: User) -> list[Writer]:
    """Return the structures that the person may review for. Raises NotFound."""
    provider = _standing(provider_id)
    mine = [one for one in organisations.published_for(by) if not _is_same_firm(one, provider)]
    query = select(ProviderReview).where(
        ProviderReview.provider_id == provider_id,
        ProviderReview.organisation_id.in_([organisation.id for organisation in mine]),
    )
    written = {review.organisation_id: review for review in db.session.scalars(query)}
    return [
        Writer(organisation, _basis(organisation, provider), written.get(organisation.id))
        for organisation in mine
    ]


def submit(
    provider_id: int, organisation_id: int, *, by: User, rating: int, text: str, in_good_faith: bool
) -> ProviderReview:
    """Write or rewrite a structure's review; a moderator reads it before anybody else.

    Raises NotFound, NotAllowed (suspended, or the provider itself), FieldError, TooManyAttempts.
    """
    organisation = rights.require_speaker(by, organisation_id)
    _require_review(rating, text, in_good_faith)
    throttle.count_attempt(f"provider-review:{by.id}", limit=REVIEWS_PER_DAY, seconds=tokens.DAY)
    try:
        with unit_of_work() as work:
            provider = _standing(provider_id)
            if _is_same_firm(organisation, provider):
                raise NotAllowed("a provider does not review itself")
            review = _written(work, provider, organisation)
            review.author_id, review.rating, review.text = by.id, rating, text
            review.basis = _basis(organisation, provider)
            review.territory_siren = work.session.get_one(Commune, provider.commune_insee).territory_siren
            _wait(review)
            work.add(review)
            work.audit(
                "provider_review.submitted", review, by=by, territory=review.territory_siren,
                after={"rating": rating},
            )  # fmt: skip
    except IntegrityError as error:  # two people of one structure at once
        raise FieldError(
            "organisation", "Votre structure vient de donner un avis : rechargez la page."
        ) from error
    return review


def queue(*, by: User, page: int) -> Page[ProviderReview]:
    """Return what waits for the person, reviews and replies, the oldest first. Raises NotAllowed."""
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    waiting = or_(
        ProviderReview.state == ReviewState.PENDING,
        and_(
            ProviderReview.state == ReviewState.PUBLISHED,
            ProviderReview.reply_state == ReviewState.PENDING,
        ),
    )
    own = ProviderReview.organisation_id.in_(rights.organisation_ids(by))
    query = _loaded().where(rights.moderated_in(ProviderReview.territory_siren, by), waiting, ~own)
    oldest = query.order_by(ProviderReview.submitted_at, ProviderReview.id)
    return page_of(oldest, number=page, size=QUEUE_PAGE)


def desk(review_id: int, *, by: User) -> Desk:
    """Return a review with what its moderator needs. Raises NotFound outside their territories."""
    review = db.session.scalar(
        _loaded().where(ProviderReview.id == review_id).execution_options(populate_existing=True)
    )
    if review is None or not rights.moderates(by, review.territory_siren):
        raise NotFound(f"review {review_id}")
    return Desk(review, version_of(review), rights.speaks_for(by, review.organisation_id))


def decide(
    review_id: int,
    *,
    accept: bool,
    by: User,
    version: str,
    ground: ReviewGround | None = None,
    facts: str = "",
) -> ProviderReview:
    """Publish a review, or refuse it and tell its author why; one that is online can be refused too.

    Raises NotFound, NotAllowed on one's own, AlreadyDecided, FieldError (ground, facts, version).
    """
    with unit_of_work() as work:
        review = _lock(work, review_id, by=by, version=version)
        before = review.state
        if before is ReviewState.REFUSED or (accept and before is ReviewState.PUBLISHED):
            raise AlreadyDecided(before)
        if not accept:
            _require_reasons(ground, facts)
        review.state = ReviewState.PUBLISHED if accept else ReviewState.REFUSED
        review.ground, review.facts = (None, "") if accept else (ground, facts)
        review.decided_at, review.decided_by_id = clock.now(), by.id
        work.audit(
            f"provider_review.{review.state}", review, by=by, territory=review.territory_siren,
            before={"state": before}, after={"state": review.state},
            reason=f"{ground}: {facts}" if ground and not accept else "",
        )  # fmt: skip
        _tell_author(work, review)
        if accept:
            _tell_provider(work, review)
    return review


def decide_reply(review_id: int, *, accept: bool, by: User, version: str, facts: str = "") -> ProviderReview:
    """Publish a provider's reply, or refuse it and tell the provider why. Raises as decide()."""
    with unit_of_work() as work:
        review = _lock(work, review_id, by=by, version=version)
        if review.reply_state is not ReviewState.PENDING:
            raise AlreadyDecided(review.reply_state or "none")
        if not accept and not facts.strip():
            raise FieldError("facts", "Dites ce que vous avez constaté : le prestataire le recevra.")
        review.reply_state = ReviewState.PUBLISHED if accept else ReviewState.REFUSED
        work.audit(
            f"provider_reply.{review.reply_state}", review, by=by, territory=review.territory_siren,
            reason=facts,
        )  # fmt: skip
        if not accept:
            _mail_provider(work, "provider_reply_refused", review, facts=facts)
    return review


def reply_for(review_id: int, text: str, *, by: User) -> ProviderReview:
    """Publish a reply that reached the administrator by other ways. Raises NotFound, FieldError."""
    rights.require_administrator(by)
    with unit_of_work() as work:
        review = work.lock(ProviderReview, review_id)
        _set_reply(review, text, ReviewState.PUBLISHED)
        work.audit("provider_reply.entered", review, by=by, territory=review.territory_siren)
    return review


def reply_token(review: ProviderReview) -> str:
    """Return what the mailed link carries; a review that is written anew has another."""
    return tokens.sign(REPLY_PURPOSE, review.id, _mark(review))


def read_reply(token: str) -> ProviderReview:
    """Return the published review that the link answers. Raises TokenExpired."""
    review_id, mark = tokens.read(REPLY_PURPOSE, token, max_age=REPLY_MAX_AGE)
    review = db.session.scalar(
        _loaded().where(ProviderReview.id == int(review_id)).execution_options(populate_existing=True)
    )
    if review is None or _mark(review) != mark or not _may_reply(review):
        raise TokenExpired(REPLY_PURPOSE)
    return review


def reply(token: str, text: str) -> ProviderReview:
    """Keep the provider's reply until a moderator has read it. Raises TokenExpired, FieldError."""
    with unit_of_work() as work:
        review = work.lock(ProviderReview, read_reply(token).id)
        if not _may_reply(review):
            raise TokenExpired(REPLY_PURPOSE)
        _set_reply(review, text, ReviewState.PENDING)
        work.audit("provider_reply.submitted", review, by=None, territory=review.territory_siren)
    return review


def version_of(review: ProviderReview) -> str:
    """Return a mark of all that a moderator reads: the review, and the reply that waits."""
    return _mark(review, review.reply if review.reply_state is ReviewState.PENDING else "")


def _loaded() -> Select[ProviderReview]:
    return select(ProviderReview).options(
        *SHOWN,
        joinedload(ProviderReview.provider).joinedload(Provider.commune),
        joinedload(ProviderReview.author),
    )


def _mark(review: ProviderReview, reply: str = "") -> str:
    told = (review.rating, review.text, review.submitted_at.isoformat(), reply)
    return hashlib.sha256("\x1f".join(map(str, told)).encode()).hexdigest()[:16]


def _standing(provider_id: int) -> Provider:
    provider = db.session.get(Provider, provider_id)
    if provider is None or provider.retired_at is not None:
        raise NotFound(f"provider {provider_id}")
    return provider


def _is_same_firm(organisation: Organisation, provider: Provider) -> bool:
    return provider.siren is not None and organisation.siret.startswith(provider.siren)


def _basis(organisation: Organisation, provider: Provider) -> ReviewBasis:
    """An exchange is what the site itself knows of: completed, with a structure of the provider's firm."""
    if provider.siren is None:
        return ReviewBasis.SERVICE
    theirs = aliased(Organisation)
    both: ColumnElement[bool] = or_(
        and_(Match.need_organisation_id == organisation.id, Match.offer_organisation_id == theirs.id),
        and_(Match.offer_organisation_id == organisation.id, Match.need_organisation_id == theirs.id),
    )
    done = exists().where(both, Match.state == MatchState.COMPLETED, theirs.siret.startswith(provider.siren))
    return ReviewBasis.EXCHANGE if db.session.scalar(select(done)) else ReviewBasis.SERVICE


def _written(work: Work, provider: Provider, organisation: Organisation) -> ProviderReview:
    query = select(ProviderReview).where(
        ProviderReview.provider_id == provider.id, ProviderReview.organisation_id == organisation.id
    )
    found = work.session.scalar(query.with_for_update())
    return found or ProviderReview(provider_id=provider.id, organisation_id=organisation.id)


def _wait(review: ProviderReview) -> None:
    """A review that is written anew waits again, and the reply to the old one is of no use."""
    review.state, review.submitted_at = ReviewState.PENDING, clock.now()
    review.ground, review.facts = None, ""
    review.decided_at = review.decided_by_id = None
    review.reply, review.reply_state, review.replied_at = "", None, None


def _require_review(rating: int, text: str, in_good_faith: bool) -> None:
    if not RATING_MIN <= rating <= RATING_MAX:
        raise FieldError("rating", f"Choisissez une note de {RATING_MIN} à {RATING_MAX}.")
    if not TEXT_MIN <= len(text.strip()) <= TEXT_MAX:
        raise FieldError("text", f"Écrivez de {TEXT_MIN} à {TEXT_MAX} caractères.")
    if not in_good_faith:
        raise FieldError("in_good_faith", "Cochez cette case pour que votre avis puisse être relu.")


def _require_reasons(ground: ReviewGround | None, facts: str) -> None:
    if ground is None:
        raise FieldError("ground", "Dites quelle règle n’est pas respectée.")
    if not facts.strip():
        raise FieldError("facts", "Dites ce que vous avez constaté : l’auteur le recevra.")


def _lock(work: Work, review_id: int, *, by: User, version: str) -> ProviderReview:
    review = work.lock(ProviderReview, review_id)
    if not rights.moderates(by, review.territory_siren):
        raise NotFound(f"review {review_id}")
    rights.require_confirmed(by)
    if rights.speaks_for(by, review.organisation_id):
        raise NotAllowed("a review of one's own structure")
    if version != version_of(review):
        raise FieldError("version", "Le texte a changé pendant votre lecture : relisez-le avant de décider.")
    return review


def _may_reply(review: ProviderReview) -> bool:
    return review.state is ReviewState.PUBLISHED and review.reply_state is not ReviewState.PUBLISHED


def _set_reply(review: ProviderReview, text: str, state: ReviewState) -> None:
    if not 0 < len(text.strip()) <= REPLY_MAX:
        raise FieldError("reply", f"Écrivez {REPLY_MAX} caractères au plus.")
    review.reply, review.reply_state, review.replied_at = text.strip(), state, clock.now()


def _tell_author(work: Work, review: ProviderReview) -> None:
    people: Sequence[User] = organisations.speakers(review.organisation_id)
    provider = work.session.get_one(Provider, review.provider_id)
    work.mail("provider_review_decided", to=people, review=review, provider=provider)


def _tell_provider(work: Work, review: ProviderReview) -> None:
    _mail_provider(work, "provider_review_published", review, token=reply_token(review))


def _mail_provider(
    work: Work, template: str, review: ProviderReview, *, token: str = "", facts: str = ""
) -> None:
    provider = work.session.get_one(Provider, review.provider_id)
    if provider.email:
        message = mailer.compose(
            template, to=provider.email, review=review, provider=provider, token=token, facts=facts
        )
        work.session.add(message)
