"""What becomes of each row of a list of providers, and of what stood there before."""

from datetime import date

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from marketplace.adapters.provider_files import BrokenFile
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    Commune,
    LabelKind,
    PointSource,
    Provider,
    ProviderKind,
    ProviderLabel,
    ProviderList,
    ProviderTheme,
)
from marketplace.services import commune_index, provider_import, provider_lists, provider_upkeep, retention
from marketplace.services.errors import FieldError, NotAllowed
from marketplace.services.provider_import import Overtaken, TooManyRetired
from marketplace.services.provider_lists import BrokenMapping
from tests.support.builders import CESSON, RENNES, siret
from tests.support.providers import (
    ACTIVATEURS,
    CSV,
    EXPERTCYBER,
    QUALIOPI,
    Importer,
    activateur,
    expert,
    provider,
    write,
)

INFORMATIQUE = "Informatique, traitement de l'information, réseaux de transmission"


@pytest.fixture
def bring(app, tmp_path) -> Importer:
    return Importer(tmp_path)


def qualiopi(key: int, *, name: str = " ÉCOLE DU CLIC", certified: str = "true", subject: str = INFORMATIQUE):
    number = siret(key)
    return f"{key:011d};{name};{number[:9]};{number};3 rue des Clercs;35000;RENNES;{certified};;{subject};;"


def of_chamber(number: int, *, place: str = "35000;Rennes", point: str = "", end: str = "") -> str:
    return f"{siret(number)};Artisan {number};Label Pixel;{place};Site internet|Bureautique;{point};{end}"


def label_of(name: str) -> ProviderLabel:
    return db.session.scalars(select(ProviderLabel).join(Provider).where(Provider.name == name)).one()


def counts() -> list[int]:
    tables = (Provider, ProviderLabel, ProviderList, ProviderTheme, AuditEntry)
    return [db.session.scalar(select(func.count()).select_from(table)) for table in tables]


def reasons(report) -> list[tuple[int, str]]:
    return [(each.line, each.reason) for each in report.rejected]


