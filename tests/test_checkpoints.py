import json
import os
import re
import shutil
import threading
from itertools import product

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from discogan import checkpoints, resume
from discogan.checkpoints import (
    load_model,
    load_optimiser_state,
    load_references,
    optimiser_state,
    restore_best,
    save_best,
    save_checkpoint,
)
from discogan.errors import DamagedCheckpointError, DamagedCheckpointWarning, RecordError, RunError
from discogan.run_folder import NETWORKS, RunFolder, read_progress, write_checkpoint_record
from discogan.run_records import Progress, RunDescription
from discogan.training import Observer
from discogan.verification import verify_run
from tests.conftest import refresh_digests

DATA = {domain: {"key": domain * 32, "count": 3} for domain in "ab"}
CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(
        RunDescription.from_dict({"config": {"preset": "modern"}, "data": DATA, "versions": {}, "threads": 1})
    )
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


@pytest.mark.parametrize("moment", ["save_file", "sync", "write_checkpoint_record"])
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


@pytest.mark.parametrize("moment", ["save_file", "sync", "write_checkpoint_record"])
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
    with pytest.raises(RunError, match="is a file"):
        load_model(small_run / "config.json", CPU)
    copy = shutil.copytree(small_run, tmp_path / "copy")
    shutil.rmtree(copy / "best")
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(RunError, match="has no checkpoint yet"):
        load_model(copy, CPU)
    (copy / "config.json").write_text("{")
    with pytest.raises(RecordError, match=r"config\.json is damaged"):
        RunFolder(copy).describe()


def rewrite(checkpoint, name, change):
    """Change the tensors of a file of a checkpoint, and record the digests of the result."""
    file = checkpoint / f"{name}.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    write_checkpoint_record(checkpoint, read_progress(checkpoint))


def change_config(checkpoint, **options):
    description = json.loads((checkpoint / "config.json").read_text())
    description["config"]["generator"] |= options
    (checkpoint / "config.json").write_text(json.dumps(description))
    write_checkpoint_record(checkpoint, read_progress(checkpoint))


@pytest.fixture
def checkpoint(small_run, tmp_path):
    """A copy of the newest checkpoint of a run, outside its run."""
    return shutil.copytree(small_run / "checkpoints" / "step-000007", tmp_path / "copy")


@pytest.mark.parametrize("options", [{"width": 8}, {"width": 4096}, {"blocks": 3}])
def test_weights_that_do_not_fit_config_json_are_refused_before_any_is_allocated(checkpoint, options, monkeypatch):
    change_config(checkpoint, **options)
    build = checkpoints.build_model

    def build_on_meta(config):
        assert torch.empty(0).device.type == "meta"
        return build(config)

    monkeypatch.setattr(checkpoints, "build_model", build_on_meta)
    with pytest.raises(DamagedCheckpointError, match="do not fit the networks"):
        load_model(checkpoint, CPU)


def first_key(tensors):
    return min(key for key, value in tensors.items() if value.is_floating_point() and value.ndim > 1)


def make_negative(tensors):
    tensors["generator_optimiser.0.exp_avg_sq"].view(-1)[0] = -1


def lose_parameter(tensors):
    for name in ("step", "exp_avg", "exp_avg_sq"):
        del tensors[f"generator_optimiser.0.{name}"]


def lose_last_parameter(tensors):
    last = int(tensors["generator_optimiser.parameters"][-1])
    for name in ("step", "exp_avg", "exp_avg_sq"):
        del tensors[f"generator_optimiser.{last}.{name}"]


def enlarge_moment(tensors):
    moment = tensors["generator_optimiser.0.exp_avg"]
    tensors["generator_optimiser.0.exp_avg"] = torch.cat([moment, moment])


def add_one_parameter_as_in_version_0_1(tensors):
    """Version 0.1.0 did not record which parameters have a state."""
    del tensors["generator_optimiser.parameters"]
    indices = [int(key.split(".")[1]) for key in tensors if key.startswith("generator_optimiser.")]
    for name in ("step", "exp_avg", "exp_avg_sq"):
        tensors[f"generator_optimiser.{max(indices) + 1}.{name}"] = torch.zeros(())


