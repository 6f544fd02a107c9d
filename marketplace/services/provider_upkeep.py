"""Keeping the providers right between two imports: those who ask not to be here, and points of addresses."""

import re
from collections.abc import Callable, Sequence

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql import ColumnElement
from stdnum.exceptions import ValidationError
from stdnum.fr import siren as siren_number

from marketplace.adapters import geocoding
from marketplace.extensions import db
from marketplace.models import PointSource, Provider, ProviderLabel, ProviderList, ProviderOptOut, User
from marketplace.services import rights
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.market import chunks
from marketplace.services.work import Work, unit_of_work

REASON_MAX = 300
_AT_ONCE = 50
_RECORD = re.compile(r"(?P<list>[a-z0-9-]{1,60}):(?P<key>[!-~]{1,60})")


def suppress(identifier: str, *, reason: str, by: User | None = None) -> int:
    """Delete a provider, its labels and the reviews about it, for ever: no import brings it back.

    `identifier`: a SIREN, a SIRET, or the list and the number there (« qualiopi:53351234567 »). It may be of
    nobody here yet. Returns how many were deleted. Raises FieldError.
    """
    marks = [_mark(identifier)]
    _require_reason(reason)
    with unit_of_work() as work:
        found = list(work.session.scalars(select(Provider).where(_marked(marks[0]))))
        return _suppress(work, found, marks, reason=reason, by=by)


def suppress_provider(provider_id: int, *, reason: str, by: User) -> None:
    """Do the same for a provider of the site. Raises NotFound, FieldError("reason")."""
    rights.require_administrator(by)
    _require_reason(reason)
    with unit_of_work() as work:
        provider = work.session.scalar(
            select(Provider).where(Provider.id == provider_id).options(selectinload(Provider.labels))
        )
        if provider is None:
            raise NotFound(f"provider {provider_id}")
        marks = [f"{label.list_slug}:{label.record_key}" for label in provider.labels]
        if provider.siren:
            marks.append(f"siren:{provider.siren}")
        _suppress(work, [provider], marks, reason=reason, by=by)


def lists(*, by: User) -> Sequence[ProviderList]:
    """Return the lists that were imported. Raises NotAllowed for no administrator."""
    rights.require_administrator(by)
    return db.session.scalars(select(ProviderList).order_by(ProviderList.name)).all()


def locate(on_progress: Callable[[str, float], None] | None = None) -> tuple[int, int]:
    """Ask the address service for the points of the addresses that only have their commune's.

    Returns how many it found, and of how many. Raises NotAllowed when no service is configured.
    """
    config = geocoding.from_config(current_app.config)
    if not config.domain:
        raise NotAllowed("no address service: set BAN_DOMAIN")
    tell = on_progress or (lambda _name, _fraction: None)
    rough = (
        Provider.point_source == PointSource.COMMUNE,
        Provider.address != "",
        Provider.retired_at.is_(None),
    )
    ids = list(db.session.scalars(select(Provider.id).where(*rough).order_by(Provider.id)))
    found = 0
    for number, batch in enumerate(chunks(ids, _AT_ONCE)):
        found += _locate(batch, config)
        tell("addresses", (number + 1) * _AT_ONCE / len(ids))
    return found, len(ids)


def _mark(identifier: str) -> str:
    text = re.sub(r"\s", "", identifier)
    if record := _RECORD.fullmatch(text):
        return f"{record['list']}:{record['key']}"
    try:
        return f"siren:{siren_number.validate(text[:9])}"
    except ValidationError as error:
        raise FieldError(
            "identifier", "Donnez un SIREN, un SIRET, ou la liste et le numéro : « qualiopi:53351234567 »."
        ) from error


def _marked(mark: str) -> ColumnElement[bool]:
    start, _, key = mark.partition(":")
    if start == "siren":
        return Provider.siren == key
    named = select(ProviderLabel.provider_id).where(
        ProviderLabel.list_slug == start, ProviderLabel.record_key == key
    )
    return Provider.id.in_(named)


def _suppress(
    work: Work, providers: Sequence[Provider], marks: Sequence[str], *, reason: str, by: User | None
) -> int:
    here = set(
        work.session.scalars(select(ProviderOptOut.identifier).where(ProviderOptOut.identifier.in_(marks)))
    )
    for mark in marks:
        if mark not in here:
            opted = work.add(
                ProviderOptOut(identifier=mark, reason=reason, created_by_id=by.id if by else None)
            )
            work.audit("provider.suppressed", opted, by=by, reason=reason)
    ids = [provider.id for provider in providers]
    work.session.execute(delete(Provider).where(Provider.id.in_(ids)))
    return len(ids)


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise FieldError("reason", "Dites pourquoi : qui l’a demandé, et quand.")
    if len(reason) > REASON_MAX:
        raise FieldError("reason", f"{REASON_MAX} caractères au plus.")


def _locate(ids: Sequence[int], config: geocoding.GeocodingConfig) -> int:
    """Nothing is locked while the network is asked."""
    query = select(Provider).where(Provider.id.in_(ids)).options(joinedload(Provider.commune))
    asked = [
        (provider.id, f"{provider.address} {provider.commune.name}", provider.commune_insee)
        for provider in db.session.scalars(query)
    ]
    db.session.rollback()
    points = {key: geocoding.locate(address, insee, config) for key, address, insee in asked}
    with unit_of_work() as work:
        for provider in work.session.scalars(select(Provider).where(Provider.id.in_(ids))):
            if point := points.get(provider.id):
                provider.lat, provider.lon = point.lat, point.lon
                provider.point_source = PointSource.ADDRESS
    return sum(point is not None for point in points.values())