class TestWhatIsKept:
    def test_an_activateur_with_its_subjects(self, bring):
        bring("activateurs", ACTIVATEURS, [activateur("ACT-1", themes="Vente en ligne, Réseaux sociaux")])

        kept, label = provider("Atelier du Web"), label_of("Atelier du Web")
        assert (kept.kind, kept.address, kept.commune_insee) == (
            ProviderKind.PRIVATE,
            "2 rue du Puits",
            RENNES,
        )
        assert (kept.commune_insee, kept.point_source) == (RENNES, PointSource.COMMUNE)
        assert kept.lat == db.session.get(Commune, RENNES).lat
        assert (label.kind, label.name, label.valid_until) == (
            LabelKind.ACTIVATEUR,
            "Activateur France Num",
            None,
        )
        themes = db.session.scalars(select(ProviderTheme).join(ProviderLabel.themes)).all()
        assert {theme.label for theme in themes} == {"Vente en ligne", "Réseaux sociaux"}

    def test_a_subject_that_is_the_name_of_a_skill_stands_for_it(self, bring):
        bring("csv", CSV, [of_chamber(1).replace("Site internet|Bureautique", "Tableur|rgpd|Tricot")])

        told = select(ProviderTheme).join(ProviderLabel.themes).options(selectinload(ProviderTheme.skills))
        skills = {theme.label: [skill.slug for skill in theme.skills] for theme in db.session.scalars(told)}
        assert skills == {"Tableur": ["tableur"], "rgpd": ["rgpd"], "Tricot": []}

    def test_a_list_without_subjects_has_those_of_its_settings(self, bring):
        bring("activateurs", ACTIVATEURS.rpartition(";")[0], ["ACT-1;Le Clic;Public;;35000;Rennes"])

        themes = db.session.scalars(select(ProviderTheme.label).join(ProviderLabel.themes)).all()
        assert themes == ["Accompagnement numérique"]

    def test_a_label_that_lasts_a_known_time_has_an_end(self, bring):
        bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart", day="29/02/2024")])

        label = label_of("Rempart")
        assert (label.valid_from, label.valid_until) == (date(2024, 2, 29), date(2026, 2, 28))
        assert provider("Rempart").website == "https://www.rempart.example"

    def test_of_a_training_body_no_street_and_no_figures(self, bring):
        bring("qualiopi", QUALIOPI, [qualiopi(1)])

        kept = provider("ÉCOLE DU CLIC")
        assert (kept.address, kept.email, kept.siret, kept.siren) == ("", "", siret(1), siret(1)[:9])
        assert label_of("ÉCOLE DU CLIC").scopes == ["actions de formation"]

    def test_training_bodies_without_label_or_subject_of_ours_are_left_out(self, bring):
        rows = [qualiopi(1), qualiopi(2, certified="false"), qualiopi(3, subject="Coiffure")]

        report = bring("qualiopi", QUALIOPI, rows)

        assert (report.added, report.left_out, report.rejected) == (1, 2, [])
        unmapped = db.session.scalars(
            select(ProviderTheme.label).where(ProviderTheme.key == "coiffure")
        ).all()
        assert unmapped == ["Coiffure"]

    def test_numbers_of_a_training_body_may_be_missing_or_its_siret_cut(self, bring):
        whole, nothing = siret(1), ";;3 rue;35000;RENNES;true;;" + INFORMATIQUE
        rows = [
            f"1;Une;{whole[:9]};{whole[9:]};3 rue;35000;RENNES;true;;{INFORMATIQUE};;",
            f"2;Deux;{nothing};;",
        ]

        assert bring("qualiopi", QUALIOPI, rows).rejected == []
        assert (provider("Une").siret, provider("Deux").siret) == (whole, None)

    def test_a_point_of_the_list_in_one_field(self, bring):
        bring("csv", CSV, [of_chamber(1, place="35510;Cesson-Sévigné", point="48.1190, -1.6050")])

        kept = provider("Artisan 1")
        assert (kept.lat, kept.lon, kept.point_source) == (48.119, -1.605, PointSource.FILE)
        assert kept.commune_insee == CESSON

    @pytest.mark.parametrize(
        "place",
        [
            "1000;Bourg-en-Bresse",
            "1000.0;BOURG EN BRESSE",
            "01053;Bourg en Bresse Cedex",
            "01000;Bourg-en-Bresse 3",
        ],
    )
    def test_a_commune_however_it_is_written(self, bring, place):
        assert bring("csv", CSV, [of_chamber(1, place=place)]).rejected == []
        assert provider("Artisan 1").commune_insee == "01053"

    def test_columns_may_move_and_have_other_names(self, bring, tmp_path):
        columns = "list;field;columns;required;separators\n"
        columns += "".join(
            f"expertcyber;{field};{name};oui;\n"
            for field, name in (("siret", "etablissement"), ("name", "enseigne"), ("town", "localite"))
        )
        mapping = tmp_path / "columns.csv"
        mapping.write_text(columns + "expertcyber;valid_from;depuis;oui;\nexpertcyber;postcode;cp;oui;\n")
        rows = [f"2026-01-05;Rennes;35000;x;Rempart;{siret(1)}"]
        path = write(tmp_path / "list.csv", "Depuis;LOCALITÉ;cp;autre;Enseigne;établissement", rows)

        form = provider_lists.of_source("expertcyber", mapping=mapping)
        assert provider_import.run(form, path).added == 1
        assert label_of("Rempart").valid_from == date(2026, 1, 5)

    def test_an_address_that_is_no_web_address_is_no_link(self, bring):
        rows = [expert(1, name="Piège").replace("www.rempart.example", "javascript:alert(1)")]
        bring("expertcyber", EXPERTCYBER, rows)

        assert provider("Piège").website == ""


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (expert(1).replace(siret(1), "12345678901234"), "no SIRET: « 12345678901234 »"),
            (expert(1).replace(siret(1), ""), "no number of its own: SIRET"),
            (expert(1, day=""), "label without a date"),
            (expert(1, day="hier"), "unreadable date « hier »"),
            (expert(1, day="31/02/2026"), "unreadable date « 31/02/2026 »"),
            (expert(1, day="01/01/2999"), "label dated 2999-01-01, in the future"),
            (expert(1, town="35000;Trifouillis"), "unknown commune: « 35000 » « Trifouillis »"),
            (expert(1, town="99999;Rennes"), "unknown commune: « 99999 » « Rennes »"),
            (expert(1, name="…"), "no name"),
            ("un;deux", "2 cells where the header has 8"),
            (expert(1) + ";de trop", "9 cells where the header has 8"),
        ],
    )
    def test_a_row_of_experts(self, bring, row, reason):
        report = bring("expertcyber", EXPERTCYBER, [expert(2), row])

        assert reasons(report) == [(3, reason)]
        assert report.added == 1

    @pytest.mark.parametrize(
        ("point", "reason"),
        [
            ("-1.6050, 48.1190", "coordinates -1.605, 48.119 are swapped: latitude comes first"),
            ("40.7128, -74.0060", "coordinates 40.7128, -74.006 are outside France"),
            ("0, 0", "coordinates 0.0, 0.0 are outside France"),
            ("nan, nan", "coordinates nan, nan are outside France"),
            ("là-bas", "unreadable coordinates « là-bas,  »"),
            ("43.2965, 5.3698", "coordinates 43.2965, 5.3698 are far from its commune"),
        ],
    )
    def test_a_point(self, bring, point, reason):
        report = bring("csv", CSV, [of_chamber(1), of_chamber(2, point=point)])

        assert reasons(report) == [(3, reason)]

    def test_a_siret_that_stands_twice(self, bring):
        report = bring("expertcyber", EXPERTCYBER, [expert(1), expert(2), expert(1, name="Encore")])

        assert reasons(report) == [(4, f"SIRET {siret(1)} stands already at line 2")]

    def test_a_number_of_the_list_that_stands_twice(self, bring):
        report = bring("activateurs", ACTIVATEURS, [activateur("ACT-1"), activateur("ACT-1", name="Autre")])

        assert reasons(report) == [(3, "its number ACT-1 stands already at line 2")]

    def test_a_siret_of_another_firm_than_the_siren(self, bring):
        report = bring(
            "qualiopi", QUALIOPI, [qualiopi(1), qualiopi(2).replace(f";{siret(2)};", f";{siret(3)};")]
        )

        assert reasons(report) == [(3, f"SIRET {siret(3)} is not of SIREN {siret(2)[:9]}")]

    def test_a_name_whose_letters_were_lost(self, bring, tmp_path):
        content = "\ufeff" + "\n".join([EXPERTCYBER, expert(1), ""])
        path = tmp_path / "list.csv"
        path.write_bytes(content.encode() + expert(2, name="Forteresse É").encode("cp1252"))

        report = provider_import.run(provider_lists.of_source("expertcyber"), path)
        assert reasons(report) == [(3, "unreadable letters in the name « Forteresse \ufffd »")]

    def test_a_row_that_was_right_before_keeps_what_was_known(self, bring):
        bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart"), expert(2)])

        report = bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart", day=""), expert(2)])

        assert (report.retired, len(report.rejected)) == (0, 1)
        assert label_of("Rempart").withdrawn_on is None


