"""The forms of a need and of an offer. Bounds are those of models.listings; links can fill every field."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, HiddenField, RadioField, SelectField, SelectMultipleField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from marketplace.models import Listing, ListingKind, Organisation, Place, Skill
from marketplace.models.listings import (
    CAPACITY_MAX,
    DESCRIPTION_MAX,
    DESCRIPTION_MIN,
    RADIUS_MAX_KM,
    TITLE_MAX,
    TITLE_MIN,
    TOTAL_MAX,
)
from marketplace.services import guesses, sectors, skills
from marketplace.services.guesses import LevelGuess, SectorGuess
from marketplace.services.listings import ListingSheet
from marketplace.services.skills import Suggestion
from marketplace.services.text import fold, is_keepable
from marketplace.web.display import DAYS, LEVELS, URGENCIES
from marketplace.web.forms import BaseForm, LongTextField, TextField, WholeNumber

PLACES = {"aide": Place.HELPER, "apprend": Place.LEARNER, "distance": Place.REMOTE}
# « lundi-matin » → bit 0, as models.listings counts them.
HALF_DAY_BITS = {
    f"{day}-{half}": 1 << bit for bit, (day, half) in enumerate(product(DAYS, ("matin", "apres-midi")))
}
LEVEL_DEFAULT = 2
_WORD = re.compile(r"\w+")
# A form or a link from before a skill was retired means its successor.
CURRENT = (skills.current_slug,)
# What the page asks and no link answers.
_OF_THE_PAGE = frozenset(("level_ticked", "sector_proposal"))
PICK_SKILL = "Choisissez la compétence, dans la liste ou parmi les propositions."
PICK_PLACE = "Cochez au moins un lieu."
SAME_SKILL = "Cette compétence est déjà choisie plus haut."
# How far « je sais… » goes, by level.
WANTED = {
    1: "je sais à quoi ça sert et par où commencer",
    2: "je sais le faire seul pour mon activité",
    3: "je sais l’adapter et me débrouiller quand ça coince",
    4: "je sais le montrer à d’autres",
}
OFFERED = {
    1: "je sais expliquer à quoi ça sert et par où commencer",
    2: "je sais le faire et montrer comment",
    3: "je sais l’adapter à une autre activité et dépanner",
    4: "je le pratique tous les jours et je sais répondre à presque tout",
}


class Ticks(SelectMultipleField):
    """Boxes to tick, any number of them."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class HalfDays(Ticks):
    """The half-days of a week; `mask` as Listing.availability holds them, `rows()` for a table."""

    def __init__(self, label: str, **kwargs: object) -> None:
        boxes = [SelectChoice(value, value.replace("-", " ", 1)) for value in HALF_DAY_BITS]
        super().__init__(label, choices=boxes, **kwargs)

    @property
    def mask(self) -> int:
        return sum(HALF_DAY_BITS[value] for value in set(self.data or ()))

    def rows(self) -> Iterator[tuple[str, Sequence[Field]]]:
        """Yield each day with its two boxes, morning first."""
        boxes = list(self)
        for number, day in enumerate(DAYS):
            yield day, boxes[2 * number : 2 * number + 2]


