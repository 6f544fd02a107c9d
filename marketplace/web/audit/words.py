"""The audit log in French: what its codes mean. A code without its words here shows as it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for

from marketplace.services.audit import Line

ACTIONS: Mapping[str, str] = {
    "listing.drafted": "Annonce gardée en brouillon",
    "listing.submitted": "Annonce envoyée",
    "listing.changed": "Annonce modifiée",
    "listing.published": "Annonce publiée",
    "listing.changes_requested": "Modification demandée",
    "listing.rejected": "Annonce refusée",
    "listing.removed": "Annonce retirée du site",
    "listing.restored": "Annonce rétablie",
    "listing.paused": "Annonce mise en pause",
    "listing.resumed": "Annonce remise en ligne",
    "listing.renewed": "Annonce prolongée",
    "listing.withdrawn": "Annonce retirée par sa structure",
    "listing.expired": "Annonce arrivée à son terme",
    "match.proposed": "Mise en relation proposée",
    "match.accepted": "Mise en relation acceptée d’un côté",
    "match.agreed": "Mise en relation acceptée des deux côtés",
    "match.declined": "Mise en relation déclinée",
    "match.cancelled": "Mise en relation annulée",
    "match.completed": "Échange réalisé",
    "match.proposed_again": "Mise en relation proposée à nouveau",
    "match.expired": "Mise en relation sans réponse",
    "membership.requested": "Demande pour rejoindre une structure",
    "membership.active": "Demande pour rejoindre une structure acceptée",
    "membership.refused": "Demande pour rejoindre une structure refusée",
    "membership.ended": "Départ d’une structure",
    "organisation.created": "Structure inscrite",
    "organisation.suspended": "Structure suspendue",
    "organisation.restored": "Structure rétablie",
    "guide.proposed": "Guide ou témoignage proposé",
    "guide.added": "Guide ou témoignage ajouté",
    "guide.published": "Guide ou témoignage publié",
    "guide.rejected": "Guide ou témoignage refusé",
    "guide.withdrawn": "Guide ou témoignage retiré",
    "link.created": "Lien vers l’aide ajouté",
    "link.changed": "Lien vers l’aide changé",
    "partner.token_issued": "Jeton donné à un partenaire",
    "partner.token_revoked": "Jeton d’un partenaire retiré",
    "partner.consent_given": "Accord donné à un partenaire",
    "partner.consent_withdrawn": "Accord repris à un partenaire",
    "partner.listing_created": "Annonce publiée par un partenaire",
    "partner.listing_closed": "Annonce retirée par un partenaire",
    "data.purged": "Données arrivées à leur terme effacées",
    "provider.suppressed": "Prestataire retiré",
    "provider_reply.entered": "Réponse d’un prestataire saisie",
    "provider_reply.submitted": "Réponse d’un prestataire envoyée",
    "provider_reply.published": "Réponse d’un prestataire publiée",
    "provider_reply.refused": "Réponse d’un prestataire refusée",
    "provider_review.submitted": "Avis envoyé",
    "provider_review.published": "Avis publié",
    "provider_review.refused": "Avis refusé",
    "provider_theme.mapped": "Thème de prestataires rattaché",
    "providers.imported": "Liste de prestataires chargée",
    "policy.applied": "Réglages de l’appariement changés",
    "skill.word_added": "Mot ajouté au référentiel",
    "skill.word_removed": "Mot retiré du référentiel",
    "skill.changed": "Fiche de compétence changée",
    "skill.created": "Compétence ajoutée",
    "skill.retired": "Compétence retirée",
    "report.received": "Signalement reçu",
    "report.no_action": "Signalement clos sans rien changer",
    "report.action": "Signalement clos par une décision",
    "appeal.received": "Recours reçu",
    "appeal.upheld": "Recours : décision maintenue",
    "appeal.reversed": "Recours : décision annulée",
    "reason_template.added": "Motif tout prêt ajouté",
    "reason_template.changed": "Motif tout prêt modifié",
    "reason_template.archived": "Motif tout prêt rangé",
    "reason_template.brought_back": "Motif tout prêt repris",
    "round.run": "Vague d’appariement",
    "team.invited": "Invitation envoyée",
    "team.invitation_withdrawn": "Invitation retirée",
    "territory.opened": "Territoire ouvert",
    "territory.closed": "Territoire fermé",
    "territory.settings_changed": "Réglages du territoire changés",
    "territory.role_given": "Rôle donné",
    "territory.role_taken": "Rôle retiré",
    "territory.moderator_proposed": "Personne de la modération proposée",
    "user.deleted": "Compte supprimé",
    "user.identity_linked": "Identité ProConnect liée au compte",
    "user.signed_up": "Compte créé",
    "user.confirmed": "Adresse mail confirmée",
    "user.password_reset": "Mot de passe changé",
    "user.profile_changed": "Profil modifié",
    "user.made_admin": "Administration nationale donnée",
    "user.recovery_code_used": "Connexion par un code de secours",
    "user.recovery_codes_renewed": "Codes de secours remplacés",
    "user.second_factor_on": "Validation en deux étapes activée",
    "user.second_factor_off": "Validation en deux étapes désactivée",
    "user.second_factor_reset": "Validation en deux étapes remise à zéro",
    "workshop.planned": "Atelier organisé, structures invitées",
    "workshop.accepted": "Invitation à un atelier acceptée",
    "workshop.declined": "Invitation à un atelier déclinée",
    "workshop.cancelled": "Atelier annulé",
    "workshop.held": "Atelier noté comme tenu",
    "workshop.followed_up": "Après un atelier : besoin satisfait ou non",
}
SUBJECTS: Mapping[str, str] = {
    "appeal": "Recours",
    "guide": "Guide ou témoignage",
    "helplink": "Lien vers l’aide",
    "listing": "Annonce",
    "match": "Mise en relation",
    "matchinground": "Vague d’appariement",
    "partnertoken": "Jeton de partenaire",
    "membership": "Appartenance à une structure",
    "organisation": "Structure",
    "policyversion": "Réglages de l’appariement",
    "provider": "Prestataire",
    "providerreview": "Avis",
    "reasontemplate": "Motif tout prêt",
    "reportcase": "Signalement",
    "skill": "Compétence",
    "territory": "Territoire",
    "territoryinvitation": "Invitation",
    "territoryrole": "Rôle",
    "user": "Compte",
    "workshop": "Atelier",
    "workshopinvitation": "Invitation à un atelier",
}
# Subjects with a page that whoever reads the journal may open: its endpoint, its number's name there.
_PAGES: Mapping[str, tuple[str, str]] = {
    "appeal": ("appeals.case", "appeal_id"),
    "listing": ("moderation.review", "listing_id"),
    "organisation": ("organisations.show", "organisation_id"),
    "reportcase": ("reports.case", "case_id"),
    "territory": ("directory.territory", "siren"),
}
_SITE = "Le site"


@dataclass(frozen=True, slots=True)
class Change:
    """A value before and after the act; "" where there was none."""

    name: str
    before: str
    after: str


def action(code: str) -> str:
    return ACTIONS.get(code, code)


def actor(line: Line) -> str:
    """Return who acted: their name of today, or their number once the account is gone."""
    if line.entry.actor_id is None:
        return _SITE
    return line.actor or f"compte supprimé n° {line.entry.actor_id}"


def subject(line: Line) -> str:
    kind = line.entry.subject_type
    return f"{SUBJECTS.get(kind, kind)} {line.entry.subject_id}"


def subject_url(line: Line) -> str | None:
    """Return the page of what the act was about, if it has one."""
    if line.entry.subject_type not in _PAGES:
        return None
    endpoint, name = _PAGES[line.entry.subject_type]
    values: dict[str, Any] = {name: line.entry.subject_id}
    return url_for(endpoint, **values)


def changes(line: Line) -> list[Change]:
    """Return the values that the act changed, in the order in which they were written."""
    before, after = line.entry.before or {}, line.entry.after or {}
    names = [*before, *(name for name in after if name not in before)]
    both = [Change(name, _said(before.get(name)), _said(after.get(name))) for name in names]
    return [change for change in both if change.before != change.after]


def _said(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
