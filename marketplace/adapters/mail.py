"""Handing a message over: to a mail server (SMTP, RFC 5321), or to a file when none is configured."""

import os
import smtplib
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
    """A message with its two parts, text and HTML."""

    to: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """Where mail goes: `backend` "file" (to `folder`) or "smtp"."""

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
    """Read the settings. Raises ValueError for an unknown backend."""
    backend = str(config["MAIL_BACKEND"])
    if backend not in {"file", "smtp"}:
        raise ValueError(f"MAIL_BACKEND must be file or smtp, not {backend!r}")
    return MailConfig(
        backend=backend,
        sender=str(config["MAIL_FROM"]),
        folder=Path(str(config["MAIL_FOLDER"])),
        host=str(config["SMTP_HOST"]),
        port=int(str(config["SMTP_PORT"])),
        user=str(config["SMTP_USER"]),
        password=str(config["SMTP_PASSWORD"]),
        starttls=bool(config["SMTP_STARTTLS"]),
        timeout=float(str(config["ADAPTER_TIMEOUT_SECONDS"])),
    )


def send(letter: Letter, config: MailConfig) -> None:
    """Hand the message over. Raises MailFailed."""
    message = _message(letter, config)
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
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _write(message: EmailMessage, letter: Letter, folder: Path) -> None:
    """Write one .eml a message; it appears whole or not at all."""
    name = f"{clock.now():%Y%m%dT%H%M%S}-{slugify(letter.to)}-{slugify(letter.subject, max_length=40)}"
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
                server.starttls()
            if config.user:
                server.login(config.user, config.password)
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _reason in error.recipients.values()]
        raise MailFailed(str(error), permanent=all(code >= PERMANENT for code in codes)) from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise MailFailed(str(error), permanent=error.smtp_code >= PERMANENT) from error
    except (smtplib.SMTPException, OSError) as error:
        # A refused login or a server without STARTTLS is ours to mend: the message waits.
        raise MailFailed(f"{type(error).__name__}: {error}", permanent=False) from error