class ListingForm(BaseForm):
    """What a need and an offer have in common. `chosen`: the skills once valid, the main one first."""

    description = LongTextField(
        "Dites-le avec vos mots", max_length=DESCRIPTION_MAX, min_length=DESCRIPTION_MIN
    )
    proposal = RadioField(
        "Est-ce l’une de ces compétences ?", name="proposition", validate_choice=False, filters=CURRENT
    )
    skill = SelectField("Compétence", name="competence", default="", filters=CURRENT)
    title = TextField(
        "Titre (facultatif)", name="titre", max_length=TITLE_MAX, min_length=TITLE_MIN, required=False
    )
    level = RadioField("Niveau", name="niveau", coerce=int, default=LEVEL_DEFAULT)
    # The level that the page had ticked: another one sent is the person's own choice.
    level_ticked = HiddenField("", name="niveau_propose", default=str(LEVEL_DEFAULT))
    sector_proposal = RadioField(
        "Est-ce bien votre activité ?", name="activite_proposee", validate_choice=False, default=""
    )
    places = Ticks("Où ?", name="lieu", validators=[DataRequired(PICK_PLACE)], default=["aide", "apprend"])
    radius_km = WholeNumber("Distance maximale, en km", name="rayon", minimum=0, maximum=RADIUS_MAX_KM)
    organisation = RadioField("Pour quelle structure ?", name="structure", coerce=int)
    extra_1 = SelectField("Autre compétence (facultatif)", name="competence_2", default="", filters=CURRENT)
    extra_2 = SelectField("Encore une autre (facultatif)", name="competence_3", default="", filters=CURRENT)
    availability = HalfDays("Quand êtes-vous disponible ?", name="horaires", default=[])
    avoid_competitors = BooleanField(
        "Ne pas me mettre en relation avec un concurrent", name="sans_concurrent", default=False
    )
    competitor_radius_km = WholeNumber(
        "À moins de combien de km est-ce un concurrent ?",
        name="rayon_concurrent",
        minimum=0,
        maximum=RADIUS_MAX_KM,
        required=False,
        default=10,
    )

    kind: ListingKind
    levels: dict[int, str]
    place_labels: dict[str, str]
    folded: tuple[str, ...] = (
        "extra_1",
        "extra_2",
        "availability",
        "avoid_competitors",
        "competitor_radius_km",
    )

    def __init__(self, *args: object, structures: Sequence[Organisation] = (), **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.chosen: list[Skill] = []
        self.structures = structures
        domains = skills.all_by_domain()
        self._skills = {skill.slug: skill for domain in domains for skill in domain.skills}
        listed = [SelectChoice(s.slug, s.label, optgroup=d.label) for d in domains for s in d.skills]
        for field, first in ((self.skill, "Choisissez"), (self.extra_1, "Aucune"), (self.extra_2, "Aucune")):
            field.choices = [SelectChoice("", first), *listed]
        self.level.choices = [
            SelectChoice(str(n), f"{LEVELS[n].capitalize()} : {said}") for n, said in self.levels.items()
        ]
        self.places.choices = [SelectChoice(value, said) for value, said in self.place_labels.items()]
        self._offer_structures()
        self.proposal.choices = self.sector_proposal.choices = []
        self.level_guess: LevelGuess | None = None
        self.sector_guess: SectorGuess | None = None
        if self.proposal.raw_data:
            self.propose_skills()
        self._remember_guesses()

    def validate_skill(self, field: SelectField) -> None:
        slugs = [self.proposal.data or field.data, self.extra_1.data, self.extra_2.data]
        self.chosen = [self._skills[slug] for slug in slugs if slug in self._skills]
        if slugs[0] not in self._skills:
            raise ValidationError(PICK_SKILL)

    def validate_extra_1(self, field: SelectField) -> None:
        if field.data and field.data == (self.proposal.data or self.skill.data):
            raise ValidationError(SAME_SKILL)

    def validate_extra_2(self, field: SelectField) -> None:
        if field.data and field.data in (self.proposal.data or self.skill.data, self.extra_1.data):
            raise ValidationError(SAME_SKILL)

    @property
    def is_unfolded(self) -> bool:
        """Say whether a folded field holds an error, or something else than what it starts with."""
        return any(self[name].errors or self[name].data != self[name].default for name in self.folded)

    def propose_skills(self, domain: str = "") -> None:
        """Offer the skills of a domain, else those that the description means, as radio buttons."""
        found = [(skill.slug, skill.label) for skill in self._skills.values() if skill.domain_slug == domain]
        if not found:
            text = self.description.data or ""
            found = [(skill.slug, _because(skill, text)) for skill in skills.suggest(text)]
        if found:
            other = SelectChoice("", "Aucune : je choisis dans la liste")
            self.proposal.choices = [*(SelectChoice(slug, label) for slug, label in found), other]

    def propose_from_text(self) -> None:
        """Tick the level and the trade that the description tells, where the person has not chosen."""
        text = self.description.data or ""
        guess = guesses.level(self.kind, text)
        if guess and str(self.level.data) == self.level_ticked.data:
            self._tick_level(guess)
        if not self.structures:
            self._offer_sector(guesses.sector(text))

    @property
    def sector_code(self) -> str:
        """Return the trade that the text told and the person left ticked; empty otherwise."""
        guessed = self.sector_guess.sector.code if self.sector_guess else ""
        return guessed if guessed == self.sector_proposal.data else ""

    def sheet(self) -> ListingSheet:
        """Return what was said; the form must be valid."""
        main, *extra = self.chosen
        return ListingSheet(
            skill_id=main.id,
            extra_skill_ids=tuple(skill.id for skill in extra),
            level=self.level.data,
            title=self.title.data or main.label[:TITLE_MAX],
            description=self.description.data,
            places=sum(PLACES[value] for value in set(self.places.data)),
            radius_km=_number(self.radius_km),
            availability=self.availability.mask,
            avoid_competitors=self.avoid_competitors.data,
            competitor_radius_km=_number(self.competitor_radius_km),
        )

    def organisation_id(self) -> int:
        """Return the structure that the listing is for; there must be one."""
        return self.organisation.data if "organisation" in self else self.structures[0].id

    def typed(self) -> dict[str, list[str]]:
        """Return what was sent, by the name of each field: what a draft keeps."""
        return {field.name: list(field.raw_data or ()) for field in self if field.name != "csrf_token"}

    def _tick_level(self, guess: LevelGuess) -> None:
        self.level_guess = guess
        self.level.data = guess.level
        self.level_ticked.raw_data, self.level_ticked.data = None, str(guess.level)

    def _offer_sector(self, guess: SectorGuess | None) -> None:
        if guess is None:
            return
        self.sector_guess = guess
        self.sector_proposal.choices = [
            SelectChoice(guess.sector.code, sectors.said(guess.sector)),
            SelectChoice("", "Non : je la dirai plus tard"),
        ]
        if not self.sector_proposal.raw_data:
            self.sector_proposal.data = guess.sector.code

    def _remember_guesses(self) -> None:
        """Say again what a page before had ticked, and why, while it still is."""
        text = self.description.data or ""
        if self.level_ticked.raw_data and self.level_ticked.data == str(self.level.data):
            guess = guesses.level(self.kind, text)
            self.level_guess = guess if guess and guess.level == self.level.data else None
        if self.sector_proposal.raw_data and not self.structures:
            self._offer_sector(guesses.sector(text))

    def _offer_structures(self) -> None:
        if len(self.structures) < 2:  # noqa: PLR2004
            del self.organisation
            return
        self.organisation.choices = [
            SelectChoice(str(each.id), f"{each.name}, {each.commune.name}") for each in self.structures
        ]


class NeedForm(ListingForm):
    urgency = RadioField(
        "C’est pour quand ?",
        name="urgence",
        coerce=int,
        default=1,
        choices=[SelectChoice(str(number), said.capitalize()) for number, said in URGENCIES.items()],
    )

    kind = ListingKind.NEED
    levels = WANTED
    place_labels = {  # noqa: RUF012
        "apprend": "Chez moi",
        "aide": "Chez la structure qui m’aide",
        "distance": "À distance, en visio ou par téléphone",
    }
    folded = ("urgency", *ListingForm.folded)

    def sheet(self) -> ListingSheet:
        return replace(super().sheet(), urgency=self.urgency.data)


class OfferForm(ListingForm):
    capacity = WholeNumber(
        "Combien de structures aidées en même temps ?",
        name="simultanes",
        minimum=1,
        maximum=CAPACITY_MAX,
        default=1,
    )
    total_limit = WholeNumber(
        "Combien en tout ? (facultatif)", name="total", minimum=1, maximum=TOTAL_MAX, required=False
    )
    is_permanent = BooleanField("Annonce permanente", name="permanente", default=False)

    kind = ListingKind.OFFER
    levels = OFFERED
    place_labels = {  # noqa: RUF012
        "aide": "Chez moi",
        "apprend": "Chez la structure que j’aide",
        "distance": "À distance, en visio ou par téléphone",
    }
    folded = ("capacity", "total_limit", "is_permanent", *ListingForm.folded)

    def sheet(self) -> ListingSheet:
        return replace(
            super().sheet(),
            capacity=_number(self.capacity),
            total_limit=self.total_limit.data,
            is_permanent=self.is_permanent.data,
        )


FORMS: dict[ListingKind, type[ListingForm]] = {ListingKind.NEED: NeedForm, ListingKind.OFFER: OfferForm}


def answers_of(listing: Listing) -> dict[str, object]:
    """Return the listing as the answers of its form. Needs skills and extra skills loaded."""
    extra = [each.skill.slug for each in listing.extra_skills]
    return {
        "description": listing.description,
        "skill": listing.skill.slug,
        "extra_1": extra[0] if extra else "",
        "extra_2": extra[1] if len(extra) > 1 else "",
        "title": listing.title,
        "level": listing.level,
        "level_ticked": "",
        "places": places_of(listing),
        "radius_km": listing.radius_km,
        "availability": [value for value, bit in HALF_DAY_BITS.items() if listing.availability & bit],
        "urgency": listing.urgency,
        "capacity": listing.capacity,
        "total_limit": listing.total_limit,
        "is_permanent": listing.is_permanent,
        "avoid_competitors": listing.avoid_competitors,
        "competitor_radius_km": listing.competitor_radius_km,
    }


def told_by(kind: ListingKind, address: MultiDict[str, str]) -> dict[str, object]:
    """Return the answers that a link gives by the names of the fields; what cannot be one is left out."""
    probe = FORMS[kind](formdata=address)
    told: dict[str, object] = {}
    for name in probe.data:
        field = probe[name]
        if field.name not in address or name in _OF_THE_PAGE:
            continue
        if isinstance(field, TextField):
            if is_keepable(field.data, several_lines=field.several_lines):
                told[name] = field.data[: field.max_length]
        elif field.validate(probe):
            told[name] = field.data
    # What a link says is chosen: the text does not tick another one.
    return told | {"level_ticked": ""} if "level" in told else told


def _because(skill: Suggestion, text: str) -> str:
    """Return « Tenir un fichier clients (lu : clients, cahier) », with the words as they were typed."""
    typed = {fold(word): word.lower() for word in _WORD.findall(text)}
    words = ", ".join(typed.get(word, word) for word in skill.words)
    return f"{skill.label} (lu : {words})" if words else skill.label


def _number(field: WholeNumber) -> int:
    """Return the number of a valid field; what it starts with when it may stay empty."""
    number: int = field.default if field.data is None else field.data
    return number


def places_of(listing: Listing) -> list[str]:
    """Return the places of the listing as the fields of forms and addresses name them."""
    return [value for value, place in PLACES.items() if listing.places & place]
