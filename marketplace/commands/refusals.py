"""How a refusal of the services is said on the command line: one line of English and exit code 1."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from marketplace.services.errors import FieldError, ServiceError

P = ParamSpec("P")
R = TypeVar("R")


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a service's refusal, or a file or argument it cannot take, into click's error."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except FieldError as error:
            raise click.ClickException(f"{error.field}: {error.message}") from error
        except (ServiceError, ConnectionError, ValueError) as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from error

    return run
