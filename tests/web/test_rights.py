"""Every address of the site, and what it answers to each kind of person. A new address needs its row here."""

from itertools import product
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from marketplace.models import ListingState, MatchState
from marketplace.web.display import slug_of
from tests.support.builders import Market
from tests.support.world import Act, World, acts_of, by_the_dozen, client_of, on_production, reads, writes

PEOPLE = ("visitor", "outsider", "employee", "manager", "moderator elsewhere", "moderator", "administrator")

# For anybody: the same page, whoever looks.
PUBLIC = """
GET public.home, GET public.privacy, GET public.legal, GET public.accessibility, GET public.algorithm,
GET public.healthz, GET public.readyz, GET public.robots, GET static,
GET open_data.show, GET open_data.file, GET integration.show, GET integration.widget_listings,
GET integration.widget_height,
GET integration.listings_feed, GET integration.sitemap_index, GET integration.sitemap_file,
GET directory.needs, GET directory.offers, GET directory.skills, GET directory.skill,
GET directory.skills_csv, GET directory.skills_json, GET guides.index,
GET directory.territories, GET directory.territory, GET directory.suggest_communes, GET search.results,
GET search.stop, POST search.stop,
GET listings.show, GET listings.renew_by_mail, POST listings.renew_by_mail,
GET listings.publish_need, GET listings.publish_offer,
GET organisations.show,
GET api_docs.show, GET api.listings_online, GET api.listing, GET api.situation, GET api.skills,
GET api.territories_all, GET api.providers_labelled, GET api.stats, GET api.description,
GET providers.index, GET providers.show, GET providers.reply, POST providers.reply,
GET dashboard.show, GET dashboard.sheet, GET dashboard.table,
GET workshops.answer, POST workshops.answer, GET workshops.follow_up, POST workshops.follow_up,
GET reports.new, POST reports.new, GET reports.new_on_organisation, POST reports.new_on_organisation,
GET appeals.new, POST appeals.new,
GET transparency.show, GET transparency.show_csv, GET transparency.show_json,
GET transparency.nation, GET transparency.nation_csv, GET transparency.nation_json,
GET accounts.check_mail, GET accounts.resend, POST accounts.resend,
GET accounts.confirm, POST accounts.confirm, GET accounts.forgotten, POST accounts.forgotten,
GET team.invitation, GET territories.logo, GET accounts.reset_sent, GET accounts.reset, POST accounts.reset
"""

