"""Going on to the page that somebody wanted before they had to stop on the way, and never to another site."""

from urllib.parse import unquote, urlsplit

from flask import current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect


def wanted() -> str:
    """Return the page that the address asks to go on to (`suite`; Flask-Login says `next`), or ""."""
    target = request.args.get("suite") or request.args.get("next") or ""
    return target if is_ours(target) else ""


def is_ours(target: str) -> bool:
    """Say whether `target` is a path of this site that a link can open."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target or not target.isprintable():
        return False
    try:
        current_app.url_map.bind("localhost").match(unquote(urlsplit(target).path), method="GET")
    except (HTTPException, RequestRedirect, ValueError):
        return False
    return True
