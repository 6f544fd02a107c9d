"""Links to diagnoses, trainings and aid: filled with what is known, tested, and hidden once they are dead."""

import csv
import shutil
from dataclasses import asdict, replace
from datetime import date
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from marketplace.adapters import link_tester
from marketplace.adapters.link_tester import LinkConfig
from marketplace.models import AuditEntry, Commune, HelpLink, LinkFamily, LinkSize, Sector, SizeClass
from marketplace.services import help_links, reference
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.help_links import LinkSheet, Offline, Situation
from tests.support import reference_data
from tests.support.builders import RENNES
from tests.support.services import free_port

SHEET = LinkSheet(
    name="École du fil",
    publisher="Les Tisserands",
    family=LinkFamily.PRIVATE_TRAINING,
    reason="Des cours pour apprendre à tisser sa toile.",
    url="https://fil.example/cours",
    parameters="q={subject}|cp={postcode}|naf={naf}|taille={size}|lang=fr",
    size=LinkSize.ALL,
    domains=(),
    sections=(),
    is_active=True,
    checked_on=date(2026, 11, 1),
)
CONFIG = LinkConfig(timeout=2, agent="tests")


@pytest.fixture
def admin(market):
    return market.admin()


@pytest.fixture
def add(admin):
    return lambda **changes: help_links.create(replace(SHEET, **changes), by=admin)


@pytest.fixture
def situation(market, db_session):
    """A bakery of Rennes that wants to sell online."""
    return Situation(
        skill=market.skill("boutique-en-ligne"),
        commune=db_session.get(Commune, RENNES),
        sector=db_session.get(Sector, "10.71C"),
        size=SizeClass.MICRO,
    )


def shown(situation):
    return [
        filled.link.name
        for links in help_links.for_situation(situation).families.values()
        for filled in links
    ]


def only(situation):
    ((filled,),) = help_links.for_situation(situation).families.values()
    return filled


def test_a_link_is_filled_with_subject_place_trade_and_size(add, situation):
    add()

    assert only(situation).url == (
        "https://fil.example/cours?q=boutique+en+ligne&cp=35000&naf=10.71C&taille=tpe&lang=fr"
    )


def test_what_nobody_knows_is_left_out(add, market):
    add()

    assert only(Situation(market.skill("tableur"))).url == "https://fil.example/cours?q=tableur&lang=fr"


def test_an_address_with_a_query_keeps_it(add, market):
    add(url="https://fil.example/?page=cours", parameters="q={skill}")

    assert only(Situation(market.skill("tableur"))).url.startswith("https://fil.example/?page=cours&q=")


def test_text_may_stand_around_a_value_and_goes_with_it(add, situation, market):
    add(parameters="ou=COMMUNE-{insee}|tri=0")

    assert only(situation).url == "https://fil.example/cours?ou=COMMUNE-35238&tri=0"
    assert only(Situation(market.skill("tableur"))).url == "https://fil.example/cours?tri=0"


def test_values_cannot_leave_their_parameter(add, situation, db_session):
    add(parameters="q={commune}")
    strange = Commune(**{**columns(situation.commune), "insee": "00000", "name": "A&B=C#d"})

    assert only(replace(situation, commune=strange)).url.endswith("?q=A%26B%3DC%23d")


def columns(row):
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


@pytest.mark.parametrize(
    ("changes", "is_shown"),
    [
        ({"domains": ("vente-en-ligne",)}, True),
        ({"domains": ("cybersecurite",)}, False),
        ({"sections": ("C", "G")}, True),
        ({"sections": ("A",)}, False),
        ({"size": LinkSize.TPE}, True),
        ({"size": LinkSize.PME}, False),
        ({"is_active": False}, False),
    ],
)
def test_a_link_shows_for_its_subjects_trades_and_sizes(add, situation, changes, is_shown):
    add(**changes)

    assert (shown(situation) == ["École du fil"]) is is_shown


