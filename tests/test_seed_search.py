import json
import os
import shutil
import signal

import pytest

from discogan import api
from discogan.checkpoints import load_model
from discogan.devices import pick_device
from discogan.errors import DivergedError, RunError
from discogan.evaluation import score_run as evaluate  # Leaves the shared runs unchanged.
from discogan.run_folder import RunFolder, read_progress, reference_checkpoints
from discogan.training import Observer, resume
from discogan.training.seed_search import SEARCH_FRACTION, plan_rounds
from discogan.training.trainer import Trainer
from tests.conftest import SMALL
from tests.test_training import StopAt, assert_equal_weights

OPTIONS = {"image_size": 32, "steps": 40, "seeds_tried": 3, "settings": SMALL}


@pytest.mark.parametrize(("seeds", "counts"), [(2, [2]), (3, [3, 2]), (4, [4, 2]), (8, [8, 4, 2])])
def test_rounds_halve_the_seeds_and_cost_the_search_fraction(seeds, counts):
    rounds = plan_rounds(seeds)
    assert [search_round.seeds for search_round in rounds] == counts
    share_before, cost = 0.0, 0.0
    for search_round in rounds:
        assert search_round.share > share_before
        cost += search_round.seeds * (search_round.share - share_before)
        share_before = search_round.share
    assert cost == pytest.approx(SEARCH_FRACTION)


class SearchRecorder(Observer):
    def __init__(self):
        self.scores, self.alarms = [], []

    def on_alarm(self, alarm):
        self.alarms.append(alarm)

    def on_round(self, scores):
        self.scores.append(dict(scores))


@pytest.fixture(scope="module")
def searched(domains, tmp_path_factory):
    """A run selected from three seeds, the observer of its search, and its outcome."""
    run, observer = tmp_path_factory.mktemp("seeds") / "run", SearchRecorder()
    with pytest.MonkeyPatch.context() as patched:
        # Runs of so few steps have learned too little to count as reference runs.
        patched.setattr("discogan.verdict.MIN_REFERENCE_SCORE", 0.0)
        return run, observer, api.train(*domains, out=run, observer=observer, **OPTIONS)


@pytest.fixture
def weak_references_count(monkeypatch):
    monkeypatch.setattr("discogan.verdict.MIN_REFERENCE_SCORE", 0.0)


def test_the_best_seed_continues_within_the_budget(searched):
    run, observer, outcome = searched
    first, second = observer.scores
    assert first.keys() == {"0", "1", "2"}
    assert second.keys() == set(sorted(first, key=lambda seed: -first[seed])[:2])
    selected = max(second, key=lambda seed: second[seed])
    config = RunFolder(run).describe().config
    assert (config.seed, config.training.seeds_tried) == (int(selected), 1)
    steps = {path.name: read_progress(RunFolder(path).last_checkpoint()).step for path in (run / "seeds").glob("s*")}
    spent = sum(steps.values()) - steps[f"seed-{selected}"] + outcome.step
    assert abs(spent - 40) <= 2
    assert outcome.verdict.agreement.runs == 1


def test_the_selected_run_equals_a_single_run_of_its_seed(searched, domains, tmp_path):
    run, _, outcome = searched
    seed = RunFolder(run).describe().config.seed
    options = {**OPTIONS, "seeds_tried": None, "steps": outcome.step}
    api.train(*domains, out=tmp_path / "single", seed=seed, **options)
    assert_equal_weights(run, tmp_path / "single")


def test_stopping_and_resuming_a_search_changes_nothing(searched, domains, tmp_path):
    whole, _, _ = searched
    outcome = api.train(*domains, out=tmp_path / "run", observer=StopAt(2), **OPTIONS)
    assert outcome.ended == "interrupted"
    assert not RunFolder(tmp_path / "run").exists
    with pytest.raises(RunError, match="already holds a run"):
        api.train(*domains, out=tmp_path / "run", **OPTIONS)
    assert resume(tmp_path / "run", observer=StopAt(2)).ended == "interrupted"
    assert resume(tmp_path / "run").ended == "budget"
    assert_equal_weights(tmp_path / "run", whole)
    plans = [json.loads((run / "seeds" / "plan.json").read_text())["rounds"] for run in (whole, tmp_path / "run")]
    assert plans[0] == plans[1]


def test_a_resumed_search_uses_changed_options(domains, tmp_path):
    run = tmp_path / "run"
    assert api.train(*domains, out=run, observer=StopAt(2), **OPTIONS).ended == "interrupted"
    assert resume(run, steps=20, settings=["training.learning_rate=1e-4"]).ended == "budget"
    steps = {path.name: read_progress(RunFolder(path).last_checkpoint()).step for path in (run / "seeds").glob("s*")}
    config = RunFolder(run).describe().config
    assert config.training.learning_rate == 1e-4
    spent = sum(steps.values()) - steps[f"seed-{config.seed}"] + read_progress(RunFolder(run).last_checkpoint()).step
    assert abs(spent - 20) <= 2


class StopAtSamples(Observer):
    def on_samples(self, path, step):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_at_the_end_of_one_seed_stops_the_search(domains, tmp_path):
    outcome = api.train(*domains, out=tmp_path / "run", observer=StopAtSamples(), **OPTIONS)
    assert (outcome.ended, outcome.signal) == ("interrupted", signal.SIGINT)
    assert [path.name for path in (tmp_path / "run" / "seeds").glob("seed-*")] == ["seed-0"]
    assert resume(tmp_path / "run").ended == "budget"


