"""The pages: blueprints, and what every page shares."""

from flask import Flask

from marketplace.web import (
    converters,
    display,
    errors,
    guards,
    headers,
    integration,
    session,
    static_files,
    typography,
)
from marketplace.web.accounts import bp as accounts
from marketplace.web.accounts.proconnect import bp as proconnect
from marketplace.web.admin import bp as admin
from marketplace.web.appeals import bp as appeals
from marketplace.web.audit import bp as audit
from marketplace.web.dashboard import bp as dashboard
from marketplace.web.directory import bp as directory
from marketplace.web.help import guides, links, paths
from marketplace.web.integration import bp as integration_bp
from marketplace.web.listings import bp as listings
from marketplace.web.matches import bp as matches
from marketplace.web.moderation import bp as moderation
from marketplace.web.open_data import bp as open_data
from marketplace.web.organisations import bp as organisations
from marketplace.web.partners import bp as partners
from marketplace.web.personal_data import bp as personal_data
from marketplace.web.providers import bp as providers
from marketplace.web.public import bp as public
from marketplace.web.reports import bp as reports
from marketplace.web.search import bp as search
from marketplace.web.skills import bp as skills
from marketplace.web.team import bp as team
from marketplace.web.territories import bp as territories
from marketplace.web.transparency import bp as transparency
from marketplace.web.tuning import bp as tuning
from marketplace.web.workshops import bp as workshops


def init_app(app: Flask) -> None:
    converters.init_app(app)  # before any route
    for blueprint in (
        public,
        directory,
        providers,
        search,
        integration_bp,
        open_data,
        personal_data,
        proconnect,
        accounts,
        organisations,
        partners,
        listings,
        matches,
        moderation,
        reports,
        appeals,
        transparency,
        tuning,
        dashboard,
        workshops,
        admin,
        skills,
        links,
        guides,
        paths,
        audit,
        team,
        territories,
    ):
        app.register_blueprint(blueprint)
    for part in (display, errors, guards, headers, integration, session, static_files, typography):
        part.init_app(app)
