"""A small world with something behind every address of the site, and a request that each address accepts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from secrets import token_hex
from typing import Any, NamedTuple

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import select

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Frequency,
    Guide,
    GuideKind,
    GuideState,
    HelpLink,
    LinkFamily,
    Listing,
    ListingState,
    MatchOrigin,
    MatchState,
    Membership,
    MembershipState,
    OutboxMail,
    PartnerToken,
    ReasonTemplate,
    ReviewState,
    SavedSearch,
    Scope,
    SkillWord,
    TerritoryInvitation,
    TerritoryLogo,
    TerritoryRoleKind,
    User,
    Workshop,
    WorkshopInvitation,
    WorkshopState,
)
from marketplace.services import (
    accounts,
    appeal_links,
    desk,
    listings,
    open_data,
    partners,
    policies,
    provider_reviews,
    saved_searches,
    team,
    tokens,
    workshop_proposals,
)
from marketplace.services import market as market_service
from marketplace.services.workshop_proposals import FEWEST_NEEDS
from marketplace.web.display import slug_of, slug_of_provider
from marketplace.web.tuning.forms import SHOWN_SETTINGS, SHOWN_WEIGHTS
from tests.support import pictures
from tests.support.builders import CESSON, LIFFRE_CORMIER, PASSWORD, RENNES, RENNES_METROPOLE, Market, siret

HERE = "192.0.2.1"
DOZEN = 12
NEW_PASSWORD = "quatre pinces bleues rouillées"
LISTING = {
    "description": "Nous faisons des confitures et voulons les vendre sur internet sans y passer nos nuits.",
    "competence": "boutique-en-ligne",
    "titre": "Vendre nos confitures sur internet",
    "niveau": "2",
    "lieu": ["aide", "apprend"],
    "rayon": "20",
    "action": "confirmer",
}
REPORT = {
    "categorie": "commercial",
    "explication": "Ce texte vend une prestation, il ne propose pas d’échange.",
    "bonne_foi": "y",
}
REASON = {
    "nom": "Hors sujet",
    "motif": "not_digital",
    "faits": "Le sujet n’est pas numérique.",
    "explication": "",
}
VISITOR = {"nom": "Léa Pain", "mail": "lea@boulangerie.example"}


SKILL = {
    "nom": "Compter avec un boulier",
    "description": "Le boulier compte à votre place. On apprend à le lire et à le tenir.",
    "niveau_1": "je sais ce que c’est",
    "niveau_2": "je sais compter seul",
    "niveau_3": "je sais le réparer",
    "niveau_4": "je sais le montrer",
    "proches": ["base-de-donnees"],
}


LINK = {
    "nom": "École du fil",
    "editeur": "Les Tisserands",
    "famille": "public_training",
    "raison": "Des cours pour tisser sa toile.",
    "adresse": "https://fil.example/cours",
    "parametres": "q={subject}",
    "taille": "all",
    "domaines": "vente-en-ligne",
    "activites": "C",
    "lu_le": "2026-11-01",
    "actif": "y",
}
GUIDE = {
    "genre": "testimonial",
    "titre": "Notre boutique, un an après",
    "texte": "Nous avons commencé avec dix produits, et nous en sommes contents.",
    "adresse": "",
    "auteur": "Fédération des fournils",
    "secteur": "C",
    "competence": "boutique-en-ligne",
    "territoire": RENNES_METROPOLE,
}


class Act(NamedTuple):
    """What can be asked of an address."""

    method: str
    endpoint: str

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint}"


def client_of(app: Flask, user: User | None) -> FlaskClient:
    """Return the browser of somebody who is logged in, or of a visitor."""
    client = app.test_client()
    if user is not None:
        with client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = user.get_id(), True
    return client


def acts_of(app: Flask) -> list[Act]:
    """Return every method of every address, but those that Flask answers itself."""
    answered_by_flask = {"HEAD", "OPTIONS"}
    return sorted(
        {
            Act(method, rule.endpoint)
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - answered_by_flask
        }
    )


# The walks over the site are long, and who may do what is decided before any database: they are made on that
# of production.
on_production = pytest.mark.parametrize("app", ["postgres"], indirect=True)


def reads(rows: Sequence[Any]) -> pytest.MarkDecorator:
    """Walk over what only reads, rows with an `act`, a dozen a test."""
    return pytest.mark.parametrize("reads", by_the_dozen([row for row in rows if row.act.method == "GET"]))


def writes(rows: Sequence[Any]) -> pytest.MarkDecorator:
    """Walk over the rest, one a test."""
    return pytest.mark.parametrize("row", [row for row in rows if row.act.method != "GET"], ids=str)


def by_the_dozen(rows: Sequence[Any]) -> list[Any]:
    """Cut rows into tests that share a world: what only reads leaves it as it was, and making one is slow."""
    dozens = (rows[start : start + DOZEN] for start in range(0, len(rows), DOZEN))
    return [pytest.param(dozen, id=f"{dozen[0]} to {dozen[-1]}") for dozen in dozens]


def this_year() -> dict[str, int]:
    return {"year": clock.now().year}


def tuning_form() -> dict[str, str]:
    """Return the settings of the nation, as the form says them."""
    policy = market_service.policy(None).to_mapping()
    told = {shown.name: (shown, policy["weights"][key]) for key, shown in SHOWN_WEIGHTS.items()}
    told |= {shown.name: (shown, policy[key]) for key, shown in SHOWN_SETTINGS.items()}
    typed = {name: f"{Decimal(repr(value)) * shown.scale:f}" for name, (shown, value) in told.items()}
    return {**typed, "motif": "Pour voir", "version": str(policies.version_of(RENNES_METROPOLE))}


class World:
    """Firm A has a manager and an employee, firm B is its counterpart; Rennes and Liffré have a moderator."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._close_needs: list[Listing] = []
        market.open_territory(RENNES_METROPOLE)
        with market.in_one_transaction():
            self._fill(market)
        self.token = self._token()

    def _fill(self, market: Market) -> None:
        self.firm, self.counterpart = market.organisation(commune=RENNES), market.organisation(commune=CESSON)
        self.people: dict[str, User | None] = {
            "visitor": None,
            "outsider": market.speaker(market.organisation(commune=RENNES)),
            "employee": market.employee(self.firm),
            "manager": market.speaker(self.firm),
            "moderator elsewhere": market.moderator(LIFFRE_CORMIER),
            "moderator": market.moderator(RENNES_METROPOLE),
            "administrator": market.admin(),
        }
        self.need = market.need(organisation=self.firm)
        self.offer = market.offer(organisation=self.counterpart, capacity=5)
        self.hidden = {
            state: market.need(organisation=self.firm, state=state)
            for state in (ListingState.DRAFT, ListingState.PENDING, ListingState.PAUSED)
        }
        self.matches = {state: self._match(state) for state in (MatchState.PROPOSED, MatchState.AGREED)}
        self.asked = market.match(
            need=market.need(organisation=self.firm),
            offer=self.offer,
            state=MatchState.ACCEPTED,
            need_accepted_at=None,
            offer_accepted_at=clock.now(),
            origin=MatchOrigin.PERSON,
            started_by_id=market.speaker(self.counterpart).id,
            message="Je peux venir vous montrer.",
        )
        self.case = market.case(self.offer)
        self.rejection = market.rejection(market.need(organisation=self.firm, state=ListingState.REJECTED))
        market.suspension(self.firm)
        self.appeal = market.appeal(
            market.rejection(market.need(organisation=self.counterpart, state=ListingState.REJECTED))
        )
        self.request = self._request(self.firm)
        self.orphan_request = self._request(self._orphan())
        self.saved = self._saved(self.people["manager"])
        self.provider = market.provider("Passerelle", skill="tableur")
        self.review = market.review(self.provider, organisation=self.counterpart)
        self.replied = market.review(
            self.provider,
            state=ReviewState.PUBLISHED,
            reply="Merci.",
            reply_state=ReviewState.PENDING,
            replied_at=clock.now(),
        )
        self.versions = {
            name: provider_reviews.version_of(getattr(self, name)) for name in ("review", "replied")
        }
        self.head = market.head(RENNES_METROPOLE)
        db.session.merge(
            TerritoryLogo(territory_siren=RENNES_METROPOLE, media_type="image/png", content=pictures.png())
        )
        self.invitation = self._team_invitation()
        self.member = {"siren": RENNES_METROPOLE, "user_id": market.moderator(RENNES_METROPOLE).id}

    def everything(self) -> User:
        """Return somebody for whom nothing is out of reach: manager of A, moderator, administrator."""
        user = self.market.moderator(RENNES_METROPOLE)
        self.market.employee(self.firm, user=user)
        user.is_admin = True
        db.session.commit()
        return user

    def values(self, endpoint: str) -> Mapping[str, Any]:
        """Return what stands in the address."""
        need = {"listing_id": self.need.id}
        here = {"siren": RENNES_METROPOLE}
        known: dict[str, Callable[[], Mapping[str, Any]]] = {
            "accounts.confirm": lambda: {"token": self._confirming()},
            "accounts.reset": lambda: {"token": self._resetting()},
            "directory.skill": lambda: {"slug": "boutique-en-ligne"},
            "directory.territory": lambda: {"siren": RENNES_METROPOLE},
            "organisations.show": lambda: {"organisation_id": self.firm.id},
            "organisations.leave": lambda: {"organisation_id": self.firm.id},
            "organisations.ask": lambda: {"siret": self.counterpart.siret},
            "organisations.decide": lambda: {"membership_id": self.request.id},
            "listings.show": lambda: need | {"slug": slug_of(self.need)},
            "listings.edit": lambda: need,
            "listings.pause": lambda: need,
            "listings.resume": lambda: {"listing_id": self.hidden[ListingState.PAUSED].id},
            "listings.withdraw": lambda: need,
            "listings.renew": lambda: need,
            "listings.renew_by_mail": lambda: {"token": listings.renewal_token(self.need)},
            "search.change": lambda: {"saved_id": self.saved.id},
            "search.remove": lambda: {"saved_id": self.saved.id},
            "search.stop": lambda: {"token": saved_searches.stop_token(self.saved)},
            "matches.show": lambda: {"match_id": self.matches[MatchState.PROPOSED].id},
            "matches.accept": lambda: {"match_id": self.matches[MatchState.PROPOSED].id},
            "matches.decline": lambda: {"match_id": self.matches[MatchState.PROPOSED].id},
            "matches.cancel": lambda: {"match_id": self.matches[MatchState.AGREED].id},
            "matches.complete": lambda: {"match_id": self.matches[MatchState.AGREED].id},
            "matches.propose": lambda: {"listing_id": self.offer.id},
            "matches.counterparts": lambda: need,
            "moderation.review": lambda: {"listing_id": self.hidden[ListingState.PENDING].id},
            "moderation.decide": lambda: {"listing_id": self.hidden[ListingState.PENDING].id},
            "moderation.restore": lambda: {"decision_id": self.rejection.id},
            "moderation.structure": lambda: {"organisation_id": self.counterpart.id},
            "moderation.suspend": lambda: {"organisation_id": self.counterpart.id},
            "moderation.reasons_of": lambda: {"scope": RENNES_METROPOLE},
            "moderation.add_reason": lambda: {"scope": RENNES_METROPOLE},
            "moderation.edit_reason": self._reason,
            "moderation.archive_reason": self._reason,
            "reports.new": lambda: need,
            "reports.new_on_organisation": lambda: {"organisation_id": self.firm.id},
            "reports.new_on_message": lambda: {"match_id": self.asked.id},
            "reports.case": lambda: {"case_id": self.case.id},
            "reports.decide": lambda: {"case_id": self.case.id},
            "appeals.new": lambda: {"token": appeal_links.for_decision(self.rejection)},
            "appeals.of_listing": lambda: {"listing_id": self.rejection.listing_id},
            "appeals.of_organisation": lambda: {"organisation_id": self.firm.id},
            "appeals.case": lambda: {"appeal_id": self.appeal.id},
            "appeals.decide": lambda: {"appeal_id": self.appeal.id},
            "transparency.show": lambda: here | this_year(),
            "transparency.show_csv": lambda: here | this_year(),
            "transparency.show_json": lambda: here | this_year(),
            "transparency.nation": this_year,
            "transparency.nation_csv": this_year,
            "transparency.nation_json": this_year,
            "territories.settings": lambda: {"siren": RENNES_METROPOLE},
            "territories.set_logo": lambda: {"siren": RENNES_METROPOLE},
            "territories.remove_logo": lambda: {"siren": RENNES_METROPOLE},
            "territories.logo": lambda: {"siren": RENNES_METROPOLE},
            "territories.flyer": lambda: {"siren": RENNES_METROPOLE},
            "territories.flyer_code": lambda: {"siren": RENNES_METROPOLE, "text": "inscription"},
            "admin.reset_second_factor": lambda: {"user_id": self.member["user_id"]},
            "team.show": lambda: {"siren": RENNES_METROPOLE},
            "team.invite": lambda: {"siren": RENNES_METROPOLE},
            "team.withdraw": lambda: {"siren": RENNES_METROPOLE, "invitation_id": self.invitation.id},
            "team.change_role": lambda: self.member,
            "team.remove": lambda: self.member,
            "team.invitation": lambda: {"token": team.token_for(self.invitation)},
            "team.accept": lambda: {"token": team.token_for(self.invitation)},
            "api.listing": lambda: need,
            "api.situation": lambda: need,
            "partner_api.own_one": lambda: need,
            "partner_api.close": lambda: need,
            "partners.index": lambda: {"siren": RENNES_METROPOLE},
            "partners.issue": lambda: {"siren": RENNES_METROPOLE},
            "partners.revoke": lambda: {"siren": RENNES_METROPOLE, "token_id": self.token.id},
            "partners.consents": lambda: {"organisation_id": self.firm.id},
            "partners.consent": lambda: {
                "organisation_id": self.firm.id,
                "partner_id": self.token.partner_id,
            },
            "tuning.settings": lambda: {"siren": RENNES_METROPOLE},
            "tuning.apply": lambda: {"siren": RENNES_METROPOLE},
            "providers.show": lambda: {
                "provider_id": self.provider.id,
                "slug": slug_of_provider(self.provider),
            },
            "providers.review": lambda: {"provider_id": self.provider.id},
            "providers.reply": lambda: {"token": provider_reviews.reply_token(self.replied)},
            "providers.case": lambda: {"review_id": self.review.id},
            "providers.decide": lambda: {"review_id": self.review.id},
            "providers.decide_reply": lambda: {"review_id": self.replied.id},
            "providers.enter_reply": lambda: {"review_id": self.replied.id},
            "providers.theme": lambda: {"theme_id": self.market.theme("tableur").id},
            "providers.suppress": lambda: {"provider_id": self.provider.id},
            "integration.sitemap_file": lambda: {"name": "annonces-1"},
            "dashboard.show": lambda: {"siren": RENNES_METROPOLE},
            "dashboard.sheet": lambda: {"siren": RENNES_METROPOLE},
            "dashboard.table": lambda: {"siren": RENNES_METROPOLE, "name": "mois"},
            "open_data.file": lambda: {"name": self._dumped()},
            "links.edit": lambda: {"link_id": self._link().id},
            "guides.decide": lambda: {"guide_id": self._guide(GuideState.PENDING).id},
            "guides.withdraw": lambda: {"guide_id": self._guide(GuideState.PUBLISHED).id},
            "paths.show": lambda: need,
            "paths.tick": lambda: need | {"step": "apprendre"},
            "skills.edit": lambda: {"slug": "tableur"},
            "skills.add_word": lambda: {"slug": "tableur"},
            "skills.remove_word": lambda: {"slug": "tableur", "word_id": self._word("tableur")},
            "skills.retire": lambda: {"slug": "tableur"},
            "workshops.index": lambda: {"siren": RENNES_METROPOLE},
            "workshops.plan": self._proposed,
            "workshops.show": lambda: self._of_workshop(self._invitation()),
            "workshops.cancel": lambda: self._of_workshop(self._invitation()),
            "workshops.hold": lambda: self._of_workshop(self._invitation(days=-1)),
            "workshops.reply": lambda: {"invitation_id": self._invitation().id},
            "workshops.answer": lambda: {"token": tokens.sign("workshop-invitation", self._invitation().id)},
            "workshops.follow_up": lambda: {"token": self._asked_whether_it_was_enough()},
            "static": lambda: {"filename": "site.css"},
        }
        return known[endpoint]() if endpoint in known else {}

    def form(self, endpoint: str) -> Mapping[str, Any]:
        """Return what a person would send there; empty for a button."""
        asked_of_the_site: dict[str, Callable[[], Mapping[str, Any]]] = {
            "moderation.decide": self._rejecting,
            "moderation.decide_many": self._approving,
            "workshops.plan": self._planned,
            "tuning.settings": tuning_form,
            "tuning.apply": tuning_form,
        }
        if endpoint in asked_of_the_site:
            return asked_of_the_site[endpoint]()
        manager = self.people["manager"]
        assert manager is not None
        return {
            "accounts.sign_up": {
                "nom": "Léa Pain",
                "mail": "lea@boulangerie.example",
                "mot_de_passe": NEW_PASSWORD,
            },
            "accounts.resend": {"mail": "lea@boulangerie.example"},
            "accounts.login": {"mail": manager.email, "mot_de_passe": PASSWORD, "rester_connecte": "y"},
            "accounts.forgotten": {"mail": manager.email},
            "accounts.reset": {"mot_de_passe": NEW_PASSWORD},
            "accounts.profile": {"nom": "Léa Pain", "telephone": "06 12 34 56 78"},
            "personal_data.export": {"mot_de_passe": PASSWORD},
            "personal_data.delete": {"mot_de_passe": PASSWORD, "confirmer": "y"},
            "accounts.second_step": {"code": "000000"},
            "accounts.set_up_second_factor": {"cle": "x", "code": "000000"},
            "accounts.renew_codes": {"mot_de_passe": PASSWORD},
            "accounts.switch_off_second_factor": {"mot_de_passe": PASSWORD},
            "organisations.join": {"siret": self.counterpart.siret},
            "organisations.create": {
                "siret": siret(900_000 + self.firm.id),
                "nom": "Le Bon Pain",
                "activite": "10.71C",
                "commune": "Rennes",
                "adresse": "1 place de la Mairie",
                "type": "firm",
                "effectif": "1-9",
            },
            "organisations.decide": {"decision": "accepter"},
            "listings.publish_need": LISTING | {"urgence": "1"},
            "listings.publish_offer": LISTING | {"simultanes": "2", "total": "10"},
            "listings.edit": LISTING | {"urgence": "1"},
            "search.change": {"frequence": "daily"},
            "matches.decline": {"raison": "no_time", "commentaire": "Pas avant la rentrée."},
            "matches.cancel": {"commentaire": "Nous fermons."},
            "matches.propose": {"annonce": str(self.need.id), "message": "Bonjour !"},
            "moderation.suspend": {
                "motif": "repeated",
                "faits": "Trois annonces retirées en un mois.",
                "etape": "envoyer",
            },
            "moderation.restore": {"raison": "Relue : rien à redire."},
            "moderation.add_reason": REASON,
            "moderation.edit_reason": REASON,
            "moderation.archive_reason": {"action": "archiver"},
            "reports.new": REPORT | VISITOR,
            "reports.new_on_organisation": REPORT | VISITOR,
            "reports.new_on_message": REPORT,
            "reports.decide": {"decision": "rien", "raisons": "Rien dans ce texte ne va contre la charte."},
            "appeals.new": {"texte": "Le texte dit bien ce que nous cherchons."},
            "appeals.decide": {"reponse": "upheld", "raisons": "Le texte ne le dit pas."},
            "links.create": LINK,
            "links.edit": LINK,
            "guides.propose": GUIDE,
            "guides.decide": {"decision": "refuser", "raison": "Hors sujet."},
            "paths.tick": {"fait": "oui"},
            "skills.create": SKILL | {"domaine": "bureautique"},
            "skills.edit": SKILL | {"version": "0"},
            "skills.add_word": {"mot": "Zorglub", "sorte": "brand"},
            "skills.retire": {"remplacante": "base-de-donnees"},
            "territories.settings": {
                "mode": "a_posteriori",
                "confiance": "2",
                "rayon": "15",
                "accueil": "Bienvenue !",
                "charte": "Soyez aimables.",
                "contact": "02 99 00 00 00",
                "partenaires": "Chambre de métiers https://cma.example",
            },
            "admin.reset_second_factor": {"motif": "Reconnue au téléphone"},
            "team.invite": {"mail": "lea@epci.example", "role": "moderator"},
            "team.change_role": {"role": "head"},
            "partners.issue": {
                "nom": "Chambre de métiers",
                "droits": ["listings:read-own"],
                "duree": "90",
            },
            "partners.consent": {"reponse": "accepter"},
            "workshops.cancel": {"motif": "La salle est fermée."},
            "workshops.hold": {"presents": "4"},
            "workshops.reply": {"reponse": "venir"},
            "workshops.answer": {"reponse": "venir"},
            "workshops.follow_up": {"reponse": "oui"},
            "providers.review": {
                "structure": str(self.firm.id),
                "note": "4",
                "avis": "Deux matinées claires, et nous vendons en ligne depuis.",
                "bonne_foi": "y",
            },
            "providers.reply": {"reponse": "Merci, nous en avons tenu compte."},
            "providers.enter_reply": {"reponse": "Merci, nous en avons tenu compte."},
            "providers.decide": {
                "decision": "refuser",
                "motif": "disrespectful",
                "faits": "Le ton.",
                "version": self.versions["review"],
            },
            "providers.decide_reply": {
                "decision": "refuser",
                "faits": "Le ton.",
                "version": self.versions["replied"],
            },
            "providers.theme": {"competence": "tableur"},
            "providers.suppress": {"raison": "demande du 3 novembre"},
        }.get(endpoint, {})

    def path(self, endpoint: str, **values: Any) -> str:
        """Return the address; `values` win over the right ones."""
        addresses = current_app.url_map.bind("localhost")
        return str(addresses.build(endpoint, {**self.values(endpoint), **values}))

    def _link(self) -> HelpLink:
        link = HelpLink(
            key=token_hex(4),
            name="École du fil",
            publisher="Les Tisserands",
            family=LinkFamily.AID,
            reason="Des cours pour tisser sa toile.",
            url="https://fil.example/",
            position=1,
            checked_on=date(2026, 11, 1),
        )
        return self._committed(link)

    def _guide(self, state: GuideState) -> Guide:
        guide = Guide(
            kind=GuideKind.TESTIMONIAL,
            state=state,
            title="Notre boutique, un an après",
            text="Nous avons commencé avec dix produits.",
            publisher="Fédération des fournils",
            territory_siren=RENNES_METROPOLE,
            decided_at=None if state is GuideState.PENDING else clock.now(),
        )
        return self._committed(guide)

    def _committed(self, row: Any) -> Any:
        db.session.add(row)
        db.session.commit()
        return row

    def _word(self, slug: str) -> int:
        query = select(SkillWord.id).where(SkillWord.skill_id == self.market.skill(slug).id)
        return db.session.scalars(query.order_by(SkillWord.id)).first() or 0

    def _token(self) -> PartnerToken:
        moderator = self.people["moderator"]
        assert moderator is not None
        return partners.issue(
            RENNES_METROPOLE, name="Outil de la métropole", scopes=list(Scope), days=30, by=moderator
        ).token

    def _rejecting(self) -> Mapping[str, Any]:
        return {
            "decision": "reject",
            "motif": "unclear",
            "faits": "On ne comprend pas ce qui est cherché.",
            "version": self._version(),
            "etape": "envoyer",
        }

    def _approving(self) -> Mapping[str, Any]:
        return {
            "decision": "approve",
            "annonce": [f"{self.hidden[ListingState.PENDING].id}:{self._version()}"],
        }

    def _version(self) -> str:
        """Return the mark of the text that the moderator has in front of them."""
        admin = self.people["administrator"]
        assert admin is not None
        return desk.review(self.hidden[ListingState.PENDING].id, by=admin).item.version

    def _dumped(self) -> str:
        """Return the name of a file of the open data, which it makes."""
        if open_data.latest() is None:
            open_data.keep_latest()
        return "territoires.csv"

    def _reason(self) -> Mapping[str, Any]:
        """Return where the moderator of Rennes finds a template that comes with the site."""
        key = db.session.scalars(select(ReasonTemplate.id).order_by(ReasonTemplate.id)).first()
        return {"scope": RENNES_METROPOLE, "template_id": key}

    def _match(self, state: MatchState) -> Any:
        return self.market.match(need=self.market.need(organisation=self.firm), offer=self.offer, state=state)

    def _saved(self, user: User | None) -> SavedSearch:
        assert user is not None
        saved = SavedSearch(user_id=user.id, frequency=Frequency.WEEKLY, words="facture")
        db.session.add(saved)
        db.session.flush()
        return saved

    def _team_invitation(self) -> TerritoryInvitation:
        invitation = TerritoryInvitation(
            territory_siren=RENNES_METROPOLE,
            email=f"invitee{self.firm.id}@epci.example",
            role=TerritoryRoleKind.MODERATOR,
        )
        db.session.add(invitation)
        db.session.flush()
        return invitation

    def _proposed(self) -> Mapping[str, Any]:
        """Return the address of a workshop that could be: the needs for it are made once."""
        if not self._close_needs:
            self._close_needs = [self.market.need(skill="tableur") for _ in range(FEWEST_NEEDS)]
        return {"siren": RENNES_METROPOLE, "slug": "tableur", "centre": RENNES}

    def _planned(self) -> Mapping[str, str]:
        proposed, admin = self._proposed(), self.people["administrator"]
        assert admin is not None
        proposal = workshop_proposals.get(*proposed.values(), by=admin)
        day = clock.now() + timedelta(days=20)
        return {
            "jour": f"{day:%Y-%m-%d}",
            "heure": "18:30",
            "lieu": "Salle des fêtes",
            "places": "12",
            "marque": proposal.mark,
        }

    def _invitation(self, *, days: int = 20, **fields: Any) -> WorkshopInvitation:
        """Return an invitation of firm A to a workshop of Rennes, that many days from now."""
        workshop = Workshop(
            territory_siren=RENNES_METROPOLE,
            skill_id=self.need.skill_id,
            commune_insee=RENNES,
            place="Salle des fêtes",
            starts_at=clock.now() + timedelta(days=days),
            capacity=12,
            **fields,
        )
        invitation = WorkshopInvitation(
            workshop=workshop, need_id=self.need.id, organisation_id=self.firm.id, attended=bool(fields)
        )
        db.session.add(invitation)
        db.session.commit()
        return invitation

    def _of_workshop(self, invitation: WorkshopInvitation) -> Mapping[str, Any]:
        return {"siren": RENNES_METROPOLE, "workshop_id": invitation.workshop_id}

    def _asked_whether_it_was_enough(self) -> str:
        invitation = self._invitation(days=-1, state=WorkshopState.HELD, present=4)
        return tokens.sign("workshop-follow-up", invitation.id)

    def _orphan(self) -> Any:
        """Return a structure of Rennes that nobody manages."""
        organisation = self.market.organisation(commune=RENNES)
        manager = select(Membership).where(Membership.organisation_id == organisation.id)
        db.session.scalars(manager).one().state = MembershipState.ENDED
        return organisation

    def _request(self, organisation: Any) -> Membership:
        asker = self.market.employee(organisation, state=MembershipState.REQUESTED)
        return db.session.scalars(select(Membership).where(Membership.user_id == asker.id)).one()

    def _confirming(self) -> str:
        newcomer = self.market.user(confirmed=False)
        accounts.resend_confirmation(newcomer.email, address=HERE)
        return self._mailed(newcomer)

    def _resetting(self) -> str:
        forgetful = self.market.user()
        accounts.request_reset(forgetful.email, address=HERE)
        return self._mailed(forgetful)

    def _mailed(self, user: User) -> str:
        """Return the token of the last link mailed to somebody."""
        text = db.session.scalars(
            select(OutboxMail.text).where(OutboxMail.recipient == user.email).order_by(OutboxMail.id.desc())
        ).first()
        assert text is not None
        link = next(word for word in text.split() if word.startswith("http"))
        return link.rpartition("/")[2].partition("?")[0]
