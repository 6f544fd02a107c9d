"""The open-data dump: what is in it, what is not, and that it is what it says it is."""

import csv
import hashlib
import json
import re
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace.extensions import db
from marketplace.models import ListingState, MatchState, Skill
from marketplace.services import open_data
from marketplace.services.errors import NotFound
from tests.support.builders import CESSON, RENNES, RENNES_METROPOLE


@pytest.fixture
def filled(market):
    """Four structures of Rennes and one of Cesson, each with a need; three exchanges."""
    with market.in_one_transaction():
        firms = [market.organisation(name=f"Fournil {n}", commune=RENNES) for n in range(4)]
        firms.append(market.organisation(name="Fournil seul", commune=CESSON))
        needs = [market.need(organisation=firm, title=f"Texte secret {firm.id}") for firm in firms]
        for need in needs[:3]:
            market.match(need=need, state=MatchState.COMPLETED)
        market.need(organisation=firms[0], state=ListingState.PAUSED)
    return firms


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_needs_are_counted_by_commune_and_the_lonely_one_is_not_told_apart(filled, tmp_path):
    open_data.dump(tmp_path)
    needs = [row for row in rows(tmp_path, "annonces-par-lieu") if row["nature"] == "besoin"]
    assert [(row["niveau"], row["code"], row["nom"], row["annonces"]) for row in needs] == [
        ("commune", RENNES, "Rennes", "4")
    ]


def test_small_communes_are_added_up_to_their_territory(market, tmp_path):
    for commune in (RENNES, CESSON, "35281"):
        market.need(organisation=market.organisation(commune=commune))
    open_data.dump(tmp_path)
    (row,) = rows(tmp_path, "annonces-par-lieu")
    assert (row["niveau"], row["code"], row["annonces"]) == ("territoire", RENNES_METROPOLE, "3")


def test_exchanges_are_counted_by_month_and_territory(filled, tmp_path, clock):
    open_data.dump(tmp_path)
    (row,) = rows(tmp_path, "mises-en-relation")
    assert (row["code"], row["etat"], row["mises_en_relation"]) == (RENNES_METROPOLE, "realisee", "3")
    assert row["mois"] == f"{clock.now:%Y-%m}"


def test_no_person_no_structure_and_no_text_is_in_any_file(filled, market, tmp_path):
    secrets = [market.speaker(filled[0]).email, market.speaker(filled[0]).name, "Texte secret"]
    secrets += [firm.siret for firm in filled] + [firm.name for firm in filled]
    open_data.dump(tmp_path)
    for name, content in contents(tmp_path).items():
        if name != open_data.ARCHIVE:
            assert [secret for secret in secrets if secret in content.decode()] == [], name


def test_providers_stand_there_while_a_label_holds(market, tmp_path, clock):
    standing = market.provider("Atelier du Web", label={"valid_until": clock.now.date()})
    market.provider("Ancien Atelier", label={"valid_until": clock.now.date() - timedelta(days=1)})
    open_data.dump(tmp_path)
    (row,) = rows(tmp_path, "prestataires")
    assert (row["cle"], row["nom"]) == (standing.key, "Atelier du Web")
    assert row["valable_jusqu_au"] == clock.now.date().isoformat()


def test_the_same_data_give_the_same_bytes(filled, tmp_path, clock):
    open_data.dump(tmp_path / "first")
    clock.move(minutes=1)
    open_data.dump(tmp_path / "second")
    open_data.dump(tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_checksums_sizes_and_archive_are_those_of_the_files(filled, tmp_path):
    open_data.dump(tmp_path)
    sums = dict(line.split("  ")[::-1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines())
    told = {name: hashlib.sha256(content).hexdigest() for name, content in contents(tmp_path).items()}
    assert sums == {name: digest for name, digest in told.items() if name != "SHA256SUMS"}
    package = json.loads((tmp_path / "datapackage.json").read_text())
    for resource in package["resources"]:
        assert resource["hash"] == f"sha256:{told[resource['path']]}"
        assert resource["bytes"] == (tmp_path / resource["path"]).stat().st_size
        assert resource["rows"] == len(rows(tmp_path, resource["name"]))
    with zipfile.ZipFile(tmp_path / "donnees.zip") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == set(sums) - {"donnees.zip"}
    assert package["licenses"][0]["name"] == "etalab-2.0"


CHECKS = {
    "string": str,
    "integer": int,
    "date": date.fromisoformat,
    "yearmonth": lambda text: datetime.strptime(text, "%Y-%m"),
    "boolean": {"true": True, "false": False}.__getitem__,
}


def check(value: str, field: dict[str, Any]) -> None:
    """Hold a cell against its field, as Table Schema says."""
    rules = field.get("constraints", {})
    assert value or not rules.get("required"), field["name"]
    if not value:
        return
    read = CHECKS[field["type"]](value)
    assert value in rules.get("enum", [value])
    assert re.fullmatch(rules.get("pattern", ".*"), value, re.S)
    assert "minimum" not in rules or read >= rules["minimum"]


def test_every_row_is_as_its_schema_says(filled, tmp_path):
    open_data.dump(tmp_path)
    package = json.loads((tmp_path / "datapackage.json").read_text())
    for resource in package["resources"]:
        schema = json.loads((tmp_path / f"{resource['name']}.schema.json").read_text())
        assert schema == resource["schema"]
        lines = rows(tmp_path, resource["name"])
        for line in lines:
            assert list(line) == [field["name"] for field in schema["fields"]]
            for field in schema["fields"]:
                check(line[field["name"]], field)
        keys = [tuple(line[name] for name in schema["primaryKey"]) for line in lines]
        assert len(set(keys)) == len(keys), resource["name"]
    assert len(rows(tmp_path, "competences")) == 92


def test_a_text_that_a_spreadsheet_would_run_is_kept_from_it(market, tmp_path):
    skill = db.session.get(Skill, market.skill("tableur").id)
    before, skill.label = skill.label, "=HYPERLINK(1)"
    db.session.commit()
    try:
        open_data.dump(tmp_path)
    finally:
        skill.label = before
        db.session.commit()
    labels = {row["competence"]: row["libelle"] for row in rows(tmp_path, "competences")}
    assert labels["tableur"] == "'=HYPERLINK(1)"


def test_the_site_offers_the_newest_whole_dump_and_keeps_few(market, clock, app):
    assert open_data.latest() is None
    for _ in range(open_data.KEPT + 2):
        open_data.keep_latest()
        clock.move(days=7)
    folder = Path(app.config["OPEN_DATA_FOLDER"])
    assert len(list(folder.iterdir())) == open_data.KEPT
    newest = open_data.latest()
    assert newest.day.date() == clock.now.date() - timedelta(days=7)
    (newest.folder / "SHA256SUMS").unlink()
    assert open_data.latest().folder != newest.folder


@pytest.mark.parametrize("name", ["SHA256SUMS", "../secret_key", "", ".", "inconnu.csv"])
def test_only_files_of_the_dump_are_given(market, name):
    open_data.keep_latest()
    with pytest.raises(NotFound):
        open_data.path_of(name)
