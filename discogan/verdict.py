"""The verdict: whether training found a relation, from metrics that need no true pairs.

No training loss identifies the correct relation, because an arbitrary mapping can have the same losses. One useful
signal is reproducibility. If the relation is in the data, a run with another seed finds it again; an arbitrary mapping
differs from seed to seed. So the verdict uses the agreement of independent runs, and metrics of the run itself that
reveal a failure. ``docs/results-verdict.md`` reports how it correlates with the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from discogan.directions import DIRECTIONS, LABELS, Direction, opposite
from discogan.images import Pixels, make_thumbnails, to_unit_rgb
from discogan.metrics import pairwise_distances
from discogan.metrics.agreement import SYMMETRIES, agreement, symmetric_agreements
from discogan.metrics.diversity import diversity
from discogan.metrics.round_trip import round_trip
from discogan.metrics.sliced_wasserstein import sliced_wasserstein
from discogan.model import TranslationModel
from discogan.run_records import Agreement, DirectionMetrics, Label, Verdict

COLLAPSE_DIVERSITY = 0.3
"""A direction whose diversity is below this has collapsed."""
COPY_CHANGE = 0.05
"""A run whose change is below this in both directions copies its input."""
MIN_AGREEMENT = 0.5
"""Share of images that independent runs must translate in the same way to confirm a relation."""
MIN_SYMMETRY_GAIN = 0.1
"""By how much a symmetry must raise the agreement to count, because some images are symmetric."""
GOOD_SCORE = 0.5
"""Unsupervised score from which the translations count as images of the other domain."""
MIN_REFERENCE_SCORE = 0.4
"""Unsupervised score below which a run confirms nothing, because untrained runs agree too."""
MIN_TOP_1_GAIN = 0.1
"""By how much top-1 must exceed that of the untranslated input, or chance, to confirm a relation with true pairs."""
MIN_STANDARD_ERRORS = 2.0
"""Standard errors by which true pairs must differ from the input to count, because a few pairs prove little."""
MIN_STEPS_TO_CONFIRM = 100
"""Steps below which no agreement of runs confirms a relation, because networks hardly differ from their start."""
PROBE_IMAGES = 128
"""Images of each domain that the metrics use."""
Thumbnails = Mapping[Direction, Tensor]
"""Translations of the probe's images, float (N, 3, 16, 16) in [0, 1], by direction."""


class Probe:
    """The images of both domains that the metrics use: at most ``PROBE_IMAGES`` each, the same for every run.

    Only ``directions`` and ``round_trip_directions``, the directions that the run trains, are measured.
    """

    def __init__(
        self,
        pixels_a: Pixels,
        pixels_b: Pixels,
        directions: Sequence[Direction] = DIRECTIONS,
        round_trip_directions: Sequence[Direction] = DIRECTIONS,
    ) -> None:
        self.directions, self.round_trip_directions = directions, round_trip_directions
        self.images: dict[Direction, Pixels] = {
            "a_to_b": _choose_images(pixels_a),
            "b_to_a": _choose_images(pixels_b),
        }
        self.small = {direction: _thumbnails(pixels) for direction, pixels in self.images.items()}

    def translate(self, model: TranslationModel) -> dict[Direction, Tensor]:
        """Translate the images, for ``measure_agreement``; the model must be in evaluation mode."""
        return {
            direction: _thumbnails(model.translate_pixels(self.images[direction], direction))
            for direction in self.directions
        }

    def measure(self, model: TranslationModel) -> tuple[dict[Direction, DirectionMetrics], dict[Direction, Tensor]]:
        """Return the metrics of each direction and the translations; the model must be in evaluation mode."""
        metrics: dict[Direction, DirectionMetrics] = {}
        thumbnails: dict[Direction, Tensor] = {}
        for direction in self.directions:
            translated = model.translate_pixels(self.images[direction], direction)
            thumbnails[direction] = _thumbnails(translated)
            reconstructed = None
            if direction in self.round_trip_directions:
                reconstructed = _thumbnails(model.translate_pixels(translated, opposite(direction)))
            accuracy = _discriminator_accuracy(model, direction, self.images[opposite(direction)], translated)
            metrics[direction] = self._metrics(direction, thumbnails[direction], reconstructed, accuracy)
        return metrics, thumbnails

    def _metrics(
        self, direction: Direction, translated: Tensor, reconstructed: Tensor | None, accuracy: float
    ) -> DirectionMetrics:
        original, real = self.small[direction], self.small[opposite(direction)]
        unrelated = round_trip(original.roll(1, 0), original)["round_trip_l1"] or 1.0
        reconstruction = None
        if reconstructed is not None:
            reconstruction = round_trip(reconstructed, original)["round_trip_l1"] / unrelated
        return DirectionMetrics(
            round_trip=reconstruction,
            diversity=diversity(translated, real)["diversity"],
            distribution=_distribution(translated, real),
            change=round_trip(translated, original)["round_trip_l1"] / unrelated,
            discriminator_accuracy=accuracy,
        )