# What each of PEOPLE gets, in that order. "login": sent to log in. "on": sent on, the thing is done.
# "404": it must not even show. "403": it is there and not for them. "422": nothing of theirs to choose from.
ROWS = """
GET accounts.sign_up            200   on  on  on  on  on  on
POST accounts.sign_up           on    on  on  on  on  on  on
GET accounts.login              200   on  on  on  on  on  on
POST accounts.login             on    on  on  on  on  on  on
GET proconnect.start            404   404 404 404 404 404 404
GET proconnect.back             404   404 404 404 404 404 404
GET proconnect.end              on    on  on  on  on  on  on
POST accounts.logout            on    on  on  on  on  on  on
GET accounts.profile            login 200 200 200 200 200 200
POST accounts.profile           login on  on  on  on  on  on
GET personal_data.show          login 200 200 200 200 200 200
POST personal_data.export       login 200 200 200 200 200 200
POST personal_data.delete       login on  on  on  on  on  on
GET accounts.second_step        on    on  on  on  on  on  on
POST accounts.second_step       on    on  on  on  on  on  on
GET accounts.second_factor      login 200 200 200 200 200 200
POST accounts.set_up_second_factor login 422 422 422 200 200 200
POST accounts.renew_codes       login 403 403 403 200 200 200
POST accounts.switch_off_second_factor login 403 403 403 403 403 403
GET organisations.join          login 200 200 200 200 200 200
POST organisations.join         login 200 200 200 200 200 200
GET organisations.create        login 200 200 200 200 200 200
POST organisations.create       login on  on  on  on  on  on
POST organisations.ask          login on  on  on  on  on  on
POST organisations.decide       login 404 404 on  404 404 404
POST organisations.leave        login 404 on  on  404 404 404
POST listings.publish_need      on    on  on  on  on  on  on
POST listings.publish_offer     on    on  on  on  on  on  on
GET listings.edit               login 404 200 200 404 404 404
POST listings.edit              login 404 on  on  404 404 404
POST listings.pause             login 404 on  on  404 404 404
POST listings.resume            login 404 on  on  404 404 404
POST listings.withdraw          login 404 on  on  404 404 404
POST listings.renew             login 404 on  on  404 404 404
GET matches.space               login 200 200 200 200 200 200
GET matches.show                login 404 200 200 404 404 404
POST matches.accept             login 404 on  on  404 404 404
POST matches.decline            login 404 on  on  404 404 404
POST matches.cancel             login 404 on  on  404 404 404
POST matches.complete           login 404 on  on  404 404 404
GET matches.propose             login 200 200 200 200 200 200
POST matches.propose            login 422 on  on  422 422 422
GET matches.counterparts        login 404 200 200 404 404 404
GET search.saved                login 200 200 200 200 200 200
POST search.save                login on  on  on  on  on  on
POST search.change              login 404 404 on  404 404 404
POST search.remove              login 404 404 on  404 404 404
GET moderation.queue            login 403 403 403 200 200 200
GET moderation.review           login 404 404 404 404 200 200
POST moderation.decide          login 404 404 404 404 on  on
GET moderation.waiting          login 403 403 403 200 200 200
POST moderation.decide_many     login 404 404 404 404 on  on
POST moderation.restore         login 404 404 404 404 on  on
GET moderation.structures       login 403 403 403 200 200 200
GET moderation.structure        login 404 404 404 404 200 200
POST moderation.suspend         login 404 404 404 404 on  on
GET moderation.reasons          login 403 403 403 200 200 200
GET moderation.reasons_of       login 403 403 403 404 200 200
GET moderation.add_reason       login 404 404 404 404 200 200
POST moderation.add_reason      login 404 404 404 404 on  on
GET moderation.edit_reason      login 404 404 404 404 200 200
POST moderation.edit_reason     login 404 404 404 404 on  on
POST moderation.archive_reason  login 404 404 404 404 on  on
GET audit.log                   login 403 403 403 200 200 200
GET audit.export                login 403 403 403 200 200 200
GET admin.home                  login 403 403 403 403 403 200
GET reports.new_on_message      login 404 200 200 404 404 404
POST reports.new_on_message     login 404 on  on  404 404 404
GET reports.queue               login 403 403 403 200 200 200
GET reports.case                login 404 404 404 404 200 200
POST reports.decide             login 404 404 404 404 on  on
GET appeals.of_listing          login 404 on  on  404 404 404
GET appeals.of_organisation     login 404 on  on  404 404 404
GET appeals.queue               login 403 403 403 200 200 200
GET appeals.case                login 404 404 404 404 200 200
POST appeals.decide             login 404 404 404 404 on  on
GET dashboard.mine              login 403 403 403 on  on  on
POST team.accept                login 403 403 403 403 403 403
GET territories.settings        login 404 404 404 404 403 200
POST territories.settings       login 404 404 404 404 403 on
POST territories.set_logo       login 404 404 404 404 403 422
POST territories.remove_logo    login 404 404 404 404 403 on
GET territories.flyer           login 404 404 404 404 200 200
GET territories.flyer_code      login 404 404 404 404 200 200
GET admin.open_territory        login 403 403 403 403 403 200
POST admin.open_territory       login 403 403 403 403 403 422
GET admin.accounts              login 403 403 403 403 403 200
POST admin.reset_second_factor  login 403 403 403 403 403 on
GET team.show                   login 404 404 404 404 200 200
POST team.invite                login 404 404 404 404 403 on
POST team.withdraw              login 404 404 404 404 403 on
POST team.change_role           login 404 404 404 404 403 on
POST team.remove                login 404 404 404 404 403 on
GET api.pair                    422   422 422 422 422 422 422
GET partner_api.own             401   401 401 401 401 401 401
GET partner_api.own_one         401   401 401 401 401 401 401
POST partner_api.create         401   401 401 401 401 401 401
POST partner_api.close          401   401 401 401 401 401 401
GET partners.index              login 404 404 404 404 200 200
POST partners.issue             login 404 404 404 404 200 200
POST partners.revoke            login 404 404 404 404 on  on
GET partners.consents           login 404 404 200 404 404 404
POST partners.consent           login 404 404 on  404 404 404
GET workshops.index             login 404 404 404 404 200 200
GET workshops.plan              login 404 404 404 404 200 200
POST workshops.plan             login 404 404 404 404 on  on
GET workshops.show              login 404 404 404 404 200 200
POST workshops.cancel           login 404 404 404 404 on  on
POST workshops.hold             login 404 404 404 404 on  on
POST workshops.reply            login 404 on  on  404 404 404
GET tuning.settings             login 404 404 404 404 200 200
POST tuning.settings            login 404 404 404 404 200 200
POST tuning.apply               login 404 404 404 404 on  on
GET providers.review            login 200 200 200 200 200 200
POST providers.review           login 422 on  on  422 422 422
GET providers.queue             login 403 403 403 200 200 200
GET providers.case              login 404 404 404 404 200 200
POST providers.decide           login 404 404 404 404 on  on
POST providers.decide_reply     login 404 404 404 404 on  on
POST providers.enter_reply      login 403 403 403 403 403 on
GET providers.administration    login 403 403 403 403 403 200
GET providers.theme             login 403 403 403 403 403 200
POST providers.theme            login 403 403 403 403 403 on
GET providers.suppress          login 403 403 403 403 403 200
POST providers.suppress         login 403 403 403 403 403 on
GET skills.index                login 403 403 403 403 403 200
GET skills.editions             login 403 403 403 403 403 200
GET skills.create               login 403 403 403 403 403 200
POST skills.create              login 403 403 403 403 403 on
GET skills.edit                 login 403 403 403 403 403 200
POST skills.edit                login 403 403 403 403 403 on
POST skills.add_word            login 403 403 403 403 403 on
POST skills.remove_word         login 403 403 403 403 403 on
POST skills.retire              login 403 403 403 403 403 on
GET links.index                 login 403 403 403 403 403 200
GET links.create                login 403 403 403 403 403 200
POST links.create               login 403 403 403 403 403 on
GET links.edit                  login 403 403 403 403 403 200
POST links.edit                 login 403 403 403 403 403 on
GET guides.propose              login 200 200 200 200 200 200
POST guides.propose             login on  on  on  on  on  on
GET guides.queue                login 403 403 403 200 200 200
POST guides.decide              login 404 404 404 404 on  on
POST guides.withdraw            login 404 404 404 404 on  on
GET paths.show                  login 404 200 200 404 404 404
POST paths.tick                 login 404 on  on  404 404 404
"""


