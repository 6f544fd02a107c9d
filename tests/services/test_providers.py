"""Which providers show near a place, for which skill, and in what order."""

from datetime import date, timedelta

import pytest

from marketplace.models import LabelKind, ProviderKind, ReviewState
from marketplace.services import places, providers
from marketplace.services.errors import NotFound
from marketplace.services.providers import Filters
from tests.support.builders import CESSON, LIFFRE, PARIS, RENNES

YESTERDAY, TODAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture(autouse=True)
def today(clock):
    clock.set(clock.now.replace(year=2026, month=11, day=24, hour=12))


def shop(market) -> list[int]:
    return [market.skill("boutique-en-ligne").id]


def named(found) -> list[str]:
    return [one.provider.name for one in found]


class TestNear:
    def test_the_nearest_come_first_with_their_distance(self, market):
        for name, commune in (("Loin", LIFFRE), ("Ici", RENNES), ("Près", CESSON), ("Très loin", PARIS)):
            market.provider(name, commune=commune)

        found = providers.near(shop(market), places.get(RENNES))

        assert named(found) == ["Ici", "Près", "Loin"]
        assert [round(one.distance_km) for one in found] == [0, 6, 18]

    def test_it_looks_no_farther_than_two_hundred_kilometres(self, market):
        market.provider("Paris", commune=PARIS)

        assert providers.near(shop(market), places.get(RENNES)) == []

    def test_only_those_whose_label_covers_the_skill_and_why(self, market):
        market.provider("Tableur", skill="tableur")
        market.provider("Boutique")

        (found,) = providers.near(shop(market), places.get(RENNES))

        assert (found.provider.name, found.subjects) == ("Boutique", ["Sujet boutique-en-ligne"])

    @pytest.mark.parametrize(
        ("label", "shows"),
        [
            ({"valid_until": TODAY}, True),
            ({"valid_until": YESTERDAY}, False),
            ({"withdrawn_on": YESTERDAY}, False),
            ({"valid_until": TODAY + timedelta(days=400), "withdrawn_on": TODAY}, False),
            ({}, True),
        ],
    )
    def test_an_expired_label_is_never_shown(self, market, label, shows):
        market.provider("Ici", label=label)

        assert named(providers.near(shop(market), places.get(RENNES))) == (["Ici"] if shows else [])

    def test_a_label_that_holds_does_not_lend_its_time_to_another(self, market):
        market.provider("Ici", skill="tableur")
        provider = providers.near([market.skill("tableur").id], None)[0].provider
        market.label(provider, market.theme("boutique-en-ligne"), record_key="autre", valid_until=YESTERDAY)

        assert providers.near(shop(market), places.get(RENNES)) == []

    def test_without_a_place_by_name(self, market):
        for name in ("Zèbre", "Abeille"):
            market.provider(name)

        found = providers.near(shop(market), None)

        assert (named(found), found[0].distance_km) == (["Abeille", "Zèbre"], None)

    def test_a_need_asks_for_all_its_skills(self, market):
        market.provider("Boutique")
        market.provider("Tableur", skill="tableur")

        need = market.need(skill="boutique-en-ligne", extra_skills=["tableur"])

        assert sorted(named(providers.near_listing(need))) == ["Boutique", "Tableur"]


class TestSearch:
    def test_a_circle_and_not_its_box(self, market):
        market.provider("Ici")
        market.provider("Au coin", lat=48.117 + 0.19, lon=-1.678 + 0.29)  # 20 km by each side, 30 in all

        results = providers.search(Filters(near=places.get(RENNES), radius_km=22))

        assert named(results.page.items) == ["Ici"]

    def test_filters_hold_together(self, market):
        market.provider("Oui", kind=ProviderKind.PUBLIC, free_first_meeting=True)
        market.provider("Privé", kind=ProviderKind.PRIVATE, free_first_meeting=True)
        market.provider("Payant", kind=ProviderKind.PUBLIC, free_first_meeting=False)
        market.provider("Muet", kind=ProviderKind.PUBLIC)
        market.provider("Autre label", kind=ProviderKind.PUBLIC, label={"kind": LabelKind.QUALIOPI})

        asked = Filters(kind=ProviderKind.PUBLIC, is_free=True, label=LabelKind.ACTIVATEUR)

        assert named(providers.search(asked).page.items) == ["Oui"]

    @pytest.mark.parametrize(("page", "number"), [(1, 1), (2, 2), (99, 2), (-5, 1)])
    def test_pages(self, market, page, number):
        with market.in_one_transaction():
            for _ in range(3):
                market.provider()

        results = providers.search(Filters(), page=page, size=2)

        assert (results.page.number, results.page.pages, results.page.total) == (number, 2, 3)

    def test_a_long_list_is_cut(self, market, monkeypatch):
        monkeypatch.setattr(providers, "COUNT_MAX", 2)
        for _ in range(3):
            market.provider()

        results = providers.search(Filters())

        assert (results.page.total, results.has_more) == (2, True)

    def test_around_a_commune_without_a_point_only_its_own(self, market):
        nowhere = places.get("98735")  # Papeete
        market.provider("Ici")
        market.provider("Là-bas", commune=nowhere.insee, lat=None, lon=None)

        assert nowhere.lat is None
        assert named(providers.search(Filters(near=nowhere, radius_km=10)).page.items) == ["Là-bas"]


class TestShow:
    def test_labels_that_hold_and_those_that_did(self, market):
        provider = market.provider("Ici")
        market.label(provider, market.theme("tableur"), record_key="autre", valid_until=YESTERDAY)

        sheet = providers.show(provider.id)

        assert (len(sheet.found.labels), len(sheet.past)) == (1, 1)
        assert [skill.slug for skill in sheet.skills] == ["boutique-en-ligne"]

    def test_who_is_in_no_list_has_no_page(self, market, clock):
        gone = market.provider(retired_at=clock.now)

        for provider_id in (gone.id, gone.id + 1):
            with pytest.raises(NotFound):
                providers.show(provider_id)


class TestRating:
    @pytest.mark.parametrize(("marks", "average"), [([5, 4], None), ([5, 4, 3], 4.0), ([5, 5, 4, 4], 4.5)])
    def test_an_average_from_three_reviews_on(self, market, marks, average):
        provider = market.provider()
        for rating in marks:
            market.review(provider, rating=rating, state=ReviewState.PUBLISHED)
        market.review(provider, rating=1)

        rating = providers.ratings_of([provider.id])[provider.id]

        assert (rating.count, rating.average) == (len(marks), average)

    def test_it_does_not_change_the_order(self, market):
        market.provider("Abeille")
        loved = market.provider("Zèbre")
        for _ in range(3):
            market.review(loved, rating=5, state=ReviewState.PUBLISHED)

        assert named(providers.near(shop(market), places.get(RENNES))) == ["Abeille", "Zèbre"]
