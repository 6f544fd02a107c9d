"""The journal: what the browser of a moderator gets, and what a spreadsheet."""

import ast
import csv
from io import StringIO

import pytest

from marketplace.models import User
from marketplace.services.work import unit_of_work
from marketplace.settings import ROOT
from marketplace.web.audit import words
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.queries import counted

PAGE = "/moderation/journal"


def act(user, action="user.profile_changed", **more):
    with unit_of_work() as work:
        work.audit(action, work.lock(User, user.id), by=user, **more)


def text(response):
    return response.get_data(as_text=True)


def table(response):
    return list(
        csv.DictReader(StringIO(response.get_data(as_text=True).removeprefix("\ufeff")), delimiter=";")
    )


@pytest.fixture
def browser(login, market):
    return login(market.moderator())


def test_a_line_says_who_did_what_when_and_why(browser, market, clock):
    clock.set(clock.now.replace(year=2026, month=7, day=1, hour=12, minute=5))
    act(
        market.user(name="Ève <b>"),
        territory=RENNES_METROPOLE,
        before={"name": "Ève"},
        after={"name": "Éva", "levels": [1, 2]},
        reason="Demandé par téléphone",
    )
    page = text(browser.get(PAGE))
    for told in ("Profil modifié", "1er juil. 2026, 14:05", "Ève &lt;b&gt;", "Rennes Métropole", "Ève → Éva"):
        assert told in page
    assert "rien → [1, 2]" in page
    assert "Demandé par téléphone" in page


def test_lines_of_other_territories_do_not_show(browser, market):
    act(market.user(name="Ève Roux"), territory=LIFFRE_CORMIER)
    assert "Ève Roux" not in text(browser.get(PAGE))
    assert "Rien de tel dans le journal" in text(browser.get(PAGE))


def test_an_act_without_words_shows_its_code(browser, market):
    act(market.user(), action="thing.done", territory=RENNES_METROPOLE)
    assert "thing.done" in text(browser.get(PAGE))


def test_the_journal_is_searched_and_the_search_stays(browser, market):
    act(market.user(), territory=RENNES_METROPOLE, reason="un motif")
    act(market.user(), territory=RENNES_METROPOLE, reason="une raison")
    page = text(browser.get(f"{PAGE}?q=motif&objet=user"))
    assert "1 ligne" in page
    assert "une raison" not in page
    assert 'value="motif"' in page
    assert f"{PAGE}.csv?q=motif&amp;objet=user" in page


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("du=2026-99-99", "Cette date ne se lit pas"),
        ("du=0001-01-01", "Choisissez une année"),
        ("au=9999-12-31", "Choisissez une année"),
        ("q=" + "x" * 101, "100 caractères au plus"),
        ("action=nonsense", "Choisissez une réponse de la liste"),
    ],
)
def test_a_filter_that_cannot_be_read_is_told_and_left_out(browser, market, query, told):
    act(market.user(), territory=RENNES_METROPOLE)
    page = text(browser.get(f"{PAGE}?{query}"))
    assert told in page
    assert "1 ligne" in page


def test_pages_turn(browser, market):
    user = market.user()
    for number in range(51):
        act(user, territory=RENNES_METROPOLE, reason=f"motif {number}.")
    assert "motif 0." in text(browser.get(f"{PAGE}?page=2"))
    assert "motif 0." not in text(browser.get(PAGE))


def test_more_lines_take_no_more_queries(browser, market):
    act(market.user(), territory=RENNES_METROPOLE)
    with counted() as few:
        browser.get(PAGE)
    for _ in range(5):
        act(market.user(), territory=RENNES_METROPOLE)
    with counted() as many:
        browser.get(PAGE)
    assert int(many) == int(few)


def test_the_file_holds_the_lines_that_were_searched(browser, market):
    act(market.user(name="Ève Roux"), territory=RENNES_METROPOLE, before={"a": 1}, after={"a": 2}, reason="r")
    act(market.user(), territory=RENNES_METROPOLE)
    response = browser.get(f"{PAGE}.csv?par=roux")
    (line,) = table(response)
    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    assert (line["par"], line["code"], line["avant"], line["motif"]) == (
        "Ève Roux",
        "user.profile_changed",
        "a : 1",
        "r",
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_file_runs_as_a_formula(browser, market, start):
    act(market.user(name=f"{start}HYPERLINK(1)"), territory=RENNES_METROPOLE, reason=f'{start}cmd|"/c calc"')
    (line,) = table(browser.get(f"{PAGE}.csv"))
    assert line["par"].startswith("'")
    assert line["motif"].startswith("'")


def test_the_file_of_many_lines_is_whole(browser, market):
    user = market.user()
    for number in range(250):
        act(user, territory=RENNES_METROPOLE, reason=str(number))
    assert [line["motif"] for line in table(browser.get(f"{PAGE}.csv"))] == [
        str(n) for n in range(249, -1, -1)
    ]


def acts_in_the_code():
    """Return each act that a service names when it writes to the log, where it is a plain text."""
    for file in (ROOT / "marketplace").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            is_audit = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "audit"
            if is_audit and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def test_every_act_has_its_words():
    codes = set(acts_in_the_code())
    assert len(codes) > 40
    assert sorted(codes - set(words.ACTIONS)) == []
