"""The API /api/v1: what anybody may read, what partners write, its description and its page."""

from apiflask import APIFlask

from marketplace.api import http, spec
from marketplace.api.docs import bp as docs
from marketplace.api.partner import bp as partner
from marketplace.api.views import bp as views
from marketplace.extensions import csrf

TITLE = "1 besoin – 1 savoir-faire"
VERSION = "1.0.0"


def init_app(app: APIFlask) -> None:
    for blueprint in (views, partner):
        csrf.exempt(blueprint)  # no cookie proves anything here
        app.register_blueprint(blueprint)
    app.register_blueprint(docs)
    http.init_app(app)
    spec.init_app(app)