def set_nan(tensors):
    tensors[first_key(tensors)].view(-1)[0] = float("nan")


def set_infinite(tensors):
    tensors[first_key(tensors)].view(-1)[-1] = float("-inf")


def set_int8(tensors):
    tensors[first_key(tensors)] = tensors[first_key(tensors)].to(torch.int8)


def set_half(tensors):
    tensors[first_key(tensors)] = tensors[first_key(tensors)].half()


def reshape(tensors):
    tensors[first_key(tensors)] = tensors[first_key(tensors)].flatten()


def remove(tensors):
    del tensors[first_key(tensors)]


def add(tensors):
    tensors["unknown"] = torch.zeros(1)


CHANGES = [set_nan, set_infinite, set_int8, set_half, reshape, remove, add]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", NETWORKS)
def test_wrong_weights_are_refused_even_if_their_digest_is_right(checkpoint, name, change):
    rewrite(checkpoint, name, change)
    with pytest.raises(DamagedCheckpointError):
        load_model(checkpoint, CPU)


def lose_moment(tensors):
    del tensors[min(key for key in tensors if key.endswith("exp_avg"))]


def lose_step(tensors):
    del tensors["generator_optimiser.0.step"]


def add_parameter(tensors):
    tensors["generator_optimiser.9999.step"] = torch.ones(())


def rename_moment(tensors):
    tensors["generator_optimiser.0.momentum"] = tensors.pop("generator_optimiser.0.exp_avg")


def swap_moments(tensors):
    tensors["generator_optimiser.0.exp_avg"] = tensors["discriminator_optimiser.1.exp_avg"].clone()


def add_group(tensors):
    tensors["else.0"] = torch.zeros(1)


@pytest.mark.parametrize(
    "change",
    [
        lose_moment,
        lose_step,
        lose_parameter,
        lose_last_parameter,
        add_one_parameter_as_in_version_0_1,
        enlarge_moment,
        add_parameter,
        rename_moment,
        swap_moments,
        add_group,
        make_negative,
        set_nan,
        set_half,
    ],
)
def test_a_wrong_training_state_is_refused_and_the_checkpoint_before_is_used(small_run, tmp_path, change):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    rewrite(run.checkpoints / "step-000007", "training_state", change)
    alarms = []
    observer = Observer()
    observer.on_alarm = alarms.append
    outcome = resume(run.path, steps=8, observer=observer)
    assert outcome.step == 8
    [damage] = [alarm for alarm in alarms if alarm.kind == "damaged_checkpoint"]
    assert "step-000007" in damage.message
    assert "Training continues from step-000006" in damage.message


def test_a_variance_of_zero_is_a_valid_training_state(small_run, tmp_path):
    """A weight whose gradient was 0 at each step has it."""
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))

    def clear(tensors):
        tensors["generator_optimiser.0.exp_avg_sq"].zero_()

    rewrite(run.checkpoints / "step-000007", "training_state", clear)
    alarms = []
    observer = Observer()
    observer.on_alarm = alarms.append
    assert resume(run.path, steps=8, observer=observer).step == 8
    assert not [alarm for alarm in alarms if alarm.kind == "damaged_checkpoint"]


def test_the_loaded_weights_are_those_of_the_files(checkpoint):
    model, _ = load_model(checkpoint, CPU)
    for name in NETWORKS:
        expected = load_file(checkpoint / f"{name}.safetensors")
        assert all(torch.equal(value, expected[key]) for key, value in getattr(model, name).state_dict().items())


def test_a_configuration_that_is_none_is_damage_even_if_its_digest_is_right(checkpoint):
    (checkpoint / "config.json").write_text("{}")
    refresh_digests(checkpoint)
    with pytest.raises(DamagedCheckpointError, match=r"config\.json"):
        load_model(checkpoint, CPU)


