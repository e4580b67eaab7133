import numpy as np
import pytest
import torch

from discogan.labels import verdict_name
from discogan.metrics.agreement import agreement, symmetric_agreements
from discogan.verdict import (
    PROBE_IMAGES,
    Agreement,
    DirectionMetrics,
    Probe,
    assess,
    decide,
    measure_agreement,
    with_anchors,
    with_pairs,
)

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

    def discriminate_a(self, images):
        return type("DiscriminatorOutput", (), {"logits": images.mean((1, 2, 3)).unsqueeze(1)})

    discriminate_b = discriminate_a


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
    return decide(figures, measure_agreement(made, [probe.translate(other) for other in others]))


def pair_scores(top_1, identities, count=300):
    """What evaluate says of true pairs, the same top-1 both ways."""
    ways = {
        way: {"top_1": top_1, "identity_top_1": identity, "chance_top_1": 1 / count}
        for way, identity in zip(WAYS, identities, strict=True)
    }
    return {"images_a": count, **ways}


def scrambled(seed):
    """A map that sends each image to some real image of the other domain, by luck of the seed."""
    targets = images(seed=1)

    def translate(pixels):
        return invert(targets)[np.random.default_rng(seed).permutation(len(targets))[: len(pixels)]]

    return Translator(translate)


