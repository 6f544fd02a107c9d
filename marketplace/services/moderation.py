"""Decisions on listings and structures, each with its statement of reasons: see services.statements.

Nobody decides on what belongs to a structure they speak for: another moderator of the territory does, or the
national administrator. What may become of a listing by a decision stands in MOVES. The queue: services.desk.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    DecisionAction,
    DecisionGround,
    Listing,
    ListingState,
    ModerationDecision,
    Organisation,
    ReportCase,
    User,
)
from marketplace.models.moderation import FAVOURABLE
from marketplace.services import (
    appeal_links,
    listings,
    matches,
    report_cases,
    restored_matches,
    rights,
    statements,
)
from marketplace.services.errors import AlreadyDecided, FieldError, InvalidTransition, NotAllowed, NotFound
from marketplace.services.organisations import speakers
from marketplace.services.statements import Reasons, Statement
from marketplace.services.work import Work, unit_of_work

HISTORY_MAX = 50
# More than a page of the queue holds.
AT_ONCE_MAX = 50
CHANGED_MEANWHILE = "Le texte a changé pendant votre lecture : relisez-le avant de décider."

_A, _S = DecisionAction, ListingState
# What a decision does to a listing: from these states, to that one.
MOVES: Mapping[DecisionAction, tuple[frozenset[ListingState], ListingState]] = {
    _A.APPROVE: (frozenset({_S.PENDING}), _S.PUBLISHED),
    _A.REQUEST_CHANGES: (frozenset({_S.PENDING}), _S.CHANGES_REQUESTED),
    _A.REJECT: (frozenset({_S.PENDING}), _S.REJECTED),
    _A.REMOVE: (frozenset({_S.PUBLISHED, _S.PAUSED}), _S.REMOVED),
}
# States that only a decision brings, or that a decision on a waiting listing brings.
_DECIDED = frozenset({_S.PUBLISHED, _S.CHANGES_REQUESTED, _S.REJECTED, _S.REMOVED})


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of several listings: how many were decided, and why the others were not.

    `already`: how many somebody else had decided, by their name; `changed`: whose text is not the one that
    was read; `gone`: that their author took back.
    """

    done: int
    already: Mapping[str, int]
    changed: int
    gone: int


def decide(
    listing_id: int,
    action: DecisionAction,
    *,
    by: User,
    version: str,
    ground: DecisionGround | None = None,
    facts: str = "",
    explanation: str = "",
) -> ModerationDecision:
    """Decide on a listing and tell its author why; an adverse decision states its reasons (Reasons).

    `version`: of the text that was read (version_of). An open case of reports on it is closed with it.
    Raises NotFound outside one's territories, NotAllowed on a listing of one's own structure, AlreadyDecided,
    InvalidTransition (its author took it back), FieldError(what Reasons.require() misses, "version": the text
    has changed meanwhile).
    """
    with unit_of_work() as work:
        listing = matches.lock_with_counterparts(work, listing_id)
        require_decider(by, listing)
        _require_decidable(listing, action)
        if version != version_of(listing):
            raise FieldError("version", CHANGED_MEANWHILE)
        reasons = Reasons(ground, facts, explanation, follows_notice=_is_reported(listing))
        before = listing.state
        decision = _record(work, listing, action, by=by, reasons=reasons)
        _apply(work, listing, action, by=by)
        work.audit(
            f"listing.{MOVES[action][1]}",
            listing,
            by=by,
            territory=listing.territory_siren,
            before={"state": before},
            after={"state": listing.state, "decision": decision.id},
            reason=_in_short(decision),
        )
        _tell_author(work, listing, decision)
        report_cases.settle(work, decision, by=by)
    return decision


def decide_many(
    versions: Mapping[int, str], action: DecisionAction, *, by: User, reasons: Reasons | None = None
) -> Summary:
    """Decide the same on several listings (id → version read), each in its own transaction.

    Raises NotFound, and decides nothing, unless the person may see all; NotAllowed for one of their own
    structure; FieldError as decide() does for the reasons, or "listings" when there are none or too many.
    """
    require_some(versions, by=by)
    told = reasons or Reasons()
    if action not in FAVOURABLE:
        told.require()
    already: Counter[str] = Counter()
    done = changed = gone = 0
    for listing_id, version in sorted(versions.items()):
        try:
            decide(
                listing_id,
                action,
                by=by,
                version=version,
                ground=told.ground,
                facts=told.facts,
                explanation=told.explanation,
            )
            done += 1
        except AlreadyDecided as error:
            already[error.by] += 1
        except FieldError:
            changed += 1
        except InvalidTransition:
            gone += 1
    return Summary(done, already, changed, gone)


