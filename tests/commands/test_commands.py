"""The command line, as an operator types it: exit 0 done, 1 refused with the reason, 2 usage."""

import json

import pytest
from sqlalchemy import func, select

from marketplace.models import Commune, Listing, ListingKind, Match, ModerationMode, Skill, Territory, User
from marketplace.services import rights

RENNES_METROPOLE = "243500139"
PASSWORD = "trois chevaux gris sous la pluie"


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=list(args))


def count(db_session, model):
    return db_session.scalar(select(func.count()).select_from(model))


def test_reference_data_loads_again_without_doubles(run, db_session):
    before = count(db_session, Commune), count(db_session, Skill)

    result = run("seed", "reference", "--force")

    assert result.exit_code == 0, result.output
    assert (count(db_session, Commune), count(db_session, Skill)) == before == (34_969, 92)


def test_a_demonstration_market_has_the_asked_size(run, db_session):
    result = run("seed", "demo", "--needs", "12", "--offers", "9", "--seed", "3")

    assert result.exit_code == 0, result.output
    kinds = {
        kind: n for kind, n in db_session.execute(select(Listing.kind, func.count()).group_by(Listing.kind))
    }
    assert kinds == {ListingKind.NEED: 12, ListingKind.OFFER: 9}


def test_a_round_prints_its_figures_as_json_on_standard_output(run, market):
    market.need(), market.offer()

    result = run("match", "run", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["matched"] == 1


def test_a_dry_run_writes_nothing(run, market, db_session):
    market.need(), market.offer()

    assert run("match", "run", "--dry-run").exit_code == 0
    assert count(db_session, Match) == 0


def test_a_round_of_an_unknown_territory_is_refused(run):
    result = run("match", "run", "--territory", "123456789")

    assert result.exit_code == 1
    assert "123456789" in result.output
    assert "Traceback" not in result.output


def test_explain_tells_the_parts_of_a_score(run, market):
    result = run("match", "explain", str(market.need().id), str(market.offer().id))

    assert result.exit_code == 0, result.output
    for criterion in ("skill", "level", "distance", "sector", "availability", "waiting"):
        assert criterion in result.output


def test_explain_names_the_rule_that_excludes_a_pair(run, market):
    need, offer = market.need(skill="boutique-en-ligne"), market.offer(skill="paie-en-ligne")

    result = run("match", "explain", str(need.id), str(offer.id))

    assert (result.exit_code, "skill" in result.output) == (0, True)


@pytest.mark.parametrize("ids", [("1", "999999"), ("999999", "1")])
def test_explaining_listings_that_do_not_exist_is_refused(run, ids):
    result = run("match", "explain", *ids)

    assert result.exit_code == 1
    assert "no need has the id" in result.output


@pytest.mark.parametrize("ids", [("0", "1"), ("x", "1"), ("99999999999999999999", "1")])
def test_ids_that_are_no_ids_are_a_usage_error(run, ids):
    assert run("match", "explain", *ids).exit_code == 2


def test_an_administrator_is_created_and_can_be_promoted_again(run, db_session):
    for _ in range(2):
        result = run(
            "users",
            "create-admin",
            "--email",
            "Nation@admin.example",
            "--name",
            "Nation",
            "--password",
            PASSWORD,
        )
        assert result.exit_code == 0, result.output

    admin = db_session.scalar(select(User).where(User.email == "nation@admin.example"))
    assert admin.is_admin
    assert admin.is_confirmed


def test_a_weak_password_is_refused(run, db_session):
    result = run(
        "users", "create-admin", "--email", "a@admin.example", "--name", "A", "--password", "motdepasse"
    )

    assert result.exit_code == 1
    assert count(db_session, User) == 0


def test_a_territory_is_opened_with_its_way_of_moderating(run, db_session):
    result = run("territories", "open", RENNES_METROPOLE, "--moderation", "a_posteriori")

    assert result.exit_code == 0, result.output
    territory = db_session.get(Territory, RENNES_METROPOLE)
    assert territory.is_open
    assert territory.moderation_mode is ModerationMode.AFTER


def test_a_moderator_is_added_and_removed(run, market):
    person = market.user(second_factor=True)

    assert run("territories", "add-moderator", RENNES_METROPOLE, person.email).exit_code == 0
    assert rights.moderates(person, RENNES_METROPOLE)

    assert run("territories", "remove-moderator", RENNES_METROPOLE, person.email).exit_code == 0
    assert not rights.moderates(person, RENNES_METROPOLE)


@pytest.mark.parametrize(
    "command",
    [
        ("territories", "open", "000000000"),
        ("territories", "add-moderator", RENNES_METROPOLE, "nobody@nowhere.example"),
        ("territories", "remove-moderator", RENNES_METROPOLE, "nobody@nowhere.example"),
    ],
)
def test_unknown_territories_and_people_are_refused(run, command):
    result = run(*command)

    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_skills_are_suggested_for_a_sentence(run):
    result = run("skills", "suggest", "je veux vendre mes confitures sur internet", "--json")

    assert result.exit_code == 0, result.output
    assert "boutique-en-ligne" in [skill["slug"] for skill in json.loads(result.stdout)][:3]


def test_a_suggestion_tells_its_score_and_the_words_that_decided(run):
    result = run("skills", "suggest", "mes clients sont dans un cahier", "--json")

    best, *rest = json.loads(result.stdout)
    assert best["slug"] == "fichier-clients"
    assert best["domain_slug"] == "relation-client"
    assert all(best["score"] >= other["score"] for other in rest)
    assert {"clients", "cahier"} <= set(best["words"])


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_sentence_that_says_nothing_gets_the_domains_instead_of_a_guess(run, form):
    result = run("skills", "suggest", "bonjour à tous", *form)

    assert result.exit_code == 0
    assert result.stdout.strip() == ("[]" if form else "")
    assert "not sure" in result.stderr
    assert "cybersecurite" in result.stderr


def test_the_same_demonstration_market_twice_adds_nothing(run, db_session):
    for _ in range(2):
        result = run("seed", "demo", "--needs", "5", "--offers", "5", "--seed", "3")
        assert result.exit_code == 0, result.output

    assert "nothing added" in result.output
    assert count(db_session, Listing) == 10


@pytest.mark.parametrize("size", ["-1", "100001", "x"])
def test_a_demonstration_market_of_an_impossible_size_is_a_usage_error(run, size):
    assert run("seed", "demo", "--needs", size).exit_code == 2


def test_a_demonstration_with_known_passwords_is_refused_on_a_public_site(run, app, db_session):
    app.config["PUBLIC_URL"] = "https://exchange.example"

    result = run("seed", "demo", "--needs", "5", "--offers", "5")

    assert result.exit_code == 1
    assert "DEMONSTRATION=1" in result.output
    assert count(db_session, User) == 0


def test_the_worker_sends_waiting_mail(run, market, outbox):
    market.need(), market.offer()
    run("match", "run")

    result = run("worker", "--once")

    assert result.exit_code == 0, result.output
    assert "mail: 2" in result.output


def test_the_operator_resets_a_second_factor_and_says_why(run, market):
    person = market.user(second_factor=True)
    done = run("users", "reset-second-factor", person.email, "--reason", "Phone and codes lost")
    assert done.exit_code == 0
    assert person.second_factor_at is None
    assert run("users", "reset-second-factor", person.email, "--reason", "x").exit_code == 1
    assert run("users", "reset-second-factor", person.email).exit_code == 2
