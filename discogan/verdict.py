"""What can be said of a relation without any true pair: figures, one score, and a verdict in words.

No loss tells a true relation from a scrambled one: both make images that pass for the other domain's and come back.
What tells them apart is luck. A relation that was in the data is found again from another start; one that training
settled on is not. So the verdict rests on whether independently started runs agree, and on four figures of
the run itself that a failure shows in. ``docs/results.md`` has its rank correlation with the true score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from discogan.images import Pixels
from discogan.metrics import as_rgb
from discogan.metrics.agreement import SYMMETRIES, agreement, symmetric_agreements
from discogan.metrics.diversity import diversity
from discogan.metrics.round_trip import round_trip
from discogan.metrics.sliced_wasserstein import sliced_wasserstein
from discogan.model import DIRECTIONS, Direction, TranslationModel, opposite

Word = Literal["found", "found up to a symmetry", "unconfirmed", "unstable", "collapsed", "copies its input"]
ARROWS: dict[Direction, str] = {"a_to_b": "A to B", "b_to_a": "B to A"}
COLLAPSED = 0.3
"""Diversity below which a direction has collapsed."""
COPIED = 0.05
"""Change below which, in both directions, a run copies its input."""
AGREED = 0.5
"""Agreement from which a relation counts as found again."""
MIRRORED = 0.1
"""By how much more starts must agree under a symmetry for it to be what they differ by: some images are symmetric."""
GOOD = 0.5
"""Score from which a run's images count as those of the other domain."""
MADE = 0.4
"""Score below which starts that agree have found nothing yet, and confirm nothing: untrained ones agree too."""
PROVEN = 0.1
"""By how much more of the true partners than its input, or chance, a run must find for true pairs to confirm it."""
ERRORS = 2.0
"""Standard errors by which true pairs must differ from the input to say anything: a few pairs say little."""
PROBED = 128
"""Images of each domain that the figures are taken from."""
SIDE = 16
"""All figures but the discriminator's are of area averages of this many pixels a side, as retrieval is."""
Made = Mapping[Direction, Tensor]
"""Translations of a probe's images, float (N, 3, 16, 16) in [0, 1], by direction."""


@dataclass(frozen=True)
class Figures:
    """One direction of a run, measured on the images that it trains on."""

    round_trip: float | None
    """Mean L1 of an image and its round trip, over that of two images of the domain: 0 is perfect, 1 is none; ``None``
    where the way back is not trained."""
    diversity: float
    """Mean distance of two translations over that of two real images: 0 is collapsed, 1 is right."""
    distribution: float
    """Sliced Wasserstein distance to the real images: 0 is that of as many other real ones, 1 of their mean image."""
    change: float
    """Mean L1 of an image and its translation, over that of two images of the domain: 0 is a copy."""
    judged: float
    """Share of (real, translated) pairs that the discriminator ranks rightly: 0.5 is balance, 1 is domination."""

    @property
    def score(self) -> float:
        """In [0, 1], higher is better: how much of the other domain's variety arrives, and in the right places."""
        kept = max(0.0, 1 - (self.round_trip or 0.0))
        return max(0.0, 1 - self.distribution) * min(1.0, self.diversity) * kept


@dataclass(frozen=True)
class Accord:
    """How far independently started runs make the same of the same images: the mean over runs and directions."""

    runs: int
    """Other runs compared with."""
    agreement: float
    """``metrics.agreement``; chance is one over the images."""
    symmetry: str
    """The symmetry of the image under which they would agree most."""
    under_symmetry: float
    """Their agreement after it."""