def diverge(monkeypatch, *seeds):
    """Let the runs of these seeds diverge at their second step."""
    train_step = Trainer.train_step

    def train_or_diverge(self, step):
        if step == 1 and self.config.seed in seeds:
            raise DivergedError(step, "adversarial_a", "There is no checkpoint.")
        return train_step(self, step)

    monkeypatch.setattr(Trainer, "train_step", train_or_diverge)


def test_the_search_continues_without_seeds_that_diverge(domains, tmp_path, monkeypatch):
    diverge(monkeypatch, 0, 2)
    observer = SearchRecorder()
    assert api.train(*domains, out=tmp_path / "run", observer=observer, **OPTIONS).ended == "budget"
    assert [scores.keys() for scores in observer.scores] == [{"1"}, {"1"}]
    assert RunFolder(tmp_path / "run").describe().config.seed == 1
    messages = [alarm.message for alarm in observer.alarms if alarm.kind == "divergence"]
    assert [message[:6] for message in messages] == ["Seed 0", "Seed 2"]
    assert all("adversarial_a became NaN or infinite" in message for message in messages)
    assert reference_checkpoints(tmp_path / "run", 1) == []


def test_a_search_whose_seeds_all_diverge_raises(domains, tmp_path, monkeypatch):
    diverge(monkeypatch, 0, 1, 2)
    with pytest.raises(DivergedError, match="adversarial_a"):
        api.train(*domains, out=tmp_path / "run", **OPTIONS)


@pytest.mark.usefixtures("weak_references_count")
def test_eliminated_runs_are_references_in_an_evaluation(searched):
    run, _, outcome = searched
    seed = RunFolder(run).describe().config.seed
    assert len(reference_checkpoints(run, seed)) == 1
    verdict = evaluate(run, device="cpu")["verdict"]
    assert verdict["agreement"]["share"] == pytest.approx(outcome.verdict.agreement.share, abs=0.1)


@pytest.mark.usefixtures("weak_references_count")
def test_a_run_is_compared_with_other_runs_on_request(small_run, searched):
    assert evaluate(small_run, device="cpu")["verdict"]["agreement"] is None
    reference = searched[0] / "seeds" / "seed-1"
    assert evaluate(small_run, against=[reference], device="cpu")["verdict"]["agreement"]["runs"] == 1


def test_a_run_whose_images_are_missing_is_still_scored_on_true_pairs(domains, tmp_path):
    shutil.copytree(domains[0], tmp_path / "a")
    api.train(tmp_path / "a", domains[1], out=tmp_path / "run", image_size=32, steps=2, settings=SMALL)
    shutil.rmtree(tmp_path / "a")
    scores = evaluate(tmp_path / "run", *domains, device="cpu")
    assert scores["verdict"] is None
    assert scores["a_to_b"]["chance_top_1"] == 1 / scores["images_a"]


@pytest.mark.parametrize("preset", ["gan", "recon_gan"])
def test_the_verdict_of_a_one_direction_model_covers_that_direction_only(domains, tmp_path, preset):
    options = {"preset": preset, "image_size": 32, "steps": 3, "settings": SMALL}
    outcome = api.train(*domains, out=tmp_path / "run", **options)
    assert outcome.verdict.metrics.keys() == {"a_to_b"}
    assert evaluate(tmp_path / "run", device="cpu")["verdict"]["metrics"].keys() == {"a_to_b"}


def test_best_is_a_loadable_checkpoint_of_the_networks(small_run):
    model, config = load_model(small_run / "best", pick_device("cpu"))
    assert config.data.image_size == 32
    assert {path.name for path in (small_run / "best").iterdir()} == {
        *("generator_ab.safetensors", "generator_ba.safetensors"),
        *("discriminator_a.safetensors", "discriminator_b.safetensors"),
        *("config.json", "progress.json"),
    }
    assert not model.training


def test_a_stalled_run_stops_on_request(domains, tmp_path, monkeypatch):
    monkeypatch.setattr("discogan.verdict.DirectionMetrics.score", property(lambda _: 0.5))
    alarms = []

    class AlarmRecorder(Observer):
        def on_alarm(self, alarm):
            alarms.append(alarm.kind)

    settings = (*SMALL, "training.score_every_steps=2", "training.learning_rate=0.0")
    for name, stop, ended in (("continues", "false", "budget"), ("stops", "true", "stalled")):
        options = {"image_size": 32, "steps": 20, "settings": (*settings, f"training.stop_when_stalled={stop}")}
        outcome = api.train(*domains, out=tmp_path / name, **options, observer=AlarmRecorder())
        assert outcome.ended == ended
        assert "stall" in alarms
    assert outcome.step < 20
    assert (tmp_path / "stops" / "verdict.json").exists()


def test_a_best_folder_that_a_kill_left_half_replaced_is_restored(domains, tmp_path):
    api.train(*domains, out=tmp_path / "run", image_size=32, steps=4, settings=SMALL)
    (tmp_path / "run" / "best").rename(tmp_path / "run" / ".dropping-best")
    resume(tmp_path / "run")
    assert (tmp_path / "run" / "best" / "progress.json").exists()


def test_a_search_whose_run_lost_its_config_is_not_started_again(domains, tmp_path):
    run = tmp_path / "run"
    api.train(*domains, out=run, image_size=32, steps=12, seeds_tried=2, settings=SMALL)
    config = (run / "config.json").read_text()
    (run / "config.json").unlink()
    with pytest.raises(RunError, match=r"config\.json is missing\. Copy .*checkpoints.step-000010.config\.json to it"):
        resume(run, steps=14)
    shutil.copy(run / "checkpoints" / "step-000010" / "config.json", run / "config.json")
    assert (run / "config.json").read_text() == config
    assert resume(run, steps=14).step == 14
