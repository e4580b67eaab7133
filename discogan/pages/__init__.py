"""Pages from templates, with everything that comes from a run escaped. They load nothing from elsewhere."""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape


def render(template: str, **values: object) -> str:
    """The page that a file of ``templates/`` makes of the values."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    loader = PackageLoader("discogan.pages", "templates")
    escaped = select_autoescape()  # Pages, not model cards.
    environment = Environment(loader=loader, autoescape=escaped, trim_blocks=True, lstrip_blocks=True)
    environment.filters["options_whole"] = options_whole
    return environment


def options_whole(text: str) -> Markup:
    """Text in which no line ends within an option of a command, as it may after any hyphen."""
    return Markup(re.sub(r"--[a-z][a-z-]*", r'<span style="white-space: nowrap">\g<0></span>', str(escape(text))))
