"""Pages from templates, with everything that comes from a run escaped. They load nothing from elsewhere."""

from functools import cache

from jinja2 import Environment, PackageLoader, select_autoescape


def render(template: str, **values: object) -> str:
    """The page that a file of ``templates/`` makes of the values."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    loader = PackageLoader("discogan.pages", "templates")
    escaped = select_autoescape()  # Pages, not model cards.
    return Environment(loader=loader, autoescape=escaped, trim_blocks=True, lstrip_blocks=True)