def preview(
    listing_id: int, action: DecisionAction, *, by: User, version: str, reasons: Reasons
) -> Statement:
    """Return the statement that decide() would send now. Raises what it would raise; writes nothing."""
    listing = db.session.get(Listing, listing_id)
    if listing is None:
        raise NotFound(f"listing {listing_id}")
    require_decider(by, listing)
    _require_decidable(listing, action)
    if version != version_of(listing):
        raise FieldError("version", CHANGED_MEANWHILE)
    reasons.require()
    return statements.on_listing(listing, action, replace(reasons, follows_notice=_is_reported(listing)))


def suspend(
    organisation_id: int,
    *,
    by: User,
    ground: DecisionGround | None,
    facts: str,
    explanation: str = "",
    follows_notice: bool = False,
) -> ModerationDecision:
    """Suspend a structure: its listings leave every list and round, and its proposals are cancelled.

    `follows_notice`: also where the report was about something else of the structure. Raises NotFound outside
    one's territories, NotAllowed on one's own structure, AlreadyDecided, FieldError (Reasons.require).
    """
    with unit_of_work() as work:
        require_decider_on_structure(by, organisation_id)
        own = matches.lock_all_of(work, organisation_id)
        organisation = work.lock(Organisation, organisation_id)
        _require_active(organisation)
        reasons = Reasons(
            ground, facts, explanation, follows_notice or _is_case_open(organisation_id=organisation_id)
        )
        reasons.require()
        decision = work.add(
            ModerationDecision(
                organisation_id=organisation_id,
                territory_siren=territory_of(organisation),
                moderator_id=by.id,
                action=_A.SUSPEND,
                ground=reasons.ground,
                facts=reasons.facts,
                explanation=reasons.explanation,
                follows_notice=reasons.follows_notice,
                statement=statements.on_organisation(organisation, reasons).to_text(),
                snapshot={
                    "name": organisation.name,
                    "siret": organisation.siret,
                    "cancelled": restored_matches.open_ids(own),
                },
            )
        )
        organisation.suspended_at = clock.now()
        for listing in own:
            matches.cancel_open_of(work, listing, by=by)
        work.audit(
            "organisation.suspended",
            organisation,
            by=by,
            territory=decision.territory_siren,
            before={"suspended": False},
            after={"suspended": True, "decision": decision.id},
            reason=_in_short(decision),
        )
        work.mail(
            "organisation_suspended",
            to=speakers(organisation_id),
            organisation=organisation,
            decision=decision,
            appeal_token=appeal_links.for_decision(decision),
        )
        report_cases.settle(work, decision, by=by)
    return decision


def preview_suspension(organisation_id: int, *, by: User, reasons: Reasons) -> Statement:
    """Return the statement that suspend() would send now. Raises what it would raise; writes nothing."""
    organisation = require_decider_on_structure(by, organisation_id)
    _require_active(organisation)
    reasons.require()
    reported = _is_case_open(organisation_id=organisation_id)
    return statements.on_organisation(organisation, replace(reasons, follows_notice=reported))


def restore(decision_id: int, *, by: User, reason: str) -> ModerationDecision:
    """Take an adverse decision back: the listing is online, or the structure active, as if it never was.

    Proposals that the decision had cancelled are made again where both listings still have room. Raises
    NotFound outside one's territories, NotAllowed on one's own structure, AlreadyDecided (taken back before),
    InvalidTransition (something else became of it since), FieldError("reason").
    """
    if not reason.strip():
        raise FieldError("reason", "Dites pourquoi vous revenez sur cette décision.")
    with unit_of_work() as work:
        decision = work.session.get(ModerationDecision, decision_id)
        if decision is None or not decision.is_adverse:
            raise NotFound(f"decision {decision_id}")
        if decision.organisation_id is not None:
            return _restore_structure(work, decision, by=by, reason=reason)
        return _restore_listing(work, decision, by=by, reason=reason)


def version_of(listing: Listing) -> str:
    """Return a mark of the text that a moderator reads and of what it is classed under."""
    told = "\x1f".join(str(value) for value in snapshot(listing).values())
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def snapshot(listing: Listing) -> dict[str, Any]:
    """Return the text as it stands, and what it is classed under."""
    names = ("kind", "title", "description", "skill_id", "level", "places", "radius_km")
    return {name: getattr(listing, name) for name in names}