class TestAgain:
    def test_the_same_file_changes_nothing(self, bring):
        rows = [expert(number) for number in range(5)]
        first, before = bring("expertcyber", EXPERTCYBER, rows), counts()

        again = bring("expertcyber", EXPERTCYBER, rows)

        assert (first.added, again.added, again.updated, again.unchanged, again.retired) == (5, 0, 0, 5, 0)
        assert counts()[:4] == before[:4]

    def test_a_row_that_changed_is_updated(self, bring):
        bring("activateurs", ACTIVATEURS, [activateur("ACT-1")])

        report = bring(
            "activateurs", ACTIVATEURS, [activateur("ACT-1", name="Le Clic", themes="Bureautique")]
        )

        assert (report.added, report.updated) == (0, 1)
        themes = db.session.scalars(select(ProviderTheme.label).join(ProviderLabel.themes)).all()
        assert (provider("Le Clic").key, themes) == ("activateurs:ACT-1", ["Bureautique"])

    def test_who_left_the_list_is_retired_and_may_come_back(self, bring):
        rows = [expert(number, name=f"Rempart {number}") for number in range(5)]
        bring("expertcyber", EXPERTCYBER, rows)

        report = bring("expertcyber", EXPERTCYBER, rows[1:], data_on=date(2026, 11, 20))
        assert report.retired == 1
        assert label_of("Rempart 0").withdrawn_on == date(2026, 11, 20)
        assert provider("Rempart 0").retired_at is not None

        assert bring("expertcyber", EXPERTCYBER, rows).added == 1
        assert provider("Rempart 0").retired_at is None

    def test_who_left_a_year_ago_is_forgotten(self, bring, clock):
        rows = [expert(number, name=f"Rempart {number}") for number in range(5)]
        bring("expertcyber", EXPERTCYBER, rows)
        bring("expertcyber", EXPERTCYBER, rows[1:])

        clock.move(days=364)
        retention.purge()
        assert provider("Rempart 0")
        clock.move(days=2)
        retention.purge()

        left = select(Provider.name).order_by(Provider.name)
        assert db.session.scalars(left).all() == [f"Rempart {number}" for number in range(1, 5)]
        assert bring("expertcyber", EXPERTCYBER, rows).added == 1

    def test_a_dry_run_tells_the_same_and_writes_nothing(self, bring):
        bring("expertcyber", EXPERTCYBER, [expert(number) for number in range(5)])
        before = counts()

        report = bring("expertcyber", EXPERTCYBER, [expert(n) for n in range(1, 7)], dry_run=True)

        assert (report.added, report.unchanged, report.retired) == (2, 4, 1)
        assert "dry run: nothing was written" in report.to_text()
        assert counts() == before

    def test_a_file_that_lacks_a_third_is_the_wrong_one_unless_forced(self, bring):
        rows = [expert(number) for number in range(10)]
        bring("expertcyber", EXPERTCYBER, rows)
        before = counts()

        assert bring("expertcyber", EXPERTCYBER, rows[3:], dry_run=True).retired == 3
        with pytest.raises(TooManyRetired, match="4 of 10"):
            bring("expertcyber", EXPERTCYBER, rows[4:])
        assert counts() == before
        assert bring("expertcyber", EXPERTCYBER, rows[4:], force=True).retired == 4

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            (EXPERTCYBER.replace("SIRET", "Numéro"), "no column 'siret'"),
            (EXPERTCYBER.replace("Adresse", "Siret"), "'siret' stands twice"),
            ("", "no column|empty"),
        ],
    )
    def test_a_file_without_its_columns_changes_nothing(self, bring, header, reason):
        bring("expertcyber", EXPERTCYBER, [expert(1)])
        before = counts()

        with pytest.raises(BrokenFile, match=reason):
            bring("expertcyber", header, [expert(2)], force=True)
        assert counts() == before

    def test_a_file_that_breaks_at_its_last_line_changes_nothing(self, bring):
        bring("expertcyber", EXPERTCYBER, [expert(1)])
        before = counts()

        with pytest.raises(BrokenFile):
            bring("expertcyber", EXPERTCYBER, [*(expert(n) for n in range(50)), '"never closed'], force=True)
        assert counts() == before

    def test_a_file_without_a_row_that_can_be_used_is_broken(self, bring):
        with pytest.raises(BrokenFile, match="no row"):
            bring("expertcyber", EXPERTCYBER, [])
        with pytest.raises(BrokenFile, match="no row of this file can be used"):
            bring("expertcyber", EXPERTCYBER, ["a;b"])

    def test_a_column_of_anything_is_none_of_subjects(self, bring, monkeypatch):
        monkeypatch.setattr(provider_import, "THEMES_MAX", 10)

        with pytest.raises(BrokenFile, match="more than 10 subjects"):
            bring("activateurs", ACTIVATEURS, [activateur(f"A{n}", themes=f"Sujet {n}") for n in range(12)])

    def test_of_two_imports_at_once_the_slower_is_refused(self, bring, monkeypatch):
        reading = commune_index.current

        def slow():
            monkeypatch.setattr(commune_index, "current", reading)
            bring("expertcyber", EXPERTCYBER, [expert(1), expert(2)])
            return reading()

        monkeypatch.setattr(commune_index, "current", slow)
        write(bring.path, EXPERTCYBER, [expert(3)])
        with pytest.raises(Overtaken):
            provider_import.run(provider_lists.of_source("expertcyber"), bring.path)
        assert db.session.scalar(select(func.count()).select_from(Provider)) == 2


