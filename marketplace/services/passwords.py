"""Passwords: Argon2id (RFC 9106), length rather than composition (NIST SP 800-63B, CNIL 2022-100)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app
from zxcvbn import zxcvbn

LENGTH_MIN = 14
LENGTH_MAX = 200
STRENGTH_MIN = 3
# zxcvbn's time grows with the length, and the rest of a long password only makes it stronger.
_ESTIMATED_LENGTH = 64
# zxcvbn knows English words and QWERTY keyboards; these are the French habits.
_HABITS = (
    "azerty", "azertyuiop", "qsdfgh", "qsdfghjklm", "wxcvbn", "motdepasse", "mot de passe", "bonjour",
    "bienvenue", "jetaime", "je t'aime", "soleil", "doudou", "loulou", "chouchou", "chocolat", "marseille",
    "france", "entreprise", "boulangerie", "besoin", "savoir", "faire", "numerique",
)  # fmt: skip


def problem(password: str, *, known: list[str]) -> str | None:
    """Return why the password is refused, in French, or None. `known`: the person's name, mail…"""
    if len(password) < LENGTH_MIN:
        return f"Choisissez au moins {LENGTH_MIN} caractères : trois ou quatre mots au hasard font l’affaire."
    if len(password) > LENGTH_MAX:
        return f"Ne dépassez pas {LENGTH_MAX} caractères."
    if zxcvbn(password[:_ESTIMATED_LENGTH], user_inputs=[*known, *_HABITS])["score"] < STRENGTH_MIN:
        return (
            "Ce mot de passe se devine facilement : évitez les suites, votre nom et les mots de passe connus."
        )
    return None


def hash_password(password: str) -> str:
    return _hasher().hash(password)


def verify(password_hash: str | None, password: str) -> bool:
    """Say whether the password is right; takes as long when there is no account (`password_hash` None)."""
    hasher = _hasher()
    if password_hash is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    return _hasher().check_needs_rehash(password_hash)


def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=1, memory_cost=current_app.config["ARGON2_MEMORY_KIB"], parallelism=1)