def assess(model: TranslationModel, probe: Probe, references: Iterable[TranslationModel] = ()) -> Verdict:
    """Return the verdict on a model. Only references that have learned enough count.

    Untrained models return their input almost unchanged, so they would agree with any model that does too.
    """
    metrics, thumbnails = probe.measure(model)
    measured = [probe.measure(reference) for reference in references]
    learned = [
        reference_thumbnails
        for reference_metrics, reference_thumbnails in measured
        if worst_direction_score(reference_metrics) >= MIN_REFERENCE_SCORE
    ]
    verdict = decide(metrics, measure_agreement(thumbnails, learned), has_weak_references=len(learned) < len(measured))
    if verdict.label.startswith("found") and 0 < model.step < MIN_STEPS_TO_CONFIRM:
        reason = f"{verdict.reason} But {model.step} steps are too few to confirm a relation. Train longer."
        verdict = replace(verdict, label="unconfirmed", reason=reason)
    if len(learned) == len(measured):
        return verdict
    ignored = (
        f"{len(measured) - len(learned)} of {len(measured)} reference runs had learned too little to count as evidence."
    )
    return replace(verdict, reason=f"{verdict.reason} {ignored}")


def with_anchors(verdict: Verdict, model: TranslationModel, probe: Probe, a: Pixels, b: Pixels) -> Verdict:
    """Add the accuracy on known pairs, uint8 (N, H, W, C); row i of ``a`` belongs to row i of ``b``."""
    if not len(a):
        return verdict
    anchors: dict[Direction, Pixels] = {"a_to_b": a, "b_to_a": b}
    shares: dict[Direction, float] = {}
    for direction in probe.directions:
        translated = _thumbnails(model.translate_pixels(anchors[direction], direction)).flatten(1)
        partners = _thumbnails(anchors[opposite(direction)]).flatten(1)
        candidates = probe.small[opposite(direction)].flatten(1)
        # Anchors are usually training images, so a partner can be one of the probe's; it does not compete with itself.
        is_partner = pairwise_distances(partners, candidates) == 0
        nearest = pairwise_distances(translated, candidates).masked_fill(is_partner, float("inf")).min(1).values
        shares[direction] = ((translated - partners).norm(dim=1) < nearest).float().mean().item()
    return replace(verdict, held_out_anchors=len(a), anchors_found=shares)


def with_pairs(verdict: Verdict, scores: Mapping[str, Any]) -> Verdict:
    """Let true pairs override the verdict. ``scores`` is the result of ``evaluate``.

    A run that is worse than the untranslated input or chance is unstable, and one that is far better is found. Both
    need a difference of ``MIN_STANDARD_ERRORS``. If the pairs rule out a gain that counts, the run is at best
    unconfirmed. The label of a run that has collapsed or copies its input stays. The reason always names the pairs.
    """
    count = scores["images_a"]
    gains = {direction: _top_1_gain(scores[direction], count) for direction in verdict.metrics}
    worst = min(gains, key=lambda direction: gains[direction][0] / gains[direction][1])
    finding = _describe_pairs(worst, scores[worst], count)
    if verdict.label in ("collapsed", "copies its input"):
        return replace(verdict, reason=f"{verdict.reason} True pairs: {finding}")
    if any(gain < -MIN_STANDARD_ERRORS * error for gain, error in gains.values()):
        return replace(verdict, label="unstable", reason=f"True pairs contradict the relation: {finding}")
    if all(gain >= max(MIN_TOP_1_GAIN - 1e-9, MIN_STANDARD_ERRORS * error) for gain, error in gains.values()):
        return replace(verdict, label="found", reason=f"True pairs confirm the relation: {finding}")
    gain, error = gains[worst]
    needed = max(MIN_TOP_1_GAIN, MIN_STANDARD_ERRORS * error)
    missing = f"Its gain is {gain:+.1%}; confirming the relation needs {needed:.1%}, in each direction."
    is_ruled_out = any(gain + MIN_STANDARD_ERRORS * error < MIN_TOP_1_GAIN for gain, error in gains.values())
    if verdict.label == "unconfirmed" or (verdict.label.startswith("found") and is_ruled_out):
        reason = f"True pairs neither confirm nor contradict the relation: {finding} {missing} Train longer."
        return replace(verdict, label="unconfirmed", reason=reason)
    return replace(verdict, reason=f"{verdict.reason} True pairs do not decide it: {finding}")