class TestSeveralLists:
    def test_one_firm_in_two_lists_is_one_provider_with_two_labels(self, bring):
        bring("qualiopi", QUALIOPI, [qualiopi(1, name="ECOLE")])
        bring("expertcyber", EXPERTCYBER, [expert(1, name="École du Clic")])

        kept = db.session.scalars(select(Provider)).one()
        assert (kept.name, kept.list_slug) == ("École du Clic", "expertcyber")
        assert {label.kind for label in db.session.scalars(select(ProviderLabel))} == {
            LabelKind.QUALIOPI,
            LabelKind.EXPERTCYBER,
        }

    def test_a_later_import_of_the_lesser_list_does_not_take_the_facts_back(self, bring):
        bring("expertcyber", EXPERTCYBER, [expert(1, name="École du Clic")])
        bring("qualiopi", QUALIOPI, [qualiopi(1, name="ECOLE")])

        assert provider("École du Clic").website == "https://www.rempart.example"

    def test_who_leaves_one_of_two_lists_stays(self, bring):
        bring("qualiopi", QUALIOPI, [qualiopi(1, name="ECOLE")])
        bring("expertcyber", EXPERTCYBER, [expert(1, name="École"), *(expert(n) for n in range(2, 6))])

        bring("expertcyber", EXPERTCYBER, [expert(n) for n in range(2, 6)])

        assert provider("École").retired_at is None

    def test_lists_of_the_source_csv_are_told_apart_by_name(self, bring):
        bring("csv", CSV, [of_chamber(1)], name="Chambre de Rennes")
        report = bring("csv", CSV, [of_chamber(2)], name="Chambre de Nantes")

        assert (report.added, report.retired) == (1, 0)
        with pytest.raises(BrokenMapping, match="needs a name"):
            bring("csv", CSV, [of_chamber(1)], name="!")


