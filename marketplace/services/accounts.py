"""Accounts: sign up, confirm, log in, forgotten password. Nothing tells whether an address has an account."""

import hashlib

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import User
from marketplace.services import passwords, throttle, tokens
from marketplace.services.errors import FieldError, TokenExpired
from marketplace.services.work import unit_of_work

CONFIRM_MAX_AGE = 3 * tokens.DAY
RESET_MAX_AGE = 2 * tokens.HOUR
_CONFIRM, _RESET = "confirm-address", "reset-password"


def by_email(email: str) -> User | None:
    return db.session.scalar(select(User).where(User.email == clean_email(email)))


def clean_email(email: str) -> str:
    return email.strip().lower()


def sign_up(*, name: str, email: str, password: str, address: str, then: str = "") -> None:
    """Open an account to be confirmed by mail. To an address that has one already, the mail says so instead.

    `address`: the network address that asks, for the limit; `then`: the page to go on to once confirmed.
    Raises FieldError("password"), TooManyAttempts.
    """
    email = clean_email(email)
    _require_strong(password, name=name, email=email)
    throttle.count_attempt(f"sign-up:{address}", limit=20, seconds=tokens.HOUR)
    throttle.count_attempt(f"sign-up-of:{email}", limit=5, seconds=tokens.HOUR)
    password_hash = passwords.hash_password(password)
    try:
        _open_account(name=name, email=email, password_hash=password_hash, then=then)
    except IntegrityError:  # the same form sent twice at once: now the account is there
        _open_account(name=name, email=email, password_hash=password_hash, then=then)


def resend_confirmation(email: str, *, address: str, then: str = "") -> None:
    """Send the confirming link again, if there is an account to confirm. Raises TooManyAttempts."""
    throttle.count_attempt(f"resend:{address}", limit=10, seconds=tokens.HOUR)
    throttle.count_attempt(f"resend-to:{clean_email(email)}", limit=5, seconds=tokens.HOUR)
    with unit_of_work() as work:
        user = by_email(email)
        if user is not None and not user.is_confirmed:
            work.mail("confirm_address", to=user, token=_confirming(user), then=then)


def read_confirm(token: str) -> User:
    """Return whose address the link confirms. Raises TokenExpired, also when it was confirmed since."""
    user_id, fingerprint = tokens.read(_CONFIRM, token, max_age=CONFIRM_MAX_AGE)
    user = db.session.get(User, int(user_id))
    if user is None or user.is_confirmed or _fingerprint(user) != fingerprint:
        raise TokenExpired(_CONFIRM)
    return user


def confirm(token: str) -> User:
    """Confirm the address by the mailed link. Raises TokenExpired."""
    user_id = read_confirm(token).id
    with unit_of_work() as work:
        user = work.lock(User, user_id)
        read_confirm(token)  # again under the lock: the link serves once
        user.email_confirmed_at = clock.now()
        work.audit("user.confirmed", user, by=user)
    return user


def authenticate(email: str, password: str, *, address: str) -> User | None:
    """Return the person, or None when mail and password do not fit together.

    Raises TooManyAttempts before any hashing: after 10 tries in a quarter of an hour for one account, 50 from
    one address.
    """
    email = clean_email(email)
    throttle.count_attempt(f"login:{email}", limit=10, seconds=900)
    throttle.count_attempt(f"login-from:{address}", limit=50, seconds=900)
    user = by_email(email)
    if not passwords.verify(user.password_hash if user else None, password) or user is None:
        return None
    if passwords.is_outdated(user.password_hash):
        with unit_of_work():
            user.password_hash = passwords.hash_password(password)
    return user


def request_reset(email: str, *, address: str) -> None:
    """Mail a link to choose a new password, if the address has an account."""
    throttle.count_attempt(f"reset:{address}", limit=10, seconds=tokens.HOUR)
    throttle.count_attempt(f"reset-of:{clean_email(email)}", limit=3, seconds=tokens.HOUR)
    with unit_of_work() as work:
        user = by_email(email)
        if user is not None:
            # The version makes the link die once it is used.
            work.mail("reset_password", to=user, token=tokens.sign(_RESET, user.id, user.session_version))


def read_reset(token: str) -> User:
    """Return whose password the link changes. Raises TokenExpired."""
    user_id, version = tokens.read(_RESET, token, max_age=RESET_MAX_AGE)
    user = db.session.get(User, int(user_id))
    if user is None or str(user.session_version) != version:
        raise TokenExpired(_RESET)
    return user


def reset_password(token: str, password: str) -> User:
    """Set a new password by the mailed link, and end every open session. Raises TokenExpired, FieldError."""
    user = read_reset(token)
    _require_strong(password, name=user.name, email=user.email)
    password_hash = passwords.hash_password(password)
    with unit_of_work() as work:
        user = work.lock(User, user.id)
        read_reset(token)  # again under the lock: the link serves once
        user.password_hash = password_hash
        user.session_version += 1
        user.email_confirmed_at = user.email_confirmed_at or clock.now()
        work.audit("user.password_reset", user, by=user)
        work.mail("password_changed", to=user)
    return user


def change_profile(user: User, *, name: str, phone: str) -> None:
    """Change what counterparts see once both have accepted."""
    with unit_of_work() as work:
        user = work.lock(User, user.id)
        user.name, user.phone = name, phone
        work.audit("user.profile_changed", user, by=user)


def create_admin(*, email: str, name: str, password: str) -> User:
    """Open a confirmed account of a national administrator, or promote the one that has this address."""
    email = clean_email(email)
    _require_strong(password, name=name, email=email)
    with unit_of_work() as work:
        user = by_email(email) or work.add(User(email=email, name=name, password_hash=""))
        user.password_hash = passwords.hash_password(password)
        user.is_admin = True
        user.session_version += 1  # the password changed: open sessions end
        user.email_confirmed_at = user.email_confirmed_at or clock.now()
        work.audit("user.made_admin", user, by=None)
    return user


def _open_account(*, name: str, email: str, password_hash: str, then: str) -> None:
    with unit_of_work() as work:
        user = by_email(email)
        if user is not None and user.is_confirmed:
            work.mail("already_registered", to=user)
            return
        if user is None:
            user = work.add(User(email=email, name=name, password_hash=password_hash))
            work.audit("user.signed_up", user, by=user)
        else:
            # Nobody proved yet that the address is theirs: the last one to ask sets the password.
            user.name, user.password_hash = name, password_hash
        work.mail("confirm_address", to=user, token=_confirming(user), then=then)


def _confirming(user: User) -> str:
    """Return a token that confirms the address together with the password set last, and no earlier one."""
    return tokens.sign(_CONFIRM, user.id, _fingerprint(user))


def _fingerprint(user: User) -> str:
    return hashlib.sha256(f"{user.email} {user.password_hash}".encode()).hexdigest()[:16]


def _require_strong(password: str, *, name: str, email: str) -> None:
    told = passwords.problem(password, known=[*name.split(), email, email.partition("@")[0]])
    if told:
        raise FieldError("password", told)
