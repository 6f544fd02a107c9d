"""Every setting of the site, its default and its environment variable.

A setting NAME is read from the environment variable of the same name. The defaults run offline on one
machine: SQLite, reference data from the repository, mail written to files.
"""

import contextlib
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

DEFAULTS: dict[str, str | int | bool] = {
    # Signs sessions and mailed links. Empty: one is made at first start and kept in the instance folder.
    "SECRET_KEY": "",
    # SQLite in the instance folder by default; postgresql+psycopg://… in production.
    "DATABASE_URL": "",
    # Address that people type in their browser: absolute links in mails, secure cookies when https.
    "PUBLIC_URL": "http://127.0.0.1:5000",
    # "file" writes each message to MAIL_FOLDER; "smtp" sends it.
    "MAIL_BACKEND": "file",
    "MAIL_FOLDER": "",
    "MAIL_FROM": "1 besoin – 1 savoir-faire <ne-pas-repondre@exchange.example>",
    "SMTP_HOST": "localhost",
    "SMTP_PORT": 25,
    "SMTP_USER": "",
    "SMTP_PASSWORD": "",
    "SMTP_STARTTLS": False,
    # For each answer of the mail server; too short, and a slow server gets the same message twice.
    "SMTP_TIMEOUT_SECONDS": 30,
    # Host and path of the national address API, e.g. "data.geopf.fr/geocodage"; empty: the commune's point.
    "BAN_DOMAIN": "",
    "BAN_SCHEME": "https",
    # Address of the company register API, e.g. "https://recherche-entreprises.api.gouv.fr"; empty: typed.
    "REGISTER_URL": "",
    # How long a page may wait for either of the two.
    "ADAPTER_TIMEOUT_SECONDS": 3,
    # How long `flask links check` waits for each page elsewhere.
    "LINK_TIMEOUT_SECONDS": 10,
    # Memory of one password hash (Argon2id, t=1, p=1: OWASP's 46 MiB profile).
    "ARGON2_MEMORY_KIB": 47104,
    # Number of reverse proxies whose X-Forwarded-* headers are trusted.
    "TRUSTED_PROXIES": 0,
    # Hour (Europe/Paris) of the nightly round run by `flask worker`.
    "NIGHTLY_ROUND_HOUR": 3,
    # Requests a minute that the API answers to one address, and to one partner's token.
    "API_REQUESTS_PER_MINUTE": 120,
    "API_PARTNER_REQUESTS_PER_MINUTE": 300,
    # Who publishes the site, who hosts it (name, address), where people write: told on the legal pages.
    "PUBLISHER": "",
    "HOSTING": "",
    "CONTACT_EMAIL": "",
    # Where processes keep the market in memory for those that start later; empty: in the instance folder.
    "LIVE_INDEX_FOLDER": "",
    # Sites that may frame the widget, separated by spaces: "https://www.site.example https://*.other.example".
    "WIDGET_ORIGINS": "",
    # Where the open-data dumps are kept; empty: in the instance folder.
    "OPEN_DATA_FOLDER": "",
    # Issuer of ProConnect, or of another OpenID Connect provider; empty: nobody logs in by it.
    "PROCONNECT_ISSUER": "",
    "PROCONNECT_CLIENT_ID": "",
    "PROCONNECT_CLIENT_SECRET": "",
    # Moderators and administrators act only with a second factor (TOTP); not applied in a demonstration.
    "TWO_FACTOR_REQUIRED": True,
    # True when the demonstration market is loaded: pages say so, mails are pointed out in their folder.
    "DEMONSTRATION": False,
}

CHOICES = {"MAIL_BACKEND": ("file", "smtp"), "BAN_SCHEME": ("https", "http")}
BOUNDS = {
    "SMTP_PORT": (1, 65_535),
    "SMTP_TIMEOUT_SECONDS": (1, 60),
    "ADAPTER_TIMEOUT_SECONDS": (1, 30),
    "LINK_TIMEOUT_SECONDS": (1, 60),
    "ARGON2_MEMORY_KIB": (8, 4_194_304),
    "TRUSTED_PROXIES": (0, 10),
    "NIGHTLY_ROUND_HOUR": (0, 23),
    "API_REQUESTS_PER_MINUTE": (1, 100_000),
    "API_PARTNER_REQUESTS_PER_MINUTE": (1, 100_000),
}


