import json
import shutil

import pytest
import torch

from discogan import checkpoints
from discogan.checkpoints import load_model, load_optimiser_state, optimiser_state, save_best, save_checkpoint
from discogan.errors import RunError
from discogan.run_folder import NETWORKS, Progress, RunDescription, RunFolder, read_progress

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(RunDescription.from_dict({"config": {"preset": "modern"}, "data": {}, "versions": {}, "threads": 1}))
    return folder


def save(run, step, keep=3):
    return save_checkpoint(run, {"generator_ab": {"x": torch.full((2,), float(step))}}, Progress(step, step / 2), keep)


def test_the_newest_checkpoints_are_kept(run):
    for step in (5, 10, 1_000_000, 1_000_005):
        save(run, step)
    kept = sorted(path.name for path in run.checkpoints.iterdir())
    assert kept == ["step-000010", "step-1000000", "step-1000005"]
    assert run.last_checkpoint().name == (run.path / "last").read_text() == "step-1000005"
    assert read_progress(run.last_checkpoint()) == Progress(1_000_005, 500_002.5)


@pytest.mark.parametrize("moment", ["save_file", "sync", "write_json"])
def test_a_kill_while_writing_leaves_the_previous_checkpoint(run, monkeypatch, moment):
    save(run, 1)

    def kill(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, moment, kill)
        with pytest.raises(KeyboardInterrupt):
            save(run, 2)
    assert run.last_checkpoint().name == "step-000001"
    save(run, 2)
    assert run.last_checkpoint().name == "step-000002"
    assert not list(run.checkpoints.glob(".writing-*"))


@pytest.mark.parametrize("moment", ["save_file", "sync", "write_json"])
def test_a_best_folder_that_cannot_be_replaced_stays(run, monkeypatch, moment):
    files = {name: {"weight": torch.zeros(1)} for name in NETWORKS}
    save_best(run, files, Progress(1, 1.0))

    def fail(*_, **__):
        assert read_progress(run.path / "best").step == 1
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, moment, fail)
        with pytest.raises(OSError, match="no space"):
            save_best(run, files, Progress(2, 2.0))
    assert read_progress(run.path / "best").step == 1
    save_best(run, files, Progress(3, 3.0))
    assert read_progress(run.path / "best").step == 3


def test_a_kill_while_deleting_leaves_no_partial_checkpoint(run, monkeypatch):
    for step in (1, 2):
        save(run, step)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    save(run, 3, keep=1)
    assert [path.name for path in run.checkpoints.glob("step-*")] == ["step-000003"]
    monkeypatch.undo()
    save(run, 4, keep=1)
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-000004"]


def test_a_run_contains_no_pickled_files(small_run):
    suffixes = {path.suffix for path in small_run.rglob("*") if path.is_file() and path.name not in (".lock", "last")}
    assert suffixes == {".html", ".json", ".jsonl", ".png", ".safetensors"}


def test_loading_never_unpickles(small_run, monkeypatch):
    monkeypatch.setattr("pickle.Unpickler", None)
    monkeypatch.setattr("torch.load", None)
    model, config = load_model(small_run, CPU)
    assert config.preset == "modern"
    assert not model.training


def test_a_checkpoint_loads_without_its_run(small_run, tmp_path):
    shutil.copytree(small_run / "checkpoints" / "step-000003", tmp_path / "elsewhere")
    early, _ = load_model(tmp_path / "elsewhere", CPU)
    late, _ = load_model(small_run, CPU)
    assert not torch.equal(next(early.parameters()), next(late.parameters()))


def test_loading_errors_are_explained(small_run, tmp_path):
    with pytest.raises(RunError, match=r"no config\.json"):
        load_model(tmp_path, CPU)
    copy = shutil.copytree(small_run, tmp_path / "copy")
    (copy / "best" / "generator_ba.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match="Use another checkpoint"):
        load_model(copy, CPU)
    shutil.rmtree(copy / "best")
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(RunError, match="has no checkpoint yet"):
        load_model(copy, CPU)
    (copy / "config.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        RunFolder(copy).describe()


def test_weights_that_do_not_fit_config_json_are_refused(small_run, tmp_path):
    copy = shutil.copytree(small_run / "checkpoints" / "step-000007", tmp_path / "copy")
    description = json.loads((copy / "config.json").read_text())
    description["config"]["generator"]["width"] = 8
    (copy / "config.json").write_text(json.dumps(description))
    with pytest.raises(RunError, match="do not fit the networks"):
        load_model(copy, CPU)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_restored_optimiser_continues_exactly(layout):
    torch.manual_seed(0)
    networks = [torch.nn.Conv2d(3, 4, 4).to(memory_format=layout) for _ in range(2)]
    optimisers = [torch.optim.Adam(network.parameters(), fused=True) for network in networks]

    def step(index):
        optimisers[index].zero_grad()
        networks[index](torch.ones(1, 3, 8, 8)).square().sum().backward()
        optimisers[index].step()

    for _ in range(3):
        step(0)
    networks[1].load_state_dict(networks[0].state_dict())
    saved = {
        name: value.clone(memory_format=torch.contiguous_format)
        for name, value in optimiser_state(optimisers[0], "adam").items()
    }
    load_optimiser_state(optimisers[1], "adam", saved)
    for index in (0, 1):
        step(index)
    assert all(torch.equal(*pair) for pair in zip(*(network.parameters() for network in networks), strict=True))


def test_the_error_for_a_parent_folder_names_the_run(small_run):
    with pytest.raises(RunError, match=f"There is one at .*{small_run.name}"):
        load_model(small_run.parent, CPU)


@pytest.mark.parametrize(
    "progress",
    [
        None,
        "",
        "{",
        "{}",
        "[]",
        "null",
        '{"step": 3}',
        '{"step": 2, "elapsed_seconds": 1}',
        '{"step": "3"}',
        "[" * 9999,
    ],
    ids=["missing", "empty", "torn", "no keys", "list", "null", "no seconds", "other step", "text", "deep"],
)
def test_a_broken_checkpoint_is_not_used_counted_or_named_and_is_written_again(run, progress):
    for step in (1, 2, 3):
        save(run, step)
    broken = run.checkpoints / "step-000003"
    (broken / "progress.json").unlink()
    if progress is not None:
        (broken / "progress.json").write_text(progress)
    assert run.last_checkpoint().name == "step-000002"
    assert run.broken_checkpoints() == [broken]
    save(run, 2, keep=1)
    assert run.last.read_text() == "step-000002"
    assert [path.name for path in run.complete_checkpoints()] == ["step-000002"]
    save(run, 3, keep=1)
    assert run.broken_checkpoints() == []
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-000003"]


def test_folders_with_other_names_are_no_checkpoints(run):
    save(run, 5)
    for name in ("step-000005 (copy)", "step-", "step-x", "steps"):
        shutil.copytree(run.checkpoints / "step-000005", run.checkpoints / name)
    assert run.complete_checkpoints() == [run.checkpoints / "step-000005"]
    assert run.broken_checkpoints() == []
    save(run, 6, keep=1)
    assert (run.checkpoints / "step-000005 (copy)").is_dir()
