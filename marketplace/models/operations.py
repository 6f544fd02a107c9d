"""What the site keeps about itself: loaded reference files, attempts per window, jobs already run."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.extensions import Model
from marketplace.models.types import UtcDateTime, now


class SeedFile(Model):
    """A reference file already loaded, by its digest: an unchanged file is skipped."""

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class AttemptCounter(Model):
    """Attempts (log in, sign up, mail) of one key in one time window; shared by every worker process."""

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    window: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class JobRun(Model):
    """The last run of a periodic job, so that two workers do not run it twice."""

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    last_run_at: Mapped[datetime] = mapped_column(UtcDateTime)
