"""URL parts: integers bounded by what the database holds, so that a huge one is a 404 and not an error."""

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

ID_MAX = 2**31 - 1


class BoundedInteger(IntegerConverter):
    def __init__(self, map: Map, **options: int | bool) -> None:
        super().__init__(map, **{"max": ID_MAX, **options})  # type: ignore[arg-type]


def init_app(app: Flask) -> None:
    app.url_map.converters["int"] = BoundedInteger