@pytest.mark.parametrize(
    ("size", "names"),
    [
        (SizeClass.NONE, ["Petites"]),
        (SizeClass.MICRO, ["Petites"]),
        (SizeClass.SMALL, ["Moyennes"]),
        (SizeClass.MEDIUM, ["Moyennes"]),
        (None, ["Petites", "Moyennes"]),
    ],
)
def test_very_small_firms_and_smes_are_told_apart(add, situation, size, names):
    add(name="Petites", size=LinkSize.TPE)
    add(name="Moyennes", size=LinkSize.PME)

    assert shown(replace(situation, size=size)) == names


def test_families_come_apart_and_in_their_order(add, situation):
    for family in reversed(LinkFamily):
        add(family=family)

    assert list(help_links.for_situation(situation).families) == list(LinkFamily)


def test_a_change_is_kept_when_the_file_is_loaded_again(admin, db_session):
    reference_data.load_again("links.csv")
    pix = db_session.scalars(select(HelpLink).where(HelpLink.key == "pix")).one()
    help_links.change(pix.id, SHEET, by=admin)
    made = help_links.create(replace(SHEET, name="À nous"), by=admin)

    reference_data.load_again("links.csv")

    kept = db_session.get(HelpLink, pix.id, populate_existing=True)
    assert kept.url == SHEET.url
    assert db_session.get(HelpLink, made.id) is not None


def test_a_link_that_left_the_file_is_gone_and_one_that_moved_starts_unharmed(tmp_path, db_session):
    reference_data.load_again("links.csv")
    db_session.scalars(select(HelpLink).where(HelpLink.key == "pix")).one().failures = 2
    db_session.commit()
    seeds = tmp_path / "seeds"
    shutil.copytree(reference.SEEDS, seeds, ignore=shutil.ignore_patterns("demo"))
    text = (seeds / "links.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("adie;")]
    moved = "\n".join(lines).replace("https://pix.fr/", "https://pix.example/")
    (seeds / "links.csv").write_text(moved + "\n", encoding="utf-8")
    try:
        reference_data.load_again("links.csv", seeds=seeds)

        assert db_session.scalar(select(HelpLink.id).where(HelpLink.key == "adie")) is None
        assert db_session.scalar(select(HelpLink.failures).where(HelpLink.key == "pix")) == 0
    finally:
        reference_data.load_again("links.csv")


def test_the_links_that_ship_are_sound(app, admin):
    with (reference.SEEDS / "links.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    reference_data.load_again("links.csv")

    links = help_links.all_links(by=admin)
    assert len(links) == len(rows) == len({row["key"] for row in rows})
    assert {link.family for link in links} == set(LinkFamily)
    for link in links:
        told = {name: getattr(link, name) for name in asdict(SHEET)}
        help_links.change(
            link.id,
            LinkSheet(**told | {"domains": tuple(link.domains), "sections": tuple(link.sections)}),
            by=admin,
        )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "fil.example"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "https://fil"}, "url"),
        ({"parameters": "q={password}"}, "parameters"),
        ({"parameters": "q"}, "parameters"),
        ({"parameters": "q={subject}|||x=<b>"}, "parameters"),
        ({"domains": ("tricot",)}, "domains"),
        ({"sections": ("Z",)}, "sections"),
        ({"sections": ("10.71C",)}, "sections"),
    ],
)
def test_what_cannot_be_a_link_is_refused_at_its_field(add, changes, field):
    with pytest.raises(FieldError) as refused:
        add(**changes)
    assert refused.value.field == field


def test_only_the_national_administrator_keeps_the_links(add, market):
    link = add()
    for person in (market.user(), market.moderator()):
        for act in (
            lambda person=person: help_links.all_links(by=person),
            lambda person=person: help_links.show(link.id, by=person),
            lambda person=person: help_links.change(link.id, SHEET, by=person),
            lambda person=person: help_links.create(SHEET, by=person),
        ):
            with pytest.raises(NotAllowed):
                act()


def test_a_change_is_one_line_of_the_log(add, admin, db_session):
    link = add()
    help_links.change(link.id, replace(SHEET, name="Autrement"), by=admin)

    actions = db_session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["link.created", "link.changed"]
    with pytest.raises(NotFound):
        help_links.change(link.id + 1, SHEET, by=admin)


