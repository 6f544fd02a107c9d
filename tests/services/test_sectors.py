import pytest

from marketplace.services import sectors

pytestmark = pytest.mark.usefixtures("app")


def found(text: str) -> list[str]:
    return [sector.code for sector in sectors.resolve(text)]


@pytest.mark.parametrize(
    "text",
    [
        "10.71C",
        "1071c",
        " 10.71C – Boulangerie et boulangerie-pâtisserie",
        "Boulangerie et boulangerie-pâtisserie",
        "boulangerie patisserie",
    ],
)
def test_one_activity_is_found_by_code_or_label(text):
    assert found(text) == ["10.71C"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("Coiffeur", "96.02A"), ("jardinerie", "47.76Z"), ("Plombier", "43.22A"), ("restaurant", "56.10A")],
)
def test_trades_are_found_by_their_everyday_name(text, code):
    assert code in found(text)


@pytest.mark.parametrize(
    ("text", "code"), [("boulangerie", "10.71C"), ("Boulanger", "10.71C"), ("coiffeuse", "96.02A")]
)
def test_a_common_trade_needs_no_choice(text, code):
    assert found(text) == [code]


def test_every_everyday_name_leads_to_an_activity():
    assert [name for name in sectors.EVERYDAY if len(sectors.resolve(name)) != 1] == []


def test_a_word_of_several_activities_gives_them_all():
    assert {"62.02A", "70.22Z"} <= set(found("conseil"))


def test_whole_words_win_over_beginnings():
    assert "42.13A" not in found("conseil")  # « Construction d'ouvrages d'art »


@pytest.mark.parametrize("text", ["", "de la", "99.99Z", "10.71", "C", "10", "🥖", "\x00", "zzzz"])
def test_nonsense_and_wider_levels_find_nothing(text):
    assert found(text) == []


def test_what_is_said_of_an_activity_is_understood_again():
    assert [s.code for s in sectors.subclasses() if sectors.resolve(sectors.said(s)) != [s]] == []
