"""Handing a message over: to a mail server (SMTP, RFC 5321), or to a file when none is configured."""

import os
import smtplib
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path

from slugify import slugify

from marketplace import clock

# RFC 5321 4.2.1: replies of class 5 are permanent.
PERMANENT = 500


class MailFailed(Exception):
    """The message did not go. `permanent`: trying again cannot help."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its two parts, text and HTML. `unsubscribe_url`: a POST there stops more of the kind."""

    to: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """Where mail goes: `backend` "file" (to `folder`) or "smtp". `timeout`: seconds for each answer."""

    backend: str
    sender: str
    folder: Path
    host: str
    port: int
    user: str
    password: str
    starttls: bool
    timeout: float


def from_config(config: Mapping[str, object]) -> MailConfig:
    return MailConfig(
        backend=str(config["MAIL_BACKEND"]),
        sender=str(config["MAIL_FROM"]),
        folder=Path(str(config["MAIL_FOLDER"])),
        host=str(config["SMTP_HOST"]),
        port=int(str(config["SMTP_PORT"])),
        user=str(config["SMTP_USER"]),
        password=str(config["SMTP_PASSWORD"]),
        starttls=bool(config["SMTP_STARTTLS"]),
        timeout=float(str(config["SMTP_TIMEOUT_SECONDS"])),
    )


def send(letter: Letter, config: MailConfig) -> None:
    """Hand the message over. Raises MailFailed."""
    try:
        message = _message(letter, config)
    except ValueError as error:  # an address or a subject that no header can hold
        raise MailFailed(f"{type(error).__name__}: {error}", permanent=True) from error
    if config.backend == "file":
        _write(message, letter, config.folder)
    else:
        _transmit(message, config)


def _message(letter: Letter, config: MailConfig) -> EmailMessage:
    message = EmailMessage()
    message["From"] = config.sender
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=parseaddr(config.sender)[1].partition("@")[2] or None)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies, please
    if letter.unsubscribe_url:  # RFC 8058
        message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _write(message: EmailMessage, letter: Letter, folder: Path) -> None:
    """Write one .eml a message; it appears whole or not at all."""
    to, subject = slugify(letter.to, max_length=80), slugify(letter.subject, max_length=40)
    name = f"{clock.now():%Y%m%dT%H%M%S}-{to}-{subject}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".part", dir=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes())
        os.replace(path, path.removesuffix(".part") + ".eml")
    except OSError as error:
        raise MailFailed(str(error), permanent=False) from error


def _transmit(message: EmailMessage, config: MailConfig) -> None:
    try:
        with smtplib.SMTP(config.host, config.port, timeout=config.timeout) as server:
            if config.starttls:
                server.starttls(context=ssl.create_default_context())  # without one, any certificate would do
            if config.user:
                server.login(config.user, config.password)
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _reason in error.recipients.values()]
        raise MailFailed(str(error), permanent=all(code >= PERMANENT for code in codes)) from error
    except smtplib.SMTPDataError as error:
        raise MailFailed(str(error), permanent=error.smtp_code >= PERMANENT) from error
    except (smtplib.SMTPException, OSError, ValueError) as error:
        # A refused login or sender, a server without STARTTLS: ours to mend, and the message waits.
        raise MailFailed(f"{type(error).__name__}: {error}", permanent=False) from error
