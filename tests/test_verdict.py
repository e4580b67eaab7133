import numpy as np
import pytest
import torch

from discogan.labels import verdict_name
from discogan.metrics.agreement import agreement, symmetric_agreements
from discogan.run_records import Agreement, DirectionMetrics
from discogan.verdict import PROBE_IMAGES, Probe, assess, decide, measure_agreement, with_anchors, with_pairs

DIRECTIONS = ("a_to_b", "b_to_a")


class FakeModel:
    """A model whose generators are functions of pixels and whose discriminators return the mean brightness."""

    pixel_range = type("Range", (), {"encode": staticmethod(lambda pixels: pixels.permute(0, 3, 1, 2) / 127.5 - 1)})

    def __init__(self, a_to_b, b_to_a=None):
        self.functions = {"a_to_b": a_to_b, "b_to_a": b_to_a or a_to_b}

    step = 0

    def translate_pixels(self, pixels, direction):
        return np.ascontiguousarray(self.functions[direction](pixels))

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


def verdict_of(probe, model, *references):
    metrics, thumbnails = probe.measure(model)
    return decide(metrics, measure_agreement(thumbnails, [probe.translate(reference) for reference in references]))


def pair_scores(top_1, identities, count=300):
    """Scores as ``evaluate`` returns them for true pairs, with the same top-1 in both directions."""
    scores = {"images_a": count}
    for direction, identity in zip(DIRECTIONS, identities, strict=True):
        scores[direction] = {"top_1": top_1, "identity_top_1": identity, "chance_top_1": 1 / count}
    return scores


def scrambled(seed):
    """A model that maps each image to an arbitrary real image of the other domain; the seed decides to which."""
    targets = images(seed=1)

    def translate(pixels):
        return invert(targets)[np.random.default_rng(seed).permutation(len(targets))[: len(pixels)]]

    return FakeModel(translate)


