import errno
import json
import os
import shutil
import signal
import threading
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from discogan import api, training
from discogan.errors import ConfigError, DataError, DivergedError, RunError
from discogan.records import read_json_lines
from discogan.run_folder import RunFolder, read_progress
from discogan.run_records import RunDescription
from discogan.run_summary import read_verdict
from discogan.training import Observer, resume
from discogan.training.data import prepare_data
from discogan.training.signals import catch_signals
from discogan.training.trainer import Trainer
from tests.conftest import SMALL, write_images


def fit(domains, out, *settings, steps=7, **options):
    return api.train(*domains, out=out, image_size=32, steps=steps, settings=(*SMALL, *settings), **options)


def new_trainer(domains, folder, *settings, preset="modern"):
    """A trainer at step 0 of a new run in ``folder``."""
    config = api.resolve_config(
        *domains, preset=preset, image_size=32, steps=20, minutes=None, seed=0, settings=(*SMALL, *settings)
    )
    data = prepare_data(config, Observer())
    run = RunFolder(folder)
    table = {"config": config.to_dict(), "data": asdict(data.describe()), "versions": {}, "threads": 1}
    run.create(RunDescription.from_dict(table))
    return Trainer(config, run, data, Observer())


def weights(run):
    """Every tensor of a run's newest checkpoint."""
    checkpoint = RunFolder(run).last_checkpoint()
    return {
        f"{file.stem}.{name}": value
        for file in sorted(checkpoint.glob("*.safetensors"))
        for name, value in load_file(file).items()
    }


def assert_equal_weights(run, expected_run):
    actual, expected = weights(run), weights(expected_run)
    assert actual.keys() == expected.keys()
    assert [name for name in actual if not torch.equal(actual[name], expected[name])] == []


class StopAt(Observer):
    """Sends this process a signal after some steps."""

    def __init__(self, step, number=signal.SIGINT):
        self.step, self.number = step, number

    def on_step(self, report):
        if report.step == self.step:
            os.kill(os.getpid(), self.number)


def test_a_finished_run_has_the_documented_files(small_run):
    names = {path.name for path in small_run.iterdir()} - {".lock", "evaluation.json"}
    assert names == {
        *("config.json", "metrics.jsonl", "scores.jsonl", "samples"),
        *("checkpoints", "last", "best", "verdict.json", "report.html"),
    }
    assert (small_run / "last").read_text() == "step-000007"
    assert sorted(path.name for path in (small_run / "checkpoints").iterdir()) == [
        "step-000003",
        "step-000006",
        "step-000007",
    ]
    assert [path.name for path in (small_run / "samples").iterdir()] == ["step-000007.png"]
    description = json.loads((small_run / "config.json").read_text())
    assert description["data"]["a"]["count"] == 13
    assert description["versions"]["torch"] == torch.__version__
    records = read_json_lines(small_run / "metrics.jsonl")
    assert [record["step"] for record in records] == [2, 4, 6]
    assert {"adversarial_a", "penalty_b", "reconstruction_a", "images_per_second"} <= records[0].keys()


def test_equal_seeds_give_equal_runs_and_different_seeds_do_not(domains, small_run, tmp_path):
    fit(domains, tmp_path / "same")
    assert_equal_weights(small_run, tmp_path / "same")
    fit(domains, tmp_path / "other", seed=1)
    assert not torch.equal(
        weights(small_run)["generator_ab.encoder.0.0.weight"],
        weights(tmp_path / "other")["generator_ab.encoder.0.0.weight"],
    )


