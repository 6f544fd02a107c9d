"""The settings that a territory gives to the matcher: checked, compared with the present ones, applied, kept.

Settings are overrides of matching.Policy, as JSON: what is not named is as for the nation.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from marketplace.extensions import db
from marketplace.matching import Policy
from marketplace.matching.policy import BOUNDS, WEIGHTS
from marketplace.models import PolicyVersion, Territory, User
from marketplace.models.policies import NOTE_MAX
from marketplace.services import market, rights
from marketplace.services.errors import FieldError, NotFound
from marketplace.services.market import Policies
from marketplace.services.work import unit_of_work

# Setting: (least, most); weights apart, which make 1 together.
WEIGHT_BOUNDS: Mapping[str, tuple[float, float]] = {
    name: (least, most) for name, (_, least, most) in WEIGHTS.items()
}
SETTING_BOUNDS: Mapping[str, tuple[float, float]] = BOUNDS
WHOLE = frozenset({"level_gap", "circle_max_length"})
HISTORY_SHOWN = 20
FILE_MAX_BYTES = 64 * 1024
_TOLERANCE = 1e-9
Settings = Mapping[str, Any]


def checked(settings: object) -> dict[str, Any]:
    """Return the settings that differ from the nation's, once each is known and inside its bounds.

    Raises FieldError at the first that is not: its name as in the file, `weights.skill` for a weight.
    """
    if not isinstance(settings, Mapping):
        raise FieldError("policy", "On attend une liste de réglages avec leurs valeurs.")
    given = {name: value for name, value in settings.items() if name != "version"}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "weights":
            found["weights"] = _checked_weights(value)
        elif name in SETTING_BOUNDS:
            found[name] = _number(name, value, *SETTING_BOUNDS[name], whole=name in WHOLE)
        else:
            raise FieldError(str(name), "Ce réglage n’existe pas.")
    national = market.policy().to_mapping()
    return {name: value for name, value in found.items() if value != national[name]}


def read_file(path: Path) -> dict[str, Any]:
    """Return the checked settings of a JSON or TOML file, by its suffix. Raises FieldError."""
    if path.suffix.lower() not in (".json", ".toml"):
        raise FieldError("policy", "Le nom du fichier doit finir par .json ou .toml.")
    if path.stat().st_size > FILE_MAX_BYTES:
        raise FieldError("policy", "Ce fichier est trop gros pour des réglages.")
    try:
        text = path.read_text(encoding="utf-8")
        settings = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # bad UTF-8, JSON and TOML are all ValueError
        raise FieldError("policy", f"Ce fichier ne se lit pas : {error}") from error
    return checked(settings)


def to_policy(settings: Settings) -> Policy:
    """Return the matcher's policy for checked settings."""
    known = market.reference()
    return Policy.from_mapping(settings, skills=known.skills, sectors=known.sectors)


def changed(territory: str | None, settings: object) -> Policies:
    """Return the policies that rule now, but for one territory, or for the nation. Raises FieldError."""
    present, other = market.policies(), to_policy(checked(settings))
    if territory is None:
        return replace(present, national=other)
    return replace(present, own={**present.own, territory: other})


def territory_of(siren: str, *, by: User) -> Territory:
    """Return a territory whose settings the person may see and change: its moderators and the administrators.

    Raises NotFound for anybody else.
    """
    found = db.session.get(Territory, siren)
    if found is None or not rights.moderates(by, siren):
        raise NotFound(f"territory {siren}")
    return found


def version_of(siren: str) -> int:
    """Return the number of the version that rules in the territory; 0 before any was applied."""
    query = select(func.max(PolicyVersion.number)).where(PolicyVersion.territory_siren == siren)
    return db.session.scalar(query) or 0


def history(siren: str, *, by: User) -> list[PolicyVersion]:
    """Return the last versions, the newest first. Raises NotFound."""
    territory_of(siren, by=by)
    query = (
        select(PolicyVersion)
        .where(PolicyVersion.territory_siren == siren)
        .order_by(PolicyVersion.number.desc())
        .limit(HISTORY_SHOWN)
        .options(joinedload(PolicyVersion.applied_by))
    )
    return list(db.session.scalars(query))


def apply(siren: str, settings: object, *, by: User, seen: int, note: str = "") -> PolicyVersion:
    """Let the settings rule in the territory from the next round on, as a new version.

    `seen`: the version that the person had before their eyes. Raises NotFound, and FieldError for a setting
    that is refused, for a note too long, or when somebody else applied a version meanwhile.
    """
    with unit_of_work() as work:
        territory_of(siren, by=by)
        rights.require_confirmed(by)
        overrides = checked(settings)
        if len(note) > NOTE_MAX:
            raise FieldError("note", f"{NOTE_MAX} caractères au plus.")
        territory = work.lock(Territory, siren)
        number = version_of(siren)
        if number != seen:
            raise FieldError(
                "seen", "Quelqu’un a changé ces réglages entre-temps. Relisez-les, puis simulez de nouveau."
            )
        before, territory.policy = territory.policy, overrides
        version = work.add(
            PolicyVersion(
                territory_siren=siren, number=number + 1, policy=overrides, note=note, applied_by_id=by.id
            )
        )
        work.audit(
            "policy.applied", version, by=by, territory=siren, before=before, after=overrides, reason=note
        )
    return version


def _checked_weights(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise FieldError("weights", "On attend le poids de chaque critère.")
    for name in value:
        if name not in WEIGHTS:
            raise FieldError(f"weights.{name}", "Ce critère n’existe pas.")
    weights = {
        name: _number(f"weights.{name}", value.get(name, default), least, most)
        for name, (default, least, most) in WEIGHTS.items()
    }
    total = sum(weights.values())
    if abs(total - 1) > _TOLERANCE:
        raise FieldError("weights", f"Les poids font {_percent(total)} ensemble : ils doivent faire 100 %.")
    return weights


def _number(name: str, value: object, least: float, most: float, *, whole: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(name, "On attend un nombre.")
    if not least <= value <= most:  # nor for NaN
        raise FieldError(name, f"Choisissez un nombre de {_said(least)} à {_said(most)}.")
    if whole and value != int(value):
        raise FieldError(name, "On attend un nombre entier.")
    return int(value) if whole else float(value)


def _said(value: float) -> str:
    return f"{value:g}".replace(".", ",")


def _percent(value: float) -> str:
    return f"{100 * value:.4g} %".replace(".", ",")
