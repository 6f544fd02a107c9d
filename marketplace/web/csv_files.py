"""Tables as CSV files, sent while they are read: what every export of the site shares."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from flask import Response, stream_with_context

from marketplace.services.csv_cells import safe

# Without it, spreadsheets in French take UTF-8 for Windows-1252.
_BYTE_ORDER_MARK = "\ufeff"
_ROWS_AT_ONCE = 200


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Return `rows` as the file `name`, a spreadsheet's way: UTF-8 with its mark, cells kept from running."""
    response = Response(stream_with_context(_lines(header, rows)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    text = StringIO(_BYTE_ORDER_MARK)
    text.seek(0, 2)
    writer = csv.writer(text, delimiter=";")
    writer.writerow(header)
    for number, row in enumerate(rows, start=1):
        writer.writerow([safe(cell) for cell in row])
        if number % _ROWS_AT_ONCE == 0:
            yield _taken(text)
    yield _taken(text)


def _taken(text: StringIO) -> str:
    told = text.getvalue()
    text.seek(0)
    text.truncate()
    return told