def test_two_runs_that_found_the_relation_agree(probe):
    verdict = verdict_of(probe, Translator(invert), Translator(lambda pixels: invert(pixels) // 2 + 60))
    assert verdict.label == "found"
    assert verdict.agreement.share > 0.95
    assert verdict.score > 0.7


def test_runs_that_luck_led_are_unstable_though_their_images_are_perfect(probe):
    verdict = verdict_of(probe, scrambled(0), scrambled(1), scrambled(2))
    assert verdict.label == "unstable"
    assert verdict.agreement.runs == 2
    assert verdict.metrics["a_to_b"].distribution < 0.1
    assert verdict.score < 0.1


def test_runs_that_differ_by_a_mirror_have_found_it_up_to_that(probe):
    verdict = verdict_of(probe, Translator(invert), Translator(lambda pixels: invert(pixels)[:, :, ::-1]))
    assert verdict.label == "found up to a symmetry"
    assert "mirrored left to right" in verdict.reason
    assert verdict.agreement.share < 0.2


def test_starts_that_agree_because_none_has_learned_have_found_nothing(probe):
    darker = Translator(lambda pixels: pixels // 2)
    verdict = verdict_of(probe, darker, darker)
    assert verdict.agreement.share > 0.95
    assert verdict.score < 0.4
    assert verdict.label == "unstable"
    assert "longer" in verdict.reason


def test_one_image_for_everything_is_a_collapse(probe):
    verdict = verdict_of(probe, Translator(invert, lambda pixels: np.broadcast_to(pixels[:1], pixels.shape)))
    assert (verdict.label, verdict.score) == ("collapsed", 0)
    assert "B to A" in verdict.reason


def test_only_starts_that_have_learned_something_are_witnesses(probe):
    grey = Translator(lambda pixels: 0 * pixels + 127)
    verdict = assess(Translator(invert), probe, [Translator(invert), grey, scrambled(0)])
    assert verdict.agreement.runs == 1
    assert verdict.reason.endswith("2 of 3 reference runs had learned too little to count.")


def test_true_pairs_speak_against_what_does_worse_than_its_input(probe):
    found = verdict_of(probe, Translator(invert))
    assert with_pairs(found, pair_scores(0.4, (0.35, 0.35))) == found
    doubted = with_pairs(found, pair_scores(0.4, (0.35, 0.5)))
    assert doubted.label == "unstable"
    assert "B to A finds 40.0% of 300 true partners; the untranslated input finds 50.0%" in doubted.reason
    assert with_pairs(found, pair_scores(0.4, (0.35, 0.41))) == found


def test_true_pairs_cite_the_direction_that_speaks(probe):
    found, scores = verdict_of(probe, Translator(invert)), pair_scores(0.5, (0.6, 0), count=100)
    scores["b_to_a"] |= {"top_1": 0.0, "identity_top_1": 0.2}
    doubted = with_pairs(found, scores)
    assert doubted.label == "unstable"
    assert "B to A finds 0.0%" in doubted.reason


def test_true_pairs_confirm_what_does_much_better_than_its_input(probe):
    alone = verdict_of(probe, Translator(invert))
    assert with_pairs(alone, pair_scores(0.4, (0.1, 0.35))).label == "unconfirmed"
    confirmed = with_pairs(alone, pair_scores(0.4, (0.1, 0.1)))
    assert confirmed.label == "found"
    assert "input finds 10.0%" in confirmed.reason


@pytest.mark.parametrize(
    ("top_1", "count", "word"), [(0.5, 2, "unconfirmed"), (1, 2, "unconfirmed"), (0.9, 10, "found")]
)
def test_a_few_pairs_confirm_only_what_chance_would_not_do(probe, top_1, count, word):
    alone = verdict_of(probe, Translator(invert))
    assert with_pairs(alone, pair_scores(top_1, (0, 0), count)).label == word


def test_starts_that_agree_on_images_that_are_poor_are_unconfirmed(probe):
    dull = Translator(lambda pixels: (invert(pixels) * 0.75 + 32).astype(np.uint8))
    verdict = verdict_of(probe, dull, dull)
    assert verdict.agreement.share > 0.95
    assert 0.4 <= verdict.score < 0.5
    assert verdict.label == "unconfirmed"
    assert "longer" in verdict.reason


def test_a_way_back_that_is_not_trained_is_not_counted():
    grey = Translator(invert, lambda pixels: 0 * pixels + 127)
    one_way = Probe(images(seed=0), invert(images(seed=1)), ("a_to_b",), ())
    verdict = verdict_of(one_way, grey)
    assert verdict.metrics["a_to_b"].round_trip is None
    assert verdict.score > 0.7
    assert verdict.label == "unconfirmed"
    assert "come back" not in verdict.reason


def test_a_copy_is_called_one(probe):
    assert verdict_of(probe, Translator(lambda pixels: pixels)).label == "copies its input"


def test_one_run_alone_says_that_it_is_alone(probe):
    verdict = verdict_of(probe, Translator(invert))
    assert verdict.label == "unconfirmed"
    assert "another seed" in verdict.reason
    assert verdict_name(verdict.to_dict()) == "relation unconfirmed"
    noise = Translator(lambda pixels: np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint8))
    assert verdict_of(probe, noise).label in ("unstable", "collapsed")


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
    assert figures["a_to_b"].discriminator_accuracy == 1
    assert figures["b_to_a"].discriminator_accuracy == 0
    assert Probe(dark, dark).measure(Translator(lambda pixels: pixels))[0]["a_to_b"].discriminator_accuracy == 0.5


@pytest.mark.parametrize(("worse", "value"), [("round_trip", 1.0), ("diversity", 0.1), ("distribution", 0.9)])
def test_each_figure_lowers_the_score(worse, value):
    good = {"round_trip": 0.1, "diversity": 1.0, "distribution": 0.1, "change": 1.0, "discriminator_accuracy": 0.7}
    assert DirectionMetrics(**{**good, worse: value}).score < 0.2 < 0.7 < DirectionMetrics(**good).score


def test_held_out_anchors_count_those_that_find_their_partner(probe):
    known = images(8, seed=5)
    verdict = verdict_of(probe, Translator(invert))
    right = with_anchors(verdict, Translator(invert), probe, known, invert(known))
    wrong = with_anchors(verdict, Translator(invert), probe, known, invert(images(8, seed=6)))
    assert (right.held_out_anchors, right.anchors_found) == (8, {"a_to_b": 1, "b_to_a": 1})
    assert wrong.anchors_found["a_to_b"] < 0.4
    assert with_anchors(verdict, Translator(invert), probe, known[:0], known[:0]).anchors_found is None


def test_anchors_that_the_probe_holds_are_found_too():
    known = images(60, seed=5)
    probe = Probe(known, invert(known))
    exact = verdict_of(probe, Translator(invert))
    assert with_anchors(exact, Translator(invert), probe, known, invert(known)).anchors_found["a_to_b"] == 1
    near = Translator(lambda pixels: invert(pixels) // 10 * 9 + 20)
    assert with_anchors(exact, near, probe, known, invert(known)).anchors_found["a_to_b"] == 1


def test_figures_owe_nothing_to_the_order_of_the_files():
    many = images(PROBE_IMAGES, seed=3)
    bursts = many[::8].repeat(8, 0) // 8 * 7 + many // 8
    shuffled = bursts[np.random.default_rng(1).permutation(len(bursts))]
    in_order, mixed = (Probe(pixels, pixels).measure(Translator(invert))[0]["a_to_b"] for pixels in (bursts, shuffled))
    assert in_order.change == pytest.approx(mixed.change, rel=0.1)


def test_symmetric_images_are_not_called_mirrored(probe):
    figures, _ = probe.measure(Translator(invert))
    assert decide(figures, Agreement(1, 0.96, "mirrored left to right", 0.97)).label == "found"
    assert decide(figures, Agreement(1, 0.6, "mirrored left to right", 0.97)).label == "found up to a symmetry"


def test_a_symmetry_is_one_for_both_directions(probe):
    _, made = probe.measure(Translator(invert))
    turned = {"a_to_b": made["a_to_b"].flip(-1), "b_to_a": made["b_to_a"].flip(-2)}
    assert measure_agreement(made, [turned]).share_under_symmetry < 0.6


def test_poor_images_are_not_found_under_a_symmetry_either(probe):
    dull = Translator(lambda pixels: (invert(pixels) * 0.75 + 32).astype(np.uint8))
    mirrored = Translator(lambda pixels: (invert(pixels) * 0.75 + 32).astype(np.uint8)[:, :, ::-1])
    assert verdict_of(probe, dull, mirrored).label == "unconfirmed"


def test_agreement_of_unrelated_images_is_chance():
    one, other = (torch.rand(50, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert agreement(one, one) == 1
    assert agreement(one, other) < 0.15
    shares = symmetric_agreements(one, one.flip(-2))
    assert shares["mirrored upside down"] == 1
    assert max(shares["mirrored left to right"], shares["turned by 180 degrees"]) < 0.15
