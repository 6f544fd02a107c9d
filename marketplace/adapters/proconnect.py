"""ProConnect, or another OpenID Connect provider: authorization code with PKCE, state and nonce.

OpenID Connect Core 1.0 and Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (issuer in the answer), RP-Initiated
Logout 1.0. ProConnect gives its claims as a signed JWT (Core, 5.3.2): what is not signed is refused.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from marketplace import clock
from marketplace.adapters import http
from marketplace.adapters.cache import Cache

SCOPE = "openid given_name usual_name email siret"
ALGORITHMS = ["RS256", "ES256"]
# Characters of a state and of a nonce: ProConnect asks for 32 at least.
RANDOM = 32
# Clocks differ.
LEEWAY_SECONDS = 60
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
_metadata: "Cache[str, dict[str, Any]]" = Cache(seconds=3600, size=10)
_keys: "Cache[str, KeySet]" = Cache(seconds=3600, size=10)
_SHAPE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Refused(Exception):
    """The provider, or the person, did not prove who they are."""


@dataclass(frozen=True, slots=True)
class ProConnectConfig:
    issuer: str
    client_id: str
    client_secret: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the browser keeps from leaving to coming back: it must fit what the provider answers."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says of somebody. `siret`: of where they work, or ""; `id_token`: to log out with."""

    issuer: str
    subject: str
    email: str
    name: str
    siret: str
    id_token: str


def from_config(config: Mapping[str, object]) -> ProConnectConfig | None:
    """Return the settings; None while nobody logs in this way."""
    if not config["PROCONNECT_ISSUER"]:
        return None
    return ProConnectConfig(
        issuer=str(config["PROCONNECT_ISSUER"]).rstrip("/"),
        client_id=str(config["PROCONNECT_CLIENT_ID"]),
        client_secret=str(config["PROCONNECT_CLIENT_SECRET"]),
        timeout=float(str(config["ADAPTER_TIMEOUT_SECONDS"])),
    )


def begin(redirect_uri: str, config: ProConnectConfig) -> tuple[str, Attempt]:
    """Return where to send the browser, and what it must keep. Raises http.Unavailable, Refused."""
    metadata = _discover(config)
    attempt = Attempt(generate_token(RANDOM), generate_token(RANDOM), generate_token(2 * RANDOM))
    url = prepare_grant_uri(
        metadata["authorization_endpoint"],
        config.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=SCOPE,
        state=attempt.state,
        nonce=attempt.nonce,
        **_challenge(attempt, metadata),
    )
    return str(url), attempt


def finish(told: Mapping[str, str], attempt: Attempt, redirect_uri: str, config: ProConnectConfig) -> Claims:
    """Return who came back with the parameters `told`. Raises Refused, http.Unavailable."""
    code = _code(told, attempt, config)
    metadata = _discover(config)
    try:
        tokens = _exchange(code, attempt, redirect_uri, metadata, config)
        id_token = str(tokens["id_token"])
        identity = _verified(id_token, metadata, config, nonce=attempt.nonce)
        person = _userinfo(str(tokens["access_token"]), metadata, config)
    except (JoseError, *_SHAPE) as error:
        raise Refused(f"{type(error).__name__}: {error}") from error
    if person["sub"] != identity["sub"]:  # Core, 5.3.2: it may be somebody else's
        raise Refused("the claims are of another subject")
    return _claims(person, id_token, config)


def logout_url(id_token: str, back: str, config: ProConnectConfig) -> str | None:
    """Return where the session of the provider ends; None when it does not offer that, or is silent."""
    try:
        endpoint = _discover(config).get("end_session_endpoint")
    except (http.Unavailable, Refused):
        return None
    if not endpoint:
        return None
    known = {"id_token_hint": id_token, "post_logout_redirect_uri": back, "state": generate_token(RANDOM)}
    return http.with_query(endpoint, known)


