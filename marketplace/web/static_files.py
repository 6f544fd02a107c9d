"""Static files carry a digest of their content in their address, so that they can be kept for a year."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, current_app


def init_app(app: Flask) -> None:
    app.url_defaults(_add_digest)


def _add_digest(endpoint: str, values: dict[str, str]) -> None:
    if endpoint == "static" and current_app.static_folder and "filename" in values:
        path = Path(current_app.static_folder) / values["filename"]
        values.setdefault("v", _digest(path, path.stat().st_mtime_ns if path.exists() else 0))


@lru_cache(maxsize=256)
def _digest(path: Path, _modified: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else "0"
