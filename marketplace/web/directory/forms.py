from marketplace.web.forms import BaseForm, CommuneField


class NearForm(BaseForm):
    """Where the reader is, in the address of the page."""

    class Meta(BaseForm.Meta):
        csrf = False

    commune = CommuneField("Près de chez vous", required=False)
