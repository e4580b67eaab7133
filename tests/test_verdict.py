import numpy as np
import pytest
import torch

from discogan.metrics.agreement import agreement, symmetric_agreement
from discogan.verdict import Figures, Probe, accord, judge, with_anchors, with_pairs
from discogan.wording import verdict_name

WAYS = ("a_to_b", "b_to_a")


class Translator:
    """Stands in for a model: a function of pixels, and discriminators that see the mean brightness."""

    pixel_range = type("Range", (), {"encode": staticmethod(lambda pixels: pixels.permute(0, 3, 1, 2) / 127.5 - 1)})

    def __init__(self, there, back=None):
        self.ways = {"a_to_b": there, "b_to_a": back or there}

    def translate_pixels(self, pixels, way):
        return np.ascontiguousarray(self.ways[way](pixels))

    def parameters(self):
        return iter([torch.zeros(1)])

    def judge_a(self, images):
        return type("Judgement", (), {"logits": images.mean((1, 2, 3)).unsqueeze(1)})

    judge_b = judge_a


def images(count=40, seed=0, side=32):
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(side // 4, 1).repeat(side // 4, 2)


def invert(pixels):
    return 255 - pixels


@pytest.fixture(scope="module")
def probe():
    """B holds the negatives of other images than those of A."""
    return Probe(images(seed=0), invert(images(seed=1)))


def verdict_of(probe, model, *others):
    figures, made = probe.measure(model)
    return judge(figures, accord(made, [probe.translate(other) for other in others]))


def scrambled(seed):
    """A map that sends each image to some real image of the other domain, by luck of the seed."""
    targets = images(seed=1)

    def translate(pixels):
        return invert(targets)[np.random.default_rng(seed).permutation(len(targets))[: len(pixels)]]

    return Translator(translate)


def test_two_runs_that_found_the_relation_agree(probe):
    verdict = verdict_of(probe, Translator(invert), Translator(lambda pixels: invert(pixels) // 2 + 60))
    assert verdict.word == "found"
    assert verdict.accord.agreement > 0.95
    assert verdict.score > 0.7


def test_runs_that_luck_led_are_unstable_though_their_images_are_perfect(probe):
    verdict = verdict_of(probe, scrambled(0), scrambled(1), scrambled(2))
    assert verdict.word == "unstable"
    assert verdict.accord.runs == 2
    assert verdict.figures["a_to_b"].distribution < 0.1
    assert verdict.score < 0.1


def test_runs_that_differ_by_a_mirror_have_found_it_up_to_that(probe):
    verdict = verdict_of(probe, Translator(invert), Translator(lambda pixels: invert(pixels)[:, :, ::-1]))
    assert verdict.word == "found up to a symmetry"
    assert "mirrored left to right" in verdict.because
    assert verdict.accord.agreement < 0.2


def test_starts_that_agree_because_none_has_learned_have_found_nothing(probe):
    darker = Translator(lambda pixels: pixels // 2)
    verdict = verdict_of(probe, darker, darker)
    assert verdict.accord.agreement > 0.95
    assert verdict.score < 0.4
    assert verdict.word == "unstable"
    assert "longer" in verdict.because


def test_one_image_for_everything_is_a_collapse(probe):
    verdict = verdict_of(probe, Translator(invert, lambda pixels: np.broadcast_to(pixels[:1], pixels.shape)))
    assert (verdict.word, verdict.score) == ("collapsed", 0)
    assert "B to A" in verdict.because


def test_only_starts_that_have_learned_something_are_witnesses(probe):
    grey = Translator(lambda pixels: 0 * pixels + 127)
    assert len(probe.testify([Translator(invert), grey, scrambled(0)])) == 1


def test_true_pairs_speak_against_what_does_worse_than_its_input(probe):
    found = verdict_of(probe, Translator(invert))
    better, worse = ({"top_1": 0.4, "identity_top_1": identity} for identity in (0.35, 0.5))
    assert with_pairs(found, {"a_to_b": better, "b_to_a": better}) == found
    doubted = with_pairs(found, {"a_to_b": better, "b_to_a": worse})
    assert doubted.word == "unstable"
    assert "B to A finds 40.0% of the true partners, its input 50.0%" in doubted.because


def test_true_pairs_confirm_what_does_much_better_than_its_input(probe):
    alone = verdict_of(probe, Translator(invert))
    far, near = ({"top_1": 0.4, "identity_top_1": identity} for identity in (0.1, 0.35))
    assert with_pairs(alone, {"a_to_b": far, "b_to_a": near}).word == "unconfirmed"
    confirmed = with_pairs(alone, {"a_to_b": far, "b_to_a": far})
    assert confirmed.word == "found"
    assert "its input 10.0%" in confirmed.because


def test_starts_that_agree_on_images_that_are_poor_are_unconfirmed(probe):
    dull = Translator(lambda pixels: (invert(pixels) * 0.75 + 32).astype(np.uint8))
    verdict = verdict_of(probe, dull, dull)
    assert verdict.accord.agreement > 0.95
    assert 0.4 <= verdict.score < 0.5
    assert verdict.word == "unconfirmed"
    assert "longer" in verdict.because


def test_a_copy_is_called_one(probe):
    assert verdict_of(probe, Translator(lambda pixels: pixels)).word == "copies its input"


def test_one_run_alone_says_that_it_is_alone(probe):
    verdict = verdict_of(probe, Translator(invert))
    assert verdict.word == "unconfirmed"
    assert "another start" in verdict.because
    assert verdict_name(verdict.to_dict()) == "relation unconfirmed"
    noise = Translator(lambda pixels: np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint8))
    assert verdict_of(probe, noise).word in ("unstable", "collapsed")


def test_figures_of_a_perfect_and_of_a_constant_map(probe):
    figures, _ = probe.measure(Translator(invert))
    assert figures["a_to_b"].round_trip == 0
    assert figures["a_to_b"].diversity == pytest.approx(1, abs=0.1)
    assert figures["a_to_b"].distribution < 0.15
    grey, _ = probe.measure(Translator(lambda pixels: np.full_like(pixels, 128)))
    assert grey["a_to_b"].distribution == pytest.approx(1, abs=0.1)
    assert grey["a_to_b"].diversity == 0
    assert grey["a_to_b"].round_trip > 0.5


def test_a_discriminator_that_knows_everything_ranks_every_pair():
    bright, dark = np.full((6, 32, 32, 3), 200, np.uint8), np.full((6, 32, 32, 3), 20, np.uint8)
    figures, _ = Probe(dark, bright).measure(Translator(lambda pixels: pixels))
    assert figures["a_to_b"].judged == 1
    assert figures["b_to_a"].judged == 0
    assert Probe(dark, dark).measure(Translator(lambda pixels: pixels))[0]["a_to_b"].judged == 0.5


@pytest.mark.parametrize(("worse", "value"), [("round_trip", 1.0), ("diversity", 0.1), ("distribution", 0.9)])
def test_each_figure_lowers_the_score(worse, value):
    good = {"round_trip": 0.1, "diversity": 1.0, "distribution": 0.1, "change": 1.0, "judged": 0.7}
    assert Figures(**{**good, worse: value}).score < 0.2 < 0.7 < Figures(**good).score


def test_held_out_anchors_count_those_that_find_their_partner(probe):
    known = images(8, seed=5)
    verdict = verdict_of(probe, Translator(invert))
    right = with_anchors(verdict, Translator(invert), probe, known, invert(known))
    wrong = with_anchors(verdict, Translator(invert), probe, known, invert(images(8, seed=6)))
    assert (right.held_out_anchors, right.anchors_found) == (8, {"a_to_b": 1, "b_to_a": 1})
    assert wrong.anchors_found["a_to_b"] < 0.4
    assert with_anchors(verdict, Translator(invert), probe, known[:0], known[:0]).anchors_found is None


def test_agreement_of_unrelated_images_is_chance():
    one, other = (torch.rand(50, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert agreement(one, one) == 1
    assert agreement(one, other) < 0.15
    assert symmetric_agreement(one, one.flip(-2)) == ("mirrored upside down", 1)
