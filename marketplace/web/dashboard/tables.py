"""The tables of a dashboard, as the page shows them and as the CSV files hold them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import flask_babel

from marketplace.services.dashboard import PARIS, Board, Delays, SkillBalance
from marketplace.services.masking import Cell, Hidden
from marketplace.web.display import label

Value = int | float | str

# Where so many still wait that the share is not reached.
NOT_REACHED = "pas encore atteint"

RATES = {
    "needs": "Besoins publiés pour 10 000 habitants",
    "offers": "Savoir-faire publiés pour 10 000 habitants",
    "matches": "Mises en relation pour 10 000 habitants",
    "exchanges": "Échanges réalisés pour 10 000 habitants",
    "reached": "Part des communes touchées, en %",
}


@dataclass(frozen=True, slots=True)
class Table:
    """`columns`: heads, the first of the row's name. `total`: a last row, or none."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Value, ...]]
    total: tuple[Value, ...] = ()

    @property
    def lines(self) -> list[tuple[Value, ...]]:
        return [*self.rows, *([self.total] if self.total else [])]


def tables(board: Board) -> dict[str, Table]:
    """Return each table by the name that its file has; « moderation » in full only."""
    return {name: make(board) for name, make in _MAKERS.items() if name != "moderation" or board.in_full}


def told(cell: Cell | float) -> Value:
    """Return a number as it is, or the words that stand for one that is not told."""
    return label(cell) if isinstance(cell, Hidden) else cell


def month_said(start: datetime, form: str = "MMMM yyyy") -> str:
    return str(flask_babel.format_date(start.astimezone(PARIS), form))


def _months(board: Board) -> Table:
    totals = board.totals
    total = (
        totals.published_needs,
        totals.published_offers,
        totals.matches,
        totals.exchanges,
        totals.unmet,
    )
    return Table(
        "Mois par mois",
        (
            "Mois",
            "Besoins publiés",
            "Savoir-faire publiés",
            "Mises en relation",
            "Échanges réalisés",
            "Mises en relation sans suite",
        ),
        [
            (
                month_said(month.start),
                *map(told, (month.needs, month.offers, month.matches, month.exchanges, month.unmet)),
            )
            for month in board.months
        ],
        total=("Sur 12 mois", *map(told, total)),
    )


def _tension(board: Board) -> Table:
    return _balance_table("Compétences en tension", board.tension, "Il manque", sign=1)


def _reserve(board: Board) -> Table:
    return _balance_table("Compétences en réserve", board.reserve, "En réserve", sign=-1)


def _balance_table(title: str, balances: Sequence[SkillBalance], gap: str, *, sign: int) -> Table:
    return Table(
        title,
        ("Compétence", "Besoins sans réponse", "Savoir-faire disponibles", "Places libres", gap),
        [
            (
                each.skill.label,
                told(each.needs),
                told(each.offers),
                told(each.places),
                told(each.gap if isinstance(each.gap, Hidden) else sign * each.gap),
            )
            for each in balances
        ],
    )


def _waits(board: Board) -> Table:
    waits = board.waits
    rows = [("D’un besoin jusqu’à sa première mise en relation", *_delays_said(waits))] if waits else []
    return _delay_table("Délais d’attente", rows)


def _moderation(board: Board) -> Table:
    found = board.decisions
    rows = [("D’un envoi jusqu’à la décision de modération", *_delays_said(found))] if found else []
    return _delay_table("Délais de modération", rows)


def _delay_table(title: str, rows: Sequence[tuple[Value, ...]]) -> Table:
    return Table(title, ("Délai, en jours", "Médiane", "9 fois sur 10, au plus"), rows)


def _delays_said(delays: Delays | Hidden) -> tuple[Value, Value]:
    if isinstance(delays, Hidden):
        return label(delays), label(delays)
    return _days(delays.median), _days(delays.ninth_decile)


def _days(days: float | None) -> Value:
    return NOT_REACHED if days is None else round(days, 1)


def _communes(board: Board) -> Table:
    totals = board.totals
    return Table(
        "Commune par commune",
        ("Commune", "Structures inscrites", "Besoins en ligne", "Savoir-faire en ligne", "Habitants"),
        [
            (
                each.commune.name,
                told(each.organisations),
                told(each.needs),
                told(each.offers),
                each.commune.population,
            )
            for each in board.communes
        ],
        total=(
            "Territoire",
            told(totals.organisations),
            told(totals.needs),
            told(totals.offers),
            sum(each.commune.population for each in board.communes),
        ),
    )


def _comparison(board: Board) -> Table:
    return Table(
        "Comparaison",
        ("Sur 12 mois", "Ici", "Moyenne"),
        [
            (
                RATES[each.name],
                told(each.own if isinstance(each.own, Hidden) else _rate(each.name, each.own)),
                "" if each.average is None else _rate(each.name, each.average),
            )
            for each in board.compared
        ],
    )


def _rate(name: str, value: float) -> float:
    return round(100 * value, 1) if name == "reached" else round(value, 2)


_MAKERS: Mapping[str, Callable[[Board], Table]] = {
    "mois": _months,
    "tension": _tension,
    "reserve": _reserve,
    "attente": _waits,
    "communes": _communes,
    "comparaison": _comparison,
    "moderation": _moderation,
}
