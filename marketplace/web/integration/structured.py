"""What search engines read of a listing: schema.org in JSON-LD."""

from typing import Any

from marketplace.models import Listing, ListingKind
from marketplace.services.mailer import public_url
from marketplace.web.display import slug_of

Data = dict[str, Any]
_LISTS = {
    ListingKind.NEED: ("Besoins", "directory.needs"),
    ListingKind.OFFER: ("Savoir-faire", "directory.offers"),
}


def address_of(listing: Listing) -> str:
    return public_url("listings.show", listing_id=listing.id, slug=slug_of(listing))


def listing_data(listing: Listing) -> Data:
    """Return the listing as an Offer or a Demand (both free of charge), and the way to its page.

    Needs what lists show loaded (services.listings.SHOWN).
    """
    graph = [_listing(listing), _organisation(listing), _breadcrumb(listing)]
    return {"@context": "https://schema.org", "@graph": graph}


def _listing(listing: Listing) -> Data:
    skills = [listing.skill, *(extra.skill for extra in listing.extra_skills)]
    data: Data = {
        "@type": "Demand" if listing.kind is ListingKind.NEED else "Offer",
        "@id": address_of(listing),
        "url": address_of(listing),
        "name": listing.title,
        "description": listing.description,
        "itemOffered": [
            {"@type": "Service", "name": skill.label, "url": public_url("directory.skill", slug=skill.slug)}
            for skill in skills
        ],
        "areaServed": {
            "@type": "GeoCircle",
            "name": listing.commune.name,
            "geoRadius": listing.radius_km * 1000,
        },
    }
    if listing.commune.lat is not None:
        data["areaServed"]["geoMidpoint"] = _midpoint(listing)
    if listing.kind is ListingKind.OFFER:
        data |= {"price": 0, "priceCurrency": "EUR", "availability": "https://schema.org/InStock"}
    if listing.published_at and listing.expires_at:
        data |= {
            "validFrom": listing.published_at.isoformat(),
            "validThrough": listing.expires_at.isoformat(),
        }
    return data


def _midpoint(listing: Listing) -> Data:
    """Return the commune's point: the structure's own address is not shown on the site."""
    return {
        "@type": "GeoCoordinates",
        "latitude": listing.commune.lat,
        "longitude": listing.commune.lon,
    }


def _organisation(listing: Listing) -> Data:
    relation = "seeks" if listing.kind is ListingKind.NEED else "makesOffer"
    return {
        "@type": "Organization",
        "name": listing.organisation.name,
        "address": {
            "@type": "PostalAddress",
            "addressLocality": listing.commune.name,
            "addressCountry": "FR",
        },
        relation: {"@id": address_of(listing)},
    }


def _breadcrumb(listing: Listing) -> Data:
    label, endpoint = _LISTS[listing.kind]
    way = [
        (label, public_url(endpoint)),
        (listing.skill.label, public_url("directory.skill", slug=listing.skill.slug)),
        (listing.title, address_of(listing)),
    ]
    items = [
        {"@type": "ListItem", "position": position, "name": name, "item": url}
        for position, (name, url) in enumerate(way, start=1)
    ]
    return {"@type": "BreadcrumbList", "itemListElement": items}
