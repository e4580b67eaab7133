import torch

from discogan.objectives.cyclegan import CycleGAN, ImageBuffer


def numbered(*numbers):
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1)


def test_a_buffer_that_is_not_full_returns_the_new_fakes():
    buffer = ImageBuffer(5)
    for fakes in (numbered(1, 2, 3), numbered(4, 5)):
        assert torch.equal(buffer.exchange(fakes), fakes)
    assert buffer.images.flatten().tolist() == [1, 2, 3, 4, 5]


def test_a_full_buffer_swaps_about_half_and_never_grows():
    torch.manual_seed(0)
    buffer = ImageBuffer(50)
    buffer.exchange(torch.zeros(50, 1, 1, 1))
    drawn = torch.cat([buffer.exchange(numbered(number)) for number in range(1, 401)]).flatten()
    assert buffer.images.shape == (50, 1, 1, 1)
    fresh = (drawn == torch.arange(1, 401)).float().mean().item()
    assert 0.42 < fresh < 0.58


def test_every_returned_fake_was_generated_before():
    torch.manual_seed(1)
    buffer = ImageBuffer(4)
    seen = set()
    for first in range(0, 60, 3):
        fakes = numbered(first, first + 1, first + 2)
        seen |= set(fakes.flatten().tolist())
        assert set(buffer.exchange(fakes).flatten().tolist()) <= seen
        assert set(buffer.images.flatten().tolist()) <= seen


def test_a_batch_larger_than_the_buffer_keeps_every_fake():
    torch.manual_seed(2)
    buffer = ImageBuffer(3)
    drawn = [buffer.exchange(fakes) for fakes in (numbered(*range(8)), numbered(*range(8, 16)))]
    assert [len(images) for images in (*drawn, buffer.images)] == [8, 8, 3]
    assert set(torch.cat([*drawn, buffer.images]).flatten().tolist()) == set(range(16))


def test_a_buffer_of_size_0_returns_the_fakes():
    fakes = numbered(1)
    assert ImageBuffer(0).exchange(fakes) is fakes


def test_the_state_holds_both_buffers():
    first, second = CycleGAN(buffer_size=3), CycleGAN(buffer_size=3)
    first.buffers["a"].exchange(numbered(1, 2))
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.buffers["a"].images, numbered(1, 2))
    assert second.buffers["b"].images is None


def test_the_paper_s_weights():
    objective = CycleGAN()
    assert (objective.cycle_weight, objective.identity_weight, objective.buffer_size) == (10.0, 5.0, 50)
