"""The page of the open data, and its files."""

from marketplace.services import open_data


def test_before_the_first_dump_the_page_says_so(client):
    page = client.get("/donnees").text
    assert "Les premiers fichiers ne sont pas encore prêts" in page
    assert client.get("/donnees/territoires.csv").status_code == 404


def test_the_page_leads_to_every_file_and_explains_every_column(client, market):
    open_data.keep_latest()
    page = client.get("/donnees").text
    for file in open_data.latest().files:
        assert f'href="/donnees/{file.name}"' in page
        assert file.sha256 in page
        assert len(client.get(f"/donnees/{file.name}").data) == file.bytes
    for table in open_data.TABLES:
        for field in table.fields:
            assert f"<code>{field.name}</code>" in page


def test_a_file_is_not_sent_twice_to_whoever_has_it(client, market):
    open_data.keep_latest()
    first = client.get("/donnees/territoires.csv")
    assert first.headers["Content-Disposition"].startswith("attachment")
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get("/donnees/territoires.csv", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
