import copy

import pytest
import torch

from discogan.config import Config, DataOptions
from discogan.errors import ConfigError
from discogan.model import averaged_copy, build_model, update_average


@pytest.fixture
def model():
    torch.manual_seed(0)
    network = {"name": "convolutional", "width": 4}
    config = Config("test", data=DataOptions(image_size=32, channels_b=1), generator=network, discriminator=network)
    return build_model(config)


def test_round_trips_apply_the_generators_that_their_names_say(model):
    model.eval()
    a, b = torch.rand(2, 3, 32, 32), torch.rand(2, 1, 32, 32)
    trips = model.round_trips(a, b)
    torch.testing.assert_close(trips.fake_b, model.generator_ab(a))
    torch.testing.assert_close(trips.reconstructed_a, model.generator_ba(model.generator_ab(a)))
    torch.testing.assert_close(trips.fake_a, model.generator_ba(b))
    torch.testing.assert_close(trips.reconstructed_b, model.generator_ab(model.generator_ba(b)))
    assert trips.fake_b.shape == b.shape


def test_a_pass_runs_once_and_only_when_used(model):
    calls = []
    for name, network in model.generators.items():
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    trips = model.round_trips(torch.rand(2, 3, 32, 32), torch.rand(2, 1, 32, 32))
    assert calls == []
    assert trips.fake_b is trips.fake_b
    assert calls == ["generator_ab"]
    _ = trips.reconstructed_a
    assert calls == ["generator_ab", "generator_ba"]


def test_discriminators_take_images_of_their_domain(model):
    assert model.discriminate_a(torch.rand(2, 3, 32, 32)).logits.shape == (2, 1)
    assert model.discriminate_b(torch.rand(2, 1, 32, 32)).logits.shape == (2, 1)


def test_translated_pixels_do_not_depend_on_the_batch_size(model):
    model.eval()
    pixels = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8).numpy()
    whole = model.translate_pixels(pixels, "a_to_b", batch_size=5)
    assert whole.shape == (5, 32, 32, 1)
    parts = model.translate_pixels(pixels, "a_to_b", batch_size=2)
    assert abs(whole.astype(int) - parts).max() <= 1
    with pytest.raises(ConfigError, match="a_to_b or b_to_a"):
        model.translate_pixels(pixels, "ab")


def test_the_average_moves_faster_in_the_first_steps(model):
    live = model.generators
    average = averaged_copy(live)
    start = copy.deepcopy(average)
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(1.0)
    update_average(average, live, 0.9, step=0)
    before, after = next(start.parameters()), next(average.parameters())
    torch.testing.assert_close(after - before, torch.full_like(after, 0.9))
    update_average(average, live, 0.9, step=10_000)
    torch.testing.assert_close(next(average.parameters()) - before, torch.full_like(after, 0.91))
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_norm_statistics_are_averaged_too(model):
    live = model.generators
    average = averaged_copy(live)
    statistics = live["generator_ab"].encoder[3].running_mean
    statistics += 1
    update_average(average, live, 0.999, step=0)
    torch.testing.assert_close(average["generator_ab"].encoder[3].running_mean, statistics * 0.9)
