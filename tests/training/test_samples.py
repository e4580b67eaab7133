import numpy as np
import pytest
import torch
from PIL import Image

from discogan.run_folder import RunFolder
from discogan.training import samples
from discogan.training.samples import SAMPLE_IMAGES, write_sample_sheet
from tests.test_training import new_trainer


@pytest.fixture
def drawn_rows(monkeypatch):
    """The rows that the sample sheets received."""
    rows, draw_sheet = [], samples.draw_sheet

    def record(new_rows, title):
        rows[:] = new_rows
        return draw_sheet(new_rows, title)

    monkeypatch.setattr(samples, "draw_sheet", record)
    return rows


@pytest.mark.parametrize(
    ("preset", "labels"),
    [
        ("modern", ["A", "A to B", "A to B to A", "B", "B to A", "B to A to B"]),
        ("recon_gan", ["A", "A to B", "A to B to A"]),
        ("gan", ["A", "A to B"]),
    ],
)
def test_a_sheet_has_the_rows_that_the_objective_trains(domains, tmp_path, drawn_rows, preset, labels):
    trainer = new_trainer(domains, tmp_path / "run", preset=preset)
    model = trainer.learner.inference_model().eval()
    file = write_sample_sheet(model, trainer.data, trainer.run, 12)
    assert file == tmp_path / "run" / "samples" / "step-000012.png"
    assert [label for label, _ in drawn_rows] == labels
    assert all(len(images) == SAMPLE_IMAGES for _, images in drawn_rows)
    with Image.open(file) as sheet:
        assert sheet.width > SAMPLE_IMAGES * 32
    assert [path.name for path in RunFolder(tmp_path / "run").samples.iterdir()] == [file.name]


def test_a_sheet_shows_training_images_and_their_translations(domains, tmp_path, drawn_rows):
    trainer = new_trainer(domains, tmp_path / "run")
    model = trainer.learner.inference_model().eval()
    write_sample_sheet(model, trainer.data, trainer.run, 1)
    inputs, translated = drawn_rows[0][1], drawn_rows[1][1]
    assert np.array_equal(inputs[0], trainer.data.a.pixels[0])
    expected = model.translate_pixels(np.stack(inputs), "a_to_b")
    assert np.array_equal(np.stack(translated), expected)


def modes(trainer):
    """The training mode of every module of a trainer's networks."""
    networks = [trainer.learner.model, trainer.learner.inference_generators]
    return [module.training for network in networks for module in network.modules()]


@pytest.mark.parametrize("ema_decay", [0.0, 0.99])
def test_scoring_and_sampling_keep_modes_and_weights(domains, tmp_path, ema_decay):
    norm = ("discriminator.norm=batch", f"training.ema_decay={ema_decay}")
    trainer = new_trainer(domains, tmp_path / "run", *norm, preset="discogan")
    trainer.train_step(0)
    modes_before = modes(trainer)
    state_before = {name: value.clone() for name, value in trainer.learner.model.state_dict().items()}
    assert trainer.learner.model.training
    trainer._score()
    trainer._write_samples()
    trainer._save()
    assert modes(trainer) == modes_before
    for name, value in trainer.learner.model.state_dict().items():
        assert torch.equal(value, state_before[name]), name