# What CSP's frame-ancestors takes: a scheme, a host (one star may lead it), a port.
_ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?", re.ASCII)


def load(overrides: Mapping[str, object] | None, instance: Path) -> dict[str, object]:
    """Return Flask's configuration: defaults, then the environment, then `overrides`.

    Raises ValueError naming the setting that cannot be read or makes no sense: better at the start than when
    a mail must go.
    """
    config: dict[str, object] = {
        name: _read(name, default) if name in os.environ else default for name, default in DEFAULTS.items()
    }
    config.update(overrides or {})
    _check(config)
    if not config["DATABASE_URL"]:
        config["DATABASE_URL"] = f"sqlite:///{instance / 'marketplace.sqlite3'}"
    if not config["MAIL_FOLDER"]:
        config["MAIL_FOLDER"] = str(instance / "mail")
    if not config["OPEN_DATA_FOLDER"]:
        config["OPEN_DATA_FOLDER"] = str(instance / "open-data")
    if not config["LIVE_INDEX_FOLDER"]:
        config["LIVE_INDEX_FOLDER"] = str(instance / "live-index")
    if not config["SECRET_KEY"]:
        config["SECRET_KEY"] = _kept_secret(instance)
    https = str(config["PUBLIC_URL"]).startswith("https://")
    flask: dict[str, object] = {
        "SQLALCHEMY_DATABASE_URI": _driver(str(config["DATABASE_URL"])),
        # A connection that the server closed meanwhile is replaced before it is used.
        "SQLALCHEMY_ENGINE_OPTIONS": {"pool_pre_ping": True},
        "SESSION_COOKIE_NAME": "__Host-session" if https else "session",
        "SESSION_COOKIE_SECURE": https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_NAME": "__Host-remember" if https else "remember",
        "REMEMBER_COOKIE_SECURE": https,
        "REMEMBER_COOKIE_HTTPONLY": True,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "PREFERRED_URL_SCHEME": "https" if https else "http",
        # Long enough that a text of 100,000 characters comes back with its message instead of a bare 413.
        "MAX_CONTENT_LENGTH": 4 * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 4 * 1024 * 1024,
        "MAX_FORM_PARTS": 500,
        "WTF_CSRF_TIME_LIMIT": None,
        "BABEL_DEFAULT_LOCALE": "fr",
        "BABEL_DEFAULT_TIMEZONE": "Europe/Paris",
    }
    return {**flask, **config, **{k: v for k, v in (overrides or {}).items() if k not in DEFAULTS}}


def _read(name: str, default: str | int | bool) -> str | int | bool:
    raw = os.environ[name]
    if isinstance(default, bool):
        if raw.lower() not in {"0", "1", "true", "false", "yes", "no", ""}:
            raise ValueError(f"{name} must be true or false, not {raw!r}")
        return raw.lower() in {"1", "true", "yes"}
    if isinstance(default, int):
        try:
            return int(raw)
        except ValueError:
            raise ValueError(f"{name} must be a whole number, not {raw!r}") from None
    return raw


def _check(config: Mapping[str, object]) -> None:
    for name, known in CHOICES.items():
        if config[name] not in known:
            raise ValueError(f"{name} must be {' or '.join(known)}, not {config[name]!r}")
    for name, (low, high) in BOUNDS.items():
        if not low <= int(str(config[name])) <= high:
            raise ValueError(f"{name} must be between {low} and {high}, not {config[name]}")
    for name in ("PROCONNECT_CLIENT_ID", "PROCONNECT_CLIENT_SECRET"):
        if config["PROCONNECT_ISSUER"] and not config[name]:
            raise ValueError(f"PROCONNECT_ISSUER needs {name}")
    for origin in str(config["WIDGET_ORIGINS"]).split():
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"WIDGET_ORIGINS must hold origins like https://www.site.example, not {origin!r}"
            )


def _driver(url: str) -> str:
    """Name psycopg 3 where a bare postgresql:// address would pick another driver."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _kept_secret(instance: Path) -> str:
    """Return the key of the instance folder, made by the first process that asks.

    It appears whole or not at all: server and worker start together and must not sign with two keys.
    """
    path = instance / "secret_key"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=instance)  # only its owner may read it
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(draft, path)
        os.unlink(draft)
    return path.read_text()
