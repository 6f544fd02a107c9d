"""The three journeys in a real browser, on a phone."""

import pytest

pytestmark = pytest.mark.browser