def test_damage_that_stays_is_reported_at_once(checkpoint, monkeypatch):
    monkeypatch.setattr(checkpoints.time, "sleep", lambda _: pytest.fail("waits although nothing changes"))
    flip_bit(checkpoint / "generator_ab.safetensors", 500)
    with pytest.raises(DamagedCheckpointError):
        load_model(checkpoint, CPU)


@pytest.mark.parametrize("identities", ["abbb", "baaa"])
@pytest.mark.parametrize("first_load", ["fails", "succeeds"])
def test_a_checkpoint_that_was_replaced_during_loading_is_loaded_again(checkpoint, monkeypatch, identities, first_load):
    """What was loaded may be of two steps, and a failure may be that of a half-replaced folder."""
    given, loads = iter(identities), []

    def load(folder, _):
        loads.append(folder)
        if first_load == "fails" and len(loads) == 1:
            raise DamagedCheckpointError(folder, "half replaced")
        return len(loads)

    monkeypatch.setattr(checkpoints, "_identity", lambda _: next(given))
    monkeypatch.setattr(checkpoints, "_load_checkpoint", load)
    assert load_model(checkpoint, CPU) == 2


def flip_bit(file, position):
    data = bytearray(file.read_bytes())
    data[position % len(data)] ^= 1 << (position % 8)
    file.write_bytes(data)


