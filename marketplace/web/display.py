"""How values are said in French: the words of each closed list, dates, distances. Templates ask here."""

import datetime as calendar
import re
from datetime import datetime
from enum import Enum

import flask_babel
from flask import Flask, current_app

from marketplace import clock
from marketplace.models import (
    AppealOutcome,
    CaseOutcome,
    DecisionAction,
    DecisionGround,
    DeclineReason,
    GuideKind,
    LabelKind,
    LeftAlone,
    LinkFamily,
    LinkSize,
    Listing,
    ListingKind,
    ListingState,
    MatchOrigin,
    MatchState,
    MembershipRole,
    ModerationMode,
    OrganisationKind,
    Place,
    Provider,
    ProviderKind,
    ReportCategory,
    ReviewBasis,
    ReviewGround,
    ReviewState,
    Scope,
    SizeClass,
    TerritoryRoleKind,
)
from marketplace.services.masking import Hidden
from marketplace.services.report_cases import SubjectKind
from marketplace.services.text import fold
from marketplace.services.transparency import AppealBasis, Detection

SLUG_MAX = 60

# By type first: members of two lists that have the same value are equal, as strings are.
LABELS: dict[type[Enum], dict[Enum, str]] = {
    ListingKind: {
        ListingKind.NEED: "besoin",
        ListingKind.OFFER: "savoir-faire",
    },
    ListingState: {
        ListingState.DRAFT: "brouillon",
        ListingState.PENDING: "en attente de relecture",
        ListingState.PUBLISHED: "en ligne",
        ListingState.PAUSED: "en pause",
        ListingState.FULFILLED: "abouti",
        ListingState.EXPIRED: "arrivée à terme",
        ListingState.WITHDRAWN: "retirée",
        ListingState.CHANGES_REQUESTED: "à modifier",
        ListingState.REJECTED: "refusée",
        ListingState.REMOVED: "retirée par la modération",
    },
    LeftAlone: {
        LeftAlone.OUTBID: "Des savoir-faire correspondent, mais leurs places sont allées à d’autres besoins.",
        LeftAlone.SHARE: "Votre structure a déjà une proposition : chacun son tour.",
        LeftAlone.TAKEN: "Des savoir-faire correspondent, mais toutes leurs places sont prises.",
        LeftAlone.CLOSED: "Les savoir-faire qui correspondent ont déjà été proposés.",
        LeftAlone.RADIUS: "Cette compétence se trouve, mais trop loin.",
        LeftAlone.LEVEL: "Cette compétence se trouve, mais pas au niveau souhaité.",
        LeftAlone.PLACES: "Cette compétence se trouve, mais pas aux lieux d’échange choisis.",
        LeftAlone.COMPETITOR: "Ceux qui pourraient vous aider exercent la même activité, trop près.",
        LeftAlone.SEVERAL: "Cette compétence se trouve, mais plusieurs choses s’y opposent à la fois.",
        LeftAlone.SKILL: "Personne ne propose encore cette compétence.",
    },
    MatchState: {
        MatchState.PROPOSED: "proposée",
        MatchState.ACCEPTED: "acceptée par une structure",
        MatchState.AGREED: "acceptée par les deux",
        MatchState.COMPLETED: "échange réalisé",
        MatchState.DECLINED: "déclinée",
        MatchState.EXPIRED: "sans réponse",
        MatchState.CANCELLED: "annulée",
    },
    MatchOrigin: {
        MatchOrigin.ROUND: "vague d’appariement",
        MatchOrigin.CIRCLE: "boucle d’échange",
        MatchOrigin.PERSON: "demande directe",
    },
    DeclineReason: {
        DeclineReason.TOO_FAR: "C’est trop loin",
        DeclineReason.NOT_THIS_SKILL: "Ce n’est pas la bonne compétence",
        DeclineReason.NO_TIME: "Pas le temps en ce moment",
        DeclineReason.OTHER: "Autre raison",
    },
    DecisionAction: {
        DecisionAction.APPROVE: "approuvée",
        DecisionAction.REQUEST_CHANGES: "modification demandée",
        DecisionAction.REJECT: "refusée",
        DecisionAction.REMOVE: "retirée",
        DecisionAction.SUSPEND: "suspendue",
        DecisionAction.RESTORE: "rétablie",
    },
    DecisionGround: {
        DecisionGround.NOT_DIGITAL: "Le sujet n’est pas numérique",
        DecisionGround.COMMERCIAL: "L’annonce vend une prestation",
        DecisionGround.CONTACT_DATA: "Le texte contient des coordonnées",
        DecisionGround.DUPLICATE: "L’annonce en répète une autre",
        DecisionGround.UNCLEAR: "On ne comprend pas ce qui est cherché ou proposé",
        DecisionGround.DISRESPECTFUL: "Le ton est irrespectueux",
        DecisionGround.FALSE_IDENTITY: "La structure n’est pas celle qu’elle dit être",
        DecisionGround.REPEATED: "Les mêmes manquements reviennent malgré les demandes",
        DecisionGround.ILLEGAL: "Le contenu est contraire à la loi",
    },
    SubjectKind: {
        SubjectKind.LISTING: "annonce",
        SubjectKind.ORGANISATION: "structure",
        SubjectKind.MESSAGE: "message",
    },
    ReportCategory: {
        ReportCategory.ILLEGAL: "Contenu contraire à la loi",
        ReportCategory.COMMERCIAL: "Trompeur, publicité ou vente",
        ReportCategory.PERSONAL_DATA: "Coordonnées ou données personnelles",
        ReportCategory.DISRESPECTFUL: "Irrespectueux ou discriminatoire",
        ReportCategory.OFF_TOPIC: "Hors sujet",
        ReportCategory.OTHER: "Autre chose",
    },
    CaseOutcome: {
        CaseOutcome.NO_ACTION: "rien n’est changé",
        CaseOutcome.ACTION: "une décision a été prise",
    },
    AppealOutcome: {
        AppealOutcome.UPHELD: "la décision est maintenue",
        AppealOutcome.REVERSED: "la décision est annulée",
    },
    Detection: {
        Detection.NOTICE: "Après un signalement",
        Detection.AUTOMATED: "Repéré par le contrôle",
        Detection.PERSON: "Vu par la modération",
    },
    AppealBasis: {
        AppealBasis.REQUEST_CHANGES: "Une modification demandée",
        AppealBasis.REJECT: "Un refus de publier",
        AppealBasis.REMOVE: "Un retrait du site",
        AppealBasis.SUSPEND: "Une suspension",
        AppealBasis.NO_ACTION: "Un signalement resté sans suite",
    },
    OrganisationKind: {
        OrganisationKind.FIRM: "entreprise",
        OrganisationKind.ASSOCIATION: "association",
        OrganisationKind.PUBLIC: "organisme public",
    },
    SizeClass: {
        SizeClass.NONE: "sans salarié",
        SizeClass.MICRO: "1 à 9 personnes",
        SizeClass.SMALL: "10 à 49 personnes",
        SizeClass.MEDIUM: "50 à 249 personnes",
        SizeClass.LARGE: "250 personnes et plus",
    },
    MembershipRole: {
        MembershipRole.EMPLOYEE: "membre",
        MembershipRole.MANAGER: "responsable",
    },
    TerritoryRoleKind: {
        TerritoryRoleKind.MODERATOR: "modération",
        TerritoryRoleKind.HEAD: "responsable",
    },
    ModerationMode: {
        ModerationMode.BEFORE: "relecture avant publication",
        ModerationMode.AFTER: "relecture après publication",
    },
    Hidden: {
        Hidden.FEW: "moins de 5",
        Hidden.KEPT: "non communiqué",
    },
    Scope: {
        Scope.READ_OWN: "voir les annonces qu’il a publiées",
        Scope.WRITE: "publier et retirer des annonces",
    },
    ProviderKind: {
        ProviderKind.PUBLIC: "structure publique",
        ProviderKind.PRIVATE: "entreprise",
        ProviderKind.ASSOCIATION: "association",
    },
    LabelKind: {
        LabelKind.ACTIVATEUR: "Activateur France Num",
        LabelKind.EXPERTCYBER: "ExpertCyber",
        LabelKind.QUALIOPI: "Qualiopi",
        LabelKind.OTHER: "Autre label",
    },
    ReviewBasis: {
        ReviewBasis.EXCHANGE: "échange réalisé sur le site",
        ReviewBasis.SERVICE: "service déclaré par la structure",
    },
    ReviewState: {
        ReviewState.PENDING: "en attente de relecture",
        ReviewState.PUBLISHED: "en ligne",
        ReviewState.REFUSED: "refusé",
    },
    ReviewGround: {
        ReviewGround.NO_SERVICE: "L’avis ne porte pas sur un échange ou un service reçu",
        ReviewGround.PERSONAL_DATA: "L’avis nomme une personne ou donne ses coordonnées",
        ReviewGround.DISRESPECTFUL: "Le ton est irrespectueux",
        ReviewGround.COMMERCIAL: "L’avis fait de la publicité",
        ReviewGround.ILLEGAL: "Le contenu est contraire à la loi",
    },
    LinkFamily: {
        LinkFamily.DIAGNOSIS: "faire le point gratuitement",
        LinkFamily.PUBLIC_TRAINING: "formations publiques",
        LinkFamily.PRIVATE_TRAINING: "formations privées",
        LinkFamily.AID: "aides pour payer",
    },
    LinkSize: {
        LinkSize.ALL: "toutes les structures",
        LinkSize.TPE: "très petites (moins de 10 personnes)",
        LinkSize.PME: "de 10 à 249 personnes",
    },
    GuideKind: {
        GuideKind.GUIDE: "guide",
        GuideKind.TESTIMONIAL: "témoignage",
    },
    Place: {
        Place.HELPER: "chez la structure qui aide",
        Place.LEARNER: "chez la structure qui apprend",
        Place.REMOTE: "à distance",
    },
}
LEVELS = {1: "découverte", 2: "autonomie", 3: "maîtrise", 4: "expertise"}
URGENCIES = {1: "quand ce sera possible", 2: "dans les deux mois", 3: "urgent"}
DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
HALVES = ("matin", "après-midi")
FREQUENCIES = {
    "at_once": "dès qu’une annonce paraît",
    "daily": "une fois par jour",
    "weekly": "une fois par semaine",
    "off": "jamais",
}
FLAGS = {
    "phone": "numéro de téléphone",
    "email": "adresse de courriel",
    "link": "lien",
    "price": "prix",
    "commercial": "ton commercial",
    "repeat": "texte proche d’une autre annonce",
    "first_listing": "première annonce de la structure",
    "reported": "signalée",
    "returned": "revient après modification",
}
RULES = {
    "organisation": "c’est la même structure",
    "skill": "la compétence est trop différente",
    "level": "le niveau proposé est trop loin du niveau souhaité",
    "places": "aucun lieu d’échange en commun",
    "radius": "la distance dépasse le rayon choisi",
    "competitor": "ce sont des concurrents proches",
    "declined": "l’une des structures a déjà décliné",
    "met": "ces deux annonces ont déjà été mises en relation",
    "matched": "une mise en relation est déjà en cours pour ce besoin",
    "capacity": "toutes les places sont prises",
    "offline": "elle n’est pas en ligne",
    "suspended": "cette structure est suspendue",
}


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        label=label,
        date=date,
        day=day,
        ago=ago,
        km=km,
        places=places,
        half_days=half_days,
        percent=percent,
        number=number,
    )
    app.jinja_env.globals.update(
        LEVELS=LEVELS,
        URGENCIES=URGENCIES,
        FLAGS=FLAGS,
        FREQUENCIES=FREQUENCIES,
        RULES=RULES,
        DAYS=DAYS,
        HALVES=HALVES,
        slug_of=slug_of,
        slug_of_provider=slug_of_provider,
        Place=Place,
    )
    app.context_processor(lambda: {"demonstration": current_app.config["DEMONSTRATION"], "now": clock.now()})


