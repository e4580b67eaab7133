"""The report shows the contents of the run folder, needs no network, and can be written during training."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from discogan.api import resume, train
from discogan.cli import main
from discogan.errors import ConfigError, RunError
from discogan.pages import options_whole
from discogan.report import comparison, write_comparison, write_report
from discogan.report.page import choose_varied
from discogan.report.pictures import curves, picture
from discogan.report.tables import score_rows
from discogan.run_folder import RunFolder
from discogan.run_summary import read_evaluation, read_verdict
from tests.conftest import SMALL, write_images


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data + " "

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read(path):
    return Page(path.read_text("utf-8"))


@pytest.fixture
def page(sampled_run):
    return read(sampled_run / "report.html")


def test_options_stay_whole_and_everything_else_is_escaped():
    assert (
        options_whole("<b> (--seeds-tried 2)") == '&lt;b&gt; (<span style="white-space: nowrap">--seeds-tried</span> 2)'
    )


def test_chosen_images_differ():
    """Five nearly equal images and three others: one of the equal ones and all others are chosen, in their order."""
    images = np.full((8, 32, 32, 3), 100, np.uint8)
    images[:5] += np.arange(5, dtype=np.uint8)[:, None, None, None]
    images[5, :16], images[6, :, :16], images[7, 8:24] = 255, 255, 255
    assert choose_varied(images, np.array([3, 2, 6, 0, 7, 1, 5, 4]), 4) == [3, 6, 7, 5]
    assert choose_varied(images, np.array([6, 0]), 4) == [6, 0]


@pytest.mark.parametrize(
    ("height", "width", "shown"), [(64, 64, (192, 192)), (10, 20, (192, 96)), (300, 200, (200, 300))]
)
def test_small_pictures_are_enlarged_smoothly(height, width, shown):
    edge = np.zeros((height, width, 3), np.uint8)
    edge[:, width // 2 :] = (255, 0, 0)
    data = base64.b64decode(picture(edge, "edge").source.partition(",")[2])
    image = Image.open(io.BytesIO(data))
    assert image.size == shown
    levels = np.unique(np.asarray(image)[shown[1] // 2, :, 0])
    assert (len(levels) > 6) == (shown[0] > width)


def test_every_training_ends_with_a_report_that_names_its_verdict(page, sampled_run):
    verdict = json.loads((sampled_run / "verdict.json").read_text())
    assert verdict["label"] in page.text
    assert verdict["reason"].split(" (--")[0] in page.text  # Options have elements of their own.
    assert "13 images" in page.text
    assert "10 images" in page.text
    assert f"discogan train --resume {sampled_run}" in page.text
    assert "objective.gamma" in page.text


def test_it_needs_no_network(page, sampled_run):
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert not page.all("link")
    assert not [script for script in page.all("script") if "src" in script]
    addresses = set(re.findall(r"https?://[^\s\"']+", (sampled_run / "report.html").read_text()))
    assert all("w3.org" in address for address in addresses), "only names of XML dialects"


def test_every_picture_has_a_description(page):
    assert len(page.all("img")) > 60
    assert all(image["alt"] for image in page.all("img"))
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in page.all("svg"))
    assert len({element["id"] for _, element in page.tags if "id" in element}) == len(
        [element for _, element in page.tags if "id" in element]
    )


def test_the_slider_shows_every_sheet(page, sampled_run):
    sheets = re.search(r"const sheets = (\[.*\]);", (sampled_run / "report.html").read_text())
    assert [step for step, *_ in json.loads(sheets[1])] == ["2", "4", "6"]
    assert page.all("input")[0]["max"] == "2"


def test_scores_with_true_pairs_are_compared_with_identity_and_chance(sampled_run, domains):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(sampled_run), "--pairs-a", str(domains[0]), "--pairs-b", str(domains[1])])
    assert end.value.code == 0
    scores = json.loads((sampled_run / "evaluation.json").read_text())
    # The evaluation writes the report again.
    text = read(sampled_run / "report.html").text
    assert "identity" in text
    assert f"{scores['b_to_a']['identity_ssim']:.3f}" in text


def test_scores_of_an_earlier_checkpoint_are_not_shown(sampled_run, tmp_path):
    run = shutil.copytree(sampled_run, tmp_path / "run")
    step = json.loads((run / "best" / "progress.json").read_text())["step"]
    evaluation = {"step": step, "verdict": {**json.loads((run / "verdict.json").read_text()), "because": "Pairs."}}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    assert read_verdict(RunFolder(run))["reason"] == "Pairs."
    (run / "evaluation.json").write_text(json.dumps({**evaluation, "step": step - 1}))
    assert read_evaluation(RunFolder(run)) is None
    (run / "evaluation.json").write_text("{}")  # By a version that did not record the step.
    assert read_evaluation(RunFolder(run)) is None
    assert read_verdict(RunFolder(run))["reason"] != "Pairs."


def test_a_run_that_trains_on_ends_with_a_newer_report(sampled_run, tmp_path):
    run = shutil.copytree(sampled_run, tmp_path / "run")
    resume(run, steps=8)
    assert "8 steps" in read(run / "report.html").text


def test_while_it_trains_there_is_a_report_without_a_verdict(sampled_run, tmp_path):
    run = shutil.copytree(sampled_run, tmp_path / "run")
    (run / "verdict.json").unlink()
    assert "still training" in read(write_report(run)).text
    shutil.rmtree(run / "checkpoints")
    shutil.rmtree(run / "best")
    page = read(write_report(run))  # Before the first checkpoint.
    assert "A → B → A" not in page.text
    assert "During training" in page.text


def test_missing_images_are_reported(domains, tmp_path):
    a, b = (shutil.copytree(folder, tmp_path / folder.name) for folder in domains)
    train(a, b, out=tmp_path / "run", image_size=32, steps=1, settings=SMALL)
    shutil.rmtree(a)
    page = read(write_report(tmp_path / "run"))
    assert "The images are not shown" in page.text
    assert "During training" in page.text


def test_text_from_files_is_escaped(tmp_path):
    a = write_images(tmp_path / "a", 4, 1)
    (a / "000.png").rename(a / "<img src=x onerror=alert(1)>.png")
    (a / "001.png").write_bytes(b"broken")
    b = write_images(tmp_path / "b", 30, 2)
    for number in range(40):
        shutil.copy(a / "002.png", a / f"copy-{number}.png")
    train(a, b, out=tmp_path / "run", image_size=32, steps=1, settings=SMALL)
    html = (tmp_path / "run" / "report.html").read_text()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "1 skipped file" in html
    assert "001.png is not a readable image" in html


def test_there_is_no_report_without_a_run(tmp_path):
    with pytest.raises(RunError, match="There is no run"):
        write_report(tmp_path)


def test_a_comparison_shows_runs_side_by_side(sampled_run, domains, tmp_path):
    other = tmp_path / "other"
    train(*domains, out=other, image_size=32, steps=3, seed=4, settings=(*SMALL, "objective.gamma=7.0"))
    page = read(write_comparison([sampled_run, other], tmp_path / "pages" / "compare.html"))
    assert {"sampled", "other"} <= set(page.text.split())
    assert "objective.gamma" in page.text
    assert "generator.width" not in page.text, "the same in both"
    first, second = comparison([sampled_run, other])
    assert (first["steps"], second["steps"], second["config"]["seed"]) == (6, 3, 4)
    assert second["verdict"]["score"] == json.loads((other / "verdict.json").read_text())["score"]
    # Both translate the same images, which are shown once a direction.
    alts = [image["alt"] for image in page.all("img")]
    assert len([alt for alt in alts if alt.startswith("an image of A")]) == 8
    assert len([alt for alt in alts if alt.startswith("its translation by other")]) == 16


def test_one_run_cannot_be_compared(sampled_run, tmp_path):
    with pytest.raises(ConfigError, match="two runs or more"):
        write_comparison([sampled_run], tmp_path / "x.html")


def test_compare_prints_json_and_nothing_else(sampled_run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["compare", str(sampled_run), str(sampled_run), "--out", str(tmp_path / "c.html"), "--json", "-"])
    assert [run["steps"] for run in json.loads(capsys.readouterr().out)] == [6, 6]


def test_alarms_are_in_the_report(sampled_run, tmp_path):
    run = shutil.copytree(sampled_run, tmp_path / "run")
    scores = RunFolder(run).scores
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    lines[0]["alarms"] = ["A to B generates nearly the same image for every input."]
    scores.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "Warning during training: A to B generates nearly" in read(write_report(run)).text


def test_a_curve_of_one_point_is_not_drawn():
    assert curves({"one": ([1], [2.0])}, "label") == ""
    assert "currentColor" in curves({"two": ([1, 2], [2.0, 3.0])}, "label")


def test_round_trips_that_are_not_trained_are_not_shown(domains, tmp_path):
    train(*domains, out=tmp_path / "run", preset="gan", image_size=32, steps=2, settings=SMALL)
    text = read(write_report(tmp_path / "run")).text
    assert "A → B" in text
    assert "A → B → A" not in text
    assert "round trips" not in text.partition("During training")[0]
    assert "Best" not in text


def test_names_in_a_legend_are_not_read_as_formulas():
    svg = curves({r"_a$\frac$": ([1, 2], [2.0, 3.0])}, "label")
    assert r"_a$\frac$" in svg


def test_an_evaluation_by_version_0_1_0_is_still_shown():
    pairs = {f"{prefix}top_1": 0.5 for prefix in ("", "identity_", "chance_")}
    rows = score_rows({"paired": True, "a_to_b": {**pairs, "diversity": 0.9}})
    assert rows == [
        ["", "direction", "run", "identity", "chance"],
        ["top-1 (higher is better)", "A to B", "0.500", "0.500", "0.500"],
        ["diversity (best at 1)", "A to B", "0.900", "-", "-"],
    ]


def test_values_of_a_metric_that_is_not_registered_here_are_shown():
    value = {"metric": "mine", "key": "mine", "label": "my value", "better": "lower", "ideal": 0.0}
    rows = score_rows({"paired": False, "values": [value], "b_to_a": {"mine": 2.0}})
    assert rows == [["", "direction", "run"], ["my value (lower is better)", "B to A", "2.000"]]


def test_the_agreement_of_reference_runs_is_in_the_report(sampled_run, tmp_path):
    run = shutil.copytree(sampled_run, tmp_path / "run")
    verdict = json.loads((run / "verdict.json").read_text())
    agreement = {"runs": 2, "share": 0.75, "symmetry": "mirrored left to right", "share_under_symmetry": 0.5}
    (run / "verdict.json").write_text(json.dumps({**verdict, "agreement": agreement}))
    (run / "evaluation.json").unlink(missing_ok=True)
    text = " ".join(read(write_report(run)).text.split())
    assert "Share of images translated in the same way by 2 reference runs: 0.75" in text
    assert "; 0.50 if one run's translations are mirrored left to right." in text
