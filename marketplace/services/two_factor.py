"""The second step of logging in: a code of the person's phone (TOTP, RFC 6238), or one of ten recovery codes.

Who needs one to act stands in services.rights. Any change here ends the person's other open sessions.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app
from sqlalchemy import delete, func, select

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import RecoveryCode, SecondFactor, User
from marketplace.services import accounts, passwords, rights, throttle
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.work import Work, unit_of_work

ISSUER = "1 besoin - 1 savoir-faire"
RECOVERY_CODES = 10
REASON_MAX = 500
STEP_SECONDS = 30
DRIFT_STEPS = 1  # a phone's clock may be half a minute off, either way
PROPOSAL_MAX_AGE = 3600  # seconds
TRIES, TRIES_SECONDS = 10, 900
WRONG_CODE = "Ce code n’est pas le bon, ou il a déjà servi. Attendez le suivant et réessayez."
WRONG_PASSWORD = "Ce mot de passe n’est pas le bon."  # noqa: S105
# Without what reads alike: 31 signs, 12 of them: 59 bits.
_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 3, 4


@dataclass(frozen=True, slots=True)
class Proposal:
    """A secret that a phone may take in. `sealed`: the same, for the form to send back with a first code."""

    secret: str
    uri: str
    sealed: str


def propose(user: User) -> Proposal:
    """Return a new secret for the person's phone; nothing is written until a code proves that it is there."""
    secret = pyotp.random_base32()
    return _proposal(user, secret)


def proposed(user: User, sealed: str) -> Proposal:
    """Return the proposal that the form sends back. Raises FieldError when forged, too old or not theirs."""
    try:
        return _proposal(user, _unseal(user.id, sealed, max_age=PROPOSAL_MAX_AGE))
    except InvalidToken:
        raise FieldError("code", "Cette page est trop ancienne : voici une nouvelle clé.") from None


def set_up(user: User, sealed: str, code: str) -> Sequence[str]:
    """Ask for a code at each login from now on. Returns the recovery codes, which are shown this once.

    Raises FieldError (wrong code, page too old, already done), TooManyAttempts.
    """
    secret = proposed(user, sealed).secret
    _count_try(user.id)
    with unit_of_work() as work:
        user = work.lock(User, user.id)
        if user.second_factor_at is not None:
            raise FieldError("code", "La validation en deux étapes est déjà active.")
        step = _step_of(secret, code, after=0)
        if step is None:
            raise FieldError("code", WRONG_CODE)
        work.add(SecondFactor(user_id=user.id, sealed_secret=_seal(user.id, secret), last_step=step))
        user.second_factor_at = clock.now()
        codes = _write_codes(work, user)
        _tell(work, user, "on", by=user)
    return codes


def check(user_id: int, code: str) -> bool:
    """Say whether the code opens the second step; it serves once. Raises TooManyAttempts before looking."""
    _count_try(user_id)
    with unit_of_work() as work:
        user = work.lock(User, user_id)
        factor = work.session.get(SecondFactor, user_id)
        return factor is not None and (_takes(factor, code) or _takes_recovery(work, user, code))


def renew_codes(user: User, password: str) -> Sequence[str]:
    """Replace all recovery codes; the old ones no longer serve. Raises FieldError("password"), NotAllowed."""
    _require_password(user, password)
    with unit_of_work() as work:
        user = work.lock(User, user.id)
        if user.second_factor_at is None:
            raise NotAllowed("no second factor")
        codes = _write_codes(work, user)
        work.audit("user.recovery_codes_renewed", user, by=user)
        work.mail("second_factor", to=user, event="codes")
    return codes


def switch_off(user: User, password: str) -> None:
    """Ask for the password alone again. Raises FieldError("password"), NotAllowed where a role needs it."""
    _require_password(user, password)
    with unit_of_work() as work:
        user = work.lock(User, user.id)
        if user.second_factor_at is None or rights.needs_second_factor(user):
            raise NotAllowed("no second factor, or the role needs it")
        _forget(work, user)
        _tell(work, user, "off", by=user)


def reset(user_id: int, *, by: User | None, reason: str) -> User:
    """Take the second factor off somebody who lost phone and codes. `by` None: the operator.

    Raises NotAllowed but for the national administrator, and for oneself; NotFound, FieldError("reason").
    """
    if by is not None:
        rights.require_administrator(by)
        if by.id == user_id:
            raise NotAllowed("another administrator resets one's own")
    if not reason.strip():
        raise FieldError("reason", "Dites comment vous avez vérifié qui demande.")
    with unit_of_work() as work:
        user = work.lock(User, user_id)
        if user.second_factor_at is None:
            raise NotFound(f"user {user_id} has no second factor")
        _forget(work, user)
        _tell(work, user, "reset", by=by, reason=reason)
    return user


