"""The numbers of a transparency report as tables in French, and as names and values for programs."""

from typing import Any

from marketplace.models import DecisionAction, DecisionGround, ReportCategory
from marketplace.models.moderation import FAVOURABLE
from marketplace.services.transparency import (
    AppealBasis,
    Complaints,
    Detection,
    FlagFigures,
    Notices,
    Restrictions,
    Sheet,
)
from marketplace.web.dashboard.tables import Table, Value
from marketplace.web.display import FLAGS, label

DAY = 86_400
NONE_YET = "aucun"
_ADVERSE = tuple(action for action in DecisionAction if action not in FAVOURABLE)


def tables(sheet: Sheet) -> dict[str, Table]:
    """Return each table by its name."""
    return {
        "notices": _notices(sheet.notices),
        "outcomes": _outcomes(sheet.notices),
        "restrictions": _restrictions(sheet.restrictions),
        "grounds": _grounds(sheet.restrictions),
        "appeals": _appeals(sheet.complaints),
        "automated": _automated(sheet),
    }


def mapping(sheet: Sheet) -> dict[str, Any]:
    """Return the numbers by name; durations in seconds, shares between 0 and 1, None where there is none."""
    notices, complaints = sheet.notices, sheet.complaints
    return {
        "territory": sheet.territory.siren if sheet.territory else None,
        "year": sheet.year,
        "is_over": sheet.is_over,
        "counted_at": sheet.counted_at.isoformat(),
        "notices": {
            "by_category": {each.value: notices.by_category.get(each, 0) for each in ReportCategory},
            "cases_opened": notices.cases_opened,
            "no_action": notices.no_action,
            "action_by_law": notices.action_by_law,
            "action_by_charter": notices.action_by_charter,
            "processed_by_automated_means_only": 0,
            "median_seconds": notices.median_seconds,
        },
        "restrictions": [
            {"action": action, "ground": ground, "detection": detection, "count": count}
            for (action, ground, detection), count in sorted(sheet.restrictions.counts.items())
        ],
        "suspensions": sheet.restrictions.total(action=DecisionAction.SUSPEND),
        "appeals": {
            "by_basis": {
                basis.value: {
                    "received": complaints.received.get(basis, 0),
                    "upheld": complaints.upheld.get(basis, 0),
                    "reversed": complaints.reversed.get(basis, 0),
                }
                for basis in AppealBasis
            },
            "median_seconds": complaints.median_seconds,
        },
        "automated_flags": {
            "all": _flag_mapping(sheet.flagged),
            "by_flag": {name: _flag_mapping(figures) for name, figures in sheet.flags.items()},
        },
    }


def days(seconds: float | None) -> Value:
    """Return a duration in days, to the tenth."""
    return NONE_YET if seconds is None else round(seconds / DAY, 1)


def _notices(notices: Notices) -> Table:
    rows = [(label(each), notices.by_category.get(each, 0)) for each in ReportCategory]
    return Table(
        "Signalements reçus",
        ("De quoi il s’agit", "Signalements"),
        rows,
        ("Total", sum(notices.by_category.values())),
    )


def _outcomes(notices: Notices) -> Table:
    return Table(
        "Suites données aux signalements",
        ("Plusieurs signalements de la même chose font un seul dossier", "Nombre"),
        [
            ("Dossiers ouverts dans l’année", notices.cases_opened),
            ("Dossiers clos : décision fondée sur la loi", notices.action_by_law),
            ("Dossiers clos : décision fondée sur la charte", notices.action_by_charter),
            ("Dossiers clos sans rien changer", notices.no_action),
            ("Dossiers traités par des outils automatiques seuls", 0),
            ("Délai médian de réponse, en jours", days(notices.median_seconds)),
        ],
    )


def _restrictions(restrictions: Restrictions) -> Table:
    def row(name: str, action: DecisionAction | None) -> tuple[Value, ...]:
        by_detection = (restrictions.total(action=action, detection=each) for each in Detection)
        return (name, *by_detection, restrictions.total(action=action))

    return Table(
        "Décisions de restriction, par type",
        ("Décision", *(label(each) for each in Detection), "Total"),
        [row(label(action).capitalize(), action) for action in _ADVERSE],
        row("Total", None),
    )


def _grounds(restrictions: Restrictions) -> Table:
    def row(name: str, basis: str, ground: DecisionGround | None) -> tuple[Value, ...]:
        noticed = restrictions.total(ground=ground, detection=Detection.NOTICE)
        total = restrictions.total(ground=ground)
        return (name, basis, noticed, total - noticed, total)

    return Table(
        "Décisions de restriction, par règle",
        ("Règle", "Fondement", "Après un signalement", "De notre initiative", "Total"),
        [
            row(label(ground), "Loi" if ground is DecisionGround.ILLEGAL else "Charte", ground)
            for ground in DecisionGround
        ],
        row("Total", "", None),
    )


def _appeals(complaints: Complaints) -> Table:
    def row(basis: AppealBasis) -> tuple[Value, ...]:
        counts = (complaints.received, complaints.upheld, complaints.reversed)
        return (label(basis), *(count.get(basis, 0) for count in counts))

    rows = [row(basis) for basis in AppealBasis]
    totals = (sum(int(each[column]) for each in rows) for column in (1, 2, 3))
    return Table(
        "Recours",
        ("Ce qui est contesté", "Reçus", "Décision maintenue", "Décision annulée"),
        rows,
        ("Total", *totals),
    )


def _automated(sheet: Sheet) -> Table:
    rows = [_flag_row(FLAGS[name].capitalize(), figures) for name, figures in sheet.flags.items()]
    return Table(
        "Contrôle automatique des textes",
        ("Ce que le contrôle a vu", "Annonces relues", "Publiées telles quelles", "Part d’erreurs, en %"),
        rows,
        _flag_row("Au moins une chose", sheet.flagged),
    )


def _flag_row(name: str, figures: FlagFigures) -> tuple[Value, ...]:
    rate = figures.error_rate
    return (name, figures.read, figures.approved, NONE_YET if rate is None else round(100 * rate))


def _flag_mapping(figures: FlagFigures) -> dict[str, float | None]:
    return {"read": figures.read, "approved": figures.approved, "error_rate": figures.error_rate}