class TestOptOut:
    @pytest.mark.parametrize("said", [siret(1), siret(1)[:9], "qualiopi:00000000001"])
    def test_who_asked_not_to_be_here_is_deleted_and_never_comes_back(self, bring, said):
        bring("qualiopi", QUALIOPI, [qualiopi(1, name="JEANNE EXEMPLE"), qualiopi(2)])

        assert provider_upkeep.suppress(said, reason="demande du 3 novembre") == 1
        report = bring("qualiopi", QUALIOPI, [qualiopi(1, name="JEANNE EXEMPLE"), qualiopi(2)])

        assert (report.opted_out, report.added, report.unchanged) == (1, 0, 1)
        assert db.session.scalars(select(Provider.name)).all() == ["ÉCOLE DU CLIC"]

    def test_one_can_ask_before_being_here(self, bring):
        assert provider_upkeep.suppress(siret(1), reason="demande") == 0
        assert bring("expertcyber", EXPERTCYBER, [expert(1), expert(2)]).opted_out == 1

    def test_asking_twice_is_asking_once(self, bring):
        provider_upkeep.suppress(siret(1), reason="demande")
        provider_upkeep.suppress(siret(1), reason="demande")

    @pytest.mark.parametrize(
        ("said", "reason"), [("123", "why"), (siret(1), " "), ("", "why"), ("a:\x00b", "why")]
    )
    def test_nonsense_is_refused(self, app, said, reason):
        with pytest.raises(FieldError):
            provider_upkeep.suppress(said, reason=reason)


class TestLocate:
    def test_without_a_service_it_is_refused(self, app):
        with pytest.raises(NotAllowed):
            provider_upkeep.locate()

    def test_addresses_get_their_point_once(self, app, bring, monkeypatch):
        bring("expertcyber", EXPERTCYBER, [expert(1, name="Rempart"), expert(2, name="Vigie")])
        app.config["BAN_DOMAIN"] = "ban.example"
        asked = []

        def answer(address, insee, _config):
            asked.append((address, insee))
            found = len(asked) == 1
            return provider_upkeep.geocoding.Point(lat=48.1, lon=-1.7) if found else None

        monkeypatch.setattr(provider_upkeep.geocoding, "locate", answer)

        assert provider_upkeep.locate() == (1, 2)
        assert provider_upkeep.locate() == (0, 1)
        assert asked[0] == ("1 rue du Puits Rennes", RENNES)
        assert (provider("Rempart").lat, provider("Rempart").point_source) == (48.1, PointSource.ADDRESS)
