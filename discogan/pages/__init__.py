"""Self-contained pages from templates. All text that comes from a run is escaped."""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape


def render(template: str, **values: object) -> str:
    """Fill a file of ``templates/`` with values and return the page."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    loader = PackageLoader("discogan.pages", "templates")
    # Pages are escaped; model cards, which are Markdown, are not.
    escaped = select_autoescape()
    environment = Environment(loader=loader, autoescape=escaped, trim_blocks=True, lstrip_blocks=True)
    environment.filters["options_whole"] = options_whole
    environment.filters["plain_markdown"] = plain_markdown
    return environment


def plain_markdown(text: str) -> str:
    """Return text that Markdown shows as it is: its markup is escaped, and control characters become spaces."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    return re.sub(r"([\\`*_{}\[\]()<>#|!~&])", r"\\\1", visible)


def options_whole(text: str) -> Markup:
    """Return escaped text in which browsers do not break a line inside an option such as --seeds-tried."""
    return Markup(re.sub(r"--[a-z][a-z-]*", r'<span style="white-space: nowrap">\g<0></span>', str(escape(text))))
