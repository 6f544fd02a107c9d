from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.models import User
from marketplace.services import reason_templates, report_cases, reports
from marketplace.services.errors import AlreadyDecided, FieldError
from marketplace.services.report_cases import SubjectKind
from marketplace.services.reports import CaseView, Subject
from marketplace.web.forms import form_page
from marketplace.web.moderation.forms import ACTS, SEND
from marketplace.web.reports.forms import CaseForm, ReportForm

bp = Blueprint("reports", __name__)

CONFLICT = 409
RECEIVED = "Merci : la modération va regarder. Vous recevez un accusé de réception par mail, puis la réponse."


@bp.route("/signaler/annonce/<int:listing_id>", methods=["GET", "POST"])
def new(listing_id: int) -> ResponseReturnValue:
    return _report(Subject(SubjectKind.LISTING, listing_id), url_for("listings.show", listing_id=listing_id))


@bp.route("/signaler/structure/<int:organisation_id>", methods=["GET", "POST"])
def new_on_organisation(organisation_id: int) -> ResponseReturnValue:
    page = url_for("organisations.show", organisation_id=organisation_id)
    return _report(Subject(SubjectKind.ORGANISATION, organisation_id), page)


@bp.route("/signaler/message/<int:match_id>", methods=["GET", "POST"])
@login_required
def new_on_message(match_id: int) -> ResponseReturnValue:
    return _report(Subject(SubjectKind.MESSAGE, match_id), url_for("matches.show", match_id=match_id))


@bp.get("/moderation/signalements")
@login_required
def queue() -> ResponseReturnValue:
    chosen = {name: request.args[name] for name in ("etat", "territoire") if request.args.get(name)}
    closed = chosen.get("etat") == "clos"
    page = reports.queue(
        by=current_user,
        territory=chosen.get("territoire"),
        closed=closed,
        page=request.args.get("page", 1, type=int),
    )
    return render_template(
        "reports/queue.html",
        page=page,
        chosen=chosen,
        closed=closed,
        territories=reports.territories(by=current_user),
        kind_of=report_cases.kind_of,
    )


@bp.get("/moderation/signalements/<int:case_id>")
@login_required
def case(case_id: int) -> ResponseReturnValue:
    view = reports.read(case_id, by=current_user)
    return _case(view, _form(view))


@bp.post("/moderation/signalements/<int:case_id>")
@login_required
def decide(case_id: int) -> ResponseReturnValue:
    """Doing nothing, or a measure: its statement shows first."""
    view = reports.read(case_id, by=current_user)
    form = _form(view)
    if not form.validate_on_submit():
        return _case(view, form)
    try:
        if form.does_nothing:
            reports.dismiss(case_id, by=current_user, reasons=form.why_nothing.data)
        elif form.is_sent:
            reports.act(case_id, form.measure(), by=current_user)
        elif form.is_corrected:
            return _case(view, form)
        else:
            statement = reports.preview(case_id, form.measure(), by=current_user)
            return render_template(
                "reports/preview.html",
                form=form,
                statement=statement.to_text(),
                view=view,
                acts=ACTS,
                send=SEND,
            )
    except FieldError as error:
        form.add_error(error)
        return _case(reports.read(case_id, by=current_user), form)
    except AlreadyDecided:
        view = reports.read(case_id, by=current_user)
        return _case(view, _form(view), status=CONFLICT)
    flash("C’est décidé : les personnes qui ont signalé reçoivent la réponse par mail.", "success")
    return redirect(url_for(".queue"))


@bp.app_template_global("reports_waiting")
def waiting() -> int:
    return reports.waiting(by=current_user)


def _report(subject: Subject, back: str) -> ResponseReturnValue:
    reader = _reader()
    seen = reports.find(subject, to=reader)
    form = ReportForm(is_known=reader is not None)
    if form.validate_on_submit():
        try:
            if not form.is_from_a_program:
                reports.report(subject, form.notice(), by=reader, address=request.remote_addr or "")
        except FieldError as error:
            form.add_error(error)
        else:
            flash(RECEIVED, "success")
            return redirect(back)
    return form_page("reports/new.html", form, kind=subject.kind, subject=seen, back=back)


def _form(view: CaseView) -> CaseForm:
    return CaseForm(reason_templates.usable(view.case.territory_siren))


def _case(view: CaseView, form: CaseForm, *, status: int = 200) -> ResponseReturnValue:
    form.seen.data = view.version
    told = {"view": view, "acts": ACTS, "too_late": status == CONFLICT}
    if status == CONFLICT:
        return render_template("reports/case.html", form=form, **told), CONFLICT
    return form_page("reports/case.html", form, **told)


def _reader() -> User | None:
    return current_user if current_user.is_authenticated else None
