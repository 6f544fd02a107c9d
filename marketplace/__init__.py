"""The site « 1 besoin – 1 savoir-faire »: see create_app()."""

from collections.abc import Mapping
from pathlib import Path

from apiflask import APIFlask
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from marketplace import api, commands, models, settings, web
from marketplace.extensions import babel, csrf, db, login_manager, migrate
from marketplace.models import search_index
from marketplace.web import headers

__all__ = ["create_app", "models"]


def create_app(overrides: Mapping[str, object] | None = None) -> Flask:
    """Return the application. `overrides` wins over the environment, which wins over settings.DEFAULTS."""
    # Pages and API in one application: APIFlask is a Flask that can describe its API, and here no more.
    app = APIFlask(
        __name__,
        title=api.TITLE,
        version=api.VERSION,
        spec_path=None,
        docs_path=None,
        json_errors=False,
        instance_path=str(settings.ROOT / "instance"),
    )
    app.config.from_mapping(settings.load(overrides, Path(app.instance_path)))
    db.init_app(app)
    migrate.init_app(
        app,
        db,
        directory=str(settings.ROOT / "migrations"),
        render_as_batch=True,
        compare_type=True,
        include_object=search_index.is_compared,
    )
    login_manager.init_app(app)
    csrf.init_app(app)
    babel.init_app(app)
    web.init_app(app)
    api.init_app(app)
    commands.init_app(app)
    # One year: the address of a static file changes with its content (web.static_files).
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app,
        root=app.static_folder,
        prefix="static/",
        max_age=31_536_000,
        allow_all_origins=False,
        add_headers_function=headers.secure_file,
    )
    if hops := app.config["TRUSTED_PROXIES"]:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    return app
