"""Territories that take part: opening and closing them, and what each says and decides for itself."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    ModerationMode,
    Territory,
    TerritoryLogo,
    TerritoryRole,
    TerritoryRoleKind,
    User,
)
from marketplace.services import pictures, rights, team
from marketplace.services.errors import FieldError, NotFound
from marketplace.services.work import Work, unit_of_work

TEXT_MAX = 5000
PARTNERS_MAX = 8
PARTNER_LABEL_MAX, PARTNER_URL_MAX = 80, 300
RADIUS_MAX_KM = 200
LOGO_MAX_BYTES = 200 * 1000
ALREADY_OPEN = "Ce territoire est déjà ouvert."
_LONGEST_HOST = 253  # RFC 1035


@dataclass(frozen=True, slots=True)
class Partner:
    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a territory says and decides for itself; `partners` are checked with the rest when written."""

    moderation_mode: ModerationMode
    trusted_after: int
    default_radius_km: int
    welcome_text: str
    charter: str
    contact: str
    partners: tuple[Partner, ...]


def get(siren: str) -> Territory:
    """Return the territory. Raises NotFound."""
    territory = db.session.get(Territory, siren)
    if territory is None:
        raise NotFound(f"no territory has the SIREN {siren}")
    return territory


def open_territory(siren: str, *, mode: ModerationMode, by: User | None = None) -> Territory:
    """Let the territory's own moderators decide there. Raises NotFound."""
    with unit_of_work() as work:
        territory = _lock(work, siren)
        territory.is_open, territory.moderation_mode = True, mode
        work.audit("territory.opened", territory, by=by, territory=siren, after={"moderation_mode": mode})
    return territory


def open_with_head(siren: str, *, mode: ModerationMode, head: str, by: User) -> Territory:
    """Open a territory and invite who will be in charge of it, both or none.

    Raises NotAllowed but for the national administrator; NotFound, FieldError("territory" open already,
    "email" of a member).
    """
    rights.require_administrator(by)
    with unit_of_work() as work:
        if _lock(work, siren).is_open:
            raise FieldError("territory", ALREADY_OPEN)
        territory = open_territory(siren, mode=mode, by=by)
        team.invite_within(work, siren, head, TerritoryRoleKind.HEAD, by=by)
    return territory


def close_territory(siren: str, *, by: User | None = None) -> Territory:
    """Give moderation back to the national administrators. Raises NotFound."""
    with unit_of_work() as work:
        territory = _lock(work, siren)
        territory.is_open = False
        work.audit("territory.closed", territory, by=by, territory=siren)
    return territory


def for_head(siren: str, *, by: User) -> Territory:
    """Return the territory to whoever may change its settings. Raises NotFound, NotAllowed (require_head)."""
    territory = get(siren)
    rights.require_head(by, siren)
    return territory


def for_moderator(siren: str, *, by: User) -> Territory:
    """Return the territory to whoever moderates there. Raises NotFound for anybody else."""
    territory = get(siren)
    if not rights.moderates(by, siren):
        raise NotFound(f"territory {siren}")
    return territory


def change_settings(siren: str, settings: Settings, *, by: User) -> Territory:
    """Write the settings; the other people in charge are told what changed.

    Raises NotFound, NotAllowed (rights.require_head), FieldError("partners").
    """
    for_head(siren, by=by)
    for partner in settings.partners:
        _require_link(partner)
    if len(settings.partners) > PARTNERS_MAX:
        raise FieldError("partners", f"{PARTNERS_MAX} liens au plus.")
    values = {**asdict(settings), "partners": [asdict(partner) for partner in settings.partners]}
    with unit_of_work() as work:
        territory = _lock(work, siren)
        before = {name: getattr(territory, name) for name in values}
        changed = [name for name, value in values.items() if before[name] != value]
        for name in changed:
            setattr(territory, name, values[name])
        if changed:
            _record(work, territory, changed, before, values, by=by)
    return territory


def set_logo(siren: str, content: bytes, *, by: User) -> None:
    """Keep the picture. Raises NotFound, NotAllowed, FieldError("logo"): empty, too big, no picture."""
    for_head(siren, by=by)
    if len(content) > LOGO_MAX_BYTES:
        raise FieldError("logo", f"Cette image est trop lourde : {LOGO_MAX_BYTES // 1000} ko au plus.")
    media_type = pictures.media_type_of(content)
    if media_type is None:
        raise FieldError("logo", "Choisissez une image PNG, JPEG ou WebP.")
    with unit_of_work() as work:
        territory = _lock(work, siren)
        logo = work.session.get(TerritoryLogo, siren) or TerritoryLogo(territory_siren=siren)
        logo.media_type, logo.content = media_type, content
        work.session.add(logo)
        _mark_logo(work, territory, hashlib.sha256(content).hexdigest()[:16], by=by)


def remove_logo(siren: str, *, by: User) -> None:
    """Show no picture any more. Raises NotFound, NotAllowed."""
    for_head(siren, by=by)
    with unit_of_work() as work:
        territory = _lock(work, siren)
        logo = work.session.get(TerritoryLogo, siren)
        if logo is not None:
            work.session.delete(logo)
            _mark_logo(work, territory, "", by=by)


def logo(siren: str) -> TerritoryLogo:
    """Return the picture. Raises NotFound when there is none."""
    found = db.session.get(TerritoryLogo, siren)
    if found is None:
        raise NotFound(f"logo of {siren}")
    return found


def partners_of(territory: Territory) -> Sequence[Partner]:
    return [Partner(**told) for told in territory.partners]


def _mark_logo(work: Work, territory: Territory, mark: str, *, by: User) -> None:
    before, territory.logo_mark = territory.logo_mark, mark
    _record(work, territory, ["logo_mark"], {"logo_mark": before}, {"logo_mark": mark}, by=by)


def _record(
    work: Work,
    territory: Territory,
    changed: Sequence[str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    by: User,
) -> None:
    work.audit(
        "territory.settings_changed",
        territory,
        by=by,
        territory=territory.siren,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    work.mail(
        "territory_settings",
        to=_other_heads(work, territory, by),
        territory=territory,
        by=by,
        changed=changed,
    )


def _other_heads(work: Work, territory: Territory, by: User) -> Sequence[User]:
    heads = select(User).join(TerritoryRole, TerritoryRole.user_id == User.id)
    in_charge = TerritoryRole.role == TerritoryRoleKind.HEAD
    here = TerritoryRole.territory_siren == territory.siren
    return work.session.scalars(heads.where(here, in_charge, User.id != by.id).order_by(User.id)).all()


def _require_link(partner: Partner) -> None:
    """Raise FieldError unless a page may show the link: https, to a named host, and no login in it."""
    told = f"« {partner.label or partner.url} »"
    if not partner.label or len(partner.label) > PARTNER_LABEL_MAX:
        raise FieldError("partners", f"{told} : donnez un nom de {PARTNER_LABEL_MAX} caractères au plus.")
    if len(partner.url) > PARTNER_URL_MAX or not _is_public_address(partner.url):
        raise FieldError("partners", f"{told} : écrivez une adresse complète qui commence par https://")


def _is_public_address(url: str) -> bool:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        host, has_login = parts.hostname or "", parts.username is not None or parts.port is not None
    except ValueError:
        return False
    is_name = "." in host.strip(".") and len(host) <= _LONGEST_HOST
    return parts.scheme == "https" and is_name and not has_login


def _lock(work: Work, siren: str) -> Territory:
    get(siren)
    return work.lock(Territory, siren)