class Row(NamedTuple):
    act: Act
    expected: dict[str, str]

    def __str__(self) -> str:
        return str(self.act)


def rows() -> list[Row]:
    lines = [line.split() for line in ROWS.strip().splitlines()]
    return [
        Row(Act(method, endpoint), dict(zip(PEOPLE, told, strict=True))) for method, endpoint, *told in lines
    ]


def public() -> list[Act]:
    return [Act(*said.split()) for said in PUBLIC.replace("\n", " ").strip().split(",")]


def outcome(response: TestResponse) -> str:
    if response.status_code not in (302, 303):
        return str(response.status_code)
    return "login" if response.location.startswith("/connexion?next=") else "on"


class Asker:
    """Lets each of PEOPLE ask, in a world that nobody has changed before them."""

    def __init__(self, app: Flask, market: Market) -> None:
        self.app, self.market = app, market
        self._world: World | None = None

    @property
    def world(self) -> World:
        if self._world is None:
            self._world = World(self.market)
        return self._world

    def __call__(self, who: str, act: Act, **values: Any) -> str:
        """Return what they get. `values`: of the address, where they are not the usual ones."""
        sent = {"data": self.world.form(act.endpoint)} if act.method == "POST" else {}
        path = self.world.path(act.endpoint, **values)
        told = outcome(client_of(self.app, self.world.people[who]).open(path, method=act.method, **sent))
        if act.method == "POST" and told == "on":
            self._world = None
        return told

    def each(self, row: Row) -> dict[str, str]:
        """Return what each of them gets; whoever is to be refused asks first, as they change nothing."""
        last_those_let_in = sorted(PEOPLE, key=lambda who: row.expected[who] == "on")
        return {who: self(who, row.act) for who in last_those_let_in}


@pytest.fixture
def ask(app, market) -> Asker:
    return Asker(app, market)


def test_every_address_has_its_row(app):
    told = [row.act for row in rows()] + public()
    assert sorted(told) == acts_of(app)


@on_production
@reads(rows())
def test_each_person_reads_what_is_theirs(ask, reads):
    assert {str(row): ask.each(row) for row in reads} == {str(row): row.expected for row in reads}


@on_production
@writes(rows())
def test_each_person_does_what_is_theirs(ask, row):
    assert ask.each(row) == row.expected


@on_production
@pytest.mark.parametrize(
    "acts",
    [
        *by_the_dozen([act for act in public() if act.method == "GET"]),
        *(pytest.param([act], id=str(act)) for act in public() if act.method != "GET"),
    ],
)
def test_what_is_public_is_for_all(ask, acts):
    for act, who in product(acts, ("visitor", "outsider", "administrator")):
        assert ask(who, act) in ("200", "on"), (act, who)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (ListingState.DRAFT, "404 404 200 200 404 404 404"),
        (ListingState.PENDING, "404 404 200 200 404 200 200"),
        (ListingState.PAUSED, "404 404 200 200 404 200 200"),
    ],
)
def test_a_listing_that_is_not_online_is_for_its_firm_and_its_moderators(ask, state, told):
    hidden = ask.world.hidden[state]
    show = Act("GET", "listings.show")
    assert [ask(who, show, listing_id=hidden.id, slug=slug_of(hidden)) for who in PEOPLE] == told.split()


def test_where_a_firm_has_no_manager_its_moderators_decide_who_joins(ask):
    decide = Act("POST", "organisations.decide")
    told = [ask(who, decide, membership_id=ask.world.orphan_request.id) for who in PEOPLE]
    assert told == ["login", "404", "404", "404", "404", "on", "on"]


@pytest.mark.parametrize(("state", "shown"), [(MatchState.PROPOSED, False), (MatchState.AGREED, True)])
def test_contact_details_show_once_both_sides_agreed(app, market, state, shown):
    world = World(market)
    page = client_of(app, world.people["employee"]).get(
        world.path("matches.show", match_id=world.matches[state].id)
    )
    assert (market.speaker(world.offer).email in page.text) is shown


def test_somebody_sent_to_log_in_comes_back_to_what_they_asked_for(app, market):
    world, visitor = World(market), client_of(app, None)
    wanted = world.path("matches.show")
    done = visitor.post(visitor.get(wanted).location, data=world.form("accounts.login"))
    assert done.location == wanted
    assert visitor.get(wanted).status_code == 200
