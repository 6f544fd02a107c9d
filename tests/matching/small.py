"""Small markets as the matcher's arrays: everything that a test does not say is the same for all."""

from typing import Any

import numpy as np

from marketplace.matching import Needs, Offers, Policy, SectorTree, SkillGraph

# Three skills in two domains; one sector.
SKILLS = SkillGraph.from_lists([0, 0, 1], [(0, 1)])
SECTORS = SectorTree.from_parents([-1])
RENNES = (48.1159, -1.6884)


def policy(**settings: Any) -> Policy:
    return Policy(**{"skills": SKILLS, "sectors": SECTORS} | settings)


def needs(n: int, **columns: Any) -> Needs:
    return Needs(
        **_listings(n, {"waiting_days": 0.0, "urgency": 1, "level": 2, "organisation": np.arange(n)}, columns)
    )


def offers(n: int, **columns: Any) -> Offers:
    return Offers(
        **_listings(n, {"capacity": 1, "level": 3, "organisation": 1_000_000 + np.arange(n)}, columns)
    )


def _listings(n: int, own: dict[str, Any], given: dict[str, Any]) -> dict[str, np.ndarray]:
    columns = {
        "id": np.arange(n),
        "skills": [[0, -1, -1]],
        "lat": RENNES[0],
        "lon": RENNES[1],
        "radius_km": 30.0,
        "places": 3,
        "availability": 0,
        "sector": 0,
        "avoid_competitors": False,
        "competitor_radius_km": 0.0,
        **own,
        **given,
    }
    return {name: _column(name, value, n) for name, value in columns.items()}


def _column(name: str, value: Any, n: int) -> np.ndarray:
    array = np.asarray(value)
    return np.broadcast_to(array, (n, 3) if name == "skills" else (n,)).copy()
