"""Composing mail: one text, two parts that say the same, and nobody's words taken for markup."""

from html.parser import HTMLParser

import pytest
from jinja2 import DictLoader

from marketplace.services import mailer

WHERE = "https://exchange.example"


@pytest.fixture
def compose(app, monkeypatch):
    """Compose a message from the text of a template."""

    def from_text(text: str, **context):
        layout = app.jinja_env.get_template("mail/layout.html")
        assert layout.filename is not None
        with open(layout.filename, encoding="utf-8") as file:
            loader = DictLoader({"mail/test.txt": text, "mail/layout.html": file.read()})
        monkeypatch.setattr(app.jinja_env, "loader", loader)
        monkeypatch.setattr(app.jinja_env, "cache", None)
        return mailer.compose("test", to="lea@boulangerie.example", **context)

    return from_text


class Page(HTMLParser):
    """The links and the words of an HTML part."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data):
        self.words += data


def test_the_first_line_is_the_subject_and_the_rest_the_body(compose):
    mail = compose("Une bonne nouvelle\n\nBonjour,\n\nÀ bientôt.\n")
    assert (mail.recipient, mail.template, mail.subject) == (
        "lea@boulangerie.example",
        "test",
        "Une bonne nouvelle",
    )
    assert mail.text == "Bonjour,\n\nÀ bientôt.\n"
    assert "<title>Une bonne nouvelle</title>" in mail.html


def test_both_parts_say_the_same(compose):
    mail = compose("Sujet\n\nUn.\n\n{{ button('Répondre', 'https://exchange.example/x') }}\n\nDeux.")
    page = Page(mail.html)
    for words in ("Un.", "Répondre", "Deux."):
        assert words in mail.text
        assert words in page.words
    assert "Répondre : https://exchange.example/x" in mail.text
    assert page.links == ["https://exchange.example/x"]


def test_a_long_subject_is_cut_and_stays_on_one_line(compose):
    mail = compose("{{ title }}\n\nTexte.", title="mot \t " * 100)
    assert len(mail.subject) <= 250
    assert "\n" not in mail.subject
    assert "  " not in mail.subject


def test_what_somebody_wrote_is_shown_as_they_wrote_it_and_never_as_markup(compose):
    said = "<script>alert(1)</script> & « 5 < 6 »"
    mail = compose("Message de {{ said }}\n\nElle écrit : {{ said }}", said=said)
    assert said in mail.text
    assert said in Page(mail.html).words
    assert "<script>" not in mail.html


def test_an_empty_line_in_what_somebody_wrote_makes_a_paragraph_and_no_button(compose):
    mail = compose("Sujet\n\n{{ said }}", said="Un.\n\nRépondre : https://piege.example")
    assert Page(mail.html).links == []


@pytest.mark.parametrize("public", [WHERE, f"{WHERE}/", "http://localhost:5000"])
def test_links_are_absolute_and_the_same_in_a_page_and_in_the_worker(app, public):
    app.config["PUBLIC_URL"] = public
    outside = mailer.public_url("accounts.login")
    with app.test_request_context("/", base_url="http://somewhere.else"):
        assert mailer.public_url("accounts.login") == outside == f"{public.rstrip('/')}/connexion"


def test_a_value_in_a_link_is_quoted(app):
    app.config["PUBLIC_URL"] = WHERE
    assert mailer.public_url("accounts.login", suite="/a?b=c&d") == f"{WHERE}/connexion?suite=/a?b%3Dc%26d"