def reset_by_mail(email: str, *, reason: str) -> User:
    """The same by the command line, for whoever has this address. Raises NotFound."""
    user = accounts.by_email(email)
    if user is None:
        raise NotFound(f"nobody has signed up with {email}")
    return reset(user.id, by=None, reason=reason)


def codes_left(user: User) -> int:
    unused = select(func.count()).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(unused) or 0


def grouped(secret: str) -> str:
    """Return the secret in groups of four, as one types it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _proposal(user: User, secret: str) -> Proposal:
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return Proposal(secret=secret, uri=uri, sealed=_seal(user.id, secret))


def _takes(factor: SecondFactor, code: str) -> bool:
    try:
        secret = _unseal(factor.user_id, factor.sealed_secret)
    except InvalidToken:  # the site has another SECRET_KEY than when it was sealed: `reset` is left
        return False
    step = _step_of(secret, code, after=factor.last_step)
    if step is None:
        return False
    factor.last_step = step
    return True


def _takes_recovery(work: Work, user: User, code: str) -> bool:
    found = work.session.scalar(
        select(RecoveryCode).where(
            RecoveryCode.user_id == user.id,
            RecoveryCode.code_hash == _hash(user.id, code),
            RecoveryCode.used_at.is_(None),
        )
    )
    if found is None:
        return False
    found.used_at = clock.now()
    work.audit("user.recovery_code_used", user, by=user)
    work.mail("second_factor", to=user, event="recovery", left=codes_left(user))
    return True


def _step_of(secret: str, code: str, *, after: int) -> int | None:
    """Return the time step whose code this is, if it is near now and later than `after`."""
    typed, now = "".join(code.split()), _now() // STEP_SECONDS
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if step > after and hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode()):
            return step
    return None


def _write_codes(work: Work, user: User) -> Sequence[str]:
    work.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [_code() for _ in range(RECOVERY_CODES)]
    work.session.add_all(RecoveryCode(user_id=user.id, code_hash=_hash(user.id, code)) for code in codes)
    return codes


def _forget(work: Work, user: User) -> None:
    for table in (SecondFactor, RecoveryCode):
        work.session.execute(delete(table).where(table.user_id == user.id))
    user.second_factor_at = None


def _tell(work: Work, user: User, event: str, *, by: User | None, reason: str = "") -> None:
    user.session_version += 1
    work.audit(f"user.second_factor_{event}", user, by=by, reason=reason)
    work.mail("second_factor", to=user, event=event)


def _require_password(user: User, password: str) -> None:
    throttle.count_attempt(f"password-of:{user.id}", limit=TRIES, seconds=TRIES_SECONDS)
    if not passwords.verify(user.password_hash, password):
        raise FieldError("password", WRONG_PASSWORD)


def _count_try(user_id: int) -> None:
    throttle.count_attempt(f"second-step:{user_id}", limit=TRIES, seconds=TRIES_SECONDS)


def _code() -> str:
    groups = ("".join(secrets.choice(_SIGNS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _hash(user_id: int, code: str) -> str:
    """Return the keyed hash of a recovery code: random enough that it needs no slow one."""
    typed = "".join(sign for sign in code.lower() if sign in _SIGNS)
    return hmac.new(_key(b"recovery code"), f"{user_id}:{typed}".encode(), hashlib.sha256).hexdigest()


def _seal(user_id: int, secret: str) -> str:
    return _fernet().encrypt_at_time(f"{user_id}:{secret}".encode(), _now()).decode()


def _unseal(user_id: int, sealed: str, *, max_age: int | None = None) -> str:
    """Return the secret. Raises InvalidToken when it is forged, too old, or another person's."""
    fernet, token = _fernet(), sealed.encode()
    told = fernet.decrypt(token) if max_age is None else fernet.decrypt_at_time(token, max_age, _now())
    owner, _, secret = told.decode().partition(":")
    if owner != str(user_id):
        raise InvalidToken
    return secret


def _now() -> int:
    return int(clock.now().timestamp())


def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_key(b"second factor")))


def _key(purpose: bytes) -> bytes:
    secret = str(current_app.config["SECRET_KEY"]).encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)
