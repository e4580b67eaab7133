import pytest

from discogan import registry
from discogan.errors import ConfigError


@pytest.mark.parametrize("kind", ["GENERATORS", "DISCRIMINATORS", "OBJECTIVES", "SOURCES", "METRICS"])
def test_every_part_has_a_summary_and_documented_options(kind):
    for name, entry in getattr(registry, kind).entries().items():
        assert entry.summary.endswith((".", ").")), name
        assert name.islower()


def test_an_unknown_part_lists_the_known():
    with pytest.raises(ConfigError, match="no objective named 'energy'; choose one of: cyclegan, discogan"):
        registry.OBJECTIVES.get("energy")
    with pytest.raises(ConfigError, match=r"no objective named 'wgan' \(did you mean gan\?\)"):
        registry.OBJECTIVES.get("wgan")


def test_a_dataclass_is_its_own_options():
    entry = registry.OBJECTIVES.get("modern")
    assert entry.options is entry.build
    assert registry.METRICS.get("fid").option_names == ["weights"]
