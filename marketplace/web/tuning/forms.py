import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wtforms import Field, HiddenField
from wtforms.validators import StopValidation
from wtforms.widgets import TextInput

from marketplace.models.policies import NOTE_MAX
from marketplace.services.policies import SETTING_BOUNDS, WEIGHT_BOUNDS, WHOLE
from marketplace.web.forms import REQUIRED, BaseForm, TextField

NOT_A_NUMBER = "Écrivez un nombre, par exemple 12 ou 12,5."
NOT_WHOLE = "Écrivez un nombre entier."


@dataclass(frozen=True, slots=True)
class Setting:
    """How a setting is shown. `unit` "%": its value is a share of 1, shown in percent."""

    name: str
    label: str
    hint: str
    unit: str

    @property
    def scale(self) -> int:
        return 100 if self.unit == "%" else 1


SHOWN_WEIGHTS = {
    "skill": Setting("competence", "Compétence", "La même compétence, ou une voisine.", "%"),
    "level": Setting("niveau", "Niveau", "Le niveau proposé convient au niveau souhaité.", "%"),
    "distance": Setting("distance", "Distance", "Plus on est proche, mieux c’est.", "%"),
    "sector": Setting("metier", "Métier", "Les deux activités se ressemblent.", "%"),
    "availability": Setting("disponibilites", "Disponibilités", "Des demi-journées en commun.", "%"),
    "waiting": Setting(
        "attente", "Attente et urgence", "Le besoin attend depuis longtemps, ou est urgent.", "%"
    ),
}
SHOWN_SETTINGS = {
    "half_distance_km": Setting(
        "distance-moitie",
        "Distance qui ne vaut plus que la moitié",
        "Plus elle est courte, plus le proche compte.",
        "km",
    ),
    "remote_value": Setting(
        "a-distance",
        "Valeur d’un échange à distance",
        "Comparé à une rencontre à deux pas, qui vaut 100 %.",
        "%",
    ),
    "related_skill": Setting(
        "competence-voisine",
        "Valeur d’une compétence voisine",
        "Comparée à la même compétence, qui vaut 100 %.",
        "%",
    ),
    "same_domain": Setting(
        "meme-domaine",
        "Valeur d’une compétence du même domaine",
        "Comparée à la même compétence, qui vaut 100 %.",
        "%",
    ),
    "extra_skill_factor": Setting(
        "competence-secondaire",
        "Part gardée pour une compétence secondaire",
        "Quand ce n’est pas la première de l’annonce.",
        "%",
    ),
    "skill_floor": Setting(
        "competence-minimum", "Valeur de la compétence, au moins", "En dessous, on ne propose rien.", "%"
    ),
    "level_gap": Setting(
        "ecart-niveau",
        "Écart accepté sous le niveau souhaité",
        "0 : jamais moins que le niveau souhaité.",
        "niveaux",
    ),
    "waiting_full_days": Setting(
        "attente-pleine",
        "Attente qui compte en entier",
        "Le critère « Attente » est alors au plus haut.",
        "jours",
    ),
    "patience_weeks": Setting(
        "patience",
        "Attente avant d’être prioritaire",
        "Ensuite, le besoin gagne de la priorité chaque semaine.",
        "semaines",
    ),
    "priority_per_week": Setting(
        "priorite",
        "Priorité gagnée par semaine d’attente en plus",
        "Jamais 0 : personne ne doit attendre sans fin.",
        "%",
    ),
    "circle_min_weight": Setting(
        "boucle-minimum",
        "Note d’un couple dans une boucle, au moins",
        "Une boucle : chacun aide le suivant.",
        "%",
    ),
    "circle_bonus": Setting(
        "boucle-avantage",
        "Avantage donné aux boucles",
        "S’ajoute à la note de chaque couple de la boucle.",
        "%",
    ),
    "circle_max_length": Setting(
        "boucle-taille",
        "Structures dans une boucle, au plus",
        "Plus il y en a, plus elle est fragile.",
        "structures",
    ),
    "circle_max_loss": Setting(
        "boucle-cout", "Mises en relation que les boucles peuvent coûter", "Part du total, au plus.", "%"
    ),
}


