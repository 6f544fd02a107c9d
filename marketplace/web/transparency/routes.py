from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue

from marketplace.services import transparency
from marketplace.services.transparency import Sheet
from marketplace.web.csv_files import csv_file
from marketplace.web.transparency.tables import days, mapping, tables

bp = Blueprint("transparency", __name__)

COLUMNS = ("Tableau", "Ligne", "Indicateur", "Valeur")


@bp.get("/territoires/<siren>/transparence/<int:year>")
def show(siren: str, year: int) -> ResponseReturnValue:
    return _page(transparency.sheet(siren, year))


@bp.get("/territoires/<siren>/transparence/<int:year>.csv")
def show_csv(siren: str, year: int) -> ResponseReturnValue:
    return _csv(transparency.sheet(siren, year))


@bp.get("/territoires/<siren>/transparence/<int:year>.json")
def show_json(siren: str, year: int) -> ResponseReturnValue:
    return jsonify(mapping(transparency.sheet(siren, year)))


@bp.get("/transparence/<int:year>")
def nation(year: int) -> ResponseReturnValue:
    return _page(transparency.sheet(None, year))


@bp.get("/transparence/<int:year>.csv")
def nation_csv(year: int) -> ResponseReturnValue:
    return _csv(transparency.sheet(None, year))


@bp.get("/transparence/<int:year>.json")
def nation_json(year: int) -> ResponseReturnValue:
    return jsonify(mapping(transparency.sheet(None, year)))


def _page(sheet: Sheet) -> ResponseReturnValue:
    return render_template(
        "transparency/show.html",
        sheet=sheet,
        tables=tables(sheet),
        median=days(sheet.complaints.median_seconds),
        years=range(transparency.this_year(), transparency.FIRST_YEAR - 1, -1),
    )


def _csv(sheet: Sheet) -> Response:
    """One line for each cell, so that years and territories can be put one below the other."""
    lines = (
        (table.title, row[0], column, cell)
        for table in tables(sheet).values()
        for row in table.lines
        for column, cell in zip(table.columns[1:], row[1:], strict=True)
    )
    where = sheet.territory.siren if sheet.territory else "france"
    return csv_file(f"transparence-{where}-{sheet.year}.csv", COLUMNS, lines)
