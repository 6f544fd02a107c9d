"""The best offers of each need, found best first; compiled by numba, and imported only where it is installed.

It repeats the steps of distance.py, pairs.py and scoring.py in their order, with +, −, ×, ÷ and √ only,
which round alike everywhere: it finds the same scores to the last bit, so that ties are ties. numba keeps
the compiled code until this file changes: what it imports must not change without it.
"""

from collections.abc import Callable
from math import floor, sqrt
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from marketplace.matching.arrays import HALF_DAYS, ON_SITE, REMOTE
from marketplace.matching.distance import (
    ARC_1,
    ARC_2,
    ARC_3,
    FAR,
    HALVINGS,
    MEAN_RADIUS_KM,
    PER_DIAMETER_SQUARED,
)
from marketplace.matching.scoring import HALVES, HALVINGS_MAX, POWER_SERIES, STEP_LN2, STEPS
from marketplace.matching.sectors import CLASS_DEPTH, DEPTH
from marketplace.matching.validation import FloatArray, IntArray

# A need, or an offer by one of its skills, with all that the search asks of it side by side. refusal_km: −1
# where competitors are welcome; waiting: what the wait of a need adds to its scores; turn: the place of an
# offer on the wheel of ties, and where a need starts on it; row, column: of the listing and of the skill, 0
# for the main one.
LISTING = np.dtype(
    [
        ("organisation", np.int64),
        ("turn", np.int64),
        ("row", np.int64),
        ("x", np.float64),
        ("y", np.float64),
        ("z", np.float64),
        ("radius_km", np.float64),
        ("refusal_km", np.float64),
        ("waiting", np.float64),
        ("sector", np.int32),
        ("availability", np.int16),
        ("level", np.int8),
        ("places", np.int8),
        ("column", np.int8),
    ],
    align=True,
)
# What a node holds, and its children: rows child … child + children − 1, of entries or of nodes. levels: a
# set of bits; sector, turn: from … to.
NODE = np.dtype(
    [
        ("low_x", np.float64),
        ("low_y", np.float64),
        ("low_z", np.float64),
        ("high_x", np.float64),
        ("high_y", np.float64),
        ("high_z", np.float64),
        ("radius_km", np.float64),
        ("turn_from", np.int64),
        ("turn_to", np.int64),
        ("child", np.int64),
        ("children", np.int64),
        ("sector_from", np.int32),
        ("sector_to", np.int32),
        ("levels", np.int8),
        ("is_leaf", np.bool_),
        ("is_remote", np.bool_),
        ("has_main", np.bool_),
    ],
    align=True,
)
# The nodes that hold all entries of a skill, −1 for none.
ROOT = np.dtype([("site", np.int64), ("remote", np.int64)])
# A skill near another, and how near.
NEAR = np.dtype([("skill", np.int64), ("similarity", np.float64)])
# The weights of the criteria and the numbers of a policy.
RULES = np.dtype(
    [
        (name, np.float64)
        for name in (
            "skill", "level", "distance", "sector", "availability",
            "skill_floor", "extra_skill_factor", "half_distance_km", "remote_value",
        )
    ]
)  # fmt: skip
# The branch of a sector at a depth: its root, and its places, start … end, when branches are kept together.
BRANCH = np.dtype([("root", np.int64), ("start", np.int64), ("end", np.int64)])
# A node to open: its bound, how soon the need meets it on the wheel, its row, and by which skill it is met.
WAITING = np.dtype([("score", np.float64), ("turn", np.int64), ("node", np.int64), ("met", np.int64)])
# How many half-days a set holds.
BITS = np.bitwise_count(np.arange(1 << HALF_DAYS)).astype(np.int64)
# More than the rounding of a score: what the box of several points promises is raised by it.
ROUNDING = 1e-9