class SettingField(Field):
    """A number of the policy, typed and shown in the unit of people; `data` in that of the policy."""

    widget = TextInput()

    def __init__(
        self, label: str, *, shown: Setting, least: float, most: float, whole: bool, **kwargs: Any
    ) -> None:
        super().__init__(label, **kwargs)
        self.shown, self.least, self.most, self.whole = shown, least, most, whole

    @property
    def bounds(self) -> str:
        """« de 30 à 70 % »."""
        return f"de {self._said(self.least)} à {self._said(self.most)} {self.shown.unit}"

    def said(self, value: float) -> str:
        return f"{self._said(value)} {self.shown.unit}"

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        text = re.sub(r"[\s%]", "", valuelist[0]) if valuelist else ""
        if not text:
            raise ValueError(REQUIRED)
        if not re.fullmatch(r"[0-9]{1,5}([.,][0-9]{1,3})?", text):
            raise ValueError(NOT_A_NUMBER)
        self.data = float(Decimal(text.replace(",", ".")) / self.shown.scale)

    def pre_validate(self, form: BaseForm) -> None:
        if self.data is None:
            raise StopValidation()
        if not self.least <= self.data <= self.most:
            raise StopValidation(f"Choisissez un nombre {self.bounds}.")
        if self.whole and self.data != int(self.data):
            raise StopValidation(NOT_WHOLE)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self._said(self.data)

    def _said(self, value: float) -> str:
        shown = Decimal(repr(value)) * self.shown.scale
        return f"{shown.normalize():f}".replace(".", ",")


class TuningForm(BaseForm):
    """All settings of a territory, those of SHOWN_WEIGHTS and SHOWN_SETTINGS."""

    note = TextField("Pourquoi ce changement (facultatif)", name="motif", max_length=NOTE_MAX, required=False)
    version = HiddenField(name="version")

    @classmethod
    def showing(cls, policy: Mapping[str, Any], *, version: int) -> "TuningForm":
        """Return the form filled in with a policy, as Policy.to_mapping() gives it."""
        weights = {f"weights_{name}": value for name, value in policy["weights"].items()}
        others = {name: policy[name] for name in SHOWN_SETTINGS}
        return cls(data={**weights, **others, "version": version})

    @property
    def weights(self) -> list[SettingField]:
        return [self[f"weights_{name}"] for name in SHOWN_WEIGHTS]

    @property
    def others(self) -> list[SettingField]:
        return [self[name] for name in SHOWN_SETTINGS]

    def settings(self) -> dict[str, Any]:
        """Return what was typed, as services.policies takes it."""
        weights = {name: self[f"weights_{name}"].data for name in SHOWN_WEIGHTS}
        return {"weights": weights, **{name: self[name].data for name in SHOWN_SETTINGS}}

    @property
    def has_settings(self) -> bool:
        """Say whether each setting can be, whatever else is wrong."""
        return not any(field.errors for field in self.weights + self.others)

    def validate(self, extra_validators: Any = None) -> bool:
        valid: bool = super().validate(extra_validators)
        if any(field.errors for field in self.weights):
            return False
        total = sum((Decimal(repr(field.data)) for field in self.weights), Decimal(0))
        if total != 1:
            shown = f"{total.scaleb(2).normalize():f}".replace(".", ",")
            self.weights[0].errors = [f"Les six poids font {shown} % ensemble : il faut 100 %."]
            return False
        return valid


def _add_fields() -> None:
    for key, shown in SHOWN_WEIGHTS.items():
        setattr(TuningForm, f"weights_{key}", _field(shown, *WEIGHT_BOUNDS[key], whole=False))
    for key, shown in SHOWN_SETTINGS.items():
        setattr(TuningForm, key, _field(shown, *SETTING_BOUNDS[key], whole=key in WHOLE))


def _field(shown: Setting, least: float, most: float, *, whole: bool) -> SettingField:
    return SettingField(shown.label, name=shown.name, shown=shown, least=least, most=most, whole=whole)


_add_fields()
