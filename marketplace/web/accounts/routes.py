from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required, logout_user

from marketplace.services import accounts
from marketplace.services.errors import FieldError, TokenExpired
from marketplace.web import returning
from marketplace.web.accounts import proconnect, sessions
from marketplace.web.accounts.forms import LoginForm, MailForm, NewPasswordForm, ProfileForm, SignUpForm
from marketplace.web.forms import form_page

bp = Blueprint("accounts", __name__)

GONE = 410
WRONG_LOGIN = "L’adresse mail et le mot de passe ne vont pas ensemble. Vérifiez-les et réessayez."
# Where a message has just been sent, to say so on the next page.
_MAILED_TO = sessions.MAILED_TO


@bp.route("/inscription", methods=["GET", "POST"])
def sign_up() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return _go_on()
    form = SignUpForm(data={"name": request.args.get("nom", ""), "email": request.args.get("mail", "")})
    if form.validate_on_submit():
        try:
            accounts.sign_up(
                name=form.name.data,
                email=form.email.data,
                password=form.password.data,
                address=_address(),
                then=returning.wanted(),
            )
        except FieldError as error:
            form.add_error(error)
        else:
            session[_MAILED_TO] = form.email.data
            return redirect(url_for(".check_mail", suite=returning.wanted() or None))
    return form_page("accounts/sign_up.html", form, suite=returning.wanted())


@bp.get("/inscription/regardez-vos-mails")
def check_mail() -> ResponseReturnValue:
    return render_template(
        "accounts/check_mail.html",
        email=session.get(_MAILED_TO),
        again=url_for(".resend", suite=returning.wanted() or None),
    )


@bp.route("/inscription/renvoyer", methods=["GET", "POST"])
def resend() -> ResponseReturnValue:
    form = MailForm(data={"email": session.get(_MAILED_TO, "")})
    if form.validate_on_submit():
        accounts.resend_confirmation(form.email.data, address=_address(), then=returning.wanted())
        session[_MAILED_TO] = form.email.data
        return redirect(url_for(".check_mail", suite=returning.wanted() or None))
    return form_page("accounts/resend.html", form)


@bp.route("/inscription/confirmer/<token>", methods=["GET", "POST"])
def confirm(token: str) -> ResponseReturnValue:
    """A button confirms, not the link alone: programs that check mails open every link."""
    try:
        if request.method == "GET":
            return render_template("accounts/confirm.html", email=accounts.read_confirm(token).email)
        user = accounts.confirm(token)
    except TokenExpired:
        again = url_for(".resend", suite=returning.wanted() or None)
        return render_template("accounts/expired.html", again=again), GONE
    sessions.open_for(user)
    flash("Votre adresse est confirmée : bienvenue !", "success")
    return redirect(returning.wanted() or url_for("organisations.join"))


@bp.route("/connexion", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return _go_on()
    form = LoginForm(data={"email": request.args.get("mail", "")})
    to_confirm = False
    if form.validate_on_submit():
        user = accounts.authenticate(form.email.data, form.password.data, address=_address())
        if user is not None and user.is_confirmed:
            return sessions.log_in(user, remember=form.remember.data, then=returning.wanted())
        if user is None:
            form.form_errors.append(WRONG_LOGIN)
        else:
            form.form_errors.append("Votre adresse mail n’est pas encore confirmée.")
            session[_MAILED_TO] = user.email
            to_confirm = True
    return form_page("accounts/login.html", form, to_confirm=to_confirm, suite=returning.wanted())


@bp.post("/deconnexion")
def logout() -> ResponseReturnValue:
    id_token = proconnect.id_token()
    logout_user()
    # Flask-Login leaves a mark there that takes its own cookie back: everything else goes.
    forget = session.get("_remember")
    session.clear()
    if forget:
        session["_remember"] = forget
    if proconnect.remember_to_end(id_token):
        return redirect(url_for("proconnect.end"))
    flash("Vous êtes déconnecté.", "info")
    return redirect(url_for("public.home"))


@bp.route("/mot-de-passe-oublie", methods=["GET", "POST"])
def forgotten() -> ResponseReturnValue:
    known = current_user.email if current_user.is_authenticated else request.args.get("mail", "")
    form = MailForm(data={"email": known})
    if form.validate_on_submit():
        accounts.request_reset(form.email.data, address=_address())
        session[_MAILED_TO] = form.email.data
        return redirect(url_for(".reset_sent"))
    return form_page("accounts/forgotten.html", form)


@bp.get("/mot-de-passe-oublie/regardez-vos-mails")
def reset_sent() -> ResponseReturnValue:
    return render_template(
        "accounts/check_mail.html", email=session.get(_MAILED_TO), again=url_for(".forgotten")
    )


@bp.route("/mot-de-passe/<token>", methods=["GET", "POST"])
def reset(token: str) -> ResponseReturnValue:
    form = NewPasswordForm()
    try:
        email = accounts.read_reset(token).email
        if form.validate_on_submit():
            accounts.reset_password(token, form.password.data)
            logout_user()
            flash("Votre mot de passe est changé. Connectez-vous avec le nouveau.", "success")
            return redirect(url_for(".login"))
    except TokenExpired:
        return render_template("accounts/expired.html", again=url_for(".forgotten")), GONE
    except FieldError as error:
        form.add_error(error)
    return form_page("accounts/reset.html", form, email=email)


@bp.route("/mon-espace/profil", methods=["GET", "POST"])
@login_required
def profile() -> ResponseReturnValue:
    form = ProfileForm(data={"name": current_user.name, "phone": current_user.phone})
    if form.validate_on_submit():
        accounts.change_profile(current_user, name=form.name.data, phone=form.phone.data)
        flash("Votre profil est enregistré.", "success")
        return redirect(url_for(".profile"))
    return form_page("accounts/profile.html", form)


def _go_on() -> ResponseReturnValue:
    return redirect(returning.wanted() or url_for(sessions.HOME))


def _address() -> str:
    return request.remote_addr or ""