def answering(**statuses):
    """Return what tells these statuses by the first label of the host."""
    return lambda urls: {url: statuses.get(urlsplit(url).hostname.split(".")[0], 200) for url in urls}


def test_a_link_that_fails_once_shows_and_twice_in_a_row_is_hidden(add, situation):
    add(name="Mort", url="https://mort.example/")
    add(name="Vif", url="https://vif.example/")

    first = help_links.check(answering(mort=404))
    assert (first.alive, first.failing, list(first.hidden)) == (1, 1, [])
    assert shown(situation) == ["Mort", "Vif"]

    second = help_links.check(answering(mort=None))
    assert list(second.hidden) == ["mort"]
    assert shown(situation) == ["Vif"]


def test_a_link_that_comes_back_shows_again(add, situation):
    add(name="Mort", url="https://mort.example/")
    add(name="Vif", url="https://vif.example/")
    for status in (500, 500, 200):
        help_links.check(answering(mort=status))

    assert shown(situation) == ["Mort", "Vif"]


def test_a_page_that_turns_programs_away_is_there(add):
    link = add()
    for status in (401, 403, 405, 429):
        help_links.check(answering(fil=status))
        assert (link.status, link.failures) == (status, 0)


def test_without_network_nothing_is_learnt_and_nothing_changes(add, situation):
    link = add()
    for _ in range(3):
        with pytest.raises(Offline):
            help_links.check(answering(fil=None))

    assert (link.tested_at, link.failures, shown(situation)) == (None, 0, ["École du fil"])


def test_a_link_is_dated_by_its_last_success_or_by_who_read_it(add, situation, clock):
    add()
    add(name="Vif", url="https://vif.example/", family=LinkFamily.AID)
    assert [filled.as_of for filled in both(situation)] == [SHEET.checked_on] * 2

    help_links.check(answering(fil=404))

    assert [filled.as_of for filled in both(situation)] == [SHEET.checked_on, clock.now.date()]


def both(situation):
    return [filled for links in help_links.for_situation(situation).families.values() for filled in links]


def test_a_new_address_starts_unharmed(add, admin):
    link = add()
    add(name="Vif", url="https://vif.example/")
    for _ in range(2):
        help_links.check(answering(fil=404))

    help_links.change(link.id, replace(SHEET, url="https://neuf.example/"), by=admin)

    assert (link.failures, link.status) == (0, None)


def test_pages_are_asked_over_the_network(service):
    service.first = [200]
    here, closed = f"http://{service.host}/cours", f"http://127.0.0.1:{free_port()}/"

    assert link_tester.statuses([here, closed, "http://"], CONFIG) == {
        here: 200,
        closed: None,
        "http://": None,
    }
    assert service.asked == [("/cours", {})]


@pytest.mark.parametrize("status", [404, 410, 500])
def test_a_page_that_is_gone_tells_its_status(service, status):
    service.status = status
    url = f"http://{service.host}/"

    assert link_tester.statuses([url], CONFIG) == {url: status}


def test_a_page_that_is_too_slow_counts_as_no_answer(service):
    service.delay = 2.0
    url = f"http://{service.host}/"

    assert link_tester.statuses([url], LinkConfig(timeout=0.2, agent="tests")) == {url: None}


def test_the_command_tests_and_says_what_it_hides(app, add, service):
    add(url=f"http://{service.host}/", parameters="")
    run = app.test_cli_runner().invoke
    service.status = 404

    assert run(args=["links", "check"]).output == "0 answer, 1 do not\n"
    assert "hidden from now on: ecole-du-fil" in run(args=["links", "check"]).output


def test_the_command_says_that_the_network_is_not_there(app, add):
    link = add(url=f"http://127.0.0.1:{free_port()}/", parameters="")
    result = app.test_cli_runner().invoke(args=["links", "check"])

    assert result.exit_code == 1
    assert "no link answered" in result.output
    assert link.failures == 0
