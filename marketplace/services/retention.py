"""How long data are kept: one table, which the page about personal data shows and the purge applies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, or_, select, update

from marketplace import clock
from marketplace.models import (
    JobRun,
    Listing,
    ListingState,
    Match,
    Provider,
    Report,
    ReportCase,
    TerritoryInvitation,
    User,
)
from marketplace.services import drafts, integration, outbox, saved_searches, throttle
from marketplace.services.listings import OVER
from marketplace.services.tokens import DAY
from marketplace.services.work import Work, unit_of_work

UNCONFIRMED = timedelta(days=30)
CLOSED = timedelta(days=365)
ERASED_TITLE = "Annonce effacée"
# RFC 2606: an address there reaches nobody.
NOBODY = "efface.invalid"
# Rows of one transaction, so that nobody waits long for a lock.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Rule:
    """`data`, `since`: what is erased, and from when its time counts, in French. `forget` tells how many."""

    name: str
    data: str
    since: str
    kept: timedelta
    forget: Callable[[], int]


def purge() -> dict[str, int]:
    """Erase what has been kept long enough. Returns how many rows by rule; the audit log is told."""
    done = {rule.name: rule.forget() for rule in RULES}
    erased = {name: count for name, count in done.items() if count}
    if erased:
        with unit_of_work() as work:
            job = work.session.get(JobRun, JOB)
            if job is None:
                job = work.add(JobRun(name=JOB, last_run_at=clock.now()))
            work.audit("data.purged", job, by=None, after=erased)
    return done


def run() -> int:
    """Purge, as a job. Returns how many rows in all."""
    return sum(purge().values())


def _unconfirmed_accounts() -> int:
    since = clock.now() - UNCONFIRMED
    never = User.email_confirmed_at.is_(None), User.created_at < since, ~User.is_admin
    return _in_batches(select(User.id).where(*never), _delete_users)


def _delete_users(work: Work, ids: Sequence[int]) -> None:
    work.session.execute(delete(User).where(User.id.in_(ids)).execution_options(synchronize_session=False))


def _texts_of_closed_listings() -> int:
    since = clock.now() - CLOSED
    over = or_(
        and_(Listing.state == ListingState.EXPIRED, Listing.expires_at < since),
        and_(Listing.state.in_(set(OVER) - {ListingState.EXPIRED}), Listing.updated_at < since),
    )
    return _in_batches(select(Listing.id).where(over, Listing.description != ""), _erase_texts)


def _erase_texts(work: Work, ids: Sequence[int]) -> None:
    rows = select(Listing).where(Listing.id.in_(ids)).order_by(Listing.id).with_for_update(key_share=True)
    for listing in work.session.scalars(rows):
        listing.title, listing.description = ERASED_TITLE, ""
        if listing.state is ListingState.EXPIRED:  # renewed, it would show an empty text
            listing.transition(ListingState.WITHDRAWN)


def _messages_of_closed_matches() -> int:
    written = or_(Match.message != "", Match.close_comment != "")
    return _in_batches(
        select(Match.id).where(Match.closed_at < clock.now() - CLOSED, written), _erase_messages
    )


def _erase_messages(work: Work, ids: Sequence[int]) -> None:
    work.session.execute(
        update(Match)
        .where(Match.id.in_(ids))
        .values(message="", close_comment="")
        .execution_options(synchronize_session=False)
    )


def _reporters() -> int:
    closed = select(ReportCase.id).where(ReportCase.closed_at < clock.now() - CLOSED)
    named = Report.case_id.in_(closed), Report.name != ""
    return _in_batches(select(Report.id).where(*named), erase_reporters)


def erase_reporters(work: Work, ids: Sequence[int]) -> None:
    """Take name and address off these reports."""
    for report in work.session.scalars(select(Report).where(Report.id.in_(ids)).with_for_update()):
        # A case has one report of each address: no two may become the same.
        report.name, report.email = "", f"{report.id}@{NOBODY}"


def _retired_providers() -> int:
    return _in_batches(
        select(Provider.id).where(Provider.retired_at < clock.now() - CLOSED), _delete_providers
    )


def _delete_providers(work: Work, ids: Sequence[int]) -> None:
    work.session.execute(
        delete(Provider).where(Provider.id.in_(ids)).execution_options(synchronize_session=False)
    )


def _invitations() -> int:
    old = TerritoryInvitation.sent_at < clock.now() - UNCONFIRMED
    return _in_batches(select(TerritoryInvitation.id).where(old), _delete_invitations)


def _delete_invitations(work: Work, ids: Sequence[int]) -> None:
    work.session.execute(
        delete(TerritoryInvitation)
        .where(TerritoryInvitation.id.in_(ids))
        .execution_options(synchronize_session=False)
    )


def _in_batches(due: Select[Any], act: Callable[[Work, Sequence[int]], None]) -> int:
    """Do `act` to what is due, BATCH rows a transaction. Whatever it does takes a row out of `due`."""
    total = 0
    while True:
        with unit_of_work() as work:
            ids = work.session.scalars(due.order_by("id").limit(BATCH)).all()
            act(work, ids)
        total += len(ids)
        if len(ids) < BATCH:
            return total


JOB = "purge"
RULES = (
    Rule("unconfirmed_accounts", "Compte dont l’adresse n’a jamais été confirmée", "son ouverture",
         UNCONFIRMED, _unconfirmed_accounts),
    Rule("listing_texts", "Titre et texte d’une annonce finie (aboutie, arrivée à terme, retirée, refusée)",
         "sa fin", CLOSED, _texts_of_closed_listings),
    Rule("reporters", "Nom et adresse mail de qui a fait un signalement", "la réponse donnée", CLOSED,
         _reporters),
    Rule("invitations", "Invitation à modérer un territoire", "son envoi", UNCONFIRMED, _invitations),
    Rule("providers", "Fiche d’un prestataire sorti des listes publiques, et avis sur lui", "sa sortie",
         CLOSED, _retired_providers),
    Rule("match_messages", "Messages d’une mise en relation terminée", "sa fin", CLOSED,
         _messages_of_closed_matches),
    Rule("drafts", "Texte commencé et pas envoyé", "la dernière frappe", drafts.KEPT, drafts.forget_old),
    Rule("mails", "Mails que le site vous a envoyés", "leur écriture", outbox.KEPT, outbox.forget_old),
    Rule("news", "Annonces déjà signalées par une recherche enregistrée", "le mail",
         saved_searches.NEWS_KEPT, saved_searches.forget_news),
    Rule("attempts", "Nombre d’essais de connexion, par adresse mail et adresse réseau", "l’essai",
         timedelta(seconds=DAY), throttle.forget_old),
    Rule("visits", "Nombre de visites venues d’autres sites, par jour, sans personne", "le jour compté",
         integration.KEPT, integration.forget_old),
)  # fmt: skip
