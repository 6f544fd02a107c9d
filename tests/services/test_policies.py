"""Settings of a territory: refused in plain words, applied as versions, by those in charge there only."""

import json

import pytest
from sqlalchemy import select

from marketplace.matching.policy import BOUNDS, WEIGHTS
from marketplace.models import AuditEntry, PolicyVersion, Territory
from marketplace.services import market as market_service
from marketplace.services import policies
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

NEARER = {
    "skill": 0.30,
    "level": 0.10,
    "distance": 0.36,
    "sector": 0.06,
    "availability": 0.08,
    "waiting": 0.10,
}


@pytest.fixture
def moderator(market):
    return market.moderator(RENNES_METROPOLE)


def versions(db_session):
    return list(db_session.scalars(select(PolicyVersion).order_by(PolicyVersion.number)))


def test_only_what_differs_from_the_nation_is_kept(app):
    national = market_service.policy().to_mapping()

    assert policies.checked(national) == {}
    assert policies.checked({**national, "half_distance_km": 25}) == {"half_distance_km": 25.0}
    assert policies.checked({"weights": NEARER, "level_gap": 2}) == {"weights": NEARER, "level_gap": 2}


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        ({"vitesse": 3}, "vitesse", "n’existe pas"),
        ({"half_distance_km": 1}, "half_distance_km", "de 2 à 100"),
        ({"half_distance_km": "15"}, "half_distance_km", "un nombre"),
        ({"half_distance_km": True}, "half_distance_km", "un nombre"),
        ({"half_distance_km": float("nan")}, "half_distance_km", "de 2 à 100"),
        ({"half_distance_km": 10**400}, "half_distance_km", "de 2 à 100"),
        ({"remote_value": 0.95}, "remote_value", "de 0,1 à 0,9"),
        ({"level_gap": 1.5}, "level_gap", "entier"),
        ({"priority_per_week": 0}, "priority_per_week", "de 0,05 à 0,5"),
        ({"weights": 3}, "weights", "le poids de chaque critère"),
        ({"weights": {"prix": 0.1}}, "weights.prix", "n’existe pas"),
        ({"weights": {"skill": 0.9}}, "weights.skill", "de 0,3 à 0,7"),
        ({"weights": {"skill": 0.5}}, "weights", "106 % ensemble"),
        (["skill"], "policy", "une liste de réglages"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_its_field(app, settings, field, message):
    with pytest.raises(FieldError) as refused:
        policies.checked(settings)

    assert refused.value.field == field
    assert message in refused.value.message


def test_every_bound_itself_is_allowed(app):
    for name, (least, most) in BOUNDS.items():
        for value in (least, most):
            policies.to_policy(policies.checked({name: value}))
    assert set(NEARER) == set(WEIGHTS)


def test_the_same_settings_come_from_json_and_toml(app, tmp_path):
    as_json, as_toml = tmp_path / "policy.json", tmp_path / "policy.toml"
    as_json.write_text(json.dumps({"half_distance_km": 25, "weights": NEARER}))
    weights = "\n".join(f"{name} = {value}" for name, value in NEARER.items())
    as_toml.write_text(f"half_distance_km = 25\n[weights]\n{weights}\n")

    assert policies.read_file(as_json) == policies.read_file(as_toml) != {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("policy.json", b"{"),
        ("policy.json", b"\xff\xfe"),
        ("policy.json", b"[" * 50_000),
        ("policy.json", b" " * 100_000),
        ("policy.toml", b"= 3"),
        ("policy.txt", b"{}"),
        ("policy.json", b'"all"'),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(app, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(FieldError, match="policy"):
        policies.read_file(path)


def test_applied_settings_rule_and_are_kept_as_a_version(moderator, db_session, clock):
    policies.apply(
        RENNES_METROPOLE, {"half_distance_km": 25}, by=moderator, seen=0, note="Le bus met du temps."
    )

    territory = db_session.get(Territory, RENNES_METROPOLE)
    assert market_service.policy(territory).half_distance_km == 25
    (version,) = policies.history(RENNES_METROPOLE, by=moderator)
    assert (version.number, version.policy, version.applied_by.id, version.applied_at) == (
        1,
        {"half_distance_km": 25.0},
        moderator.id,
        clock.now,
    )


def test_each_application_is_audited_with_what_was_before(moderator, db_session):
    policies.apply(RENNES_METROPOLE, {"half_distance_km": 25}, by=moderator, seen=0)
    policies.apply(RENNES_METROPOLE, {}, by=moderator, seen=1, note="Retour")

    applied = select(AuditEntry).where(AuditEntry.action == "policy.applied").order_by(AuditEntry.id)
    entries = list(db_session.scalars(applied))
    assert [(entry.before, entry.after) for entry in entries] == [
        ({}, {"half_distance_km": 25.0}),
        ({"half_distance_km": 25.0}, {}),
    ]
    assert {(entry.actor_id, entry.territory_siren) for entry in entries} == {
        (moderator.id, RENNES_METROPOLE)
    }
    assert entries[1].reason == "Retour"
    assert [version.number for version in policies.history(RENNES_METROPOLE, by=moderator)] == [2, 1]


def test_two_people_do_not_overwrite_each_other(moderator, market, db_session):
    policies.apply(RENNES_METROPOLE, {"half_distance_km": 25}, by=market.admin(), seen=0)

    with pytest.raises(FieldError, match="entre-temps"):
        policies.apply(RENNES_METROPOLE, {"half_distance_km": 50}, by=moderator, seen=0)

    assert len(versions(db_session)) == 1


def test_refused_settings_leave_nothing_behind(moderator, db_session):
    with pytest.raises(FieldError):
        policies.apply(RENNES_METROPOLE, {"half_distance_km": 500}, by=moderator, seen=0)
    with pytest.raises(FieldError, match="300"):
        policies.apply(RENNES_METROPOLE, {}, by=moderator, seen=0, note="x" * 301)

    assert versions(db_session) == []
    assert db_session.get(Territory, RENNES_METROPOLE).policy == {}


def test_settings_are_for_the_territory_s_own_moderators_and_the_administrators(market, db_session):
    elsewhere, nobody = market.moderator(LIFFRE_CORMIER), market.user()

    for person in (elsewhere, nobody):
        with pytest.raises(NotFound):
            policies.apply(RENNES_METROPOLE, {}, by=person, seen=0)
        with pytest.raises(NotFound):
            policies.history(RENNES_METROPOLE, by=person)
        with pytest.raises(NotFound):
            policies.territory_of(RENNES_METROPOLE, by=person)
    assert policies.apply(RENNES_METROPOLE, {}, by=market.admin(), seen=0).number == 1
    with pytest.raises(NotFound):
        policies.territory_of("123456789", by=market.admin())


def test_an_address_that_is_not_confirmed_changes_nothing(market, db_session):
    moderator = market.moderator()
    moderator.email_confirmed_at = None
    db_session.commit()

    with pytest.raises(NotAllowed):
        policies.apply(RENNES_METROPOLE, {}, by=moderator, seen=0)


def test_versions_of_two_territories_count_apart(market, db_session):
    admin = market.admin()
    policies.apply(RENNES_METROPOLE, {"level_gap": 0}, by=admin, seen=0)

    assert policies.apply(LIFFRE_CORMIER, {"level_gap": 2}, by=admin, seen=0).number == 1
    assert (policies.version_of(RENNES_METROPOLE), policies.version_of(LIFFRE_CORMIER)) == (1, 1)
