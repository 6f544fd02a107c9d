"""One row of a list of providers, checked and put in our terms, or refused with the reason."""

import calendar
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from geopy.distance import geodesic
from stdnum.exceptions import ValidationError
from stdnum.fr import siren as siren_number
from stdnum.fr import siret as siret_number

from marketplace.adapters.provider_files import BrokenFile
from marketplace.models import PointSource
from marketplace.services import provider_lists
from marketplace.services.commune_index import CommuneIndex, Spot
from marketplace.services.provider_lists import Column, ListFormat
from marketplace.services.text import fold

NAME_MAX, ADDRESS_MAX, URL_MAX, TEXT_MAX, THEME_MAX, KEY_MAX, LABEL_MAX = 160, 200, 300, 1000, 200, 60, 80
THEMES_PER_ROW_MAX = 20
# A point of the list farther than this from its commune belongs to something else.
FAR_FROM_COMMUNE_KM = 60
# (south, north, west, east) in degrees: the mainland with Corsica, then overseas.
FRANCE = (
    (41.2, 51.2, -5.3, 9.7),
    (14.3, 18.2, -63.2, -60.7),
    (2.0, 6.0, -54.7, -51.5),
    (-21.5, -12.5, 44.9, 56.0),
    (46.7, 47.2, -56.5, -56.1),
    (-28.0, -7.0, -155.0, -134.0),
    (-23.0, -13.0, 158.0, 184.0),
)
_SHOWN = 40  # letters of a value in a reason
_UNREADABLE = "\ufffd"
_DATES = ("%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%Y/%m/%d", "%d.%m.%Y")
# Subjects, kinds and answers are few, and each stands in thousands of rows.
_fold = lru_cache(maxsize=10_000)(fold)
_NIC = re.compile(r"\d{5}", re.ASCII)


class Refused(Exception):
    """The row cannot be used; the message is the reason, in one line."""


class LeftOut(Exception):
    """The row is right and not for this site: no label, or subjects that are none of ours."""


class Facts(NamedTuple):
    """What is kept of a provider, as its columns hold it."""

    siret: str | None
    siren: str | None
    name: str
    sort_name: str
    kind: str | None
    description: str
    address: str
    commune_insee: str
    lat: float | None
    lon: float | None
    point_source: str
    website: str
    email: str
    free_first_meeting: bool | None


class LabelFacts(NamedTuple):
    """What is kept of its label; dates in ISO."""

    kind: str
    name: str
    scopes: Sequence[str]
    valid_from: str | None
    valid_until: str | None
    page_url: str


class Record(NamedTuple):
    """`record_key`: the row's number in its list. `provider_key`: one for all lists that tell the SIRET."""

    record_key: str
    provider_key: str
    facts: Facts
    label: LabelFacts
    themes: Sequence[str]

    def to_json(self) -> str:
        told = {**self._asdict(), "facts": self.facts._asdict(), "label": self.label._asdict()}
        return json.dumps(told)