def _describe_pairs(direction: Direction, scores: Mapping[str, float], count: int) -> str:
    """Return what a direction finds, next to the untranslated input or to chance, whichever finds more."""
    baseline, share = "the untranslated input finds", scores["identity_top_1"]
    if scores["chance_top_1"] > share:
        baseline, share = "chance finds", scores["chance_top_1"]
    return f"{LABELS[direction]} finds {scores['top_1']:.1%} of {count} true partners; {baseline} {share:.1%}."


def _top_1_gain(scores: Mapping[str, float], count: int) -> tuple[float, float]:
    """Return the difference between top-1 and that of the input or chance, and the difference's standard error.

    One hit and one miss are added to each share (Agresti and Caffo 2000), so that two hits of two prove little.
    """
    share, baseline = scores["top_1"], max(scores["identity_top_1"], scores["chance_top_1"])
    variance = 0.0
    for value in (share, baseline):
        adjusted = (value * count + 1) / (count + 2)
        variance += adjusted * (1 - adjusted) / (count + 2)
    return share - baseline, variance**0.5


def measure_agreement(thumbnails: Thumbnails, references: Sequence[Thumbnails]) -> Agreement | None:
    """Return how far a run's translations equal those of reference runs; ``None`` without a reference run."""
    if not references:
        return None
    pairs = []
    for reference in references:
        pairs += [(thumbnails[direction], reference[direction]) for direction in thumbnails if direction in reference]
    by_symmetry = [symmetric_agreements(*pair) for pair in pairs]
    means: dict[str, float] = {}
    for name in SYMMETRIES:
        means[name] = float(np.mean([shares[name] for shares in by_symmetry]))
    symmetry = max(means, key=lambda name: means[name])
    return Agreement(
        runs=len(references),
        share=float(np.mean([agreement(*pair) for pair in pairs])),
        symmetry=symmetry,
        share_under_symmetry=means[symmetry],
    )


def decide(
    metrics: Mapping[Direction, DirectionMetrics], agreement: Agreement | None, has_weak_references: bool = False
) -> Verdict:
    """Return the verdict that the metrics and the agreement allow; the clearest failure comes first.

    ``has_weak_references`` says that there are reference runs that learned too little to count.
    """
    own_score = worst_direction_score(metrics)
    label, reason = _label(metrics, own_score, agreement, has_weak_references)
    score = own_score * max(agreement.share, agreement.share_under_symmetry) if agreement else own_score
    return Verdict(label, reason, score, metrics, agreement)


def worst_direction_score(metrics: Mapping[Direction, DirectionMetrics]) -> float:
    """Return the unsupervised score of the worse direction."""
    return min(each.score for each in metrics.values())


