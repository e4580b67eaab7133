"""Train an objective of your own and the default on the same images with the same seed, and compare the two runs.

python examples/new_objective.py A B OUT [STEPS]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F

import discogan
from discogan.losses import reconstruction
from discogan.objectives import Objective
from discogan.report import write_comparison


@discogan.register.objective("hinge")
@dataclass(frozen=True)
class Hinge(Objective):
    """Two coupled GANs with the hinge loss (Lim and Ye 2017)."""

    reconstruction_weight: float = 5.0
    """Weight of each round trip."""

    def generator_terms(self, model, trips, step):
        weight = self.reconstruction_weight
        return {
            "adversarial_a": -model.discriminate_a(trips.fake_a).logits.mean(),
            "adversarial_b": -model.discriminate_b(trips.fake_b).logits.mean(),
            "reconstruction_a": weight * reconstruction(trips.reconstructed_a, trips.real_a, "l1"),
            "reconstruction_b": weight * reconstruction(trips.reconstructed_b, trips.real_b, "l1"),
        }

    def discriminator_terms(self, model, trips, step):
        return {
            "discriminator_a": hinge(model.discriminate_a, trips.real_a, trips.fake_a.detach()),
            "discriminator_b": hinge(model.discriminate_b, trips.real_b, trips.fake_b.detach()),
        }


def hinge(discriminate, real, fake):
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(y)))]."""
    return F.relu(1 - discriminate(real).logits).mean() + F.relu(1 + discriminate(fake).logits).mean()


def main() -> None:
    a, b, out = sys.argv[1:4]
    steps = int(sys.argv[4]) if len(sys.argv) > 4 else 300
    for objective in ("hinge", "modern"):
        settings = [f"objective.name={objective}"]
        outcome = discogan.train(a, b, out=Path(out) / objective, image_size=32, steps=steps, settings=settings)
        print(objective, outcome.verdict.label, f"{outcome.verdict.score:.2f}")
    print("See", write_comparison([Path(out) / "hinge", Path(out) / "modern"], Path(out) / "compare.html"))


# The processes that decode images import this file again on Windows and macOS.
if __name__ == "__main__":
    main()
