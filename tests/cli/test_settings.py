"""docs/settings.md is generated from the dataclasses of options."""

from dataclasses import fields
from pathlib import Path

import pytest

from discogan.cli.settings import COMPONENTS, GROUPS, field_texts, settings_reference

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
OPTIONS = [*GROUPS.values()]
for registry in COMPONENTS.values():
    OPTIONS += [entry.options for entry in registry.entries().values() if entry.options is not None]


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == settings_reference(), "make docs writes it again"


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options.__name__)
def test_every_setting_has_a_meaning(options):
    texts = field_texts(options)
    missing = [field.name for field in fields(options) if field.init and not texts[field.name].text]
    assert missing == []


def test_annotations_and_defaults_are_in_words():
    page = settings_reference()
    assert "| `training.batch_size` | a whole number, at least 1 | `64` |" in page
    assert "| `training.minutes` | a number, above 0 |  |" in page
    assert "| `data.flip` | true or false | `false` |" in page
    assert "| `data.fit` | crop, pad, stretch | `crop` |" in page
