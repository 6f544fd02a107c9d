"""The judged pairs, as the matcher's arrays."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from marketplace.matching import Needs, Offers, Policy, SectorTree, SkillGraph

FOLDER = Path(__file__).parent
SEEDS = FOLDER.parents[2] / "seeds"
PLACES = {"helper": 1, "learner": 2, "remote": 4}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HALVES = {"": 3, "am": 1, "pm": 2}
SKILLS_MAX = 3
# What a judgement is worth: one good answer outweighs any number of acceptable ones below it.
GAIN = {"good": 3, "acceptable": 1, "bad": 0}
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One need and its judged offers; `gain`: (offers,) by row."""

    name: str
    needs: Needs
    offers: Offers
    gain: np.ndarray[tuple[int], np.dtype[np.float64]]


@cache
def policy() -> Policy:
    """Return the default policy over the reference skills and sectors."""
    skills, sectors = _read(SEEDS / "skills.csv"), _read(SEEDS / "naf.csv")
    row = _rows(skills, "slug")
    domain = _rows([{"domain": name} for name in dict.fromkeys(s["domain"] for s in skills)], "domain")
    related = [
        (row[skill["slug"]], row[other]) for skill in skills for other in skill["related"].split("|") if other
    ]
    code = _rows(sectors, "code")
    return Policy(
        skills=SkillGraph.from_lists([domain[skill["domain"]] for skill in skills], related),
        sectors=SectorTree.from_parents([code.get(sector["parent"], -1) for sector in sectors]),
    )


@cache
def cases() -> tuple[Case, ...]:
    """Return the judged needs, in the order of the file."""
    pairs = _read(FOLDER / "pairs.csv")
    return tuple(
        _case(need, [p for p in pairs if p["need"] == need["need"]]) for need in _read(FOLDER / "needs.csv")
    )


def _case(need: Row, pairs: list[Row]) -> Case:
    return Case(
        name=need["need"],
        needs=Needs(
            **_listings([need], first_id=0),
            waiting_days=np.zeros(1),
            urgency=np.array([int(need["urgency"])]),
        ),
        offers=Offers(**_listings(pairs, first_id=1), capacity=np.ones(len(pairs), np.int64)),
        gain=np.array([GAIN[pair["judgement"]] for pair in pairs], np.float64),
    )


def _listings(rows: list[Row], *, first_id: int) -> dict[str, np.ndarray]:
    ids = first_id + np.arange(len(rows))
    points = [_points()[row["commune"]] for row in rows]
    avoided = [row["avoid_competitors_km"] for row in rows]
    return {
        "id": ids,
        "organisation": ids,
        "skills": np.array([_skills(row["skills"]) for row in rows]),
        "level": np.array([int(row["level"]) for row in rows]),
        "lat": np.array([lat for lat, _ in points]),
        "lon": np.array([lon for _, lon in points]),
        "radius_km": np.array([float(row["radius_km"]) for row in rows]),
        "places": np.array([sum(PLACES[place] for place in row["places"].split()) for row in rows]),
        "availability": np.array([_half_days(row["half_days"].split()) for row in rows]),
        "sector": np.array([_sector_rows()[row["naf"]] for row in rows]),
        "avoid_competitors": np.array([bool(km) for km in avoided]),
        "competitor_radius_km": np.array([float(km or 0) for km in avoided]),
    }


def _skills(slugs: str) -> list[int]:
    known = [_skill_rows()[slug] for slug in slugs.split()]
    return known + [-1] * (SKILLS_MAX - len(known))


def _half_days(words: Iterable[str]) -> int:
    """Return the mask of « mon », « tue-am »…; none for any time."""
    mask = 0
    for word in words:
        day, _, half = word.partition("-")
        mask |= HALVES[half] << 2 * DAYS.index(day)
    return mask


@cache
def _skill_rows() -> Mapping[str, int]:
    return _rows(_read(SEEDS / "skills.csv"), "slug")


@cache
def _sector_rows() -> Mapping[str, int]:
    return _rows(_read(SEEDS / "naf.csv"), "code")


@cache
def _points() -> Mapping[str, tuple[float, float]]:
    return {
        row["insee"]: (float(row["lat"]), float(row["lon"]))
        for row in _read(SEEDS / "communes.csv")
        if row["lat"]
    }


def _rows(items: Iterable[Row], key: str) -> Mapping[str, int]:
    return {item[key]: index for index, item in enumerate(items)}


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))
