"""What every form shares: text that can be kept, numbers in bounds, places found, French words."""

from io import BytesIO

import pytest
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from marketplace.services.errors import FieldError
from marketplace.web import forms
from marketplace.web.accounts.forms import LoginForm
from marketplace.web.forms import (
    BaseForm,
    CommuneField,
    EmailField,
    LongTextField,
    SecretField,
    SectorField,
    SiretField,
    TextField,
    WholeNumber,
)
from tests.support.builders import RENNES, siret


class Everything(BaseForm):
    line = TextField("Ligne", max_length=20, min_length=3, required=False)
    must = TextField("Requis", name="requis", max_length=20)
    text = LongTextField("Texte", max_length=50, required=False)
    email = EmailField("Mail", required=False)
    secret = SecretField("Secret")
    number = WholeNumber("Nombre", minimum=1, maximum=50, required=False)
    commune = CommuneField("Commune", required=False)
    sector = SectorField("Activité", required=False)
    siret = SiretField("SIRET", required=False)
    choice = RadioField("Choix", choices=[SelectChoice("a", "A"), SelectChoice("b", "B")], default="a")


RIGHT = {"requis": "oui", "secret": "x", "choice": "a"}


@pytest.fixture
def send(app):
    """Send a form; return it, valid or with its errors."""

    def sent(**fields) -> Everything:
        with app.test_request_context(method="POST", data={**RIGHT, **fields}):
            form = Everything()
            form.validate_on_submit()
            return form

    return sent


def told(form: BaseForm) -> dict[str, list[str]]:
    return {name: list(messages) for name, messages in form.errors.items()}


def test_a_right_form_has_no_errors(send):
    assert told(send()) == {}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Léa  ", "Léa"),
        ("\u200b Le\u0301a \ufeff\u00a0", "Léa"),
        ("d’ailleurs", "d’ailleurs"),
        ("👩🏽‍🌾 bio", "👩🏽‍🌾 bio"),
        ("<b>gras</b>", "<b>gras</b>"),
    ],
)
def test_a_line_is_kept_as_typed_but_for_the_white_space_around(send, typed, kept):
    form = send(requis=typed)
    assert (form.must.data, told(form)) == (kept, {})


@pytest.mark.parametrize("typed", ["", "   ", "\u200b\u200b", "\ufeff \u00a0"])
def test_nothing_visible_is_nothing(send, typed):
    assert told(send(requis=typed)) == {"must": ["Remplissez ce champ."]}


@pytest.mark.parametrize(
    "hidden", ["\x00", "\x1b", "\x1e", "\n", "\t", "\x7f", "\u202e", "\u2066", "\ufffd", "\ue000"]
)
def test_a_line_with_characters_that_nobody_sees_is_refused_and_shown_as_sent(send, hidden):
    form = send(requis=f"a{hidden}b")
    assert told(form) == {"must": [forms.INVISIBLE]}
    assert form.must.data == f"a{hidden}b"


def test_several_lines_keep_their_ends_and_tabs(send):
    form = send(text="un\r\ndeux\n\ttrois")
    assert (form.text.data, told(form)) == ("un\ndeux\n\ttrois", {})


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("x" * 21, "20 caractères au plus : raccourcissez."),
        ("xx", "3 caractères au moins : dites-en un peu plus."),
    ],
)
def test_a_text_out_of_bounds_says_the_bound_and_is_kept(send, typed, message):
    form = send(line=typed)
    assert told(form) == {"line": [message]}
    assert form.line.data == typed


def test_a_text_at_its_bounds_is_right(send):
    assert told(send(line="x" * 20, text="é" * 50)) == {}
    assert told(send(line="xxx")) == {}


def test_a_password_is_kept_to_the_letter_spaces_included(send):
    assert send(secret="  a b \t").secret.data == "  a b \t"


def test_a_password_is_never_shown_again(send):
    assert "tres secret" not in str(send(secret="tres secret").secret())


@pytest.mark.parametrize(
    ("typed", "read"),
    [("7", 7), (" 5 0 ", 50), ("+7", 7), ("007", 7), ("1\u00a0", 1), ("", None), ("  ", None)],
)
def test_a_number_is_read_as_people_write_it(send, typed, read):
    form = send(number=typed)
    assert (form.number.data, told(form)) == (read, {})


@pytest.mark.parametrize(
    "typed",
    ["sept", "1.5", "1,5", "1e3", "0x10", "٣", "²", "9" * 10, "9" * 5_000, "--1", "1-", "NaN", "1\x00"],
)
def test_what_is_no_whole_number_says_so_once(send, typed):
    form = send(number=typed)
    assert told(form) == {"number": [forms.NOT_A_NUMBER]}
    assert form.number.raw_data == [typed]


@pytest.mark.parametrize("typed", ["0", "-1", "51", "999999999"])
def test_a_number_out_of_bounds_says_them(send, typed):
    assert told(send(number=typed)) == {"number": ["Choisissez un nombre de 1 à 50."]}


@pytest.mark.parametrize("address", ["lea@boulangerie.example", "lea.pain+site@sous.boulangerie.example"])
def test_a_mail_address_is_right(send, address):
    assert told(send(email=address)) == {}


