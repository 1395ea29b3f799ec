"""Pages from templates: one HTML file each that needs nothing beside it."""

from pathlib import Path

import jinja2

FOLDER = Path(__file__).parent


def render(template: str, **values: object) -> str:
    """A page of this folder, its style within it.

    Args:
        template: the template's file name.
        values: what the template names; everything but a value marked safe there is escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(css=(FOLDER / "page.css").read_text(encoding="utf-8"), **values)
