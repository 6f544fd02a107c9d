"""Visits that other sites send us, counted by day, kind, campaign and territory. Nobody is known by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slugify import slugify
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import AuditEntry, Territory, VisitCount, VisitKind
from marketplace.models.integration import CAMPAIGN_MAX
from marketplace.services.work import unit_of_work

DAYS_SHOWN = 30
CAMPAIGNS_SHOWN = 20
# Two years, to compare a month with the same month before.
KEPT = timedelta(days=760)
# Anybody can invent a campaign in an address: past this many rows a day, new ones count together.
ROWS_A_DAY = 500
SIREN_LENGTH = 9
UNNAMED, OTHERS = "sans-nom", "autres"


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """What one campaign brought: visits by kind."""

    campaign: str
    counts: dict[VisitKind, int]


def count_visit(kind: VisitKind, *, campaign: str, siren: str) -> None:
    """Count one visit of today. One UPDATE when its row is there, which is nearly always."""
    row = {
        "day": clock.now().date(),
        "kind": kind,
        "campaign": clean_campaign(campaign),
        "territory_siren": _known(siren),
    }
    with unit_of_work() as work:
        same = [getattr(VisitCount, name) == value for name, value in row.items()]
        done = work.session.execute(update(VisitCount).where(*same).values(count=VisitCount.count + 1))
        if done.rowcount:  # type: ignore[attr-defined]
            return
        today = select(func.count()).where(VisitCount.day == row["day"])
        if (work.session.scalar(today) or 0) >= ROWS_A_DAY:
            row |= {"campaign": OTHERS, "territory_siren": ""}
        work.session.execute(_one_more(row))


def clean_campaign(text: str) -> str:
    """Return the name as it is counted: lower case, digits and hyphens."""
    return slugify(text[: 4 * CAMPAIGN_MAX], max_length=CAMPAIGN_MAX) or UNNAMED


def figures(siren: str = "") -> Sequence[CampaignFigures]:
    """Return the campaigns of the last DAYS_SHOWN days that brought most; CAMPAIGNS_SHOWN of them.

    `siren`: for one territory only.
    """
    since = [VisitCount.day > clock.now().date() - timedelta(days=DAYS_SHOWN)]
    if siren:
        since.append(VisitCount.territory_siren == siren)
    total = func.sum(VisitCount.count)
    most = select(VisitCount.campaign).where(*since).group_by(VisitCount.campaign)
    names = list(db.session.scalars(most.order_by(total.desc(), VisitCount.campaign).limit(CAMPAIGNS_SHOWN)))
    rows = select(VisitCount.campaign, VisitCount.kind, total).where(*since, VisitCount.campaign.in_(names))
    counts: dict[str, dict[VisitKind, int]] = {name: dict.fromkeys(VisitKind, 0) for name in names}
    for name, kind, count in db.session.execute(rows.group_by(VisitCount.campaign, VisitCount.kind)):
        counts[name][kind] = int(count)
    return [CampaignFigures(name, of_kind) for name, of_kind in counts.items()]


def last_act() -> datetime | None:
    """Return when anything last changed on the site: every act leaves its line in the audit log."""
    return db.session.scalar(select(AuditEntry.at).order_by(AuditEntry.id.desc()).limit(1))


def forget_old() -> int:
    """Delete the counts of long ago. Returns how many."""
    with unit_of_work() as work:
        old = delete(VisitCount).where(VisitCount.day < (clock.now() - KEPT).date())
        return int(work.session.execute(old).rowcount)  # type: ignore[attr-defined]


def _known(siren: str) -> str:
    is_known = len(siren) <= SIREN_LENGTH and db.session.get(Territory, siren) is not None
    return siren if is_known else ""


def _one_more(row: dict[str, Any]) -> Any:
    dialect: Any = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    return (
        dialect.insert(VisitCount)
        .values(**row, count=1)
        .on_conflict_do_update(index_elements=list(row), set_={"count": VisitCount.count + 1})
    )
