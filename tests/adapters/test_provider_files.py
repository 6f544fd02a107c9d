import gzip

import pytest

from marketplace.adapters import provider_files
from marketplace.adapters.provider_files import BrokenFile, open_table

NAMES = {"nom", "ville", "date"}


def read(path, content):
    path.write_bytes(content)
    with open_table(path, is_known=lambda name: name.lower() in NAMES) as table:
        return list(table.header), [(row.line, row.cells) for row in table.rows]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list.csv"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_any_usual_delimiter_and_encoding_is_read(path, delimiter, encoding):
    text = f"Nom{delimiter}Ville\nL’Été{delimiter}Cesson-Sévigné\n"

    assert read(path, text.encode(encoding)) == (["Nom", "Ville"], [(2, ["L’Été", "Cesson-Sévigné"])])


def test_the_delimiter_is_the_one_that_gives_known_columns(path):
    header, _ = read(path, b'"Nom, prenom, surnom, usage";Nom;Ville\na;b;c\n')

    assert header == ["Nom, prenom, surnom, usage", "Nom", "Ville"]


def test_gzip_is_read_as_it_is(path):
    assert read(path, gzip.compress(b"Nom;Ville\na;b\n"))[1] == [(2, ["a", "b"])]


def test_a_row_of_several_lines_has_the_number_of_its_first(path):
    rows = read(path, b'Nom;Ville\n"a\nb";c\n\nd;e\n')[1]

    assert rows == [(2, ["a\nb", "c"]), (5, ["d", "e"])]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n\na;b\n", "empty"),
        (b"PK\x03\x04\x14\x00rest", "a spreadsheet or an archive"),
        (gzip.compress(b"PK\x03\x04\x14\x00rest"), "a spreadsheet or an archive"),
        (b"%PDF-1.7", "a PDF"),
        (b'  {"nom": 1}', "JSON"),
        (b"\xef\xbb\xbf[1]", "JSON"),
        (b"<!doctype html>", "a web page"),
        ("Nom;Ville\na;b\n".encode("utf-16"), "no text"),
        (b"Nom;Ville\na;\x00\n", "line 2 is no text"),
        (b'Nom;Ville\na;"b\n', "quotation mark"),
        (b'Nom;Ville\na;"b"c\n', "line 2"),
        (gzip.compress(b"Nom;Ville\n" + b"a;b\n" * 9000)[:-20], "truncated"),
        (gzip.compress(b"Nom;Ville\n" + b"a;b\n" * 9000)[:60], "truncated"),
        (b"\x1f\x8bno gzip at all", "truncated or damaged"),
    ],
    # Without the bytes: a gzip file holds the time of its making.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_is_broken(path, content, reason):
    with pytest.raises(BrokenFile, match=reason):
        read(path, content)


def test_a_line_without_end_is_never_held_in_memory(path):
    with path.open("wb") as file:
        file.write(b"Nom;Ville\n")
        file.truncate(2_000_000_000)  # of zeros, and no room on the disk
    with path.open("r+b") as file:
        file.seek(10)
        file.write(b"x" * (provider_files.LINE_MAX + 1))

    with (
        pytest.raises(BrokenFile, match="line 2 has more than"),
        open_table(path, is_known=NAMES.__contains__) as table,
    ):
        list(table.rows)


def test_a_small_gzip_that_unpacks_without_end_is_broken(path, monkeypatch):
    monkeypatch.setattr(provider_files, "FILE_MAX", 100_000)

    with pytest.raises(BrokenFile, match="the file has more than"):
        read(path, gzip.compress(b"Nom;Ville\n" + b"a;b\n" * 50_000))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(BrokenFile), open_table(tmp_path, is_known=NAMES.__contains__):
        pass