def _label(
    metrics: Mapping[Direction, DirectionMetrics],
    own_score: float,
    agreement: Agreement | None,
    has_weak_references: bool,
) -> tuple[Label, str]:
    worst = min(metrics, key=lambda direction: metrics[direction].diversity)
    if metrics[worst].diversity < COLLAPSE_DIVERSITY:
        return "collapsed", f"{LABELS[worst]} generates nearly the same image for every input."
    if max(each.change for each in metrics.values()) < COPY_CHANGE:
        return (
            "copies its input",
            "Outputs are nearly identical to inputs. This is correct only if both domains look the same; otherwise "
            "try --set generator.residual=false.",
        )
    if agreement is None:
        return _label_without_reference(metrics, own_score, has_weak_references)
    if own_score < MIN_REFERENCE_SCORE:
        return (
            "unstable",
            "The translations do not yet look like the other domain, or their round trips are poor. Train longer.",
        )
    runs = "a run with another seed" if agreement.runs == 1 else f"{agreement.runs} runs with other seeds"
    if max(agreement.share, agreement.share_under_symmetry) < MIN_AGREEMENT:
        return (
            "unstable",
            f"Only {agreement.share:.0%} of the images are translated in the same way by {runs}, so this mapping is "
            "probably arbitrary. Train longer, add images, or provide known pairs (--anchors).",
        )
    finding = f"{agreement.share:.0%} of the images are translated in the same way by {runs}"
    has_symmetry = (
        agreement.share < MIN_AGREEMENT or agreement.share_under_symmetry > agreement.share + MIN_SYMMETRY_GAIN
    )
    if has_symmetry:
        finding = (
            f"{finding}, and {agreement.share_under_symmetry:.0%} if one run's translations are {agreement.symmetry}"
        )
    if own_score < GOOD_SCORE:
        return "unconfirmed", f"{finding}. But the translations do not yet look like the other domain. Train longer."
    if has_symmetry:
        return (
            "found up to a symmetry",
            f"{finding}. The images alone do not show which of the two mappings is correct.",
        )
    return "found", f"{finding}."


def _label_without_reference(
    metrics: Mapping[Direction, DirectionMetrics], own_score: float, has_weak_references: bool
) -> tuple[Label, str]:
    if own_score < GOOD_SCORE:
        return (
            "unstable",
            "The translations do not yet look like the other domain, or their round trips are poor. Train longer.",
        )
    looks = "look like the other domain"
    if all(each.round_trip is not None for each in metrics.values()):
        looks += " and their round trips are close"
    # Another search within the same budget would not train the other seeds any longer.
    cure = ". Train longer, so that the other seeds learn as much." if has_weak_references else " (--seeds-tried 2)."
    return (
        "unconfirmed",
        f"The translations {looks}, but those of an arbitrary mapping would too. Only true pairs, or a run with "
        f"another seed that has learned as much, can confirm the relation{cure}",
    )


def _distribution(translated: Tensor, real: Tensor) -> float:
    """Return ``DirectionMetrics.distribution``.

    The distance between two samples of one distribution falls with the square root of their size.
    """

    def distance(images: Tensor, references: Tensor) -> float:
        return sliced_wasserstein(images, references)["sliced_wasserstein"]

    chance = distance(real[::2], real[1::2]) / 2**0.5 if len(real) > 1 else 0.0
    span = distance(real.mean(0, keepdim=True).expand_as(real), real) - chance
    return max(0.0, distance(translated, real) - chance) / span if span > 0 else 0.0


def _choose_images(pixels: Pixels) -> Pixels:
    """Choose at most ``PROBE_IMAGES`` in random order, because neighbours in a folder are often similar."""
    return np.array(pixels[np.random.default_rng(0).permutation(len(pixels))[:PROBE_IMAGES]])


def _thumbnails(pixels: Pixels) -> Tensor:
    """Return uint8 (N, H, W, C) as RGB area averages, float (N, 3, 16, 16) in [0, 1]."""
    return make_thumbnails(to_unit_rgb(pixels))


@torch.no_grad()
def _discriminator_accuracy(model: TranslationModel, direction: Direction, real: Pixels, translated: Pixels) -> float:
    """Return the share of (real, translated) pairs that the discriminator orders correctly; ties count half."""
    discriminate = model.discriminate_b if direction == "a_to_b" else model.discriminate_a
    device = next(model.parameters()).device
    logits = []
    for pixels in (real, translated):
        batches = torch.split(torch.from_numpy(pixels), 64)
        outputs = [discriminate(model.pixel_range.encode(batch.to(device))).logits for batch in batches]
        logits.append(torch.cat([output.flatten(1).mean(1) for output in outputs]))
    difference = logits[0][:, None] - logits[1][None]
    return ((difference > 0).float() + 0.5 * (difference == 0).float()).mean().item()
