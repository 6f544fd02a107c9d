"""What the moderator of the demonstration finds at the desk besides listings: reports and appeals."""

from collections.abc import Sequence

from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    DecisionGround,
    Listing,
    ListingKind,
    ListingState,
    Membership,
    Report,
    ReportCategory,
    User,
)
from marketplace.services import appeal_links, appeals, moderation, reports, rights
from marketplace.services.report_cases import SubjectKind
from marketplace.services.reports import Notice, Subject

REPORTS = (
    (
        ReportCategory.COMMERCIAL,
        "Quand j’ai appelé, on m’a parlé d’un forfait à la journée. Ce n’est pas un échange.",
    ),
    (ReportCategory.OFF_TOPIC, "Cela ressemble à une annonce de formation payante, pas à un coup de main."),
    (ReportCategory.PERSONAL_DATA, "Le texte laisse deviner le nom d’une cliente : elle n’a rien demandé."),
    (
        ReportCategory.OTHER,
        "Cette structure a déménagé il y a six mois, on ne la trouve plus à cette adresse.",
    ),
    (ReportCategory.DISRESPECTFUL, "La façon de parler des débutants me paraît blessante."),
)
NO_ACTION = "Le ton est familier, mais il ne vise personne : la charte est respectée."
REMOVED = "Le texte renvoie vers une démonstration réservée aux clients."
BY_REPORTER = (
    "Je ne suis pas d’accord : une personne qui débute et lit cela n’osera jamais demander de l’aide."
)
BY_AUTHOR = (
    "La démonstration est ouverte à tous, clients ou non. Je peux l’écrire plus clairement si vous voulez."
)


def play(territory_siren: str, *, administrator: User) -> None:
    """Let neighbours report, and contest what the administrator decided, so that the moderator answers.

    Inside the unit of work of the demonstration. As far as there are offers to play with; nothing is decided
    while the administrator's role sleeps (rights.lacks_second_factor).
    """
    offers, told = _offers(territory_siren), iter(REPORTS)
    for offer in (*offers[:2], *offers[:1]):  # two people on the first: still one case
        _report(SubjectKind.LISTING, offer.id, next(told))
    for offer in offers[2:3]:
        _report(SubjectKind.ORGANISATION, offer.organisation_id, next(told))
    if not rights.is_administrator(administrator):
        return
    for offer in offers[3:4]:
        _dismiss(_report(SubjectKind.LISTING, offer.id, next(told)), by=administrator)
    for offer in offers[4:5]:
        _remove(offer, by=administrator)


def _offers(territory_siren: str) -> Sequence[Listing]:
    """Return offers of firms without a login: whoever tries one finds its listings as they are told."""
    crowd = select(Membership.organisation_id).group_by(Membership.organisation_id)
    query = (
        select(Listing)
        .where(
            Listing.territory_siren == territory_siren,
            Listing.kind == ListingKind.OFFER,
            Listing.state == ListingState.PUBLISHED,
            Listing.organisation_id.in_(crowd.having(func.count() == 1)),
        )
        .order_by(Listing.id)
        .limit(5)
    )
    return db.session.scalars(query).all()


def _report(kind: SubjectKind, key: int, told: tuple[ReportCategory, str]) -> Report:
    category, explanation = told
    number = REPORTS.index(told) + 1
    notice = Notice(
        category=category,
        explanation=explanation,
        in_good_faith=True,
        name=f"Voisin {number}",
        email=f"voisin-{number}@passage.example",
    )
    return reports.report(Subject(kind, key), notice, by=None, address=f"demonstration-{number}")


def _dismiss(report: Report, *, by: User) -> None:
    reports.dismiss(report.case_id, by=by, reasons=NO_ACTION)
    appeals.file(appeal_links.for_report(report), text=BY_REPORTER, address="demonstration")


def _remove(offer: Listing, *, by: User) -> None:
    decision = moderation.decide(
        offer.id,
        DecisionAction.REMOVE,
        by=by,
        version=moderation.version_of(offer),
        ground=DecisionGround.COMMERCIAL,
        facts=REMOVED,
    )
    appeals.file(appeal_links.for_decision(decision), text=BY_AUTHOR, address="demonstration")