OBJECTIVES = {
    "modern": ("data.flip=true",),
    "official": ("objective.name=official", "discriminator.norm=batch", "objective.rate_steps=5"),
    "cyclegan": ("objective.name=cyclegan", "objective.buffer_size=9"),
    "gan": ("objective.name=gan", "training.ema_decay=0.0"),
    "patch": ("discriminator.name=patch", "discriminator.width=4", "generator.name=resnet", "generator.blocks=1"),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_stopping_and_resuming_changes_nothing(domains, tmp_path, name):
    """Weights, averages, optimisers, schedule, random state, data order and buffers, bit for bit."""
    # Another name of an option group resets its options, so the small sizes are set again.
    settings = (*OBJECTIVES[name], *(("generator.width=4",) if name == "patch" else ()))
    fit(domains, tmp_path / "whole", *settings, steps=11)
    outcome = fit(domains, tmp_path / "parts", *settings, steps=11, observer=StopAt(4))
    assert (outcome.ended, outcome.step, outcome.signal) == ("interrupted", 4, signal.SIGINT)
    outcome = resume(tmp_path / "parts", observer=StopAt(5, signal.SIGTERM))
    assert (outcome.ended, outcome.step, outcome.signal) == ("interrupted", 5, signal.SIGTERM)
    assert resume(tmp_path / "parts").step == 11
    assert_equal_weights(tmp_path / "parts", tmp_path / "whole")


def test_a_full_disk_at_the_end_loses_no_step(domains, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("discogan.training.samples.draw_sheet", fail)
        with pytest.raises(OSError, match="No space"):
            fit(domains, tmp_path / "run", "training.sample_every_steps=100", steps=5)
    assert RunFolder(tmp_path / "run").last_checkpoint().name == "step-000005"


def test_resuming_is_exact_with_the_default_preset_and_two_threads(domains, tmp_path):
    settings = ("training.threads=2", "training.checkpoint_every_steps=5")
    for name, steps in (("whole", 8), ("parts", 5)):
        api.train(*domains, out=tmp_path / name, image_size=32, steps=steps, settings=settings)
    resume(tmp_path / "parts", steps=8)
    assert_equal_weights(tmp_path / "parts", tmp_path / "whole")


def test_a_longer_budget_continues_the_same_run(domains, small_run, tmp_path):
    fit(domains, tmp_path / "run", steps=4)
    assert resume(tmp_path / "run", steps=7).step == 7
    assert_equal_weights(small_run, tmp_path / "run")


def test_changed_training_options_are_kept(domains, tmp_path):
    fit(domains, tmp_path / "run", steps=4)
    resume(tmp_path / "run", steps=6, settings=["training.learning_rate=1e-9"])
    options = RunFolder(tmp_path / "run").describe().config.training
    assert (options.steps, options.learning_rate) == (6, 1e-9)
    before = weights(tmp_path / "run")["discriminator_a.judge.weight"]
    resume(tmp_path / "run", steps=8)
    torch.testing.assert_close(weights(tmp_path / "run")["discriminator_a.judge.weight"], before, rtol=0, atol=1e-7)
    with pytest.raises(ConfigError, match="only training and source"):
        resume(tmp_path / "run", settings=["objective.gamma=1"])


def test_the_learning_rate_depends_on_the_step_only(domains, tmp_path):
    trainer = new_trainer(domains, tmp_path / "run", "training.decay_steps=3", "training.learning_rate=0.01")
    rates = []
    for step in (0, 3, 9):
        trainer.train_step(step)
        rates += [group["lr"] for group in trainer.learner.generator_optimiser.param_groups]
    assert rates == pytest.approx([0.01, 0.01 * 0.5**0.5, 0.005])


def test_resuming_a_finished_run_changes_nothing(domains, tmp_path):
    fit(domains, tmp_path / "run")
    before = weights(tmp_path / "run")
    assert resume(tmp_path / "run").step == 7
    assert all(torch.equal(before[name], value) for name, value in weights(tmp_path / "run").items())


def test_metrics_contain_each_step_once_after_a_kill(domains, tmp_path):
    fit(domains, tmp_path / "run", steps=4)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6}\n{"step": 8, "adv')
    resume(tmp_path / "run", steps=8)
    assert [record["step"] for record in read_json_lines(tmp_path / "run" / "metrics.jsonl")] == [2, 4, 6, 8]


def test_a_time_budget_ends_the_run_and_counts_earlier_sessions(domains, tmp_path):
    outcome = api.train(*domains, out=tmp_path / "run", image_size=32, minutes=0.02, settings=SMALL)
    first = read_progress(RunFolder(tmp_path / "run").last_checkpoint())
    assert outcome.ended == "budget"
    assert 1.2 <= first.elapsed_seconds < 6
    resume(tmp_path / "run", minutes=0.04)
    second = read_progress(RunFolder(tmp_path / "run").last_checkpoint())
    assert 2.4 <= second.elapsed_seconds < 8
    assert second.step > first.step


def test_reports_reach_the_observer(domains, tmp_path):
    reports, skipped = [], []

    class Recorder(Observer):
        def on_step(self, report):
            reports.append(report)

        def on_skipped(self, domain, problems):
            skipped.append((domain, len(problems)))

    broken = write_images(tmp_path / "a", 30, 7)
    (broken / "003.png").write_bytes(b"broken")
    fit((broken, domains[1]), tmp_path / "run", observer=Recorder())
    assert [report.step for report in reports] == list(range(1, 8))
    assert [report.images_seen for report in reports] == [4 * step for step in range(1, 8)]
    assert reports[-1].fraction == 1.0
    assert [report.record is not None for report in reports] == [False, True] * 3 + [False]
    assert skipped == [("a", 1)]


class NanWeights(Observer):
    """Sets a layer's weights to NaN after a step."""

    def __init__(self, trainer, step):
        self.trainer, self.step = trainer, step

    def on_step(self, report):
        if report.step == self.step:
            with torch.no_grad():
                self.trainer.model.generator_ab.encoder[0][0].weight.fill_(float("nan"))


def test_a_nonfinite_loss_stops_training_and_names_step_and_loss(domains, tmp_path):
    trainer = new_trainer(domains, tmp_path / "run", "training.log_every_steps=4")
    trainer.observer = NanWeights(trainer, 4)
    with pytest.raises(
        DivergedError, match=r"discriminator_b became NaN or infinite at step 5\. .*step-000003"
    ) as error:
        trainer.fit()
    assert (error.value.step, error.value.term) == (5, "discriminator_b")
    assert trainer.run.last_checkpoint().name == "step-000003"
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values() if value.is_floating_point())


def test_nonfinite_weights_never_become_a_checkpoint(domains, tmp_path):
    """A checkpoint is due at step 6, whose losses are still finite."""
    trainer = new_trainer(domains, tmp_path / "run", "training.log_every_steps=100")
    train_step = trainer.train_step

    def train_and_break_weights(step):
        terms = train_step(step)
        if step == 5:
            with torch.no_grad():
                trainer.model.discriminator_b.judge.weight.fill_(float("inf"))
        return terms

    trainer.train_step = train_and_break_weights
    with pytest.raises(DivergedError, match="weights of discriminator_b became NaN or infinite at step 6"):
        trainer.fit()
    assert trainer.run.last_checkpoint().name == "step-000003"


def test_running_out_of_memory_raises_memory_error(domains, tmp_path, monkeypatch):
    trainer = new_trainer(domains, tmp_path / "run")

    def run_out_of_memory(_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr(trainer, "train_step", run_out_of_memory)
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        trainer.fit()


def test_a_run_inside_its_image_folder_is_refused(domains, tmp_path):
    images = write_images(tmp_path / "a", 5, 3)
    with pytest.raises(ConfigError, match=r"is inside the image folder .* Give an --out outside that folder"):
        fit((images, domains[1]), images / "run", steps=1)
    assert not (images / "run").exists()


def test_only_one_process_trains_a_run(domains, tmp_path):
    fit(domains, tmp_path / "run", steps=1)
    with RunFolder(tmp_path / "run").locked(), pytest.raises(RunError, match="Another process"):
        resume(tmp_path / "run")


def test_mistakes_are_explained_before_anything_is_written(domains, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(DataError, match="the same folder"):
        fit((domains[0], domains[0]), run)
    with pytest.raises(ConfigError, match="option of objective"):
        fit(domains, run, "objective.gama=3")
    with pytest.raises(ConfigError, match="not available here"):
        fit(domains, run, "training.device=cuda:99")
    with pytest.raises(RunError, match="There is no run"):
        resume(run)
    assert not run.exists()


def test_a_folder_that_holds_a_run_is_not_overwritten(domains, small_run):
    with pytest.raises(RunError, match=r"already holds a run\. Continue it with --resume"):
        fit(domains, small_run)


def test_moved_images_are_found_with_their_new_folder(domains, tmp_path):
    images = write_images(tmp_path / "a", 5, 3)
    fit((images, domains[1]), tmp_path / "run", steps=2)
    images.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="There is no folder"):
        resume(tmp_path / "run", steps=3)
    assert resume(tmp_path / "run", steps=3, settings=[f"source.a={tmp_path / 'moved'}"]).step == 3


def test_changed_images_stop_a_resume(domains, tmp_path):
    images = write_images(tmp_path / "a", 5, 3)
    fit((images, domains[1]), tmp_path / "run", steps=2)
    write_images(images, 6, 4)
    with pytest.raises(RunError, match="images of domain A have changed"):
        resume(tmp_path / "run", steps=4)


def test_a_run_needs_a_budget(domains):
    config = api.resolve_config(*domains, preset="modern", image_size=32, steps=3, minutes=None, seed=0, settings=SMALL)
    with pytest.raises(ConfigError, match="no budget"):
        training.train(replace(config, training=replace(config.training, steps=None)), "unused")


def test_a_grey_domain_and_a_colour_domain(domains, tmp_path):
    fit(domains, tmp_path / "run", "data.channels_a=1", "data.fit=pad", steps=2)
    translated = api.load(tmp_path / "run").translate(np.zeros((40, 60, 3), np.uint8), "b_to_a")
    assert (translated.mode, translated.size) == ("L", (32, 32))


def test_the_images_decide_the_channels_of_a_run(domains, tmp_path, monkeypatch):
    grey = tmp_path / "grey"
    grey.mkdir()
    for path in domains[0].iterdir():
        Image.open(path).convert("L").convert("RGB").save(grey / path.name)
    settings = ["data.channels_a=auto", "data.channels_b=auto"]
    fit((grey, domains[1]), tmp_path / "run", *settings, steps=2)
    data = RunFolder(tmp_path / "run").describe().config.data
    assert (data.channels_a, data.channels_b) == (1, 3)
    assert api.load(tmp_path / "run").translate(np.zeros((40, 60, 3), np.uint8), "b_to_a").mode == "L"
    monkeypatch.setenv("DISCOGAN_CACHE", str(tmp_path / "empty"))  # The images are decoded again.
    assert resume(tmp_path / "run", steps=3).step == 3


def test_file_names_matter_only_by_their_order(domains, tmp_path):
    """Renaming B so that no name matches A does not change the run, so training cannot use pairs of equal names."""
    renamed = tmp_path / "b"
    renamed.mkdir()
    for path in domains[1].iterdir():
        (renamed / f"photo-{path.name}").write_bytes(path.read_bytes())
    for name, b in (("original", domains[1]), ("renamed", renamed)):
        fit((domains[0], b), tmp_path / name, steps=3)
    assert_equal_weights(tmp_path / "original", tmp_path / "renamed")


def test_frozen_discriminators_get_no_gradient_in_a_generator_step(domains, tmp_path):
    trainer = new_trainer(domains, tmp_path / "run", "generator.stages=3", preset="official")
    trainer.train_step(1)
    assert not trainer.learner.objective.steps_discriminators(1)
    assert all(parameter.grad is None for parameter in trainer.learner.discriminators.parameters())
    assert all(parameter.requires_grad for parameter in trainer.learner.discriminators.parameters())


def test_signals_are_not_caught_outside_the_main_thread():
    caught = []

    def catch_in_thread():
        with catch_signals() as signals:
            caught.append(signals)

    thread = threading.Thread(target=catch_in_thread)
    thread.start()
    thread.join()
    assert caught == [[]]
    before = signal.getsignal(signal.SIGINT)
    with catch_signals():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(domains, tmp_path):
    class Alarms(Observer):
        def on_alarm(self, alarm):
            messages.append(alarm.message)

    messages = []
    fit(domains, tmp_path / "run")
    whole = weights(tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "step-000007" / "progress.json").write_text("{}")
    resume(tmp_path / "run", observer=Alarms())
    assert any(
        "damaged checkpoints (step-000007: progress.json" in message and "step-000006" in message
        for message in messages
    )
    again = weights(tmp_path / "run")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize("damage", ["all gone", "all damaged"])
def test_resuming_never_starts_again_from_zero_in_silence(domains, tmp_path, damage):
    fit(domains, tmp_path / "run")
    metrics = (tmp_path / "run" / "metrics.jsonl").read_text()
    if damage == "all gone":
        shutil.rmtree(tmp_path / "run" / "checkpoints")
    else:
        for file in (tmp_path / "run" / "checkpoints").rglob("progress.json"):
            file.unlink()
    with pytest.raises(RunError, match="was trained before, but none of its checkpoints is complete"):
        resume(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == metrics


def test_a_resumed_run_logs_the_losses_of_an_uninterrupted_one(domains, tmp_path):
    settings = ("training.log_every_steps=5", "training.checkpoint_every_steps=3")
    fit(domains, tmp_path / "whole", *settings, steps=14)
    fit(domains, tmp_path / "parts", *settings, steps=14, observer=StopAt(7))
    resume(tmp_path / "parts")
    logs = [read_json_lines(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    for record in (*logs[0], *logs[1]):
        del record["elapsed_seconds"], record["images_per_second"]
    assert logs[0] == logs[1]


def test_a_verdict_stays_until_a_newer_checkpoint_is_on_disk(domains, tmp_path, monkeypatch):
    run = tmp_path / "run"
    fit(domains, run)
    verdict = read_verdict(RunFolder(run))
    assert verdict is not None

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("discogan.training.trainer.save_checkpoint", full_disk)
        with pytest.raises(OSError, match="No space"):
            resume(run, steps=9)
    assert read_verdict(RunFolder(run)) == verdict
    resume(run, steps=9)
    assert read_verdict(RunFolder(run))["steps"] == 9


def test_the_verdict_of_a_smaller_budget_is_ignored(domains, tmp_path):
    run = tmp_path / "run"
    fit(domains, run)
    stale = (run / "verdict.json").read_text()
    resume(run, steps=9)
    (run / "verdict.json").write_text(stale)
    assert read_verdict(RunFolder(run)) is None