@pytest.mark.parametrize(
    "address",
    [
        "lea",
        "lea@",
        "@boulangerie.example",
        "lea@boulangerie",
        "lea boulangerie.example",
        "léa@boulangerie.example",
        "lea@boulangerie.example, bob@x.example",
        "<lea@boulangerie.example>",
        "Léa <lea@boulangerie.example>",
        "lea@-.example",
        "lea@[127.0.0.1]",
        "lea..pain@boulangerie.example",
        '"><script>@x.example',
        f"{'a' * 65}@boulangerie.example",
    ],
)
def test_a_mail_address_that_no_letter_reaches_is_refused(send, address):
    assert told(send(email=address)) == {"email": [forms.NOT_AN_ADDRESS]}


def test_a_commune_is_found_by_name_or_postcode(send):
    assert send(commune="rennes").commune.commune.insee == RENNES
    assert send(commune="Cesson-Sévigné (35510)").commune.commune.name == "Cesson-Sévigné"


def test_a_name_of_several_communes_asks_which(send):
    form = send(commune="Saint-Denis")
    assert told(form) == {"commune": [forms.SEVERAL_COMMUNES]}
    assert len(form.commune.options) > 1
    assert form.commune.commune is None


def test_the_chosen_one_of_several_counts_while_the_text_still_means_it(send):
    options = send(commune="Saint-Denis").commune.options
    chosen = options[1].value
    assert send(commune="Saint-Denis", commune_insee=chosen).commune.commune.insee == chosen
    assert send(commune="Rennes", commune_insee=chosen).commune.commune.insee == RENNES


@pytest.mark.parametrize("typed", ["Nulle-Part-sur-Mer", "00000", "%", "_", "🥖", "' OR 1=1"])
def test_an_unknown_commune_says_so_and_keeps_what_was_typed(send, typed):
    form = send(commune=typed)
    assert told(form) == {"commune": [forms.UNKNOWN_COMMUNE]}
    assert form.commune.data == typed


def test_an_activity_is_found_by_code_or_words(send):
    assert send(sector="10.71C").sector.sector.code == "10.71C"
    assert send(sector="1071c").sector.sector.code == "10.71C"


def test_an_unknown_activity_says_so(send):
    assert told(send(sector="éleveur de licornes")) == {"sector": [forms.UNKNOWN_SECTOR]}


def test_a_siret_is_read_with_its_spaces(send):
    number = siret(1)
    form = send(siret=f"{number[:3]} {number[3:6]} {number[6:9]} {number[9:]}")
    assert (form.siret.siret, told(form)) == (number, {})


@pytest.mark.parametrize("typed", ["1", "12345678901234", "x" * 14, "٣" * 14, "🥖"])
def test_a_wrong_siret_is_refused(send, typed):
    assert told(send(siret=typed)) == {"siret": ["Ce SIRET n’existe pas : vérifiez les 14 chiffres."]}


def test_a_choice_outside_the_list_is_refused_in_french(send):
    assert told(send(choice="c")) == {"choice": ["Choisissez une réponse de la liste."]}


def test_the_first_of_two_values_counts(send):
    assert send(requis=["premier", "second"]).must.data == "premier"


def test_a_file_sent_for_a_text_is_no_text(send):
    assert told(send(requis=(BytesIO(b"x"), "x.txt"))) == {"must": ["Remplissez ce champ."]}


def test_bytes_that_are_no_text_are_refused(app):
    parts = {"requis": b"\xff\xfe", "secret": b"x", "choice": b"a"}
    head = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = b"".join(head % (name.encode(), value) for name, value in parts.items()) + b"--x--"
    with app.test_request_context(method="POST", data=body, content_type="multipart/form-data; boundary=x"):
        form = Everything()
        form.validate_on_submit()
    assert told(form) == {"must": [forms.INVISIBLE]}


def test_bytes_that_an_address_cannot_read_stay_as_they_are_written(app):
    body = b"requis=%ff%fe&secret=x&choice=a"
    with app.test_request_context(method="POST", data=body, content_type="application/x-www-form-urlencoded"):
        form = Everything()
        assert form.validate_on_submit()
    assert form.must.data == "%FF%FE"


def test_what_a_service_refuses_is_told_at_its_field(send):
    form = send()
    form.add_error(FieldError("must", "Déjà pris."))
    assert told(form) == {"must": ["Déjà pris."]}


def test_what_a_service_refuses_about_nothing_in_particular_is_told_at_the_top(send):
    form = send()
    form.add_error(FieldError("elsewhere", "Rien ne va."))
    assert form.form_errors == ["Rien ne va."]


def test_a_page_of_a_form_with_errors_is_not_a_success(app, send):
    with app.test_request_context("/connexion"):
        form = LoginForm()
        assert forms.form_page("accounts/login.html", form, to_confirm=False, suite="")[1] == 200
        form.add_error(FieldError("email", "Non."))
        assert forms.form_page("accounts/login.html", form, to_confirm=False, suite="")[1] == 422