def label(value: Enum) -> str:
    return LABELS[type(value)][value]


def date(value: datetime | None, form: str = "d MMMM yyyy") -> str:
    return _with_first(flask_babel.format_datetime(value, form)) if value else ""


def day(value: calendar.date | None) -> str:
    """« 24 novembre 2026 », of a date without an hour."""
    return _with_first(flask_babel.format_date(value, "d MMMM yyyy", rebase=False)) if value else ""


def _with_first(said: str) -> str:
    """Say « 1er mai »: Unicode's French formats have cardinal numbers only."""
    return re.sub(r"\b1(?= [^\W\d])", "1er", said, count=1)


def ago(value: datetime) -> str:
    """« il y a 3 jours »."""
    return str(flask_babel.format_timedelta(value - clock.now(), add_direction=True))


def km(value: float | None) -> str:
    """« moins de 1 km », « 4 km »: a straight-line distance, to the kilometre."""
    if value is None:
        return "distance inconnue"
    return "moins de 1 km" if value < 1 else f"{flask_babel.format_decimal(round(value))} km"


def number(value: float) -> str:
    return str(flask_babel.format_decimal(value))


def percent(value: float) -> str:
    return str(flask_babel.format_percent(value, "#,##0 %"))


def places(value: int) -> list[str]:
    return [label(place) for place in Place if value & place]


def half_days(value: int) -> list[str]:
    """Return « lundi matin », « jeudi »… for a mask of 14 half-days; empty when any time suits."""
    said = []
    for index, day in enumerate(DAYS):
        both = value >> 2 * index & 3
        if both:
            said.append(day if both == 3 else f"{day} {HALVES[both - 1]}")  # noqa: PLR2004
    return said


def slug_of(listing: Listing) -> str:
    return fold(listing.title).replace(" ", "-")[:SLUG_MAX].rstrip("-") or str(listing.kind)


def slug_of_provider(provider: Provider) -> str:
    return provider.sort_name.replace(" ", "-")[:SLUG_MAX].rstrip("-")