class RowReader:
    """Reads the rows of one file. `is_mapped` says whether a subject (folded) stands for a skill.

    Raises BrokenFile when a column that the list needs is missing, or stands twice.
    """

    def __init__(
        self,
        form: ListFormat,
        header: Sequence[str],
        *,
        today: date,
        communes: CommuneIndex,
        is_mapped: Callable[[str], bool],
    ) -> None:
        self.form, self.today, self.communes, self.is_mapped = form, today, communes, is_mapped
        self.width = len(header) - (1 if header and not header[-1] else 0)
        self.places = _places(form.columns, header)
        self.separators = {column.field: column.separators for column in form.columns}
        # The subjects met so far, by their folded text.
        self.themes: dict[str, str] = {}

    def record_key(self, cells: Sequence[str]) -> str:
        """Return the row's number in its list, empty when it cannot be read."""
        if "key" in self.places:
            return self._one(cells, "key")[:KEY_MAX]
        return re.sub(r"[\s.]", "", self._one(cells, "siret"))[:KEY_MAX]

    def read(self, cells: Sequence[str]) -> Record:
        """Return the row as a record. Raises Refused, LeftOut."""
        self._require_width(cells)
        scopes = self._scopes(cells)
        themes = self._themes(cells)
        key = self.record_key(cells)
        if not key:
            raise Refused("no number of its own: " + ("key" if "key" in self.places else "SIRET"))
        siren, siret = self._numbers(cells)
        facts = self._facts(cells, siren, siret)
        return Record(
            record_key=key,
            provider_key=facts.siret or f"{self.form.slug}:{key}",
            facts=facts,
            label=self._label(cells, scopes),
            themes=themes,
        )

    @cached_property
    def _kinds(self) -> Mapping[str, str]:
        return provider_lists.values("kind")

    @cached_property
    def _yes(self) -> Mapping[str, str]:
        return provider_lists.values("yes")

    def _require_width(self, cells: Sequence[str]) -> None:
        if len(cells) < self.width or any(cells[self.width :]):
            raise Refused(f"{len(cells)} cells where the header has {self.width}")

    def _one(self, cells: Sequence[str], field: str) -> str:
        places = self.places.get(field)
        return _clean(cells[places[0]]) if places and places[0] < len(cells) else ""

    def _scopes(self, cells: Sequence[str]) -> list[str]:
        """Return what the label is for. Of a list that tells it, a row without any has no label."""
        told = [field for field in self.places if field.startswith("scope:")]
        scopes = [field.partition(":")[2] for field in told if self._is_true(self._one(cells, field))]
        if told and not scopes:
            raise LeftOut
        return scopes

    def _is_true(self, text: str) -> bool:
        return self._yes.get(_fold(text)) == "true"

    def _themes(self, cells: Sequence[str]) -> list[str]:
        separators = self.separators.get("themes", "")
        found = [
            text[:THEME_MAX]
            for place in self.places.get("themes", ())
            for part in (
                re.split(f"[{re.escape(separators)}]", cells[place]) if separators else [cells[place]]
            )
            if (text := _clean(part))
        ] or list(self.form.themes)
        themes = {_fold(text): text for text in found[:THEMES_PER_ROW_MAX]}
        themes.pop("", None)
        for key, text in themes.items():
            self.themes.setdefault(key, text)
        if self.form.only_mapped and not any(map(self.is_mapped, themes)):
            raise LeftOut
        return sorted(themes)

    def _numbers(self, cells: Sequence[str]) -> tuple[str | None, str | None]:
        """Return SIREN and SIRET. A number that is there must be right; a NIC alone completes the SIREN."""
        siren, siret = self._one(cells, "siren"), self._one(cells, "siret")
        if _NIC.fullmatch(siret) and siren:
            siret = re.sub(r"\D", "", siren) + siret
        siren = _valid(siren, "SIREN", siren_number.validate)
        siret = _valid(siret, "SIRET", siret_number.validate)
        if siren and siret and not siret.startswith(siren):
            raise Refused(f"SIRET {siret} is not of SIREN {siren}")
        return (siret[:9] if siret else siren) or None, siret or None

    def _facts(self, cells: Sequence[str], siren: str | None, siret: str | None) -> Facts:
        name = self._one(cells, "name")
        sort_name = fold(name)
        if not sort_name:
            raise Refused("no name")
        if _UNREADABLE in name:
            raise Refused(f"unreadable letters in the name {_told(name)}")
        spot = self._spot(cells)
        lat, lon, source = self._point(cells, spot)
        contact = self.form.keeps_contact
        return Facts(
            siret=siret,
            siren=siren,
            name=name[:NAME_MAX],
            sort_name=sort_name[:NAME_MAX],
            kind=self._kinds.get(_fold(self._one(cells, "kind"))),
            description=self._one(cells, "description")[:TEXT_MAX],
            address=self._one(cells, "address")[:ADDRESS_MAX] if contact else "",
            commune_insee=spot.insee,
            lat=lat,
            lon=lon,
            point_source=source,
            website=_web(self._one(cells, "website")) if contact else "",
            email=_mail(self._one(cells, "email")) if contact else "",
            free_first_meeting={"true": True, "false": False}.get(
                self._yes.get(_fold(self._one(cells, "free")), "")
            ),
        )

    def _spot(self, cells: Sequence[str]) -> Spot:
        postcode, town = _postcode(self._one(cells, "postcode")), self._one(cells, "town")
        spot = self.communes.find(insee=self._one(cells, "insee"), postcode=postcode, town=town)
        if spot is None:
            raise Refused(f"unknown commune: {_told(postcode)} {_told(town)}")
        return spot

    def _point(self, cells: Sequence[str], spot: Spot) -> tuple[float | None, float | None, str]:
        lat, lon = self._one(cells, "lat"), self._one(cells, "lon")
        if text := self._one(cells, "point"):
            lat, _, lon = text.strip("()[] ").partition(";" if ";" in text else ",")
        if not lat and not lon:
            return spot.lat, spot.lon, PointSource.COMMUNE
        point = _in_france(lat, lon)
        if spot.lat is not None and geodesic(point, (spot.lat, spot.lon)).km > FAR_FROM_COMMUNE_KM:
            raise Refused(f"coordinates {point[0]}, {point[1]} are far from its commune")
        return *point, PointSource.FILE

    def _label(self, cells: Sequence[str], scopes: Sequence[str]) -> LabelFacts:
        start, end = self._date(cells, "valid_from"), self._date(cells, "valid_until")
        if start is None and self.form.needs_date:
            raise Refused("label without a date")
        if start and start > self.today:
            raise Refused(f"label dated {start.isoformat()}, in the future")
        if start and end is None and self.form.months:
            end = _months_later(start, self.form.months)
        if start and end and end < start:
            raise Refused(f"label ends on {end.isoformat()}, before it begins")
        name = self.form.label or self._one(cells, "label")
        if not fold(name):
            raise Refused("no label")
        return LabelFacts(
            kind=self.form.kind,
            name=name[:LABEL_MAX],
            scopes=list(scopes),
            valid_from=start.isoformat() if start else None,
            valid_until=end.isoformat() if end else None,
            page_url=_web(self._one(cells, "page")),
        )

    def _date(self, cells: Sequence[str], field: str) -> date | None:
        text = self._one(cells, field).partition("T")[0]
        return _date(text) if text else None


