"""The data model: needs, offers and edges as parallel arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from marketplace.matching.distance import points_km
from marketplace.matching.validation import BoolArray, FloatArray, IntArray, same_length

# Bits of `places`.
AT_HELPER, AT_LEARNER, REMOTE = 1, 2, 4
ON_SITE = AT_HELPER | AT_LEARNER
HALF_DAYS = 14
LEVELS = (1, 4)


@dataclass(frozen=True, slots=True)
class _Listings:
    """What needs and offers share; n rows.

    Attributes
    ----------
    id, organisation : (n,) int
        Identifiers; ids are unique, and break ties.
    skills : (n, k) int
        Rows of the SkillGraph, the main skill first; −1 where there is none.
    level : (n,) int
        1 to 4: the level wanted, or the level that can be taught.
    lat, lon : (n,) float
        Degrees, WGS 84; NaN for a listing without point, which can only be served remotely.
    radius_km : (n,) float
        How far an exchange on site may be.
    places : (n,) int
        Bits: 1 at the helper's, 2 at the learner's, 4 remote.
    availability : (n,) int
        Bits of 14 half-days; 0 for any time.
    sector : (n,) int
        Rows of the SectorTree.
    avoid_competitors : (n,) bool
        Whether the listing refuses its competitors nearer than `competitor_radius_km`.
    point : (n, 3) float
        Earth-centred coordinates in km, from `lat` and `lon`.
    """

    id: IntArray
    organisation: IntArray
    skills: IntArray
    level: IntArray
    lat: FloatArray
    lon: FloatArray
    radius_km: FloatArray
    places: IntArray
    availability: IntArray
    sector: IntArray
    avoid_competitors: BoolArray
    competitor_radius_km: FloatArray
    point: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        same_length(**self._given())
        if self.skills.ndim != 2 or not self.skills.shape[1]:  # noqa: PLR2004
            raise ValueError(f"skills must be of shape (n, k), not {self.skills.shape}")
        if len(np.unique(self.id)) != len(self.id):
            raise ValueError("id must not repeat")
        self._require("skills", self.skills[:, 0] >= 0, "the main skill must be given")
        self._require("level", (self.level >= LEVELS[0]) & (self.level <= LEVELS[1]), "must be 1 to 4")
        self._require("radius_km", self.radius_km >= 0, "must be 0 or more")
        self._require("places", (self.places >= 1) & (self.places <= ON_SITE | REMOTE), "must be 1 to 7")
        self._require(
            "availability",
            (self.availability >= 0) & (self.availability < 1 << HALF_DAYS),
            "must have 14 bits",
        )
        self._require("lat", np.isnan(self.lat) == np.isnan(self.lon), "must be given together with lon")
        self._require("lat", ~(np.abs(self.lat) > 90), "must be −90 to 90 degrees")  # noqa: PLR2004
        self._require("lon", ~(np.abs(self.lon) > 180), "must be −180 to 180 degrees")  # noqa: PLR2004
        self._require("competitor_radius_km", self.competitor_radius_km >= 0, "must be 0 or more")
        object.__setattr__(self, "point", points_km(self.lat, self.lon))

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Return the listings of these rows, each once, in their order."""
        return self._unchecked({column.name: getattr(self, column.name)[rows] for column in fields(self)})

    @classmethod
    def of_board(cls, columns: Mapping[str, NDArray[Any]]) -> Self:
        """Return listings from the columns of a Board, their `point` among them: they are not checked."""
        return cls._unchecked({column.name: columns[column.name] for column in fields(cls)})

    @classmethod
    def _unchecked(cls, columns: Mapping[str, NDArray[Any]]) -> Self:
        made = object.__new__(cls)
        for name, column in columns.items():
            object.__setattr__(made, name, column)
        return made

    def _given(self) -> dict[str, NDArray[Any]]:
        return {column.name: getattr(self, column.name) for column in fields(self) if column.init}

    def _require(self, name: str, holds: BoolArray, rule: str) -> None:
        if not holds.all():
            raise ValueError(f"{name} {rule}: not so for row {int(np.argmin(holds))}")


@dataclass(frozen=True, slots=True)
class Needs(_Listings):
    """Skills to learn; each takes one offer. `waiting_days` ≥ 0, since publication; `urgency`: 1 to 3."""

    waiting_days: FloatArray
    urgency: IntArray

    def __post_init__(self) -> None:
        _Listings.__post_init__(self)
        self._require("waiting_days", self.waiting_days >= 0, "must be 0 or more")
        self._require("urgency", (self.urgency >= 1) & (self.urgency <= 3), "must be 1 to 3")  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Offers(_Listings):
    """Skills to pass on. `capacity` ≥ 0: exchanges that the offer can take now."""

    capacity: IntArray

    def __post_init__(self) -> None:
        _Listings.__post_init__(self)
        self._require("capacity", self.capacity >= 0, "must be 0 or more")


@dataclass(frozen=True, slots=True)
class Edges:
    """Feasible pairs: rows of needs and offers, distance in km (NaN without point), weight in (0, 1]."""

    need: IntArray
    offer: IntArray
    distance_km: FloatArray
    weight: FloatArray

    def __post_init__(self) -> None:
        same_length(need=self.need, offer=self.offer, distance_km=self.distance_km, weight=self.weight)

    def __len__(self) -> int:
        return len(self.need)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Edges":
        return Edges(self.need[rows], self.offer[rows], self.distance_km[rows], self.weight[rows])
