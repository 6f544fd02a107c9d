"""How long a list of 100,000 providers takes: `python -m tests.benchmarks.providers [--rows N]`.

--postgresql: in a server of its own.

A list in the columns of Qualiopi's, made up over all communes, each row with subjects of ours so that none is
left out. Told for the first import, for the same file again, and for one in which a tenth has changed and a
twentieth is gone: seconds of the clock and of this process, and the most memory it ever held. Each import is
run in a process of its own, as the command does. The goal: each in 60 s and 300 MB, judged by the time of the
process, because what else the machine does is not the import's.
"""

import argparse
import csv
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from flask_migrate import upgrade
from stdnum.luhn import calc_check_digit

from marketplace import create_app
from marketplace.extensions import db
from marketplace.services import provider_import, provider_lists, reference
from tests.benchmarks.memory import peak_mebibytes
from tests.support import databases

ROWS = 100_000
SECONDS_MAX, MEGABYTES_MAX = 60, 300
START = "adressePhysiqueOrganismeFormation"
SUBJECT = "informationsDeclarees.specialitesDeFormation.libelleSpecialite"
HEADER = [
    "numeroDeclarationActivite", "denomination", "siren", "siretEtablissementDeclarant", f"{START}.voie",
    f"{START}.codePostal", f"{START}.ville", f"{START}.codeRegion", "certifications.actionsDeFormation",
    "certifications.bilansDeCompetences", "certifications.VAE",
    "certifications.actionsDeFormationParApprentissage", f"{SUBJECT}1", f"{SUBJECT}2", f"{SUBJECT}3", "",
]  # fmt: skip


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--rows", type=int, default=ROWS)
    told.add_argument("--postgresql", action="store_true")
    told.add_argument("--import-into", default="", help=argparse.SUPPRESS)
    told.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    asked = told.parse_args()
    if asked.import_into:
        return _import(asked.import_into, asked.file)
    return _compare(asked.rows, postgresql=asked.postgresql)


def _compare(rows: int, *, postgresql: bool) -> int:
    server = databases.Postgres() if postgresql else None
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = server.empty() if server else f"sqlite:///{folder}/site.sqlite3"
        _prepare(url, folder)
        first, later = folder / "first.csv", folder / "later.csv"
        _write(first, _rows(rows))
        _write(later, _changed(_rows(rows)))
        for said, file in (("first", first), ("again", first), ("a tenth changed", later)):
            print(f"{said:>16}: ", end="", flush=True)
            command = [sys.executable, "-m", "tests.benchmarks.providers", "--import-into", url]
            failed |= subprocess.run([*command, "--file", str(file)], check=False).returncode
    if server:
        server.close()
    return failed


def _import(url: str, file: Path) -> int:
    app = create_app(databases.settings(url, file.parent))
    with app.app_context():
        clock, process = time.perf_counter(), time.process_time()
        report = provider_import.run(provider_lists.of_source("qualiopi"), file)
        clock, process = time.perf_counter() - clock, time.process_time() - process
    megabytes = peak_mebibytes()
    print(f"{clock:5.1f} s, {process:5.1f} s of process, {megabytes:4.0f} MB; {report.to_text()}")
    return int(process > SECONDS_MAX or megabytes > MEGABYTES_MAX)


def _prepare(url: str, folder: Path) -> None:
    with create_app(databases.settings(url, folder)).app_context():
        upgrade()
        reference.load()
        db.session.remove()
        db.engine.dispose()


def _rows(number: int) -> Iterator[list[str]]:
    chance = random.Random(1)
    with (provider_lists.FOLDER.parent / "communes.csv").open(encoding="utf-8", newline="") as file:
        towns = [row for row in csv.DictReader(file, delimiter=";") if row["postcodes"] and row["lat"]]
    subjects = [theme for theme in provider_lists.themes() if "," in theme]
    for n in range(number):
        town = chance.choice(towns)
        siren = _checked(f"{10_000_000 + n:08d}")
        told = chance.sample(subjects, 3)
        yield [
            f"{n:011d}", f" ORGANISME {n} DE FORMATION", siren, _checked(f"{siren}0001"),
            f"{n % 90 + 1} rue des Lilas", town["postcodes"].split("|")[0], town["name"].upper(),
            town["region"], "true", "", "", "", *told, "",
        ]  # fmt: skip


def _changed(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    for n, row in enumerate(rows):
        if n % 20 == 1:
            continue
        if n % 10 == 0:
            row[1] += " ET COMPAGNIE"
        yield row


def _checked(digits: str) -> str:
    return digits + str(calc_check_digit(digits))


def _write(path: Path, rows: Iterator[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