_int64 = cast(Callable[[int], int], numba.int64)
Rows = NDArray[np.void]
Row = Any
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile at the first call, once for all processes where there is a folder to keep the code in."""
    try:
        return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:
        return cast(_Function, numba.njit(nogil=True, error_model="numpy")(function))


@_compiled
def _arc_km(square: float) -> float:
    """Do as distance.between_km() from the square of the chord; NaN stays."""
    q = square * PER_DIAMETER_SQUARED
    if not q > FAR:
        return sqrt(square) * (1 + q * (ARC_1 + q * (ARC_2 + q * ARC_3)))
    q = min(q, 1.0)
    for _ in range(HALVINGS):
        q = (1 - sqrt(1 - q)) / 2
    arc = sqrt(q) * (1 + q * (ARC_1 + q * (ARC_2 + q * ARC_3)))
    return (1 << HALVINGS) * 2 * MEAN_RADIUS_KM * arc


@_compiled
def _nearness(km: float, half_distance_km: float) -> float:
    """Do as scoring.py."""
    steps = min(km / half_distance_km, float(HALVINGS_MAX)) * STEPS
    whole = floor(steps)
    rest = (steps - whole) * STEP_LN2
    power = POWER_SERIES[0]
    for coefficient in POWER_SERIES[1:]:
        power = power * rest + coefficient
    nearness: float = power * HALVES[int(whole)]
    return nearness


@_compiled
def _score(  # noqa: PLR0917
    similarity: float,
    level: float,
    nearness: float,
    sector: float,
    available: float,
    waiting: float,
    rules: Row,
) -> float:
    """Add up as scoring.components_of() does."""
    score: float = rules.skill * similarity
    score = score + rules.level * level
    score = score + rules.distance * nearness
    score = score + sector
    score = score + rules.availability * available
    score = score + waiting
    return min(score, 1.0)


@_compiled
def _bound(  # noqa: PLR0917
    need: Row, node: Row, similarity: float, level: float, sector: float, least: float, rules: Row
) -> float:
    """Return what no pair of the need with an offer of the node scores above; −1 if that is below `least`."""
    if not node.has_main:
        similarity = similarity * rules.extra_skill_factor
    if similarity < rules.skill_floor or level < 0:
        return -1.0
    nearness = rules.remote_value if node.is_remote else 1.0
    bound = _score(similarity, level, nearness, sector, 1.0, need.waiting, rules)
    if bound < least:
        return -1.0
    if node.is_remote:
        return bound
    dx = max(node.low_x - need.x, 0.0, need.x - node.high_x)
    dy = max(node.low_y - need.y, 0.0, need.y - node.high_y)
    dz = max(node.low_z - need.z, 0.0, need.z - node.high_z)
    square = dx * dx + dy * dy + dz * dz
    reach = min(need.radius_km, node.radius_km)
    if square > reach * reach * (1 + ROUNDING):
        return -1.0
    nearness = _nearness(_arc_km(square), rules.half_distance_km)
    if node.low_x < node.high_x or node.low_y < node.high_y or node.low_z < node.high_z:
        nearness += ROUNDING
    bound = _score(similarity, level, nearness, sector, 1.0, need.waiting, rules)
    return bound if bound >= least else -1.0


@_compiled
def _pair_score(  # noqa: PLR0917
    need: Row,
    offer: Row,
    is_remote: bool,
    similarity: float,
    level: float,
    depth: int,
    sector: float,
    least: float,
    rules: Row,
) -> float:
    """Return the score of a pair met by this similarity.

    −1 if it is below `least`, if a rule excludes the pair, or if the other way to meet is worth more.
    """
    common = need.places & offer.places
    if similarity < rules.skill_floor or level < 0 or common == 0 or need.organisation == offer.organisation:
        return -1.0
    available = 1.0
    if need.availability and offer.availability:
        fewer = min(BITS[need.availability], BITS[offer.availability])
        available = BITS[need.availability & offer.availability] / fewer
    if _score(similarity, level, 1.0, sector, available, need.waiting, rules) < least:
        return -1.0
    dx, dy, dz = need.x - offer.x, need.y - offer.y, need.z - offer.z
    km = _arc_km(dx * dx + dy * dy + dz * dz)
    nearness = 0.0
    if common & ON_SITE and km <= min(need.radius_km, offer.radius_km):  # never so without point: km is NaN
        nearness = _nearness(km, rules.half_distance_km)
    elif common & REMOTE == 0:
        return -1.0
    # A pair that can do both is met on the way that is worth more.
    if (common & REMOTE and nearness < rules.remote_value) != is_remote:
        return -1.0
    if is_remote:
        nearness = rules.remote_value
    if depth >= CLASS_DEPTH and km <= max(need.refusal_km, offer.refusal_km):
        return -1.0
    score = _score(similarity, level, nearness, sector, available, need.waiting, rules)
    return score if score >= least else -1.0


@_compiled
def _met_first(  # noqa: PLR0917
    wanted: IntArray,
    offered: IntArray,
    by: int,
    by_offered: int,
    similarity: float,
    table: FloatArray,
    rules: Row,
) -> bool:
    """Say whether these columns are the first to bring the pair nearest: it counts once, by one skill."""
    for a in range(len(wanted)):
        for b in range(len(offered)):
            if wanted[a] < 0 or offered[b] < 0 or (a == by and b == by_offered):
                continue
            nearer = table[wanted[a], offered[b]]
            nearer = nearer if a == 0 else nearer * rules.extra_skill_factor
            nearer = nearer if b == 0 else nearer * rules.extra_skill_factor
            is_before = a < by or (a == by and b < by_offered)
            if nearer > similarity or (is_before and nearer == similarity):
                return False
    return True


@_compiled
def _is_before(score: float, turn: int, other_score: float, other_turn: int) -> bool:
    return score > other_score or (score == other_score and turn < other_turn)


@_compiled
def _move(queue: Rows, source: int, target: int) -> None:
    queue[target].score, queue[target].turn = queue[source].score, queue[source].turn
    queue[target].node, queue[target].met = queue[source].node, queue[source].met


@_compiled
def _push(  # noqa: PLR0917
    queue: Rows, size: int, score: float, turn: int, node: int, met: int
) -> None:
    """Put a node on a binary heap of `size`, the best first."""
    at = size
    while at:
        above = (at - 1) // 2
        if not _is_before(score, turn, queue[above].score, queue[above].turn):
            break
        _move(queue, above, at)
        at = above
    queue[at].score, queue[at].turn, queue[at].node, queue[at].met = score, turn, node, met


@_compiled
def _drop_first(queue: Rows, size: int) -> None:
    """Take the best of `size` nodes off the heap."""
    last, at = size - 1, 0
    score, turn = queue[last].score, queue[last].turn
    while True:
        under = 2 * at + 1
        if under + 1 < last and _is_before(
            queue[under + 1].score, queue[under + 1].turn, queue[under].score, queue[under].turn
        ):
            under += 1
        if under >= last or not _is_before(queue[under].score, queue[under].turn, score, turn):
            break
        _move(queue, under, at)
        at = under
    _move(queue, last, at)


@_compiled
def best_pairs(  # noqa: PLR0912, PLR0915, PLR0917 (one loop: numba passes arrays faster than objects)
    rows: IntArray,
    top_k: int,
    needs: Rows,
    need_skills: IntArray,
    n_offers: int,
    offer_skills: IntArray,
    nodes: Rows,
    entries: Rows,
    roots: Rows,
    near: Rows,
    near_from: IntArray,
    table: FloatArray,
    level_value: FloatArray,
    best_level: FloatArray,
    branches: Rows,
    sector_part: FloatArray,
    all_rules: Rows,
    banned: IntArray,
    banned_from: IntArray,
    found_need: IntArray,
    found_offer: IntArray,
) -> int:
    """Write the `top_k` best pairs of each need of `rows`; return how many there are.

    Branch and bound: of all nodes met, the one that may hold the best score is opened next, until none may
    change the best found. Among equal scores the offer comes first that the need meets first on the wheel.
    """
    rules = all_rules[0]
    width = need_skills.shape[1]
    # A node is met by each skill of a need once at most.
    queue = np.empty(width * len(nodes) + 1, WAITING)
    best, best_turn, best_offer = np.empty(top_k), np.empty(top_k, np.int64), np.empty(top_k, np.int64)
    met_by, met_column = np.empty(width * len(near) + 1), np.empty(width * len(near) + 1, np.int64)
    nothing = _int64(0)  # of one type from the start: numba compiles the helpers once only
    written = nothing
    for i in rows:
        need = needs[i]
        waiting, met, count = nothing, nothing, nothing
        for column in range(width):
            skill = need_skills[i, column]
            for n in range(near_from[skill], near_from[skill + 1] if skill >= 0 else 0):
                met_by[met] = near[n].similarity * (1.0 if column == 0 else rules.extra_skill_factor)
                met_column[met] = column
                root = roots[near[n].skill]
                if root.site >= 0 and need.places & ON_SITE and need.x == need.x:  # NaN differs from itself
                    _push(queue, waiting, 2.0, need.turn, root.site, met)
                    waiting += 1
                if root.remote >= 0 and need.places & REMOTE:
                    _push(queue, waiting, 2.0, need.turn, root.remote, met)
                    waiting += 1
                met += 1
        while waiting:
            if count == top_k and not _is_before(
                queue[0].score, queue[0].turn, best[count - 1], best_turn[count - 1]
            ):
                break
            node, met = nodes[queue[0].node], queue[0].met
            by, column = met_by[met], met_column[met]
            _drop_first(queue, waiting)
            waiting -= 1
            least = best[count - 1] if count == top_k else -0.5
            for child in range(node.child, node.child + node.children):
                depth = 0
                if not node.is_leaf:
                    inner = nodes[child]
                    while (
                        depth < DEPTH
                        and branches[need.sector, depth].end > inner.sector_from
                        and branches[need.sector, depth].start <= inner.sector_to
                    ):
                        depth += 1
                    level, sector = best_level[need.level, inner.levels], sector_part[depth]
                    score = _bound(need, inner, by, level, sector, least, rules)
                    turn = inner.turn_from - need.turn
                    if turn < 0:
                        turn = 0 if inner.turn_to >= need.turn else turn + n_offers
                    if score >= 0 and (
                        count < top_k or _is_before(score, turn, best[count - 1], best_turn[count - 1])
                    ):
                        _push(queue, waiting, score, turn, child, met)
                        waiting += 1
                    continue
                offer = entries[child]
                while (
                    depth < DEPTH
                    and branches[need.sector, depth].root == branches[offer.sector, depth].root >= 0
                ):
                    depth += 1
                similarity = by if offer.column == 0 else by * rules.extra_skill_factor
                level, sector = level_value[need.level, offer.level], sector_part[depth]
                score = _pair_score(
                    need, offer, node.is_remote, similarity, level, depth, sector, least, rules
                )
                turn = offer.turn - need.turn
                turn = turn if turn >= 0 else turn + n_offers
                if score < 0 or (
                    count == top_k and not _is_before(score, turn, best[count - 1], best_turn[count - 1])
                ):
                    continue
                wanted, offered = need_skills[i], offer_skills[offer.row]
                if not _met_first(wanted, offered, column, offer.column, similarity, table, rules):
                    continue
                is_banned = False
                for n in range(banned_from[i], banned_from[i + 1]):
                    is_banned = is_banned or banned[n] == offer.row
                if is_banned:
                    continue
                count = min(count + 1, top_k)
                place = count - 1
                while place and _is_before(score, turn, best[place - 1], best_turn[place - 1]):
                    best[place], best_turn[place] = best[place - 1], best_turn[place - 1]
                    best_offer[place] = best_offer[place - 1]
                    place -= 1
                best[place], best_turn[place], best_offer[place] = score, turn, offer.row
        for place in range(count):
            found_need[written], found_offer[written] = i, best_offer[place]
            written += 1
    return written
