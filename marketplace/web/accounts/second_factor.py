"""The second step of logging in, and where one sets it up."""

from collections.abc import Sequence

import segno
from flask import Response, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required, login_user

from marketplace.extensions import db
from marketplace.models import User
from marketplace.services import rights, two_factor
from marketplace.services.errors import FieldError
from marketplace.services.two_factor import Proposal
from marketplace.web.accounts import sessions
from marketplace.web.accounts.forms import CodeForm, PasswordForm, SetUpForm
from marketplace.web.accounts.routes import bp
from marketplace.web.forms import form_page
from marketplace.web.session import find_user


@bp.route("/connexion/verification", methods=["GET", "POST"])
def second_step() -> ResponseReturnValue:
    waiting = sessions.waiting()
    user = find_user(waiting.key) if waiting else None
    if waiting is None or user is None:
        return redirect(url_for(".login"))
    form = CodeForm()
    if form.validate_on_submit():
        if two_factor.check(user.id, form.code.data):
            sessions.open_for(db.session.get_one(User, user.id), remember=waiting.remember)
            return redirect(waiting.then or url_for(sessions.HOME))
        form.add_error(FieldError("code", two_factor.WRONG_CODE))
    return form_page("accounts/second_step.html", form)


@bp.get("/mon-compte/validation-en-deux-etapes")
@login_required
def second_factor() -> ResponseReturnValue:
    if current_user.second_factor_at is None:
        proposal = two_factor.propose(current_user)
        return _set_up_page(SetUpForm(data={"sealed": proposal.sealed}), proposal)
    return _page(PasswordForm())


@bp.post("/mon-compte/validation-en-deux-etapes")
@login_required
def set_up_second_factor() -> ResponseReturnValue:
    form = SetUpForm()
    try:
        proposal = two_factor.proposed(current_user, form.sealed.data or "")
        if form.validate_on_submit():
            codes = two_factor.set_up(current_user, form.sealed.data, form.code.data)
            return _codes_page(codes)
    except FieldError as error:
        form.add_error(error)
        if current_user.second_factor_at is not None:
            return _page(PasswordForm(formdata=None))
        if error.message != two_factor.WRONG_CODE:
            proposal = two_factor.propose(current_user)
            form.sealed.data = proposal.sealed
    return _set_up_page(form, proposal)


@bp.post("/mon-compte/validation-en-deux-etapes/codes")
@login_required
def renew_codes() -> ResponseReturnValue:
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            return _codes_page(two_factor.renew_codes(current_user, form.password.data))
        except FieldError as error:
            form.add_error(error)
    return _page(form)


@bp.post("/mon-compte/validation-en-deux-etapes/desactiver")
@login_required
def switch_off_second_factor() -> ResponseReturnValue:
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            two_factor.switch_off(current_user, form.password.data)
        except FieldError as error:
            form.add_error(error)
        else:
            _stay_logged_in()
            flash("La validation en deux étapes est désactivée.", "success")
            return redirect(url_for(".profile"))
    return _page(form)


def _set_up_page(form: SetUpForm, proposal: Proposal) -> ResponseReturnValue:
    return form_page(
        "accounts/second_factor_set_up.html",
        form,
        picture=segno.make(proposal.uri, error="m").svg_data_uri(scale=5, border=4, light="white"),
        key=two_factor.grouped(proposal.secret),
        uri=proposal.uri,
        required=rights.needs_second_factor(current_user),
    )


def _page(form: PasswordForm) -> ResponseReturnValue:
    return form_page(
        "accounts/second_factor.html",
        form,
        left=two_factor.codes_left(current_user),
        required=rights.needs_second_factor(current_user),
    )


def _codes_page(codes: Sequence[str]) -> Response:
    """Show the codes this once: they are kept nowhere, not even by the browser."""
    _stay_logged_in()
    response = make_response(render_template("accounts/recovery_codes.html", codes=codes))
    response.headers["Cache-Control"] = "no-store"
    return response


def _stay_logged_in() -> None:
    """The change ended every session of the person; this one goes on."""
    login_user(db.session.get_one(User, current_user.id))
