"""`flask moderation verify-log`: exit 0 and the count, or exit 1 and the first wrong row."""

import pytest
from sqlalchemy import delete, update

from marketplace.extensions import db
from marketplace.models import AuditEntry
from tests.support import audit_log


@pytest.fixture
def verify(app):
    return lambda: app.test_cli_runner().invoke(args=["moderation", "verify-log"])


def test_a_right_log_is_counted(verify):
    last = [audit_log.write(reason=f"motif {number}") for number in range(3)][-1]
    done = verify()
    assert done.exit_code == 0
    assert done.output == f"3 rows, all right; the last hash is {last.hash}\n"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (update(AuditEntry).values(reason="autre"), ["row {0}: altered (0 rows before it are right)"]),
        (delete(AuditEntry).where(AuditEntry.reason == "motif 0"), ["row {1}: a row is missing"]),
        (delete(AuditEntry), ["after the last row: 3 were written, 0 are there"]),
    ],
)
def test_the_first_wrong_row_is_told(verify, change, wrong):
    keys = [audit_log.write(reason=f"motif {number}").id for number in range(3)]
    with audit_log.behind_the_guard():
        db.session.execute(change)
    done = verify()
    assert done.exit_code == 1
    assert wrong[0].format(*keys) in done.output
