import pytest
from sqlalchemy import func, select

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    LabelKind,
    Provider,
    ProviderLabel,
    ProviderLabelTheme,
    ProviderReview,
    ProviderTheme,
)
from marketplace.services import (
    accounts,
    demo,
    demo_providers,
    places,
    provider_import,
    provider_lists,
    provider_reviews,
    providers,
)
from marketplace.services.providers import Filters
from tests.support.builders import RENNES
from tests.support.providers import ACTIVATEURS, activateur, write


def test_every_row_can_be_used_and_every_label_is_there(app):
    reports = demo_providers.load()

    assert [report.rejected for report in reports] == [[], [], []]
    around = providers.search(Filters(near=places.get(RENNES), radius_km=20), size=100).page.items
    assert {label.kind for found in around for label in found.labels} == {
        LabelKind.ACTIVATEUR, LabelKind.EXPERTCYBER, LabelKind.QUALIOPI,
    }  # fmt: skip


def test_some_labels_have_expired_so_that_one_sees_they_do_not_show(app):
    demo_providers.load()

    holds = providers.label_holds(clock.now().date())
    assert db.session.scalar(select(func.count(ProviderLabel.id)).where(~holds)) > 0


def test_every_subject_of_activateurs_stands_for_a_skill(app):
    demo_providers.load()

    unmapped = select(ProviderTheme.label).where(~ProviderTheme.skills.any())
    used = unmapped.where(ProviderTheme.id.in_(select(ProviderLabelTheme.theme_id)))
    assert db.session.scalars(used).all() == []


def test_again_it_adds_nothing_and_a_real_list_stays(app, tmp_path):
    path = write(tmp_path / "list.csv", ACTIVATEURS, [activateur("ACT-1", name="Le vrai")])
    provider_import.run(provider_lists.of_source("activateurs"), path)

    demo_providers.load()

    assert demo_providers.load() == []
    real = select(Provider.name).where(Provider.list_slug == "activateurs", Provider.retired_at.is_(None))
    assert db.session.scalars(real).all() == ["Le vrai"]


def test_firms_of_the_demonstration_say_what_they_think(app):
    app.config["DEMONSTRATION"] = True
    demo.load(needs=6, offers=6)

    demo_providers.load()

    (reviewed,) = {review.provider_id for review in db.session.scalars(select(ProviderReview))}
    rating = providers.ratings_of([reviewed])[reviewed]
    assert (rating.count, rating.average) == (3, pytest.approx(4.33, abs=0.01))
    moderator = accounts.by_email(demo.MODERATOR.email)
    assert provider_reviews.queue(by=moderator, page=1).total == 1
    assert provider_reviews.published(reviewed, page=1).items[-1].reply


def test_without_a_market_nobody_does(app):
    app.config["DEMONSTRATION"] = True

    demo_providers.load()

    assert db.session.scalars(select(ProviderReview)).all() == []