def test_two_runs_with_the_same_relation_found_it(probe):
    verdict = verdict_of(probe, FakeModel(invert), FakeModel(lambda pixels: invert(pixels) // 2 + 60))
    assert verdict.label == "found"
    assert verdict.agreement.share > 0.95
    assert verdict.score > 0.7


def test_arbitrary_mappings_are_unstable_even_with_perfect_images(probe):
    verdict = verdict_of(probe, scrambled(0), scrambled(1), scrambled(2))
    assert verdict.label == "unstable"
    assert verdict.agreement.runs == 2
    assert verdict.metrics["a_to_b"].distribution < 0.1
    assert verdict.score < 0.1


def test_runs_that_differ_by_a_mirror_found_the_relation_up_to_a_symmetry(probe):
    verdict = verdict_of(probe, FakeModel(invert), FakeModel(lambda pixels: invert(pixels)[:, :, ::-1]))
    assert verdict.label == "found up to a symmetry"
    assert "mirrored left to right" in verdict.reason
    assert verdict.agreement.share < 0.2


def test_untrained_runs_that_agree_are_unstable(probe):
    darker = FakeModel(lambda pixels: pixels // 2)
    verdict = verdict_of(probe, darker, darker)
    assert verdict.agreement.share > 0.95
    assert verdict.score < 0.4
    assert verdict.label == "unstable"
    assert "longer" in verdict.reason


def test_one_image_for_every_input_is_a_collapse(probe):
    verdict = verdict_of(probe, FakeModel(invert, lambda pixels: np.broadcast_to(pixels[:1], pixels.shape)))
    assert (verdict.label, verdict.score) == ("collapsed", 0)
    assert "B to A" in verdict.reason


def test_only_runs_that_learned_enough_are_references(probe):
    grey = FakeModel(lambda pixels: 0 * pixels + 127)
    verdict = assess(FakeModel(invert), probe, [FakeModel(invert), grey, scrambled(0)])
    assert verdict.agreement.runs == 1
    assert verdict.reason.endswith("2 of 3 reference runs had learned too little to count as evidence.")


def test_weak_references_do_not_recommend_another_search(probe):
    grey = FakeModel(lambda pixels: 0 * pixels + 127)
    alone, with_weak = (assess(FakeModel(invert), probe, references) for references in ([], [grey]))
    assert alone.label == with_weak.label == "unconfirmed"
    assert "--seeds-tried" in alone.reason
    assert "--seeds-tried" not in with_weak.reason
    assert "Train longer" in with_weak.reason


@pytest.mark.parametrize(("step", "label"), [(46, "unconfirmed"), (99, "unconfirmed"), (100, "found"), (5000, "found")])
def test_a_run_of_a_few_steps_is_never_found_by_agreement(probe, step, label):
    model = FakeModel(invert)
    model.step = step
    verdict = assess(model, probe, [FakeModel(invert)])
    assert verdict.label == label
    assert (f"{step} steps are too few" in verdict.reason) == (label == "unconfirmed")


def test_a_run_worse_than_its_input_on_true_pairs_is_unstable(probe):
    unconfirmed = verdict_of(probe, FakeModel(invert))
    unsettled = with_pairs(unconfirmed, pair_scores(0.4, (0.35, 0.35)))
    assert unsettled.label == "unconfirmed"
    assert "neither confirm nor contradict the relation: A to B finds 40.0%" in unsettled.reason
    assert "Its gain is +5.0%; confirming the relation needs 10.0%" in unsettled.reason
    assert "Only true pairs" not in unsettled.reason
    verdict = with_pairs(unconfirmed, pair_scores(0.4, (0.35, 0.5)))
    assert verdict.label == "unstable"
    assert "B to A finds 40.0% of 300 true partners; the untranslated input finds 50.0%" in verdict.reason
    assert with_pairs(unconfirmed, pair_scores(0.4, (0.35, 0.41))).label == "unconfirmed"


def test_the_reason_names_the_worst_direction(probe):
    unconfirmed, scores = verdict_of(probe, FakeModel(invert)), pair_scores(0.5, (0.6, 0), count=100)
    scores["b_to_a"] |= {"top_1": 0.0, "identity_top_1": 0.2}
    verdict = with_pairs(unconfirmed, scores)
    assert verdict.label == "unstable"
    assert "B to A finds 0.0%" in verdict.reason


def test_a_run_much_better_than_its_input_on_true_pairs_is_found(probe):
    single = verdict_of(probe, FakeModel(invert))
    assert with_pairs(single, pair_scores(0.4, (0.1, 0.35))).label == "unconfirmed"
    confirmed = with_pairs(single, pair_scores(0.4, (0.1, 0.1)))
    assert confirmed.label == "found"
    assert "input finds 10.0%" in confirmed.reason


@pytest.mark.parametrize(
    ("top_1", "count", "label"), [(0.5, 2, "unconfirmed"), (1, 2, "unconfirmed"), (0.9, 10, "found")]
)
def test_a_few_pairs_confirm_only_a_significant_difference(probe, top_1, count, label):
    single = verdict_of(probe, FakeModel(invert))
    assert with_pairs(single, pair_scores(top_1, (0, 0), count)).label == label


def test_runs_that_agree_on_poor_images_are_unconfirmed(probe):
    dull = FakeModel(lambda pixels: (invert(pixels) * 0.75 + 32).astype(np.uint8))
    verdict = verdict_of(probe, dull, dull)
    assert verdict.agreement.share > 0.95
    assert 0.4 <= verdict.score < 0.5
    assert verdict.label == "unconfirmed"
    assert "longer" in verdict.reason


def test_an_untrained_reverse_direction_is_not_measured():
    grey = FakeModel(invert, lambda pixels: 0 * pixels + 127)
    probe = Probe(images(seed=0), invert(images(seed=1)), ("a_to_b",), ())
    verdict = verdict_of(probe, grey)
    assert verdict.metrics["a_to_b"].round_trip is None
    assert verdict.score > 0.7
    assert verdict.label == "unconfirmed"
    assert "round trips" not in verdict.reason


def test_a_copy_of_the_input_is_detected(probe):
    assert verdict_of(probe, FakeModel(lambda pixels: pixels)).label == "copies its input"


def test_a_single_run_is_unconfirmed(probe):
    verdict = verdict_of(probe, FakeModel(invert))
    assert verdict.label == "unconfirmed"
    assert "another seed" in verdict.reason
    assert verdict_name(verdict.to_dict()) == "relation unconfirmed"
    noise = FakeModel(lambda pixels: np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint8))
    assert verdict_of(probe, noise).label in ("unstable", "collapsed")


def test_metrics_of_a_perfect_and_of_a_constant_model(probe):
    metrics, _ = probe.measure(FakeModel(invert))
    assert metrics["a_to_b"].round_trip == 0
    assert metrics["a_to_b"].diversity == pytest.approx(1, abs=0.1)
    assert metrics["a_to_b"].distribution < 0.15
    grey, _ = probe.measure(FakeModel(lambda pixels: np.full_like(pixels, 128)))
    assert grey["a_to_b"].distribution == pytest.approx(1, abs=0.1)
    assert grey["a_to_b"].diversity == 0
    assert grey["a_to_b"].round_trip > 0.5


def test_accuracy_of_a_perfect_discriminator():
    bright, dark = np.full((6, 32, 32, 3), 200, np.uint8), np.full((6, 32, 32, 3), 20, np.uint8)
    metrics, _ = Probe(dark, bright).measure(FakeModel(lambda pixels: pixels))
    assert metrics["a_to_b"].discriminator_accuracy == 1
    assert metrics["b_to_a"].discriminator_accuracy == 0
    assert Probe(dark, dark).measure(FakeModel(lambda pixels: pixels))[0]["a_to_b"].discriminator_accuracy == 0.5


@pytest.mark.parametrize(("worse", "value"), [("round_trip", 1.0), ("diversity", 0.1), ("distribution", 0.9)])
def test_each_metric_lowers_the_score(worse, value):
    good = {"round_trip": 0.1, "diversity": 1.0, "distribution": 0.1, "change": 1.0, "discriminator_accuracy": 0.7}
    assert DirectionMetrics(**{**good, worse: value}).score < 0.2 < 0.7 < DirectionMetrics(**good).score


def test_the_share_of_held_out_anchors_that_find_their_partner(probe):
    known = images(8, seed=5)
    verdict = verdict_of(probe, FakeModel(invert))
    correct = with_anchors(verdict, FakeModel(invert), probe, known, invert(known))
    wrong = with_anchors(verdict, FakeModel(invert), probe, known, invert(images(8, seed=6)))
    assert (correct.held_out_anchors, correct.anchors_found) == (8, {"a_to_b": 1, "b_to_a": 1})
    assert wrong.anchors_found["a_to_b"] < 0.4
    assert with_anchors(verdict, FakeModel(invert), probe, known[:0], known[:0]).anchors_found is None


def test_anchors_among_the_probe_images_are_found_too():
    known = images(60, seed=5)
    probe = Probe(known, invert(known))
    exact = verdict_of(probe, FakeModel(invert))
    assert with_anchors(exact, FakeModel(invert), probe, known, invert(known)).anchors_found["a_to_b"] == 1
    near = FakeModel(lambda pixels: invert(pixels) // 10 * 9 + 20)
    assert with_anchors(exact, near, probe, known, invert(known)).anchors_found["a_to_b"] == 1


def test_metrics_do_not_depend_on_the_order_of_the_files():
    many = images(PROBE_IMAGES, seed=3)
    bursts = many[::8].repeat(8, 0) // 8 * 7 + many // 8
    shuffled = bursts[np.random.default_rng(1).permutation(len(bursts))]
    in_order, mixed = (Probe(pixels, pixels).measure(FakeModel(invert))[0]["a_to_b"] for pixels in (bursts, shuffled))
    assert in_order.change == pytest.approx(mixed.change, rel=0.1)


def test_symmetric_images_do_not_count_as_mirrored(probe):
    metrics, _ = probe.measure(FakeModel(invert))
    assert decide(metrics, Agreement(1, 0.96, "mirrored left to right", 0.97)).label == "found"
    assert decide(metrics, Agreement(1, 0.6, "mirrored left to right", 0.97)).label == "found up to a symmetry"


def test_both_directions_share_one_symmetry(probe):
    _, thumbnails = probe.measure(FakeModel(invert))
    flipped = {"a_to_b": thumbnails["a_to_b"].flip(-1), "b_to_a": thumbnails["b_to_a"].flip(-2)}
    assert measure_agreement(thumbnails, [flipped]).share_under_symmetry < 0.6


def test_poor_images_under_a_symmetry_are_unconfirmed(probe):
    dull = FakeModel(lambda pixels: (invert(pixels) * 0.75 + 32).astype(np.uint8))
    mirrored = FakeModel(lambda pixels: (invert(pixels) * 0.75 + 32).astype(np.uint8)[:, :, ::-1])
    assert verdict_of(probe, dull, mirrored).label == "unconfirmed"


def test_agreement_of_unrelated_images_is_chance():
    images, unrelated = (torch.rand(50, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert agreement(images, images) == 1
    assert agreement(images, unrelated) < 0.15
    shares = symmetric_agreements(images, images.flip(-2))
    assert shares["mirrored upside down"] == 1
    assert max(shares["mirrored left to right"], shares["turned by 180 degrees"]) < 0.15