def _places(columns: Sequence[Column], header: Sequence[str]) -> dict[str, list[int]]:
    """Return where each field stands."""
    names = [fold(name) for name in header]
    places: dict[str, list[int]] = {}
    for column in columns:
        there = [name for name in column.names if name in names]
        if not there:
            if column.is_required:
                raise BrokenFile(f"no column {column.names[0]!r}; there are: {_told(', '.join(header), 300)}")
            continue
        wanted = there if column.is_several else there[:1]
        twice = next((name for name in wanted if names.count(name) > 1), None)
        if twice:
            raise BrokenFile(f"the column {twice!r} stands twice")
        places[column.field] = [names.index(name) for name in wanted]
    return places


def _clean(text: str) -> str:
    """Return the text in one line, without what cannot be shown or stored."""
    if not text.isprintable():
        hidden = {"Cc", "Cf", "Cs", "Co", "Cn"}
        text = "".join(" " if unicodedata.category(c) in hidden else c for c in text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def _told(text: str, length: int = _SHOWN) -> str:
    return f"« {text[:length]}{'…' if len(text) > length else ''} »"


def _valid(text: str, name: str, validate: Callable[[str], Any]) -> str:
    if not text:
        return ""
    try:
        return str(validate(text))
    except ValidationError as error:
        raise Refused(f"no {name}: {_told(text)}") from error


def _postcode(text: str) -> str:
    """Spreadsheets turn 01000 into 1000, or into 1000.0."""
    text = re.sub(r"\.0+$|\s", "", text)
    return text.zfill(5) if text.isdecimal() else text


def _in_france(lat: str, lon: str) -> tuple[float, float]:
    try:
        point = float(lat.strip().replace(",", ".")), float(lon.strip().replace(",", "."))
    except ValueError:
        raise Refused(f"unreadable coordinates {_told(f'{lat}, {lon}')}") from None
    if _is_in_france(*point):
        return point
    _refuse_point(*point)


def _refuse_point(lat: float, lon: float) -> NoReturn:
    if _is_in_france(lon, lat):
        raise Refused(f"coordinates {lat}, {lon} are swapped: latitude comes first")
    raise Refused(f"coordinates {lat}, {lon} are outside France")


def _is_in_france(lat: float, lon: float) -> bool:
    return any(south <= lat <= north and west <= lon <= east for south, north, west, east in FRANCE)


def _date(text: str) -> date:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise Refused(f"unreadable date {_told(text)}")


def _months_later(start: date, months: int) -> date:
    """Return the same day of a later month, or that month's last."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


def _web(text: str) -> str:
    """Return a web address, empty for what is none: nothing else may ever become a link."""
    address = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return ""
    is_right = parts.scheme in ("http", "https") and "." in host and " " not in address and "@" not in address
    return address if is_right and len(address) <= URL_MAX else ""


def _mail(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, allow_smtputf8=False).normalized.lower()
    except EmailNotValidError:
        return ""
