from collections.abc import Sequence

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import User
from marketplace.services import charts, dashboard, maps
from marketplace.services.charts import Chart
from marketplace.services.dashboard import Board, CommuneFigures, Month
from marketplace.services.maps import Drawing
from marketplace.services.masking import Cell, Hidden
from marketplace.web.csv_files import csv_file
from marketplace.web.dashboard.tables import month_said, tables, told

bp = Blueprint("dashboard", __name__)

SHOWN_SKILLS, SHEET_SKILLS = 10, 5
# What the map can show, by the word in the address.
MEASURES = {
    "structures": ("organisations", "Structures inscrites par commune"),
    "besoins": ("needs", "Besoins en ligne par commune"),
    "savoir-faire": ("offers", "Savoir-faire en ligne par commune"),
}


@bp.get("/territoires/<siren>/tableau-de-bord")
def show(siren: str) -> ResponseReturnValue:
    """The dashboard: the moderators' own see it in full, or as all do with ?vue=publique."""
    publicly = request.args.get("vue") == "publique"
    board = dashboard.board(siren, to=_reader(), publicly=publicly)
    measure = _measure()
    return render_template(
        "dashboard/show.html",
        board=board,
        publicly=publicly,
        tables=tables(board),
        shown_skills=SHOWN_SKILLS,
        charts=_charts(board),
        measure=measure,
        measures={name: title for name, (_, title) in MEASURES.items()},
        drawing=_map(board, measure),
    )


@bp.get("/moderation/tableaux-de-bord")
@login_required
def mine() -> ResponseReturnValue:
    """The way from the desk to one's territories; straight on when there is one."""
    territories = dashboard.moderated(current_user)
    if len(territories) == 1:
        return redirect(url_for(".show", siren=territories[0].siren))
    return render_template("dashboard/mine.html", territories=territories)


@bp.get("/territoires/<siren>/tableau-de-bord/fiche")
def sheet(siren: str) -> ResponseReturnValue:
    """One A4 page to print for the elected body."""
    board = dashboard.board(siren, to=_reader(), publicly=request.args.get("vue") == "publique")
    return render_template(
        "dashboard/sheet.html",
        board=board,
        tables=tables(board),
        shown_skills=SHEET_SKILLS,
        charts=_charts(board),
        drawing=_map(board, "structures"),
    )


@bp.get("/territoires/<siren>/tableau-de-bord/<name>.csv")
def table(siren: str, name: str) -> ResponseReturnValue:
    board = dashboard.board(siren, to=_reader(), publicly=request.args.get("vue") == "publique")
    wanted = tables(board).get(name)
    if wanted is None:
        abort(404)
    return csv_file(f"{board.territory.siren}-{name}.csv", wanted.columns, wanted.lines)


def _reader() -> User | None:
    return current_user if current_user.is_authenticated else None


def _measure() -> str:
    asked = request.args.get("carte", "")
    return asked if asked in MEASURES else next(iter(MEASURES))


def _charts(board: Board) -> list[Chart]:
    months = board.months
    labels = [month_said(month.start, "MMM") for month in months]
    pairs = (
        ("Annonces publiées", ("Besoins", "needs"), ("Savoir-faire", "offers")),
        ("Mises en relation", ("Mises en relation", "matches"), ("Échanges réalisés", "exchanges")),
    )
    return [
        charts.draw_bars(title, labels, [(said, _heights(months, name)) for said, name in series])
        for title, *series in pairs
    ]


def _heights(months: Sequence[Month], name: str) -> list[int | None]:
    return [_number(getattr(month, name)) for month in months]


def _map(board: Board, measure: str) -> Drawing:
    name, title = MEASURES[measure]
    return maps.draw_communes(
        [_reading(each, getattr(each, name)) for each in board.communes],
        title=title,
        columns=tables(board)["communes"].columns,
    )


def _reading(figures: CommuneFigures, cell: Cell) -> maps.Reading:
    commune = figures.commune
    counted = (figures.organisations, figures.needs, figures.offers)
    return maps.Reading(
        insee=commune.insee,
        name=commune.name,
        value=_number(cell),
        cells=(*map(told, counted), commune.population),
    )


def _number(cell: Cell) -> int | None:
    return None if isinstance(cell, Hidden) else cell