def history(*, listing_id: int | None = None, organisation_id: int | None = None) -> list[ModerationDecision]:
    """Return the last decisions on a listing, or on a structure itself, the newest first."""
    about = (
        ModerationDecision.listing_id == listing_id
        if listing_id is not None
        else ModerationDecision.organisation_id == organisation_id
    )
    query = (
        select(ModerationDecision)
        .where(about)
        .order_by(ModerationDecision.id.desc())
        .limit(HISTORY_MAX)
        .options(joinedload(ModerationDecision.moderator))
    )
    return list(db.session.scalars(query))


def to_take_back(past: Sequence[ModerationDecision], state: ListingState) -> ModerationDecision | None:
    """Return the decision that keeps a listing of this state offline, if any; `past`: history()."""
    reversed_ids = {decision.reverses_id for decision in past}
    return next(
        (
            decision
            for decision in past
            if decision.is_adverse and decision.id not in reversed_ids and MOVES[decision.action][1] is state
        ),
        None,
    )


def territory_of(organisation: Organisation) -> str | None:
    """Return the SIREN of the territory that a structure belongs to."""
    return db.session.get_one(Commune, organisation.commune_insee).territory_siren


def require_decider(by: User, listing: Listing) -> None:
    """Raise NotFound outside one's territories, NotAllowed on a listing of one's own structure."""
    if listing.state is ListingState.DRAFT:
        raise NotFound(f"listing {listing.id}")
    rights.require_moderator(by, listing)
    rights.require_confirmed(by)
    if rights.speaks_for(by, listing.organisation_id):
        raise NotAllowed("a listing of one's own structure")


def require_decider_on_structure(by: User, organisation_id: int) -> Organisation:
    """Return the structure. Raises NotFound outside one's territories, NotAllowed on one's own."""
    organisation = db.session.get(Organisation, organisation_id)
    if organisation is None or not rights.moderates(by, territory_of(organisation)):
        raise NotFound(f"organisation {organisation_id}")
    rights.require_confirmed(by)
    if rights.speaks_for(by, organisation_id):
        raise NotAllowed("one's own structure")
    return organisation


def require_some(ids: Collection[int], *, by: User) -> None:
    """Raise NotFound unless the person may see all, NotAllowed for their own, FieldError("listings")."""
    if not ids:
        raise FieldError("listings", "Cochez au moins une annonce.")
    if len(ids) > AT_ONCE_MAX:
        raise FieldError("listings", f"{AT_ONCE_MAX} annonces à la fois, au plus.")
    found = list(db.session.scalars(select(Listing).where(Listing.id.in_(ids))))
    if len(found) != len(ids):
        raise NotFound("one of the listings")
    for listing in found:
        require_decider(by, listing)


def find(decision_id: int, *, by: User) -> ModerationDecision:
    """Return a decision with its subject loaded. Raises NotFound outside the person's territories."""
    query = select(ModerationDecision).where(ModerationDecision.id == decision_id)
    query = query.options(joinedload(ModerationDecision.listing), joinedload(ModerationDecision.organisation))
    decision = db.session.scalar(query)
    if decision is None or not decision.is_adverse or not rights.moderates(by, decision.territory_siren):
        raise NotFound(f"decision {decision_id}")
    return decision


def _require_decidable(listing: Listing, action: DecisionAction) -> None:
    if action not in MOVES:
        raise InvalidTransition(f"listing {listing.id}", listing.state, action)
    sources, target = MOVES[action]
    if listing.state in sources:
        return
    if listing.state in _DECIDED:
        raise _decided(listing.state, ModerationDecision.listing_id == listing.id)
    raise InvalidTransition(f"listing {listing.id}", listing.state, target)


def _require_active(organisation: Organisation) -> None:
    if organisation.suspended_at is not None:
        raise _decided("suspended", ModerationDecision.organisation_id == organisation.id)


def _decided(state: str, about: ColumnElement[bool]) -> AlreadyDecided:
    """Return the refusal that tells who decided what, and when."""
    last = db.session.execute(
        select(ModerationDecision.action, ModerationDecision.decided_at, User.name)
        .outerjoin(User, User.id == ModerationDecision.moderator_id)
        .where(about)
        .order_by(ModerationDecision.id.desc())
        .limit(1)
    ).first()
    if last is None:
        return AlreadyDecided(state)
    return AlreadyDecided(state, action=last.action, at=last.decided_at, by=last.name or "")


def _is_reported(listing: Listing) -> bool:
    return _is_case_open(listing_id=listing.id)


def _is_case_open(**about: int) -> bool:
    query = select(exists().where(ReportCase.closed_at.is_(None)).where(*_equals(about)))
    return bool(db.session.scalar(query))


