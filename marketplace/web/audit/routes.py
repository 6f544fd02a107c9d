from collections.abc import Iterator

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import audit
from marketplace.services.audit import Line
from marketplace.web import display
from marketplace.web.audit import words
from marketplace.web.audit.forms import JournalForm
from marketplace.web.csv_files import csv_file

bp = Blueprint("audit", __name__)

COLUMNS = (
    "numéro", "date", "action", "code", "par", "à propos de", "territoire", "SIREN", "avant", "après",
    "motif", "empreinte",
)  # fmt: skip


@bp.get("/moderation/journal")
@login_required
def log() -> ResponseReturnValue:
    form = _form()
    page = audit.search(form.filters(), by=current_user, page=request.args.get("page", 1, type=int))
    chosen = {name: value for name, value in request.args.items() if name in _names(form) and value}
    return render_template("audit/log.html", form=form, page=page, chosen=chosen, words=words)


@bp.get("/moderation/journal.csv")
@login_required
def export() -> Response:
    lines = audit.export(_form().filters(), by=current_user)
    return csv_file("journal.csv", COLUMNS, _rows(lines))


def _form() -> JournalForm:
    return JournalForm(request.args, actions=audit.actions(by=current_user))


def _names(form: JournalForm) -> set[str]:
    return {field.name for field in form}


def _rows(lines: Iterator[Line]) -> Iterator[tuple[object, ...]]:
    for line in lines:
        entry, changes = line.entry, words.changes(line)
        yield (
            entry.id,
            display.date(entry.at, "yyyy-MM-dd HH:mm:ss"),
            words.action(entry.action),
            entry.action,
            words.actor(line),
            words.subject(line),
            line.territory,
            entry.territory_siren,
            " ; ".join(f"{change.name} : {change.before}" for change in changes if change.before),
            " ; ".join(f"{change.name} : {change.after}" for change in changes if change.after),
            entry.reason,
            entry.hash,
        )
