"""``discogan list`` reads source code; it must show what the registries hold."""

import os
import subprocess
import sys

import pytest

from discogan.listing import Listed, list_components
from discogan.registry import REGISTRIES

KINDS = [pytest.param(registry, id=registry.kind) for registry in REGISTRIES]
READ_SOURCE = """
import sys
from discogan.listing import list_components
from discogan.registry import REGISTRIES
for registry in REGISTRIES:
    assert not registry.registered()
    for component in list_components(registry):
        print(registry.kind, component)
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def listed_from_source():
    """Each line of the listing in a process that imports no component."""
    return subprocess.run([sys.executable, "-c", READ_SOURCE], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("registry", KINDS)
def test_the_listing_from_source_equals_the_registry(registry, listed_from_source):
    expected = [
        f"{registry.kind} {Listed(name, entry.summary, tuple(entry.option_names))}"
        for name, entry in registry.entries().items()
    ]
    listed = [line for line in listed_from_source.splitlines() if line.startswith(f"{registry.kind} Listed(")]
    assert listed == expected
    assert listed


@pytest.mark.parametrize("registry", KINDS)
def test_every_component_has_a_plain_name_and_a_summary(registry):
    for component in list_components(registry):
        assert component.name == component.name.lower()
        assert component.summary.endswith((".", ").")), component.name
        assert len(component.summary.split()) > 2, component.name


@pytest.mark.parametrize("command", [["list"], ["info", "RUN"]])
def test_list_and_info_answer_without_pytorch_in_half_a_second(small_run, command):
    """Processor time is measured, which other programs on the machine do not change."""
    words = [str(small_run) if word == "RUN" else word for word in command]
    program = "import sys; from discogan.cli import app; app(sys.argv[1:], result_action='return_value')"
    check = f"{program}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-c", check, *words], capture_output=True, check=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(seconds) < 0.5
