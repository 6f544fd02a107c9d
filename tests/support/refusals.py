"""What the database itself refuses, whatever the code above it thinks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from marketplace.extensions import db

FOREIGN_KEY = "(?i)foreign key constraint"


@contextmanager
def refused(by: str, *, error: type[DBAPIError] = IntegrityError) -> Iterator[None]:
    """Expect the database to refuse the block, and to say `by`, the constraint's name.

    SQLite names the columns of a unique constraint instead.
    """
    with pytest.raises(error) as refusal:
        yield
    db.session.rollback()
    assert re.search(by, str(refusal.value.orig))
