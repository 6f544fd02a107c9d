"""What no request may carry, whatever the page."""

from flask import Flask, abort, request


def init_app(app: Flask) -> None:
    app.before_request(_refuse_nul)


def _refuse_nul() -> None:
    """PostgreSQL cannot store NUL and no honest address holds one. Form fields tell it at the field."""
    if "\x00" in request.path or any("\x00" in k or "\x00" in v for k, v in request.args.items(multi=True)):
        abort(400)
