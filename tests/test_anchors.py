import csv
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discogan import api
from discogan.config import AnchorOptions
from discogan.data.anchors import read_anchors
from discogan.data.decoding import Decoding
from discogan.errors import DataError, RunError
from discogan.evaluation import evaluate
from discogan.names import name_of
from discogan.records import read_json_lines
from discogan.run_folder import RunFolder
from discogan.training import resume
from tests.conftest import SMALL
from tests.test_training import StopAt, assert_equal_weights

DECODINGS = (Decoding(32, 3), Decoding(32, 3))


def write_pairs(file: Path, rows) -> Path:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path_a", "path_b", "note"))
        writer.writerows((*row, "x") for row in rows)
    return file


@pytest.fixture
def pairs(tmp_path):
    """Ten pairs, by names below the domains' folders."""
    return write_pairs(tmp_path / "pairs.csv", [(f"{n:03d}.png", f"{9 - n:03d}.png") for n in range(10)])


def test_pairs_stay_paired_and_some_are_held_out(domains, pairs):
    anchors = read_anchors(AnchorOptions(str(pairs), held_out_share=0.3), domains, DECODINGS)
    assert (len(anchors.train_a), len(anchors.held_out_a)) == (7, 3)
    known = {}
    for number in range(10):
        a, b = (
            np.asarray(Image.open(folder / f"{n:03d}.png"))
            for folder, n in zip(domains, (number, 9 - number), strict=True)
        )
        known[a.tobytes()] = b.tobytes()
    for a, b in ((anchors.train_a, anchors.train_b), (anchors.held_out_a, anchors.held_out_b)):
        assert all(known[x.tobytes()] == y.tobytes() for x, y in zip(a, b, strict=True))


def test_batches_of_pairs_depend_on_the_step(domains, pairs):
    anchors = read_anchors(AnchorOptions(str(pairs)), domains, DECODINGS)
    first, repeated, next_step = anchors.batch(4, 0, 5), anchors.batch(4, 0, 5), anchors.batch(4, 0, 6)
    assert all(np.array_equal(*pair) for pair in zip(first, repeated, strict=True))
    assert not np.array_equal(first[0], next_step[0])
    assert len(anchors.batch(100, 0, 0)[0]) == 8


def test_paths_may_be_absolute_or_relative_to_the_file(domains, tmp_path):
    absolute = domains[0] / "001.png"
    (tmp_path / "relative.png").write_bytes((domains[1] / "002.png").read_bytes())
    file = write_pairs(tmp_path / "pairs.csv", [(absolute, "relative.png")])
    anchors = read_anchors(AnchorOptions(str(file)), (None, None), DECODINGS)
    assert (len(anchors.train_a), len(anchors.held_out_a)) == (1, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 does not name the column path_a"),
        ("path_a,path_b\n", "names no pair"),
        ("a,b\n000.png,000.png\n", "line 1 .* must begin with the line path_a,path_b"),
        ("path_a,path_b\n000.png\n", "line 2 has no path_b. Give two images in each line"),
        ("path_a,path_b\nnone.png,000.png\n", r"pairs\.csv, line 2 names 'none.png', which is missing"),
    ],
)
def test_mistakes_in_the_file_are_explained(domains, tmp_path, text, message):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_anchors(AnchorOptions(str(tmp_path / "pairs.csv")), domains, DECODINGS)
    with pytest.raises(DataError, match=r"other\.csv cannot be read \(No such file"):
        read_anchors(AnchorOptions(str(tmp_path / "other.csv")), domains, DECODINGS)


@pytest.mark.parametrize(("on_disk", "in_file"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_compared_after_unicode_normalisation(domains, tmp_path, on_disk, in_file):
    name = "caf\u00e9 \u1e69.png"
    folder = tmp_path / "a" / unicodedata.normalize(on_disk, "\u00fcber")
    folder.mkdir(parents=True)
    (folder / unicodedata.normalize(on_disk, name)).write_bytes((domains[0] / "001.png").read_bytes())
    written = unicodedata.normalize(in_file, f"\u00fcber/{name}")
    file = write_pairs(tmp_path / "pairs.csv", [(written, "001.png")])
    assert len(read_anchors(AnchorOptions(str(file)), (tmp_path / "a", domains[1]), DECODINGS).train_a) == 1


@pytest.mark.skipif(os.name == "nt", reason="file names are not bytes on Windows")
@pytest.mark.parametrize("raw", [b"\xff.png", b"back\\slash.png", b"\\xff.png"])
def test_a_name_of_any_bytes_is_found_by_its_text(domains, tmp_path, raw):
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / os.fsdecode(raw)
    path.write_bytes((domains[0] / "001.png").read_bytes())
    file = write_pairs(tmp_path / "pairs.csv", [(name_of(path.relative_to(tmp_path / "a")), "001.png")])
    assert len(read_anchors(AnchorOptions(str(file)), (tmp_path / "a", domains[1]), DECODINGS).train_a) == 1


def test_training_learns_the_anchors_and_checks_held_out_ones(domains, pairs, tmp_path):
    options = {"image_size": 32, "steps": 60, "anchors": pairs, "settings": (*SMALL, "training.learning_rate=0.01")}
    outcome = api.train(*domains, out=tmp_path / "run", **options)
    records = read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert records[-1]["anchors_b"] < 0.8 * records[0]["anchors_b"]
    assert outcome.verdict.held_out_anchors == 2
    assert evaluate(tmp_path / "run", device="cpu")["verdict"]["anchors_found"].keys() == {"a_to_b", "b_to_a"}


def test_resuming_with_anchors_is_exact_and_detects_changes(domains, pairs, tmp_path):
    for name, observer in (("whole", None), ("parts", StopAt(4))):
        api.train(
            *domains, out=tmp_path / name, image_size=32, steps=7, anchors=pairs, settings=SMALL, observer=observer
        )
    resume(tmp_path / "parts")
    assert_equal_weights(tmp_path / "parts", tmp_path / "whole")
    assert RunFolder(tmp_path / "parts").describe().data.anchors
    write_pairs(pairs, [("000.png", "000.png")])
    with pytest.raises(RunError, match="the anchors have changed"):
        resume(tmp_path / "parts", steps=9)
