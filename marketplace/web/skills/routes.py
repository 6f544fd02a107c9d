from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import WordKind
from marketplace.services import rights, skill_editions, skills
from marketplace.services.errors import FieldError
from marketplace.services.skill_editions import EditedSkill
from marketplace.web.forms import BaseForm, form_page
from marketplace.web.skills.forms import WORD_KINDS, NewSkillForm, RetireForm, SkillForm, WordForm

bp = Blueprint("skills", __name__, url_prefix="/administration/competences")


@bp.get("")
@login_required
def index() -> ResponseReturnValue:
    return render_template(
        "skills/index.html",
        retired=skill_editions.retired(by=current_user),
        domains=skills.all_by_domain(),
        edition=skill_editions.number(),
    )


@bp.get("/editions")
@login_required
def editions() -> ResponseReturnValue:
    number = request.args.get("page", default=1, type=int)
    return render_template("skills/editions.html", page=skill_editions.history(page=number, by=current_user))


@bp.route("/nouvelle", methods=["GET", "POST"])
@login_required
def create() -> ResponseReturnValue:
    rights.require_administrator(current_user)
    form = NewSkillForm()
    if form.validate_on_submit():
        try:
            skill = skill_editions.create(form.domain.data, form.sheet(), by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("La compétence est en service. Ajoutez les mots qui y mènent.", "success")
            return redirect(url_for(".edit", slug=skill.slug))
    return form_page("skills/create.html", form)


@bp.route("/<slug>", methods=["GET", "POST"])
@login_required
def edit(slug: str) -> ResponseReturnValue:
    edited = skill_editions.show(slug, by=current_user)
    if request.method == "GET":
        return _page(edited, SkillForm.showing(edited))
    form = SkillForm(skill=edited.skill)
    if form.validate():
        try:
            skill_editions.change(slug, form.sheet(), by=current_user, seen=form.version.data or "")
        except FieldError as error:
            form.add_error(error)
        else:
            flash("La fiche est changée, partout et tout de suite.", "success")
            return redirect(url_for(".edit", slug=slug))
    return _page(skill_editions.show(slug, by=current_user), form)


@bp.post("/<slug>/mots")
@login_required
def add_word(slug: str) -> ResponseReturnValue:
    edited, form = skill_editions.show(slug, by=current_user), WordForm()
    if form.validate():
        try:
            skill_editions.add_word(slug, WordKind(form.kind.data), form.text.data, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash(f"« {form.text.data} » mène dès maintenant à cette compétence.", "success")
            return redirect(url_for(".edit", slug=slug, _anchor="mots"))
    return _page(edited, form)


@bp.post("/<slug>/mots/<int:word_id>/retirer")
@login_required
def remove_word(slug: str, word_id: int) -> ResponseReturnValue:
    skill_editions.remove_word(slug, word_id, by=current_user)
    flash("Ce mot ne mène plus à cette compétence.", "success")
    return redirect(url_for(".edit", slug=slug, _anchor="mots"))


@bp.post("/<slug>/retirer")
@login_required
def retire(slug: str) -> ResponseReturnValue:
    edited = skill_editions.show(slug, by=current_user)
    form = RetireForm(edited.skill)
    if form.validate():
        try:
            skill_editions.retire(slug, form.successor.data, by=current_user)
        except FieldError as error:
            form.add_error(error)
        else:
            flash("La compétence est retirée ; ses annonces ont rejoint celle qui la remplace.", "success")
            return redirect(url_for(".index"))
    return _page(edited, form)


def _page(edited: EditedSkill, sent: BaseForm) -> ResponseReturnValue:
    """Show the three forms of a skill, one of them as it was sent."""
    sheet = sent if isinstance(sent, SkillForm) else SkillForm.showing(edited)
    word = sent if isinstance(sent, WordForm) else WordForm(formdata=None)
    leaving = sent if isinstance(sent, RetireForm) else RetireForm(edited.skill, formdata=None)
    return form_page(
        "skills/edit.html",
        sent,
        edited=edited,
        sheet_form=sheet,
        word_form=word,
        retire_form=leaving,
        word_kinds=WORD_KINDS,
    )
