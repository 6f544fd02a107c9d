"""Composing mail: one plain-text template a message; its HTML part is made from it: both say the same.

templates/mail/<name>.txt: the first line is the subject, the rest the body, an empty line between paragraphs.
`{{ button("Libellé", url) }}` alone in its paragraph becomes a button in HTML, "Libellé : address" in text.
"""

from dataclasses import dataclass
from typing import Any

from flask import current_app, render_template

from marketplace.models import OutboxMail

# A control character: forms refuse them, so nobody's text can pass for a button.
_MARK = "\x1e"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of a message; a button when `url` is not empty."""

    text: str
    url: str = ""


def compose(
    template: str, *, to: str, is_bulk: bool = False, unsubscribe_url: str | None = None, **context: Any
) -> OutboxMail:
    """Return the message, not yet added to the session. `is_bulk`: it lets others pass (models.outbox).

    `unsubscribe_url`: a POST there, without logging in, stops more of the kind; the template may link to it.
    """
    rendered = render_template(
        f"mail/{template}.txt", button=_button, link=public_url, unsubscribe_url=unsubscribe_url, **context
    )
    subject, _, body = rendered.strip().partition("\n")
    blocks = [_block(part) for part in body.strip().split("\n\n") if part.strip()]
    return OutboxMail(
        recipient=to,
        template=template,
        is_bulk=is_bulk,
        unsubscribe_url=unsubscribe_url,
        subject=" ".join(subject.split())[:250],
        text="\n\n".join(f"{b.text} : {b.url}" if b.url else b.text for b in blocks) + "\n",
        html=render_template("mail/layout.html", subject=subject, blocks=blocks),
    )


def public_url(endpoint: str, **values: Any) -> str:
    """Return the absolute address of a page, the same in a request, in the worker and on the command line."""
    scheme, _, host = str(current_app.config["PUBLIC_URL"]).rstrip("/").partition("://")
    adapter = current_app.url_map.bind(host, url_scheme=scheme)
    return adapter.build(endpoint, values, force_external=True)


def _button(label: str, url: str) -> str:
    return f"{_MARK}{label}{_MARK}{url}"


def _block(part: str) -> Block:
    if part.startswith(_MARK):
        _, label, url = part.split(_MARK)
        return Block(label, url.strip())
    return Block(part.strip())
