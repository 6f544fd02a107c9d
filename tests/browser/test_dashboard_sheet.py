"""The sheet for the elected body, as a browser prints it."""

import re

import pytest

from marketplace.services import demo
from tests.browser.conftest import DESKTOP

# One site serves them all.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SHEET = "/territoires/243500139/tableau-de-bord/fiche"


def pages_of(visitor) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", visitor.page.pdf(prefer_css_page_size=True)))


def test_the_sheet_for_all_takes_one_page(visit):
    visitor = visit(DESKTOP)
    visitor.go(SHEET)

    assert pages_of(visitor) == 1


def test_the_sheet_in_full_takes_one_page(visit):
    visitor = visit(DESKTOP)
    visitor.log_in(demo.LOGINS[2].email, demo.LOGINS[2].password)
    visitor.go(SHEET)

    assert pages_of(visitor) == 1
