"""Every address of the desk, and who gets through: a new one fails here until its row says for whom it is.

The exact answers stand in test_rights.py; here each role is tried, and whoever is refused wrote nothing.
"""

from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from marketplace.extensions import db
from marketplace.models import AuditEntry, OutboxMail, User
from marketplace.web.session import DESK
from tests.support.builders import LIFFRE_CORMIER, Market
from tests.support.world import Act, World, acts_of, client_of, on_production, reads, writes

ROLES = (
    "visitor", "user", "manager of another firm", "moderator elsewhere", "head elsewhere",
    "head without second factor", "moderator", "head", "administrator",
)  # fmt: skip
# For whom an address is: what each of ROLES gets, in that order. "in": the page, the act, or its form again.
# "out": 403 or 404. "login", "set-up": sent to log in, or to set up the second factor that the role needs.
KINDS = {
    "anybody":       "in    in  in  in  in  in     in  in  in",
    "moderators":    "login out out in  in  set-up in  in  in",
    "the territory": "login out out out out set-up in  in  in",
    "its head":      "login out out out out set-up out in  in",
    "the nation":    "login out out out out set-up out out in",
}  # fmt: skip
ROWS = """
GET  admin.accounts                the nation
GET  admin.home                    the nation
GET  admin.open_territory          the nation
GET  appeals.case                  the territory
GET  appeals.queue                 moderators
GET  audit.export                  moderators
GET  audit.log                     moderators
GET  dashboard.mine                moderators
GET  dashboard.sheet               anybody
GET  dashboard.show                anybody
GET  dashboard.table               anybody
GET  guides.queue                  moderators
GET  links.create                  the nation
GET  links.edit                    the nation
GET  links.index                   the nation
GET  moderation.add_reason         the territory
GET  moderation.edit_reason        the territory
GET  moderation.queue              moderators
GET  moderation.reasons            moderators
GET  moderation.reasons_of         the territory
GET  moderation.review             the territory
GET  moderation.structure          the territory
GET  moderation.structures         moderators
GET  moderation.waiting            moderators
GET  partners.index                the territory
GET  providers.administration      the nation
GET  providers.case                the territory
GET  providers.queue               moderators
GET  providers.suppress            the nation
GET  providers.theme               the nation
GET  reports.case                  the territory
GET  reports.queue                 moderators
GET  skills.create                 the nation
GET  skills.edit                   the nation
GET  skills.editions               the nation
GET  skills.index                  the nation
GET  team.show                     the territory
GET  territories.flyer             the territory
GET  territories.flyer_code        the territory
GET  territories.logo              anybody
GET  territories.settings          its head
GET  transparency.show             anybody
GET  transparency.show_csv         anybody
GET  transparency.show_json        anybody
GET  tuning.settings               the territory
GET  workshops.index               the territory
GET  workshops.plan                the territory
GET  workshops.show                the territory
POST admin.open_territory          the nation
POST admin.reset_second_factor     the nation
POST appeals.decide                the territory
POST guides.decide                 the territory
POST guides.withdraw               the territory
POST links.create                  the nation
POST links.edit                    the nation
POST moderation.add_reason         the territory
POST moderation.archive_reason     the territory
POST moderation.decide             the territory
POST moderation.decide_many        the territory
POST moderation.edit_reason        the territory
POST moderation.restore            the territory
POST moderation.suspend            the territory
POST partners.issue                the territory
POST partners.revoke               the territory
POST providers.decide              the territory
POST providers.decide_reply        the territory
POST providers.enter_reply         the nation
POST providers.suppress            the nation
POST providers.theme               the nation
POST reports.decide                the territory
POST skills.add_word               the nation
POST skills.create                 the nation
POST skills.edit                   the nation
POST skills.remove_word            the nation
POST skills.retire                 the nation
POST team.change_role              its head
POST team.invite                   its head
POST team.remove                   its head
POST team.withdraw                 its head
POST territories.remove_logo       its head
POST territories.set_logo          its head
POST territories.settings          its head
POST tuning.apply                  the territory
POST tuning.settings               the territory
POST workshops.cancel              the territory
POST workshops.hold                the territory
POST workshops.plan                the territory
"""


class Row(NamedTuple):
    act: Act
    kind: str

    @property
    def expected(self) -> dict[str, str]:
        return dict(zip(ROLES, KINDS[self.kind].split(), strict=True))

    def __str__(self) -> str:
        return str(self.act)


def rows() -> list[Row]:
    cut = [line.split(maxsplit=2) for line in ROWS.strip().splitlines()]
    return [Row(Act(method, endpoint), kind) for method, endpoint, kind in cut]


def desk_acts(app: Flask) -> list[Act]:
    at_desk = {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith(DESK)}
    return [act for act in acts_of(app) if act.endpoint in at_desk]


def outcome(response: TestResponse) -> str:
    if response.status_code in (403, 404):
        return "out"
    if response.status_code in (302, 303):
        for place, told in (("/connexion?next=", "login"), ("/mon-compte/", "set-up")):
            if response.location.startswith(place):
                return told
    assert response.status_code < 500
    return "in"


def written() -> list[int | None]:
    return [db.session.scalar(select(func.count()).select_from(table)) for table in (AuditEntry, OutboxMail)]


class Desk:
    """Lets each role ask, in a world that nobody has changed before them."""

    def __init__(self, app: Flask, market: Market) -> None:
        self.app, self.market = app, market
        self._begin()

    def _begin(self) -> None:
        self.world, self._is_new = World(self.market), True
        with self.market.in_one_transaction():
            others: list[User | None] = [
                None,
                self.market.user(),
                self.world.people["outsider"],
                self.world.people["moderator elsewhere"],
                self.market.head(LIFFRE_CORMIER),
                self.market.head(second_factor=False),
            ]
            rest = [self.world.people["moderator"], self.market.head(), self.world.people["administrator"]]
        self.people = dict(zip(ROLES, [*others, *rest], strict=True))

    def ask(self, role: str, act: Act, **values: object) -> str:
        if not self._is_new:
            self._begin()
        sent = {"data": self.world.form(act.endpoint)} if act.method == "POST" else {}
        path = self.world.path(act.endpoint, **values)
        before = written()
        told = outcome(client_of(self.app, self.people[role]).open(path, method=act.method, **sent))
        if told != "in":
            assert written() == before, f"{role} was refused, and wrote all the same"
        self._is_new = act.method != "POST" or told != "in"
        return told

    def each(self, row: Row) -> dict[str, str]:
        """Return what each role gets; those to be refused ask first, as they change nothing."""
        last_those_let_in = sorted(ROLES, key=lambda role: row.expected[role] == "in")
        return {role: self.ask(role, row.act) for role in last_those_let_in}


@pytest.fixture
def desk(app, market) -> Desk:
    return Desk(app, market)


def test_every_address_of_the_desk_has_its_row(app):
    assert sorted(row.act for row in rows()) == sorted(desk_acts(app))


@on_production
@reads(rows())
def test_each_role_reads_what_is_for_it(desk, reads):
    assert {str(row): desk.each(row) for row in reads} == {str(row): row.expected for row in reads}


@on_production
@writes(rows())
def test_each_role_does_what_is_for_it(desk, row):
    assert desk.each(row) == row.expected


def test_what_is_of_one_territory_is_not_reached_through_another(desk):
    for row in (row for row in rows() if row.kind in ("the territory", "its head")):
        values = desk.world.values(row.act.endpoint)
        if "siren" in values and any(name.endswith("_id") for name in values):
            assert desk.ask("head elsewhere", row.act, siren=LIFFRE_CORMIER) == "out", row
