from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import help_links, rights
from marketplace.services.errors import FieldError
from marketplace.web.forms import form_page
from marketplace.web.help.forms import LinkForm

bp = Blueprint("links", __name__, url_prefix="/administration/liens")


@bp.get("")
@login_required
def index() -> ResponseReturnValue:
    return render_template("help/links.html", links=help_links.all_links(by=current_user))


@bp.route("/nouveau", methods=["GET", "POST"])
@login_required
def create() -> ResponseReturnValue:
    rights.require_administrator(current_user)
    form = LinkForm()
    if form.validate_on_submit():
        try:
            help_links.create(form.sheet(), by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("Le lien est ajouté.", "success")
            return redirect(url_for(".index"))
    return form_page("help/link.html", form, link=None)


@bp.route("/<int:link_id>", methods=["GET", "POST"])
@login_required
def edit(link_id: int) -> ResponseReturnValue:
    link = help_links.show(link_id, by=current_user)
    form = LinkForm(data=LinkForm.answers_of(link))
    if form.validate_on_submit():
        try:
            help_links.change(link_id, form.sheet(), by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("Le lien est changé.", "success")
            return redirect(url_for(".index"))
    return form_page("help/link.html", form, link=link)
