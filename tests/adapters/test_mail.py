"""Mail handed over for real: to an SMTP server, in clear or by STARTTLS, and to files."""

import ssl
import time
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
import trustme
from aiosmtpd.smtp import AuthResult

from marketplace.adapters import mail
from marketplace.adapters.mail import Letter, MailConfig, MailFailed
from tests.support.services import free_port, mail_service

LETTER = Letter(
    to="lea@boulangerie.example",
    subject="Votre besoin « être vue sur une carte » a trouvé à qui parler",
    text="Bonjour Léa,\n\nÀ bientôt.\n",
    html="<!doctype html><html lang=fr><p>Bonjour Léa,</p><p>À bientôt.</p></html>",
)


def config(**fields) -> MailConfig:
    return MailConfig(
        **{
            "backend": "smtp",
            "sender": "1 besoin – 1 savoir-faire <ne-pas-repondre@exchange.example>",
            "folder": Path("unused"),
            "host": "localhost",
            "port": 25,
            "user": "",
            "password": "",
            "starttls": False,
            "timeout": 5.0,
            **fields,
        }
    )


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch) -> trustme.CA:
    """Make the machine trust the test's authority."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def encrypted(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def only_lea(_server, _session, _envelope, _mechanism, told) -> AuthResult:
    right = (told.login, told.password) == (b"lea", b"brioche")
    return AuthResult(success=right, handled=right)


def test_a_message_arrives_whole_with_its_accents(clock):
    with mail_service() as server:
        mail.send(LETTER, config(port=server.port))
    (message,) = server.received
    assert (message["To"], message["Subject"]) == (LETTER.to, LETTER.subject)
    assert message["From"] == "1 besoin – 1 savoir-faire <ne-pas-repondre@exchange.example>"
    assert message["Date"].datetime == clock.now
    assert message.get_body(("plain",)).get_content() == LETTER.text
    assert message.get_body(("html",)).get_content().rstrip("\n") == LETTER.html


def test_a_message_has_an_identity_of_its_own_and_asks_for_no_holiday_reply():
    with mail_service() as server:
        mail.send(LETTER, config(port=server.port))
        mail.send(LETTER, config(port=server.port))
    first, second = server.received
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Message-ID"].endswith("@exchange.example>")
    assert first["Auto-Submitted"] == "auto-generated"


def test_a_line_that_is_a_dot_does_not_end_the_message():
    with mail_service() as server:
        mail.send(
            Letter(to=LETTER.to, subject="s", text="avant\n.\naprès\n", html="<p>x"), config(port=server.port)
        )
    assert server.received[0].get_body(("plain",)).get_content() == "avant\n.\naprès\n"


def test_starttls_encrypts(trusted):
    with mail_service(tls_context=encrypted(trusted), require_starttls=True) as server:
        mail.send(LETTER, config(port=server.port, starttls=True))
    assert server.was_encrypted


@pytest.mark.parametrize("name", ["localhost", "other.example"])
def test_a_certificate_that_nobody_vouches_for_or_of_another_host_gets_no_message(authority, name, request):
    if name == "other.example":
        authority = request.getfixturevalue("trusted")
    with (
        mail_service(tls_context=encrypted(authority, name)) as server,
        pytest.raises(MailFailed, match="certificate verify failed") as failure,
    ):
        mail.send(LETTER, config(port=server.port, starttls=True, user="lea", password="brioche"))
    assert not failure.value.permanent
    assert server.received == []


def test_where_starttls_is_asked_a_server_without_it_gets_no_message():
    with mail_service() as server, pytest.raises(MailFailed, match="STARTTLS") as failure:
        mail.send(LETTER, config(port=server.port, starttls=True))
    assert not failure.value.permanent
    assert server.received == []


def test_a_server_that_asks_for_a_login_gets_it_after_the_encryption(trusted):
    options = {"tls_context": encrypted(trusted), "auth_required": True, "authenticator": only_lea}
    with mail_service(**options) as server:
        mail.send(LETTER, config(port=server.port, starttls=True, user="lea", password="brioche"))
    assert len(server.received) == 1


def test_a_refused_login_is_ours_to_mend_and_the_message_waits(trusted):
    options = {"tls_context": encrypted(trusted), "auth_required": True, "authenticator": only_lea}
    with mail_service(**options) as server, pytest.raises(MailFailed, match="535") as failure:
        mail.send(LETTER, config(port=server.port, starttls=True, user="lea", password="croissant"))
    assert not failure.value.permanent


def test_a_password_that_smtp_cannot_say_is_ours_to_mend_too(trusted):
    options = {"tls_context": encrypted(trusted), "auth_required": True, "authenticator": only_lea}
    with mail_service(**options) as server, pytest.raises(MailFailed, match="ascii") as failure:
        mail.send(LETTER, config(port=server.port, starttls=True, user="lea", password="brioche dorée"))
    assert not failure.value.permanent


def test_a_forgotten_login_is_ours_to_mend_too(trusted):
    options = {"tls_context": encrypted(trusted), "auth_required": True, "authenticator": only_lea}
    with mail_service(**options) as server, pytest.raises(MailFailed, match="530") as failure:
        mail.send(LETTER, config(port=server.port, starttls=True))
    assert not failure.value.permanent


@pytest.mark.parametrize(
    ("step", "answer", "permanent"),
    [
        ("rcpt", "550 no such mailbox", True),
        ("rcpt", "450 mailbox busy", False),
        ("rcpt", "452 mailbox full", False),
        ("data", "554 looks like spam", True),
        ("data", "451 try again later", False),
        ("mail", "550 we do not know this sender", False),
        ("mail", "451 greylisted", False),
    ],
)
def test_a_refusal_is_final_when_it_concerns_the_message_and_says_so(step, answer, permanent):
    with mail_service() as server:
        server.refuses[step] = answer
        with pytest.raises(MailFailed, match=answer[:3]) as failure:
            mail.send(LETTER, config(port=server.port))
    assert failure.value.permanent is permanent


def test_a_server_that_is_down_is_tried_again_later():
    with pytest.raises(MailFailed, match="refused") as failure:
        mail.send(LETTER, config(port=free_port(), host="127.0.0.1"))
    assert not failure.value.permanent


def test_a_host_that_does_not_exist_is_tried_again_later():
    with pytest.raises(MailFailed) as failure:
        mail.send(LETTER, config(host="mail.invalid"))
    assert not failure.value.permanent


def test_a_server_that_says_nothing_is_not_waited_for_long():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(MailFailed, match="timed out") as failure:
            mail.send(LETTER, config(host="127.0.0.1", port=silent.getsockname()[1], timeout=0.2))
    assert time.monotonic() - began < 2
    assert not failure.value.permanent


@pytest.mark.parametrize(
    "fields", [{"to": "a@b.example\nBcc: all@b.example"}, {"subject": "one\nBcc: all@b.example"}]
)
def test_nobody_smuggles_a_header_in(fields):
    letter = Letter(**{"to": LETTER.to, "subject": "s", "text": "t", "html": "h", **fields})
    with mail_service() as server, pytest.raises(MailFailed) as failure:
        mail.send(letter, config(port=server.port))
    assert failure.value.permanent
    assert server.received == []


def test_without_a_server_each_message_is_a_file_that_mail_programs_open(tmp_path):
    folder = tmp_path / "not" / "there" / "yet"
    mail.send(LETTER, config(backend="file", folder=folder))
    mail.send(LETTER, config(backend="file", folder=folder))
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    message = message_from_bytes(files[0].read_bytes(), policy=default)
    assert (message["Subject"], message.get_body(("plain",)).get_content()) == (LETTER.subject, LETTER.text)


def test_a_file_says_when_to_whom_and_what_in_its_name(tmp_path, clock):
    mail.send(LETTER, config(backend="file", folder=tmp_path))
    (file,) = tmp_path.iterdir()
    assert file.name.startswith(f"{clock.now:%Y%m%dT%H%M%S}-lea-boulangerie-example-votre-besoin-")


def test_a_very_long_address_still_makes_a_file(tmp_path):
    to = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.example"
    mail.send(Letter(to=to, subject="s" * 250, text="t", html="h"), config(backend="file", folder=tmp_path))
    assert len(list(tmp_path.glob("*.eml"))) == 1


def test_an_address_cannot_leave_the_folder(tmp_path):
    mail.send(
        Letter(to="../../etc/passwd@b.example", subject="../../x", text="t", html="h"),
        config(backend="file", folder=tmp_path / "mail"),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mail"]
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 1


def test_a_folder_that_cannot_be_written_is_tried_again_later(tmp_path):
    (tmp_path / "mail").write_text("a file stands there")
    with pytest.raises(MailFailed) as failure:
        mail.send(LETTER, config(backend="file", folder=tmp_path / "mail"))
    assert not failure.value.permanent


def test_the_settings_say_how_mail_goes(app):
    read = mail.from_config(app.config)
    assert (read.backend, read.folder) == ("file", Path(app.config["MAIL_FOLDER"]))
    assert (read.timeout, read.port, read.starttls) == (30.0, 25, False)
