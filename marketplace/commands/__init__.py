"""The command line: `flask --app wsgi <group> <command>`. Exit 0: done; 1: refused, with the reason; 2: usage."""

from flask import Flask

from marketplace.commands import match, skills, territories, users, worker


def init_app(app: Flask) -> None:
    for command in (
        match.match,
        skills.skills,
        territories.territories,
        users.users,
        worker.worker,
    ):
        app.cli.add_command(command)
