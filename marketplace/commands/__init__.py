"""The command line: `flask --app wsgi <group> <command>`. Exit 0: done; 1: refused, and why; 2: usage."""

from flask import Flask

from marketplace.commands import (
    data,
    links,
    match,
    moderation,
    providers,
    seed,
    serve,
    simulate,
    skills,
    territories,
    users,
    worker,
)


def init_app(app: Flask) -> None:
    match.match.add_command(simulate.simulate)
    for command in (
        data.data,
        links.links,
        match.match,
        moderation.moderation,
        providers.providers,
        seed.seed,
        serve.serve,
        skills.skills,
        territories.territories,
        users.users,
        worker.worker,
    ):
        app.cli.add_command(command)
