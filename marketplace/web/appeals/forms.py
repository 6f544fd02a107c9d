from collections.abc import Sequence

from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from marketplace.models import AppealOutcome, ReasonTemplate
from marketplace.models.notices import APPEAL_MAX, REASONS_MAX
from marketplace.services.reports import Measure
from marketplace.web.display import label
from marketplace.web.forms import BaseForm, LongTextField
from marketplace.web.reports.forms import CHOICES, MeasureForm

TEXT_MIN = 10


class AppealForm(BaseForm):
    text = LongTextField(
        "Pourquoi n’êtes-vous pas d’accord ?", name="texte", min_length=TEXT_MIN, max_length=APPEAL_MAX
    )


class AnswerForm(MeasureForm):
    """The answer; the measure counts where a report that led to nothing was right."""

    outcome = RadioField(
        "Réponse",
        name="reponse",
        choices=[SelectChoice(outcome.value, label(outcome)) for outcome in AppealOutcome],
        coerce=AppealOutcome,
    )
    answer = LongTextField("Vos raisons", name="raisons", max_length=REASONS_MAX)

    def __init__(self, templates: Sequence[ReasonTemplate] = ()) -> None:
        super().__init__(templates)
        self.action.choices = [SelectChoice("", ""), *CHOICES]
        if self.action.raw_data:  # who acts has judged that the first decision was wrong
            self.outcome.data = AppealOutcome.REVERSED
        else:
            self.action.data = ""

    def measure_if_any(self) -> Measure | None:
        return self.measure() if self.action.data else None
