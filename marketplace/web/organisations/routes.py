from urllib.parse import urlencode

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import OrganisationKind, SizeClass
from marketplace.services import organisations, places, sectors, storefronts
from marketplace.services.errors import AlreadyDecided, FieldError, OutsideSilent
from marketplace.services.organisations import OrganisationSheet
from marketplace.web import returning
from marketplace.web.forms import form_page
from marketplace.web.organisations.forms import CreateForm, JoinForm

bp = Blueprint("organisations", __name__)

REGISTER_SILENT = (
    "Le registre des entreprises ne répond pas pour le moment : remplissez vous-même, rien n’est perdu."
)
PLACED_ROUGHLY = (
    "Nous n’avons pas pu situer l’adresse : les distances se comptent depuis le centre de la commune."
)
DECISIONS = {"accepter": True, "refuser": False}


@bp.route("/mon-espace/structure", methods=["GET", "POST"])
@login_required
def join() -> ResponseReturnValue:
    """One's structures, the requests to answer, and the way into another structure by its SIRET."""
    form = JoinForm(data={"siret": request.args.get("siret", "")})
    existing = None
    if form.validate_on_submit():
        existing = organisations.by_siret(form.siret.siret)
        if existing is None:
            onward = {"siret": form.siret.siret, **_told(), "suite": returning.wanted()}
            return redirect(f"{url_for('.create')}?{urlencode(onward)}")
    memberships = organisations.memberships(current_user)
    return form_page(
        "organisations/join.html",
        form,
        existing=existing,
        is_in=existing is not None and existing.id in {each.organisation_id for each in memberships},
        memberships=memberships,
        requests=organisations.requests_to_decide(current_user),
        suite=returning.wanted(),
    )


@bp.post("/mon-espace/structure/rejoindre/<siret>")
@login_required
def ask(siret: str) -> ResponseReturnValue:
    try:
        organisations.ask_to_join(siret, by=current_user)
        flash("Votre demande est envoyée. Vous recevrez un mail dès qu’elle aura une réponse.", "success")
    except FieldError as error:
        flash(error.message, "error")
    return _back_to_join()


@bp.route("/mon-espace/structure/nouvelle", methods=["GET", "POST"])
@login_required
def create() -> ResponseReturnValue:
    form = CreateForm(data=_known() if request.method == "GET" else None)
    if form.validate_on_submit():
        try:
            created = organisations.create(form.siret.siret, _sheet(form), by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash(f"{created.name} est inscrite.", "success")
            if organisations.is_placed_roughly(created):
                flash(PLACED_ROUGHLY, "info")
            return redirect(returning.wanted() or url_for("matches.space"))
    return form_page("organisations/create.html", form)


@bp.post("/mon-espace/structure/demandes/<int:membership_id>")
@login_required
def decide(membership_id: int) -> ResponseReturnValue:
    accept = DECISIONS.get(request.form.get("decision", ""))
    if accept is None:
        abort(400)
    try:
        organisations.decide_membership(membership_id, accept=accept, by=current_user)
        flash("C’est noté : la personne est prévenue par mail.", "success")
    except AlreadyDecided:
        flash("Quelqu’un d’autre a déjà répondu à cette demande : rien n’a été changé.", "error")
    return redirect(returning.wanted() or url_for(".join"))


@bp.post("/mon-espace/structure/<int:organisation_id>/quitter")
@login_required
def leave(organisation_id: int) -> ResponseReturnValue:
    try:
        organisations.leave(organisation_id, by=current_user)
        flash("C’est fait : vous ne parlez plus au nom de cette structure.", "success")
    except FieldError as error:
        flash(error.message, "error")
    return _back_to_join()


@bp.get("/structures/<int:organisation_id>")
def show(organisation_id: int) -> ResponseReturnValue:
    return render_template("organisations/show.html", front=storefronts.show(organisation_id))


def _back_to_join() -> ResponseReturnValue:
    return redirect(url_for(".join", suite=returning.wanted() or None))


def _known() -> dict[str, object]:
    """Return what to fill in beforehand: what the address says, else what the company register says."""
    siret = request.args.get("siret", "")
    told: dict[str, object] = {
        "siret": siret,
        "name": request.args.get("nom", ""),
        "sector": request.args.get("activite", ""),
        "commune": request.args.get("commune", ""),
        "kind": OrganisationKind.FIRM,
        "size": _size(request.args.get("effectif", "")),
    }
    return told | _in_register(siret)


def _told() -> dict[str, str]:
    """Return what the address says of the structure besides its SIRET."""
    return {
        name: request.args[name]
        for name in ("nom", "activite", "commune", "effectif")
        if name in request.args
    }


def _size(text: str) -> SizeClass:
    return SizeClass(text) if text in set(SizeClass) else SizeClass.MICRO


def _in_register(siret: str) -> dict[str, object]:
    try:
        found = organisations.find_in_register(
            organisations.clean_siret(siret), address=request.remote_addr or ""
        )
    except FieldError:
        return {}
    except OutsideSilent:
        flash(REGISTER_SILENT, "info")
        return {}
    if found is None:
        return {}
    sector, commune = sectors.get(found.sector_code), places.get(found.commune_insee)
    return {
        "name": found.name,
        "sector": sectors.said(sector) if sector else "",
        "commune": places.said(commune) if commune else "",
        "address": found.address,
        "kind": found.kind,
        "size": found.size_class,
    }


def _sheet(form: CreateForm) -> OrganisationSheet:
    sector, commune = form.sector.sector, form.commune.commune
    return OrganisationSheet(
        name=form.name.data,
        sector_code=sector.code if sector else "",
        commune_insee=commune.insee if commune else "",
        address=form.address.data,
        kind=form.kind.data,
        size_class=form.size.data,
    )
