"""An OpenID Connect provider on this machine that signs its claims, checks PKCE, and can be made to cheat."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
import httpx
import oidc_provider_mock
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "the-site", "shared with the site"


@dataclass
class Provider:
    """`people`: claims by subject. `claims`, `metadata`: what it says otherwise than it should."""

    issuer: str = ""
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    is_signed: bool = True
    key: RSAKey | None = None
    asked: list[str] = field(default_factory=list)
    challenge: str = ""

    def add(self, subject: str, **claims: Any) -> None:
        """Let somebody have an account there."""
        httpx.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()

    def log_in(self, address: str, subject: str) -> str:
        """Log in as `subject` at the address that a site gave. Returns where the browser is sent back."""
        return str(httpx.post(address, data={"sub": subject}).headers["Location"])

    def settings(self) -> dict[str, object]:
        return {
            "PROCONNECT_ISSUER": self.issuer,
            "PROCONNECT_CLIENT_ID": CLIENT_ID,
            "PROCONNECT_CLIENT_SECRET": CLIENT_SECRET,
        }


@contextmanager
def identity_provider() -> Iterator[Provider]:
    provider = Provider()
    app = oidc_provider_mock.app(require_nonce=True)
    app.before_request(_check_pkce(provider))
    app.after_request(_answer_as_told(provider))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


def _check_pkce(provider: Provider) -> Callable[[], flask.Response | None]:
    """The mock knows no PKCE: RFC 7636 by hand."""

    def check() -> flask.Response | None:
        request = flask.request
        provider.asked.append(f"{request.method} {request.path}")
        if request.path == "/oauth2/authorize":
            provider.challenge = request.args.get("code_challenge", "")
            assert request.args.get("code_challenge_method") == ("S256" if provider.challenge else None)
        if request.path == "/oauth2/token":
            verifier = request.form.get("code_verifier")
            sent = create_s256_code_challenge(verifier) if verifier else ""
            right = request.form.get("client_secret") == CLIENT_SECRET and sent == provider.challenge
            if not right:
                return flask.make_response({"error": "invalid_grant"}, 400)
        return None

    return check


def _answer_as_told(provider: Provider) -> Callable[[flask.Response], flask.Response]:
    def answer(response: flask.Response) -> flask.Response:
        path = flask.request.path
        if response.status_code != 200:
            return response
        if path == "/.well-known/openid-configuration":
            told = {"code_challenge_methods_supported": ["S256"], **(response.get_json() or {})}
            response.set_data(flask.json.dumps(told | provider.metadata))
        if path == "/userinfo" and provider.is_signed:
            claims = {"iss": provider.issuer, "aud": CLIENT_ID, **(response.get_json() or {})}
            own = RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
            key = provider.key or own
            header = {"alg": "RS256", "kid": own.kid}
            response.set_data(jwt.encode(header, {**claims, **provider.claims}, key))
            response.mimetype = "application/jwt"
        return response

    return answer
