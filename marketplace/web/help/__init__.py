"""What can also help: one's path, guides and testimonials, and the links that the administrator keeps."""

from marketplace.web.help.guides import bp as guides
from marketplace.web.help.links import bp as links
from marketplace.web.help.paths import bp as paths

__all__ = ["guides", "links", "paths"]