def _equals(about: Mapping[str, int]) -> list[ColumnElement[bool]]:
    return [getattr(ReportCase, name) == value for name, value in about.items()]


def _record(
    work: Work, listing: Listing, action: DecisionAction, *, by: User, reasons: Reasons
) -> ModerationDecision:
    adverse = action not in FAVOURABLE
    if adverse:
        reasons.require()
    else:
        reasons = Reasons()
    return work.add(
        ModerationDecision(
            listing_id=listing.id,
            territory_siren=listing.territory_siren,
            moderator_id=by.id,
            action=action,
            ground=reasons.ground,
            facts=reasons.facts,
            explanation=reasons.explanation,
            follows_notice=reasons.follows_notice,
            statement=statements.on_listing(listing, action, reasons).to_text() if adverse else "",
            automated_flags=list(listing.flags),
            snapshot=snapshot(listing)
            | {"cancelled": restored_matches.open_ids([listing]) if adverse else []},
        )
    )


def _apply(work: Work, listing: Listing, action: DecisionAction, *, by: User) -> None:
    if action is DecisionAction.APPROVE:
        listings.go_live(listing)
        return
    listing.transition(MOVES[action][1])
    if action in (DecisionAction.REJECT, DecisionAction.REMOVE):
        matches.cancel_open_of(work, listing, by=by)


def _tell_author(work: Work, listing: Listing, decision: ModerationDecision) -> None:
    people = listings.contacts(listing)
    if decision.is_adverse:
        token = appeal_links.for_decision(decision)
        work.mail("listing_decided", to=people, listing=listing, decision=decision, appeal_token=token)
    else:
        work.mail("listing_published", to=people, listing=listing)


def _restore_listing(
    work: Work, decision: ModerationDecision, *, by: User, reason: str
) -> ModerationDecision:
    listing_id, cancelled = decision.listing_id or 0, decision.snapshot.get("cancelled", [])
    listing = restored_matches.lock_with_pairs(work, [listing_id], cancelled)[listing_id]
    require_decider(by, listing)
    _require_not_taken_back(decision)
    before = listing.state
    if before is not MOVES[decision.action][1]:
        raise InvalidTransition(f"listing {listing.id}", before, ListingState.PUBLISHED)
    listings.go_live(listing)
    taken_back = work.add(
        ModerationDecision(
            listing_id=listing.id,
            territory_siren=listing.territory_siren,
            moderator_id=by.id,
            action=_A.RESTORE,
            facts=reason,
            reverses_id=decision.id,
            snapshot=snapshot(listing),
        )
    )
    again = restored_matches.propose_again(work, cancelled)
    work.audit(
        "listing.restored",
        listing,
        by=by,
        territory=listing.territory_siren,
        before={"state": before},
        after={"state": listing.state, "decision": taken_back.id, "reverses": decision.id, "matches": again},
        reason=reason,
    )
    work.mail("listing_restored", to=listings.contacts(listing), listing=listing, reason=reason)
    return taken_back


def _restore_structure(
    work: Work, decision: ModerationDecision, *, by: User, reason: str
) -> ModerationDecision:
    organisation_id = decision.organisation_id or 0
    require_decider_on_structure(by, organisation_id)
    cancelled = decision.snapshot.get("cancelled", [])
    restored_matches.lock_with_pairs(work, [], cancelled)
    organisation = work.lock(Organisation, organisation_id)
    _require_not_taken_back(decision)
    organisation.suspended_at = None
    taken_back = work.add(
        ModerationDecision(
            organisation_id=organisation_id,
            territory_siren=territory_of(organisation),
            moderator_id=by.id,
            action=_A.RESTORE,
            facts=reason,
            reverses_id=decision.id,
            snapshot={"name": organisation.name, "siret": organisation.siret},
        )
    )
    again = restored_matches.propose_again(work, cancelled)
    work.audit(
        "organisation.restored",
        organisation,
        by=by,
        territory=taken_back.territory_siren,
        before={"suspended": True},
        after={"suspended": False, "decision": taken_back.id, "reverses": decision.id, "matches": again},
        reason=reason,
    )
    work.mail("organisation_restored", to=speakers(organisation_id), organisation=organisation, reason=reason)
    return taken_back


def _require_not_taken_back(decision: ModerationDecision) -> None:
    """Under the subject's lock, so that who comes second sees what the first has written."""
    if db.session.scalar(select(exists().where(ModerationDecision.reverses_id == decision.id))):
        raise _decided("restored", ModerationDecision.reverses_id == decision.id)


def _in_short(decision: ModerationDecision) -> str:
    return f"{decision.ground}: {decision.facts}" if decision.ground else ""
