"""Column types and mixins shared by the models."""

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import DateTime, Dialect, Enum, TypeDecorator
from sqlalchemy.orm import Mapped, mapped_column

from marketplace import clock


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC, aware in Python on every database (SQLite keeps no offset)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: use clock.now()")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def closed_list(enum: type[StrEnum], name: str, length: int = 24) -> Enum:
    """Return a text column that accepts the values of `enum` only, by a CHECK constraint named `name`."""
    return Enum(
        enum,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=length,
        name=name,
        values_callable=lambda members: [member.value for member in members],
    )


def now() -> datetime:
    """The default of columns: asks the clock at each row, so that tests can move it."""
    return clock.now()


class TimestampMixin:
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)
