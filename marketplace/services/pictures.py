"""Telling what a picture is by its content, never by the name or the type that came with it."""

_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_RIFF_HEADER = 8  # bytes before those that RIFF counts


def media_type_of(content: bytes) -> str | None:
    """Return "image/png", "image/jpeg" or "image/webp" for a whole picture of that kind, else None."""
    if content.startswith(_PNG) and content.endswith(_PNG_END):
        return "image/png"
    if content.startswith(_JPEG) and content.rstrip(b"\x00").endswith(_JPEG_END):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and _riff_size(content) == len(content):
        return "image/webp"
    return None


def _riff_size(content: bytes) -> int:
    """Return the size that the header tells, padded to an even number as RIFF wants."""
    told = int.from_bytes(content[4:8], "little")
    return told + told % 2 + _RIFF_HEADER
