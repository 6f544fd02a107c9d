"""`flask data`."""

import json

from marketplace.services import open_data


def test_the_dump_is_written_where_one_says(app, market, tmp_path):
    result = app.test_cli_runner().invoke(args=["data", "dump", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "territoires.csv: " in result.output
    assert (tmp_path / "out" / "SHA256SUMS").is_file()


def test_without_a_folder_the_site_offers_the_dump(app, market):
    assert app.test_cli_runner().invoke(args=["data", "dump"]).exit_code == 0
    assert open_data.latest() is not None


def test_a_folder_that_cannot_be_written_is_refused_with_the_reason(app, market, tmp_path):
    (tmp_path / "file").write_text("x")
    result = app.test_cli_runner().invoke(args=["data", "dump", str(tmp_path / "file" / "out")])
    assert result.exit_code == 1
    assert "Error: " in result.output


def test_the_purge_says_what_it_erased(app, market, clock):
    market.user(confirmed=False)
    clock.move(days=31)
    result = app.test_cli_runner().invoke(args=["data", "purge"])
    assert result.exit_code == 0
    assert "unconfirmed_accounts: 1" in result.output


def test_a_person_s_data_are_printed_as_json(app, market):
    person = market.user("lea@boulangerie.example")
    result = app.test_cli_runner().invoke(args=["data", "export-user", person.email])
    assert json.loads(result.output)["account"]["email"] == person.email


def test_the_data_of_nobody_are_refused(app, market):
    result = app.test_cli_runner().invoke(args=["data", "export-user", "personne@nulle-part.example"])
    assert result.exit_code == 1
    assert "nobody has signed up" in result.output