@dataclass(frozen=True)
class Verdict:
    """A word, the score it rests on, and the figures behind it."""

    word: Word
    because: str
    score: float
    """In [0, 1]: the worse direction's score, times the agreement where other runs are known."""
    figures: Mapping[Direction, Figures]
    accord: Accord | None
    held_out_anchors: int | None = None
    """Known pairs that training did not see, where there are some."""
    anchors_found: Mapping[Direction, float] | None = None
    """Share of them whose partner is nearer to their translation than every one of the probe's images."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Probe:
    """The images of both domains that figures are taken from: at most ``PROBED`` each, the same for every run.

    ``directions`` and ``round_trips`` are those that the run trains: nothing is to be expected of another.
    """

    def __init__(
        self,
        pixels_a: Pixels,
        pixels_b: Pixels,
        directions: Sequence[Direction] = DIRECTIONS,
        round_trips: Sequence[Direction] = DIRECTIONS,
    ) -> None:
        self.directions, self.round_trips = directions, round_trips
        self.images: dict[Direction, Pixels] = {
            "a_to_b": _drawn(pixels_a),
            "b_to_a": _drawn(pixels_b),
        }
        self.small = {direction: _small(pixels) for direction, pixels in self.images.items()}

    def translate(self, model: TranslationModel) -> dict[Direction, Tensor]:
        """What a model makes of the images, for ``accord``; the model must be in evaluation mode."""
        return {way: _small(model.translate_pixels(self.images[way], way)) for way in self.directions}

    def measure(self, model: TranslationModel) -> tuple[dict[Direction, Figures], dict[Direction, Tensor]]:
        """The figures of both directions, and the translations they are of; the model must be in evaluation mode."""
        translated = {way: model.translate_pixels(self.images[way], way) for way in self.directions}
        back = {way: model.translate_pixels(translated[way], opposite(way)) for way in self.round_trips}
        made = {way: _small(pixels) for way, pixels in translated.items()}
        figures = {
            way: self._figures(
                way,
                made[way],
                _small(back[way]) if way in back else None,
                _judged(model, way, self.images[opposite(way)], translated[way]),
            )
            for way in self.directions
        }
        return figures, made

    def _figures(self, way: Direction, made: Tensor, back: Tensor | None, judged: float) -> Figures:
        original, real = self.small[way], self.small[opposite(way)]
        unrelated = round_trip(original.roll(1, 0), original)["round_trip_l1"] or 1.0
        return Figures(
            round_trip=None if back is None else round_trip(back, original)["round_trip_l1"] / unrelated,
            diversity=diversity(made, real)["diversity"],
            distribution=_distribution(made, real),
            change=round_trip(made, original)["round_trip_l1"] / unrelated,
            judged=judged,
        )


def examine(model: TranslationModel, probe: Probe, others: Iterable[TranslationModel] = ()) -> Verdict:
    """The verdict on a model, with those of ``others`` as witnesses that have learned enough to confirm anything.

    Untrained ones pass their input on, and would agree with whatever is still near to it.
    """
    figures, made = probe.measure(model)
    asked = [probe.measure(other) for other in others]
    witnesses = [made for figures, made in asked if worse_score(figures) >= MADE]
    verdict = judge(figures, accord(made, witnesses))
    if len(witnesses) == len(asked):
        return verdict
    weak = f"{len(asked) - len(witnesses)} of {len(asked)} other starts had learned too little to be asked."
    return replace(verdict, because=f"{verdict.because} {weak}")


def with_anchors(verdict: Verdict, model: TranslationModel, probe: Probe, a: Pixels, b: Pixels) -> Verdict:
    """The verdict and how it does on known pairs, uint8 (N, H, W, C), row i of ``a`` belonging to row i of ``b``."""
    if not len(a):
        return verdict
    known: dict[Direction, Pixels] = {"a_to_b": a, "b_to_a": b}
    found = {}
    for way in probe.directions:
        made, partners = (
            _small(pixels).flatten(1) for pixels in (model.translate_pixels(known[way], way), known[opposite(way)])
        )
        others = probe.small[opposite(way)].flatten(1)
        # Anchors are training images as a rule, so that a partner may be among the probe's: it is no other.
        distances = _distances(made, others).masked_fill(_distances(partners, others) == 0, float("inf"))
        found[way] = ((made - partners).norm(dim=1) < distances.min(1).values).float().mean().item()
    return replace(verdict, held_out_anchors=len(a), anchors_found=found)


def with_pairs(verdict: Verdict, scores: Mapping[str, Any]) -> Verdict:
    """The verdict in the light of true pairs: worse than the untranslated input is not found, far better is.

    ``scores`` are those of ``evaluate``. Few pairs say nothing: either way takes ``ERRORS`` standard errors.
    """
    if verdict.word in ("unstable", "collapsed", "copies its input"):
        return verdict
    count = scores["images_a"]
    gains = {way: _gain(scores[way], count) for way in verdict.figures}
    worst = min(gains, key=lambda way: gains[way][0] / gains[way][1])
    partners = (
        f"{ARROWS[worst]} finds {scores[worst]['top_1']:.1%} of {count} true partners, "
        f"its input {scores[worst]['identity_top_1']:.1%}."
    )
    if any(gain < -ERRORS * error for gain, error in gains.values()):
        return replace(verdict, word="unstable", because=f"{verdict.because} But {partners}")
    if verdict.word == "unconfirmed" and all(
        gain >= max(PROVEN - 1e-9, ERRORS * error) for gain, error in gains.values()
    ):
        return replace(verdict, word="found", because=f"True pairs confirm it: {partners}")
    return verdict


def _gain(scores: Mapping[str, float], count: int) -> tuple[float, float]:
    """How many more of the partners are found than by the input or by chance, and its standard error.

    The error is that of shares with a hit and a miss added (Agresti and Caffo 2000): two hits of two prove little.
    """
    shares = scores["top_1"], max(scores["identity_top_1"], scores["chance_top_1"])
    added = [(share * count + 1) / (count + 2) for share in shares]
    return shares[0] - shares[1], sum(share * (1 - share) / (count + 2) for share in added) ** 0.5


def accord(made: Made, others: Sequence[Made]) -> Accord | None:
    """How far a run's translations are those of other runs; ``None`` where there is no other run."""
    if not others:
        return None
    pairs = [(made[way], other[way]) for other in others for way in made if way in other]
    symmetric = [symmetric_agreements(*pair) for pair in pairs]
    means = {name: float(np.mean([shares[name] for shares in symmetric])) for name in SYMMETRIES}
    symmetry = max(means, key=lambda name: means[name])
    return Accord(
        runs=len(others),
        agreement=float(np.mean([agreement(*pair) for pair in pairs])),
        symmetry=symmetry,
        under_symmetry=means[symmetry],
    )


