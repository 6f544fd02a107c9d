"""French typography: what must not stand alone at the end or the start of a line keeps to its word.

A guillemet and what it encloses, and the signs that French sets apart from the word before them. Templates
are written with plain spaces, which become no-break spaces when a template is compiled; for what the site
says from elsewhere there is the filter set_apart.
"""

import re

from flask import Flask
from jinja2.ext import Extension
from markupsafe import Markup

NO_BREAK = "\u00a0"
# Not the operators of templates (!=), nor the indentation of a line.
_SPACE = re.compile(r"(?<=«) (?=\S)|(?<=\S) (?=[»;!?:](?![=\w]))")


def init_app(app: Flask) -> None:
    app.jinja_env.add_extension(_Typography)
    app.jinja_env.filters["set_apart"] = set_apart


def set_apart(text: str) -> str:
    """Return the text, markup or not as it was, with no-break spaces where French asks for them."""
    apart = _SPACE.sub(NO_BREAK, text)
    return Markup(apart) if isinstance(text, Markup) else apart  # noqa: S704


class _Typography(Extension):
    def preprocess(self, source: str, name: str | None, _filename: str | None = None) -> str:
        return set_apart(source) if name is None or name.endswith(".html") else source
