"""The demonstration providers: invented, in files of the published columns, brought in as real ones are."""

from collections.abc import Iterable

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Membership, Organisation, Provider, ProviderList, ProviderReview, User
from marketplace.services import (
    accounts,
    demo,
    places,
    provider_import,
    provider_lists,
    provider_reviews,
    providers,
    rights,
)
from marketplace.services.provider_import import ImportReport, OnProgress
from marketplace.services.providers import Filters

SOURCES = ("activateurs", "expertcyber", "qualiopi")
RENNES = "35238"
REVIEWS = (
    (
        5,
        "Deux matinées sur place, sans un mot de trop. Nous vendons en ligne depuis la rentrée.",
    ),
    (4, "Bon diagnostic, et un compte rendu que toute l’équipe a compris. Un peu long à obtenir."),
    (4, "On nous a montré plutôt que vendu. Nous aurions aimé une demi-journée de plus."),
)
WAITING = (3, "Sérieux, mais le rendez-vous a été déplacé deux fois avant que nous puissions commencer.")
REPLY = "Merci à toute l’équipe. La boutique tourne grâce à vous : nous n’avons fait que montrer le chemin."


def load(on_progress: OnProgress | None = None) -> list[ImportReport]:
    """Bring in the lists that the site does not hold yet, for those it holds may be the real ones.

    With the first, firms of the demonstration market say what they think of a provider near Rennes.
    """
    missing = [source for source in SOURCES if db.session.get(ProviderList, source) is None]
    reports = [
        provider_import.run(
            provider_lists.of_source(source),
            provider_lists.FOLDER / "demo" / f"{source}.csv",
            on_progress=on_progress,
        )
        for source in missing
    ]
    if missing == list(SOURCES):
        _review()
    return reports


def _review() -> None:
    """Let firms write, and the administrator publish all but one: unless that role sleeps."""
    nearest = providers.search(Filters(near=places.get(RENNES), radius_km=20), size=1).page.items
    administrator = accounts.by_email(demo.ADMINISTRATOR.email)
    if not nearest or administrator is None or not rights.is_administrator(administrator):
        return
    provider, writers = nearest[0].provider, iter(_writers())
    written = [_write(provider, said, writer) for said, writer in zip(REVIEWS, writers, strict=False)]
    for review in written:
        version = provider_reviews.version_of(review)
        provider_reviews.decide(review.id, accept=True, by=administrator, version=version)
    for review in written[:1]:
        provider_reviews.reply_for(review.id, REPLY, by=administrator)
    for writer in writers:
        _write(provider, WAITING, writer)


def _writers() -> Iterable[tuple[User, int]]:
    """Return a person and a structure for each review; none of the published logins."""
    known = [login.email for login in demo.LOGINS]
    query = (
        select(User, Membership.organisation_id)
        .join(Membership, Membership.user_id == User.id)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .where(Organisation.is_demonstration, User.email.not_in(known))
        .order_by(Membership.id)
        .limit(len(REVIEWS) + 1)
    )
    return [(user, key) for user, key in db.session.execute(query)]


def _write(provider: Provider, said: tuple[int, str], writer: tuple[User, int]) -> ProviderReview:
    (rating, text), (user, organisation_id) = said, writer
    return provider_reviews.submit(
        provider.id, organisation_id, by=user, rating=rating, text=text, in_good_faith=True
    )
