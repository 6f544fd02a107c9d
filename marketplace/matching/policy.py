"""What a territory may set: the weights of the score, its bounds and its rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from marketplace.matching.sectors import SectorTree
from marketplace.matching.skills import SkillGraph
from marketplace.matching.validation import FloatArray

# Changes with any change of the rules or formulas, so that a kept round says what made it.
VERSION = "1"

# Criterion: (default weight, least, most). Weights make 1; the skill always counts most.
WEIGHTS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "skill": (0.44, 0.30, 0.70),
        "level": (0.10, 0.00, 0.30),
        "distance": (0.22, 0.05, 0.50),
        "sector": (0.06, 0.00, 0.30),
        "availability": (0.08, 0.00, 0.30),
        "waiting": (0.10, 0.05, 0.30),
    }
)
# Setting: (least, most).
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "related_skill": (0.5, 0.9),
        "same_domain": (0.0, 0.6),
        "extra_skill_factor": (0.5, 1.0),
        "skill_floor": (0.3, 1.0),
        "level_gap": (0, 3),
        "half_distance_km": (2, 100),
        "remote_value": (0.1, 0.9),
        "waiting_full_days": (7, 365),
        "patience_weeks": (1, 8),
        "priority_per_week": (0.05, 0.5),
        "circle_min_weight": (0.1, 1.0),
        "circle_bonus": (0.0, 0.5),
        "circle_max_length": (2, 4),
        "circle_max_loss": (0.0, 0.2),
    }
)
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Weights, bounds and rules of a round, with the reference trees they speak of.

    Attributes
    ----------
    skills, sectors
        The trees that similarities are read from.
    weights
        The part of each criterion in the score; they make 1.
    related_skill, same_domain
        Similarity of two related skills, and of two skills of one domain; the same skill is 1.
    extra_skill_factor
        What is left of a similarity when it is reached by a further skill of a listing, for each side.
    skill_floor
        Pairs below this similarity are not feasible.
    level_gap
        How many levels below the wanted one an offer may be.
    half_distance_km
        Distance at which the criterion of distance is worth one half.
    remote_value
        What the criterion of distance is worth for a remote exchange.
    waiting_full_days
        Wait after which the criterion of waiting is full.
    patience_weeks, priority_per_week
        Wait after which a need gains priority over others in a round, and what each further week adds to the
        worth of its pairs there; never 0, so that no need starves: see fairness.priority().
    circle_min_weight, circle_bonus, circle_max_length
        Least score of a pair inside a circle; what being in a circle adds to its score when circles are
        weighed against pairs; number of structures in a circle at most.
    circle_max_loss
        Part of the matched needs that the circles of a round may cost at most.
    """

    skills: SkillGraph
    sectors: SectorTree
    weights: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({name: default for name, (default, _, _) in WEIGHTS.items()})
    )
    related_skill: float = 0.7
    same_domain: float = 0.4
    extra_skill_factor: float = 0.9
    skill_floor: float = 0.5
    level_gap: int = 1
    half_distance_km: float = 15.0
    remote_value: float = 0.5
    waiting_full_days: float = 90.0
    patience_weeks: float = 3.0
    priority_per_week: float = 0.1
    circle_min_weight: float = 0.5
    circle_bonus: float = 0.1
    circle_max_length: int = 3
    circle_max_loss: float = 0.02

    def __post_init__(self) -> None:
        unknown = sorted(self.weights.keys() ^ WEIGHTS.keys())
        if unknown:
            raise ValueError(f"weights must name exactly {', '.join(WEIGHTS)}: see {', '.join(unknown)}")
        for name, (_, least, most) in WEIGHTS.items():
            _within(f"weights.{name}", self.weights[name], least, most)
        total = sum(self.weights.values())
        if abs(total - 1) > _TOLERANCE:
            raise ValueError(f"weights must make 1, not {total:.6f}")
        for name, (least, most) in BOUNDS.items():
            _within(name, getattr(self, name), least, most)

    @classmethod
    def from_mapping(
        cls, overrides: Mapping[str, Any], *, skills: SkillGraph, sectors: SectorTree
    ) -> "Policy":
        """Build a policy from settings kept as JSON; what is not named keeps its default.

        Raises ValueError naming an unknown key, a value out of bounds, or weights that do not make 1.
        """
        known = {f.name for f in fields(cls)} - {"skills", "sectors"}
        settings = {name: value for name, value in overrides.items() if name != "version"}
        unknown = sorted(settings.keys() - known)
        if unknown:
            raise ValueError(f"unknown setting: {', '.join(unknown)}")
        if "weights" in settings:
            defaults = {name: default for name, (default, _, _) in WEIGHTS.items()}
            settings["weights"] = MappingProxyType({**defaults, **settings["weights"]})
        return cls(skills=skills, sectors=sectors, **settings)

    def similarity(self) -> FloatArray:
        """Return how near each skill is to each other, (n, n) in [0, 1]."""
        return self.skills.similarity(related=self.related_skill, same_domain=self.same_domain)

    def to_mapping(self) -> dict[str, Any]:
        """Return the settings as JSON, with the version of the formulas; from_mapping() reads it back."""
        return {
            "version": VERSION,
            "weights": dict(self.weights),
            **{name: getattr(self, name) for name in BOUNDS},
        }


def _within(name: str, value: object, least: float, most: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not least <= value <= most:  # type: ignore[operator]
        raise ValueError(f"{name} must be {least:g} to {most:g}, not {value!r}")
