"""What firms say of a provider, and what the provider answers."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from marketplace.services import provider_reviews, providers
from marketplace.services.errors import FieldError
from marketplace.web.display import slug_of_provider
from marketplace.web.forms import form_page
from marketplace.web.providers.forms import ReplyForm, ReviewForm
from marketplace.web.providers.routes import bp


@bp.route("/prestataires/<int:provider_id>/avis", methods=["GET", "POST"])
@login_required
def review(provider_id: int) -> ResponseReturnValue:
    writers = provider_reviews.writers(provider_id, by=current_user)
    form = ReviewForm(writers)
    if form.validate_on_submit():
        try:
            provider_reviews.submit(
                provider_id,
                form.organisation.data,
                by=current_user,
                rating=form.rating.data,
                text=form.text.data,
                in_good_faith=form.in_good_faith.data,
            )
        except FieldError as error:
            form.add_error(error)
        else:
            flash("Merci. Votre avis est relu par la modération avant de paraître.", "success")
            return redirect(url_for(".show", provider_id=provider_id))
    elif request.method == "GET":
        _fill(form, writers)
    return form_page("providers/review.html", form, sheet=providers.show(provider_id), writers=writers)


@bp.route("/prestataires/avis/<token>/reponse", methods=["GET", "POST"])
def reply(token: str) -> ResponseReturnValue:
    """The provider answers by the link of its mail, without an account."""
    found = provider_reviews.read_reply(token)
    form = ReplyForm()
    if form.validate_on_submit():
        try:
            provider_reviews.reply(token, form.reply.data)
        except FieldError as error:
            form.add_error(error)
        else:
            return render_template("providers/replied.html", provider=found.provider)
    elif request.method == "GET":
        form.reply.data = found.reply
    return form_page("providers/reply.html", form, review=found, slug=slug_of_provider(found.provider))


def _fill(form: ReviewForm, writers: list[provider_reviews.Writer]) -> None:
    """Show what the first structure wrote before."""
    written = writers[0].review if writers else None
    if written:
        form.rating.data, form.text.data = written.rating, written.text
