"""Settings: defaults that run offline, the environment, and what makes no sense is refused at the start."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import request

from marketplace import create_app, settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in settings.DEFAULTS:
        monkeypatch.delenv(name, raising=False)


def test_without_any_setting_everything_stays_in_the_instance_folder(tmp_path):
    config = settings.load(None, tmp_path)
    assert config["SQLALCHEMY_DATABASE_URI"] == f"sqlite:///{tmp_path}/marketplace.sqlite3"
    assert config["MAIL_FOLDER"] == str(tmp_path / "mail")
    assert (config["MAIL_BACKEND"], config["BAN_DOMAIN"], config["REGISTER_URL"]) == ("file", "", "")


def test_the_environment_wins_over_the_default_and_the_caller_over_both(tmp_path, monkeypatch):
    monkeypatch.setenv("SMTP_PORT", "2525")
    assert settings.load(None, tmp_path)["SMTP_PORT"] == 2525
    assert settings.load({"SMTP_PORT": 465}, tmp_path)["SMTP_PORT"] == 465


@pytest.mark.parametrize(
    ("said", "meant"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("False", False), ("no", False), ("", False)],
)
def test_a_truth_value_is_read_in_several_spellings(tmp_path, monkeypatch, said, meant):
    monkeypatch.setenv("DEMONSTRATION", said)
    assert settings.load(None, tmp_path)["DEMONSTRATION"] is meant


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("DEMONSTRATION", "peut-être"),
        ("SMTP_PORT", "vingt-cinq"),
        ("SMTP_PORT", "0"),
        ("SMTP_PORT", "65536"),
        ("SMTP_TIMEOUT_SECONDS", "0"),
        ("ADAPTER_TIMEOUT_SECONDS", "-1"),
        ("ARGON2_MEMORY_KIB", "7"),
        ("TRUSTED_PROXIES", "-1"),
        ("NIGHTLY_ROUND_HOUR", "24"),
        ("MAIL_BACKEND", "pigeon"),
        ("BAN_SCHEME", "ftp"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path, monkeypatch, name, said):
    monkeypatch.setenv(name, said)
    with pytest.raises(ValueError, match=name):
        settings.load(None, tmp_path)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_driven_by_psycopg_3_however_its_address_begins(tmp_path, scheme):
    config = settings.load({"DATABASE_URL": f"{scheme}://u:p@host/name"}, tmp_path)
    assert config["SQLALCHEMY_DATABASE_URI"] == "postgresql+psycopg://u:p@host/name"


def test_over_https_cookies_are_secure_and_bound_to_the_host(tmp_path):
    config = settings.load({"PUBLIC_URL": "https://exchange.example"}, tmp_path)
    assert (config["SESSION_COOKIE_NAME"], config["REMEMBER_COOKIE_NAME"]) == (
        "__Host-session",
        "__Host-remember",
    )
    assert config["SESSION_COOKIE_SECURE"]
    assert config["REMEMBER_COOKIE_SECURE"]
    assert config["PREFERRED_URL_SCHEME"] == "https"


def test_over_http_cookies_still_come_back(tmp_path):
    config = settings.load(None, tmp_path)
    assert (config["SESSION_COOKIE_NAME"], config["SESSION_COOKIE_SECURE"]) == ("session", False)


def test_a_flask_setting_can_be_overridden_too(tmp_path):
    assert settings.load({"MAX_FORM_PARTS": 7}, tmp_path)["MAX_FORM_PARTS"] == 7


def test_the_secret_is_made_once_and_kept_from_others(tmp_path):
    first = settings.load(None, tmp_path / "instance")["SECRET_KEY"]
    again = settings.load(None, tmp_path / "instance")["SECRET_KEY"]
    kept = tmp_path / "instance" / "secret_key"
    assert first == again == kept.read_text()
    assert len(first) == 64
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(kept.parent.iterdir()) == [kept]


def test_processes_that_start_together_share_one_secret(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(lambda _: settings.load(None, tmp_path)["SECRET_KEY"], range(64)))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 64


@pytest.mark.parametrize(
    "wrong", ["site.example", "https://a.example/page", "https://a.example;script-src", "'unsafe'", "*"]
)
def test_a_site_that_no_policy_can_name_is_refused_at_the_start(tmp_path, wrong):
    with pytest.raises(ValueError, match="WIDGET_ORIGINS"):
        settings.load({"WIDGET_ORIGINS": wrong}, tmp_path)


def test_an_identity_provider_without_our_credentials_is_refused_at_the_start(tmp_path):
    told = {"PROCONNECT_ISSUER": "https://issuer.example", "PROCONNECT_CLIENT_ID": "us"}
    with pytest.raises(ValueError, match="PROCONNECT_CLIENT_SECRET"):
        settings.load(told, tmp_path)
    assert settings.load(told | {"PROCONNECT_CLIENT_SECRET": "x"}, tmp_path)


def test_the_application_believes_as_many_proxies_as_it_is_told(tmp_path):
    told = {"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "https"}
    seen = {}
    for hops in (0, 1):
        app = create_app(
            {"DATABASE_URL": f"sqlite:///{tmp_path}/a.sqlite3", "SECRET_KEY": "x", "TRUSTED_PROXIES": hops}
        )
        app.add_url_rule("/who", view_func=lambda: f"{request.remote_addr} {request.scheme}")
        seen[hops] = app.test_client().get("/who", headers=told).text
    assert seen == {0: "127.0.0.1 http", 1: "192.0.2.9 https"}
