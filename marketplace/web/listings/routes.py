from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import InvalidTransition, Listing, ListingKind
from marketplace.services import explanations, help_links, listings, providers, rights
from marketplace.services.errors import TokenExpired
from marketplace.services.listings import ListingOver
from marketplace.web.display import slug_of
from marketplace.web.listings import publishing
from marketplace.web.listings.forms import places_of

bp = Blueprint("listings", __name__)

MOVED, GONE = 301, 410


@bp.route("/publier/besoin", methods=["GET", "POST"])
def publish_need() -> ResponseReturnValue:
    return publishing.publish(ListingKind.NEED)


@bp.route("/publier/savoir-faire", methods=["GET", "POST"])
def publish_offer() -> ResponseReturnValue:
    return publishing.publish(ListingKind.OFFER)


@bp.route("/annonces/<int:listing_id>/modifier", methods=["GET", "POST"])
@login_required
def edit(listing_id: int) -> ResponseReturnValue:
    listing = listings.own(listing_id, by=current_user)
    if not listings.acts_on(listing).edit:
        raise InvalidTransition(f"listing {listing_id}", listing.state, "edited")
    return publishing.change(listing)


@bp.get("/annonces/<int:listing_id>")
@bp.get("/annonces/<int:listing_id>-<slug>")
def show(listing_id: int, slug: str = "") -> ResponseReturnValue:
    reader = current_user if current_user.is_authenticated else None
    try:
        listing = listings.show(listing_id, to=reader)
    except ListingOver as over:
        return render_template("listings/over.html", listing=over.listing), GONE
    if slug != slug_of(listing):
        return _moved_to_its_address(listing)
    is_mine = reader is not None and rights.speaks_for(reader, listing.organisation_id)
    return render_template(
        "listings/show.html",
        listing=listing,
        places_left=listings.places_left(listing),
        is_mine=is_mine,
        why=explanations.why_alone(listing) if is_mine else None,
        lieux=places_of(listing),
        help=help_links.for_listing(listing) if listing.kind is ListingKind.NEED else None,
        providers=providers.near_listing(listing) if listing.kind is ListingKind.NEED else [],
        acts=listings.acts_on(listing),
        decision=listings.decision_on(listing) if is_mine else None,
        moderates=reader is not None and rights.moderates(reader, listing.territory_siren),
    )


@bp.post("/annonces/<int:listing_id>/pause")
@login_required
def pause(listing_id: int) -> ResponseReturnValue:
    listings.pause(listing_id, by=current_user)
    return _done(
        listing_id, "Votre annonce est en pause : plus personne ne la voit, elle n’est plus proposée."
    )


@bp.post("/annonces/<int:listing_id>/reprendre")
@login_required
def resume(listing_id: int) -> ResponseReturnValue:
    listings.resume(listing_id, by=current_user)
    return _done(listing_id, "Votre annonce est de nouveau en ligne.")


@bp.post("/annonces/<int:listing_id>/retirer")
@login_required
def withdraw(listing_id: int) -> ResponseReturnValue:
    listings.withdraw(listing_id, by=current_user)
    return _done(listing_id, "Votre annonce est retirée.")


@bp.post("/annonces/<int:listing_id>/prolonger")
@login_required
def renew(listing_id: int) -> ResponseReturnValue:
    listings.renew(listing_id, by=current_user)
    return _done(listing_id, "C’est fait : votre annonce repart pour toute sa durée.")


@bp.route("/annonces/renouveler/<token>", methods=["GET", "POST"])
def renew_by_mail(token: str) -> ResponseReturnValue:
    """A button renews, not the link alone: programs that check mails open every link."""
    try:
        if request.method == "GET":
            return render_template("listings/renew.html", listing=listings.read_renewal(token))
        return render_template("listings/renewed.html", listing=listings.renew_by_mail(token))
    except TokenExpired:
        return render_template("listings/renewal_expired.html"), GONE


def _done(listing_id: int, message: str) -> ResponseReturnValue:
    flash(message, "success")
    return redirect(url_for(".show", listing_id=listing_id))


def _moved_to_its_address(listing: Listing) -> ResponseReturnValue:
    address = url_for(".show", listing_id=listing.id, slug=slug_of(listing))
    query = request.query_string.decode("ascii", "ignore")
    response = redirect(f"{address}?{query}" if query else address, MOVED)
    # Kept for ever by a browser, it would turn in circles once the title changes back.
    response.cache_control.no_cache = True
    return response
