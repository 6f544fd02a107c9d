import pytest

from marketplace.services import tokens
from marketplace.services.errors import TokenExpired

pytestmark = pytest.mark.usefixtures("app")


def test_a_token_gives_back_what_it_was_signed_for():
    assert tokens.read("confirm", tokens.sign("confirm", 7, "abc"), max_age=60) == ["7", "abc"]


def test_a_token_lives_until_its_age_and_not_a_second_more(clock):
    token = tokens.sign("confirm", 7)
    clock.move(seconds=60)
    assert tokens.read("confirm", token, max_age=60) == ["7"]
    clock.move(seconds=1)
    with pytest.raises(TokenExpired):
        tokens.read("confirm", token, max_age=60)


def test_a_token_made_for_one_purpose_does_not_serve_another():
    with pytest.raises(TokenExpired):
        tokens.read("reset", tokens.sign("confirm", 7), max_age=60)


@pytest.mark.parametrize(
    "damage",
    [
        lambda token: token[:-1],
        lambda token: "A" + token[1:],
        lambda token: token.replace(".", "", 1),
        lambda token: "",
        lambda token: "é\x00",
        lambda token: token + "x" * 100_000,
    ],
    ids=["cut", "changed", "without-dot", "empty", "unreadable", "huge"],
)
def test_a_damaged_token_is_refused(damage):
    with pytest.raises(TokenExpired):
        tokens.read("confirm", damage(tokens.sign("confirm", 7)), max_age=60)


def test_a_token_signed_with_another_key_is_refused(app):
    token = tokens.sign("confirm", 7)
    app.config["SECRET_KEY"] = "another key"
    with pytest.raises(TokenExpired):
        tokens.read("confirm", token, max_age=60)
