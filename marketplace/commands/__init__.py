"""The command line: `flask --app wsgi <group> <command>`. Exit 0: done; 1: refused, with the reason; 2: usage."""

from flask import Flask

from marketplace.commands import territories, users


def init_app(app: Flask) -> None:
    for command in (
        users.users,
        territories.territories,
    ):
        app.cli.add_command(command)