def _challenge(attempt: Attempt, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return what PKCE adds, where the provider announces it (RFC 8414): some refuse what they do not know.

    Without it the nonce and our secret keep a stolen code from being of use.
    """
    if "S256" not in (metadata.get("code_challenge_methods_supported") or ()):
        return {}
    challenge = create_s256_code_challenge(attempt.verifier)
    return {"code_challenge": challenge, "code_challenge_method": "S256"}


def _code(told: Mapping[str, str], attempt: Attempt, config: ProConnectConfig) -> str:
    """Return the code of an answer to this attempt. Raises Refused."""
    if not hmac.compare_digest(told.get("state", "").encode(), attempt.state.encode()):
        raise Refused("the state is not the one that was sent")
    if told.get("iss", config.issuer).rstrip("/") != config.issuer:
        raise Refused("the answer comes from another issuer")
    if "error" in told or not told.get("code"):
        raise Refused(f"the provider says {told.get('error', 'nothing')!r}")
    return told["code"]


def _discover(config: ProConnectConfig) -> dict[str, Any]:
    """Return the provider's metadata, whose issuer must be the configured one."""
    kept = _metadata.get(config.issuer)
    if kept is not None:
        return kept
    answer = http.get(f"{config.issuer}/.well-known/openid-configuration", timeout=config.timeout)
    try:
        metadata: dict[str, Any] = json.loads(_ok(answer))
        if str(metadata["issuer"]).rstrip("/") != config.issuer:
            raise Refused(f"unknown issuer {metadata['issuer']!r}")
        _require_as_safe(metadata, config)
    except _SHAPE as error:
        raise Refused(f"metadata: {type(error).__name__}: {error}") from error
    _metadata.put(config.issuer, metadata)
    return metadata


def _require_as_safe(metadata: Mapping[str, Any], config: ProConnectConfig) -> None:
    """Refuse an endpoint that would take a secret out of https."""
    scheme = urlsplit(config.issuer).scheme
    for name in _ENDPOINTS:
        if urlsplit(metadata[name]).scheme not in ("https", scheme):
            raise Refused(f"{name} is not safe")


def _exchange(
    code: str, attempt: Attempt, redirect_uri: str, metadata: Mapping[str, Any], config: ProConnectConfig
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": config.client_id,
        "client_secret": config.client_secret,
    }
    if _challenge(attempt, metadata):
        form["code_verifier"] = attempt.verifier
    answer = http.post(metadata["token_endpoint"], data=form, timeout=config.timeout)
    tokens: dict[str, Any] = json.loads(_ok(answer))
    return tokens


def _userinfo(access_token: str, metadata: Mapping[str, Any], config: ProConnectConfig) -> dict[str, Any]:
    answer = http.get(
        metadata["userinfo_endpoint"],
        headers={"Authorization": f"Bearer {access_token}"},
        timeout=config.timeout,
    )
    if not answer.content_type.startswith("application/jwt"):
        raise Refused("the claims are not signed")
    return _verified(_ok(answer).decode(), metadata, config)


def _verified(
    token: str, metadata: Mapping[str, Any], config: ProConnectConfig, *, nonce: str | None = None
) -> dict[str, Any]:
    """Return the claims of a JWT that the provider signed for us. `nonce`: of an ID token, which ends."""
    decoded = _decoded(token, metadata, config)
    rules: dict[str, Any] = {
        "iss": {"essential": True, "value": metadata["issuer"]},
        "aud": {"essential": True, "value": config.client_id},
        "sub": {"essential": True},
    }
    if nonce is not None:
        rules |= {"exp": {"essential": True}, "nonce": {"essential": True, "value": nonce}}
    now = int(clock.now().timestamp())
    jwt.JWTClaimsRegistry(now=now, leeway=LEEWAY_SECONDS, **rules).validate(decoded.claims)
    if decoded.claims.get("azp", config.client_id) != config.client_id:
        raise Refused("the token was made for somebody else")
    return dict(decoded.claims)


def _decoded(token: str, metadata: Mapping[str, Any], config: ProConnectConfig) -> jwt.Token:
    """Check the signature; a key that is not known may be new, and the keys are asked for once more."""
    kept = _keys.get(metadata["jwks_uri"])
    if kept is not None:
        try:
            return jwt.decode(token, kept, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            _keys.forget(metadata["jwks_uri"])
    answer = http.get(metadata["jwks_uri"], timeout=config.timeout)
    keys = KeySet.import_key_set(json.loads(_ok(answer)))
    decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
    _keys.put(metadata["jwks_uri"], keys)
    return decoded


def _claims(person: Mapping[str, Any], id_token: str, config: ProConnectConfig) -> Claims:
    email = str(person.get("email") or "")
    if "@" not in email or person.get("email_verified") is False:
        raise Refused("the provider vouches for no mail address")
    names = [str(person.get(key) or "") for key in ("given_name", "usual_name")]
    return Claims(
        issuer=config.issuer,
        subject=str(person["sub"]),
        email=email,
        name=" ".join(name for name in names if name) or email.partition("@")[0],
        siret=str(person.get("siret") or ""),
        id_token=id_token,
    )


def _ok(answer: http.Answer) -> bytes:
    if not answer.is_ok:
        raise Refused(f"status {answer.status}")
    return answer.body