FILES = ("config.json", *(f"{name}.safetensors" for name in NETWORKS))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("fault", ["first bit", "middle bit", "last bit", "truncated", "empty", "longer", "missing"])
def test_a_changed_file_is_found_and_another_checkpoint_is_used(small_run, tmp_path, file, fault):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    damaged = run.best / file
    size = damaged.stat().st_size
    if fault.endswith("bit"):
        flip_bit(damaged, {"first bit": 0, "middle bit": size // 2, "last bit": size - 1}[fault])
    elif fault == "missing":
        damaged.unlink()
    else:
        with damaged.open("r+b") as stream:
            stream.truncate({"truncated": size - 1, "empty": 0, "longer": size + 1}[fault])
    with pytest.raises(DamagedCheckpointError, match=file.replace(".", r"\.")):
        load_model(run.best, CPU)
    with pytest.warns(DamagedCheckpointWarning, match=r"best is damaged.*step-000007 is used instead"):
        model, _ = load_model(run.path, CPU)
    assert model.step == 7


@pytest.mark.parametrize("fault", ["missing", "empty", "first bit"])
def test_a_checkpoint_without_its_record_is_damaged(small_run, tmp_path, fault):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    record = run.best / "progress.json"
    if fault == "missing":
        record.unlink()
    elif fault == "empty":
        record.write_bytes(b"")
    else:
        flip_bit(record, 0)
    with pytest.raises(DamagedCheckpointError, match=r"progress\.json"):
        load_model(run.best, CPU)
    with pytest.warns(DamagedCheckpointWarning, match=r"best is damaged.*step-000007 is used instead"):
        load_model(run.path, CPU)


@pytest.mark.parametrize("file", [*FILES, "training_state.safetensors"])
def test_training_continues_from_the_newest_intact_checkpoint(small_run, tmp_path, file):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    flip_bit(run.checkpoints / "step-000007" / file, 200)
    alarms = []
    observer = Observer()
    observer.on_alarm = alarms.append
    assert resume(run.path, steps=8, observer=observer).step == 8
    assert [alarm.kind for alarm in alarms if "step-000007" in alarm.message] == ["damaged_checkpoint"]


def test_the_step_of_a_damaged_checkpoint_is_written_again_and_the_damaged_one_is_kept_aside(small_run, tmp_path):
    """It must neither stand in for the new checkpoint of its step, nor push an intact one out."""
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    for flips in (1, 2):
        flip_bit(run.checkpoints / "step-000007" / "generator_ab.safetensors", 500 + flips)
        assert resume(run.path, observer=Observer()).step == 7
        assert {check.status for check in verify_run(run.path) if "damaged-" not in check.path} == {"intact"}
        assert same_weights(run.checkpoints / "step-000007", small_run / "checkpoints" / "step-000007")
        aside = [path.name for path in sorted(run.checkpoints.glob("damaged-*"))]
        assert aside == ["damaged-step-000007", "damaged-step-000007-1"][:flips]
    assert len(run.complete_checkpoints()) == len(RunFolder(small_run).complete_checkpoints())


def same_weights(one, other):
    return all((one / file).read_bytes() == (other / file).read_bytes() for file in FILES if file != "config.json")


def test_a_trained_run_without_checkpoints_is_not_trained_again(small_run, tmp_path):
    for lost, kept in product([("checkpoints",), ("checkpoints", "last")], [(), ("verdict.json",)]):
        run = RunFolder(shutil.copytree(small_run, tmp_path / f"run-{len(lost)}-{len(kept)}"))
        for name in (*lost, *(() if kept else ("verdict.json",))):
            path = run.path / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        before = run.metrics.read_bytes()
        with pytest.raises(RunError, match="checkpoint"):
            resume(run.path, steps=8, observer=Observer())
        assert run.metrics.read_bytes() == before


def test_a_run_stopped_before_its_first_checkpoint_starts_again_and_says_so(small_run, tmp_path):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    for folder in (run.checkpoints, run.best, run.path / "samples"):
        shutil.rmtree(folder)
    run.last.unlink()
    run.verdict.unlink()
    run.metrics.write_text(run.metrics.read_text().splitlines(keepends=True)[0])  # Step 2 of 3.
    alarms = []
    observer = Observer()
    observer.on_alarm = alarms.append
    assert resume(run.path, observer=observer).step == 7
    assert "starts again at step 0" in alarms[0].message
    assert alarms[0].kind == "no_checkpoint"
    assert same_weights(run.checkpoints / "step-000007", small_run / "checkpoints" / "step-000007")


@pytest.mark.parametrize("options", [{"width": 4096}, {"width": 8}], ids=str)
def test_a_configuration_of_other_networks_is_refused_before_training_allocates_them(
    small_run, tmp_path, options, monkeypatch
):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    table = json.loads(run.config.read_text())
    table["config"]["generator"] |= options
    run.config.write_text(json.dumps(table))
    monkeypatch.setattr(nn.Module, "to", lambda *_, **__: pytest.fail("a network was placed"))
    with pytest.raises(RunError, match=r"describes other networks.*Copy .*step-000007/config\.json"):
        resume(run.path, steps=8, observer=Observer())


def test_a_run_of_which_only_sample_sheets_remain_says_that_it_starts_again(small_run, tmp_path):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    for path in (run.checkpoints, run.best, run.last, run.verdict, run.metrics, run.scores):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    with pytest.raises(RunError, match="none of its checkpoints is complete"):
        resume(run.path, observer=Observer())
    for sheet in run.sheets():
        sheet.unlink()
    assert resume(run.path, observer=Observer()).step == 7


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: (path / "progress.json").write_text("{}"), "step"),
        (lambda path: (path / "progress.json").unlink(), "No such file"),
        (lambda path: shutil.copy(path.with_name("step-000006") / "progress.json", path), "records step 6"),
        (lambda path: (path / "config.json").unlink(), r"config\.json is missing"),
        (lambda path: (path / "config.json").write_text("{}"), r"config\.json has 2 bytes instead of [\d,]+"),
    ],
)
def test_the_alarm_says_what_is_wrong_with_a_checkpoint(small_run, tmp_path, change, reason):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    change(run.checkpoints / "step-000007")
    alarms = []
    observer = Observer()
    observer.on_alarm = alarms.append
    resume(run.path, observer=observer)
    [message] = [alarm.message for alarm in alarms if alarm.kind == "damaged_checkpoint"]
    assert re.search(rf"step-000007: .*{reason}", message)


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_endless(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def make_folder(path):
    path.unlink()
    path.mkdir()


def make_loop(path):
    path.unlink()
    path.symlink_to(path.name)


REPLACED = [
    *((file, make_pipe) for file in ("config.json", "generator_ab.safetensors", "progress.json")),
    *(("generator_ab.safetensors", replace) for replace in (make_endless, make_folder, make_loop)),
    ("progress.json", make_loop),
]


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize(("file", "replace"), REPLACED)
def test_what_is_not_a_file_is_a_damaged_checkpoint(small_run, tmp_path, file, replace):
    """A pipe would block and a device has no end."""
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    replace(run.best / file)
    with pytest.raises(RunError):
        load_model(run.best, CPU)
    with pytest.warns(DamagedCheckpointWarning, match="best is damaged"):
        assert load_model(run.path, CPU)[0].step == 7
    assert "damaged" in {check.status for check in verify_run(run.path)}


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize(("file", "replace"), [*REPLACED, ("training_state.safetensors", make_pipe)])
def test_training_leaves_out_a_checkpoint_with_something_that_is_not_a_file(small_run, tmp_path, file, replace):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    replace(run.checkpoints / "step-000007" / file)
    assert resume(run.path, observer=Observer()).step == 7
    assert same_weights(run.checkpoints / "step-000007", small_run / "checkpoints" / "step-000007")


def test_a_damaged_reference_run_does_not_count(small_run, tmp_path):
    copy = shutil.copytree(small_run / "best", tmp_path / "copy")
    flip_bit(copy / "generator_ab.safetensors", 999)
    with pytest.warns(DamagedCheckpointWarning, match="does not count"):
        assert len(load_references([copy, small_run / "best"], CPU)) == 1


def test_networks_of_one_step_are_loaded_while_best_is_replaced(small_run, tmp_path):
    """A thread replaces best/ all the time; each load must return weights that belong together."""
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    states = [{name: load_file(run.best / f"{name}.safetensors") for name in NETWORKS} for _ in range(2)]
    for number, files in enumerate(states):
        for tensors in files.values():
            for value in tensors.values():
                value.fill_(number)
    stop = threading.Event()

    def replace_all_the_time():
        step = 8
        while not stop.is_set():
            save_best(run, states[step % 2], Progress(step, 1.0))
            step += 1

    thread = threading.Thread(target=replace_all_the_time)
    thread.start()
    try:
        for _ in range(60):
            model, _ = load_model(run.path, CPU)
            values = {float(parameter.flatten()[0]) for parameter in model.parameters()}
            assert values in ({0.0}, {1.0}) or model.step == 7
    finally:
        stop.set()
        thread.join()


def test_the_former_best_is_used_after_a_kill_between_the_renames(small_run, tmp_path):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    shutil.rmtree(run.checkpoints)
    run.best.rename(run.former_best)
    with pytest.warns(DamagedCheckpointWarning):
        load_model(run.path, CPU)


@pytest.mark.parametrize("has_best", [False, True])
def test_the_former_best_is_restored_only_if_the_new_one_is_not_there(small_run, tmp_path, has_best):
    run = RunFolder(shutil.copytree(small_run, tmp_path / "run"))
    shutil.copytree(run.best, run.former_best)
    (run.former_best / "mark").touch()
    if not has_best:
        shutil.rmtree(run.best)
    restore_best(run)
    assert (run.best / "mark").exists() == (not has_best)
    assert run.former_best.exists() == has_best


def test_checkpoints_of_0_1_0_without_digests_load(checkpoint):
    progress = json.loads((checkpoint / "progress.json").read_text())
    del progress["files"]
    (checkpoint / "progress.json").write_text(json.dumps(progress))
    load_model(checkpoint, CPU)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_restored_optimiser_continues_exactly(layout, tmp_path):
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
    load_optimiser_state(optimisers[1], "adam", saved, tmp_path)
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