def judge(figures: Mapping[Direction, Figures], found: Accord | None) -> Verdict:
    """The verdict that the figures allow, the plainest failure first."""
    own = worse_score(figures)
    word, because = _word(figures, own, found)
    score = own * max(found.agreement, found.under_symmetry) if found else own
    return Verdict(word, because, score, figures, found)


def worse_score(figures: Mapping[Direction, Figures]) -> float:
    """The score of the worse direction."""
    return min(figure.score for figure in figures.values())


def _word(figures: Mapping[Direction, Figures], own: float, found: Accord | None) -> tuple[Word, str]:
    worst = min(figures, key=lambda way: figures[way].diversity)
    if figures[worst].diversity < COLLAPSED:
        return "collapsed", f"{ARROWS[worst]} makes nearly the same image of everything."
    if max(figure.change for figure in figures.values()) < COPIED:
        return "copies its input", "The images leave as they came, which is right only if the two piles are alike."
    if found is None:
        if own < GOOD:
            return "unstable", "Its images are not yet those of the other domain, or do not come back."
        come_back = "" if any(figure.round_trip is None for figure in figures.values()) else " and come back"
        return (
            "unconfirmed",
            f"Its images pass for those of the other domain{come_back}. So do those of a wrong relation: only true "
            "pairs, or another start that comes as far, can confirm it (--starts 2).",
        )
    if own < MADE:
        return "unstable", "Its images are not yet those of the other domain, or do not come back; train it for longer."
    runs = "another start" if found.runs == 1 else f"{found.runs} other starts"
    agreed = f"It agrees with {runs} on {found.agreement:.0%} of the images"
    if max(found.agreement, found.under_symmetry) < AGREED:
        return "unstable", f"{agreed} only: luck chose the relation."
    mirrored = found.agreement < AGREED or found.under_symmetry > found.agreement + MIRRORED
    if mirrored:
        agreed = f"{agreed} as they are, on {found.under_symmetry:.0%} once they are {found.symmetry}"
    if own < GOOD:
        return "unconfirmed", f"{agreed}. But its images are not yet those of the other domain: train it for longer."
    if mirrored:
        return "found up to a symmetry", f"{agreed}: the images alone do not tell which is right."
    return "found", f"{agreed}."


def _distribution(made: Tensor, real: Tensor) -> float:
    """``Figures.distribution``; the distance of two samples of one distribution falls with the root of their size."""

    def distance(images: Tensor, references: Tensor) -> float:
        return sliced_wasserstein(images, references)["sliced_wasserstein"]

    chance = distance(real[::2], real[1::2]) / 2**0.5 if len(real) > 1 else 0.0
    span = distance(real.mean(0, keepdim=True).expand_as(real), real) - chance
    return max(0.0, distance(made, real) - chance) / span if span > 0 else 0.0


def _drawn(pixels: Pixels) -> Pixels:
    """At most ``PROBED`` of the images, in an order that owes nothing to their names: neighbours are often alike."""
    return np.array(pixels[np.random.default_rng(0).permutation(len(pixels))[:PROBED]])


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distances of all rows, exactly 0 between equal ones."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def _small(pixels: Pixels) -> Tensor:
    """uint8 (N, H, W, C) as RGB area averages (N, 3, SIDE, SIDE) in [0, 1]."""
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255
    return F.adaptive_avg_pool2d(as_rgb(images), SIDE)


@torch.no_grad()
def _judged(model: TranslationModel, way: Direction, real: Pixels, translated: Pixels) -> float:
    """Share of pairs of a real and a translated image that the discriminator ranks rightly, ties half."""
    judge_of = model.judge_b if way == "a_to_b" else model.judge_a
    device = next(model.parameters()).device
    logits = [
        torch.cat(
            [
                judge_of(model.pixel_range.encode(batch.to(device))).logits.flatten(1).mean(1)
                for batch in torch.split(torch.from_numpy(pixels), 64)
            ]
        )
        for pixels in (real, translated)
    ]
    difference = logits[0][:, None] - logits[1][None]
    return ((difference > 0).float() + 0.5 * (difference == 0).float()).mean().item()
