from marketplace.models import MatchState
import pytest
@pytest.mark.parametrize("s", list(MatchState))
def test_builders(market, s):
    assert market.match(state=s).id
