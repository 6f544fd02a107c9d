"""What a territory may set, and what is refused."""

import json

import pytest

from marketplace.matching import CRITERIA, Policy
from marketplace.matching.policy import BOUNDS, WEIGHTS
from tests.matching.small import SECTORS, SKILLS, policy


def from_mapping(settings):
    return Policy.from_mapping(settings, skills=SKILLS, sectors=SECTORS)


def weights(**changes):
    return {name: default for name, (default, _, _) in WEIGHTS.items()} | changes


def test_the_default_weights_are_in_their_bounds_and_make_1():
    using = policy()

    assert tuple(using.weights) == CRITERIA
    assert sum(using.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
def test_a_setting_may_go_to_its_bounds_and_no_further(name, bounds):
    least, most = bounds

    assert getattr(policy(**{name: least}), name) == least
    assert getattr(policy(**{name: most}), name) == most
    for value in (least - 0.01, most + 0.01):
        with pytest.raises(ValueError, match=name):
            policy(**{name: value})


@pytest.mark.parametrize("value", [None, "0.5", True, float("nan"), [0.5]])
def test_a_setting_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="related_skill"):
        policy(related_skill=value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"skill": 0.29, "distance": 0.37}, "weights.skill"),
        ({"skill": 0.5}, "make 1"),
        ({"skill": float("nan")}, "weights.skill"),
        ({"charm": 0.0}, "charm"),
    ],
)
def test_weights_out_of_bounds_or_unknown_or_that_do_not_make_1_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        policy(weights=weights(**changed))


def test_a_missing_weight_is_refused():
    incomplete = weights()
    del incomplete["waiting"]

    with pytest.raises(ValueError, match="waiting"):
        policy(weights=incomplete)


def test_settings_kept_as_json_make_the_same_policy_again():
    using = policy(level_gap=2, weights=weights(skill=0.40, distance=0.26))

    kept = json.loads(json.dumps(using.to_mapping()))

    assert from_mapping(kept) == using


def test_what_is_not_named_keeps_its_default():
    using = from_mapping({"half_distance_km": 30, "weights": {"skill": 0.40, "sector": 0.10}})

    assert using.half_distance_km == 30
    assert using.weights["waiting"] == WEIGHTS["waiting"][0]
    assert using.level_gap == policy().level_gap


@pytest.mark.parametrize("key", ["half_distance", "skills", "sectors", "Weights"])
def test_an_unknown_setting_is_named(key):
    with pytest.raises(ValueError, match=key):
        from_mapping({key: 1})
