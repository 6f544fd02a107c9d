import json

import pytest

from tests.support.builders import siret
from tests.support.providers import EXPERTCYBER, expert, write


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=["providers", *map(str, args)])


def test_an_import_prints_its_counts_and_each_rejected_row(run, tmp_path):
    path = write(tmp_path / "list.csv", EXPERTCYBER, [expert(1), expert(2, day="")])

    result = run("import", "expertcyber", path, "--date", "2026-11-01")

    assert result.exit_code == 0, result.output
    assert "1 added, 0 updated, 0 unchanged, 0 retired" in result.stdout
    assert "  line 3: label without a date" in result.stdout


def test_figures_as_json(run, tmp_path):
    path = write(tmp_path / "list.csv", EXPERTCYBER, [expert(1)])

    told = json.loads(run("import", "expertcyber", path, "--dry-run", "--json").stdout)

    assert (told["added"], told["dry_run"], told["rejected"]) == (1, True, [])


def test_a_broken_file_is_refused_with_the_reason(run, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"PK\x03\x04")

    result = run("import", "expertcyber", path)

    assert result.exit_code == 1
    assert "export it as CSV" in result.output


@pytest.mark.parametrize(
    "words", [("import", "autre", "x"), ("import", "csv", "/nowhere"), ("suppress", "1")]
)
def test_wrong_use_is_told(run, words):
    assert run(*words).exit_code == 2


def test_a_list_without_a_name_is_refused(run, tmp_path):
    assert run("import", "csv", write(tmp_path / "list.csv", "a", [])).exit_code == 1


def test_a_provider_is_suppressed(run, tmp_path):
    path = write(tmp_path / "list.csv", EXPERTCYBER, [expert(1)])
    run("import", "expertcyber", path)

    result = run("suppress", siret(1), "--reason", "demande du 3 novembre")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("1 deleted")
    assert "1 opted out" in run("import", "expertcyber", path, "--force").stdout


def test_addresses_need_a_service(run):
    result = run("locate")

    assert result.exit_code == 1
    assert "BAN_DOMAIN" in result.output
