"""Plain eager implementations of two training loops, with which the speed of discogan is compared.

They use float32, contiguous tensors and PyTorch's default Adam. Every step computes every pass of the method,
without frozen networks. Networks and initial weights are those of discogan, so the losses must be equal.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from discogan.config import Config
from discogan.model import TranslationModel

Step = Callable[[Tensor, Tensor, int], dict[str, float]]


def official_step(model: TranslationModel, config: Config) -> Step:
    """Return a step of SKTBrain/DiscoGAN's loop.

    It computes four generator passes, both discriminators and all losses, then steps one of two optimisers.
    """
    generators, discriminators = _optimisers(model, config)

    def step(real_a: Tensor, real_b: Tensor, number: int) -> dict[str, float]:
        rate = 0.01 if number < 10_000 else 0.5
        fake_b, fake_a = model.generator_ab(real_a), model.generator_ba(real_b)
        reconstructed_a, reconstructed_b = model.generator_ba(fake_b), model.generator_ab(fake_a)
        outputs = {
            "b": (model.discriminator_b(real_b), model.discriminator_b(fake_b)),
            "a": (model.discriminator_a(real_a), model.discriminator_a(fake_a)),
        }
        losses: dict[str, Tensor] = {}
        for domain, (real, fake) in outputs.items():
            pairs = zip(real.features, fake.features, strict=True)
            matching = sum((of_real.mean(0) - of_fake.mean(0)).square().mean() for of_real, of_fake in pairs)
            losses[f"adversarial_{domain}"] = (1 - rate) * 0.1 * F.softplus(-fake.logits).mean()
            losses[f"feature_matching_{domain}"] = (1 - rate) * 0.9 * matching
            losses[f"discriminator_{domain}"] = 0.5 * (F.softplus(-real.logits).mean() + F.softplus(fake.logits).mean())
        losses["reconstruction_a"] = rate * F.mse_loss(reconstructed_a, real_a)
        losses["reconstruction_b"] = rate * F.mse_loss(reconstructed_b, real_b)
        steps_discriminators = number % 3 == 0
        optimiser = discriminators if steps_discriminators else generators
        stepped = _descend(optimiser, losses, steps_discriminators, model)
        return {name: loss.item() for name, loss in stepped.items()}

    return step


def modern_step(model: TranslationModel, config: Config) -> Step:
    """Return a step of ``modern``: of the discriminators, then of the generators, each with its own passes."""
    generators, discriminators = _optimisers(model, config)
    gamma, weight = float(config.objective["gamma"]), float(config.objective["reconstruction_weight"])

    def discriminator_losses(real_a: Tensor, real_b: Tensor, number: int) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        fakes = model.generator_ba(real_b).detach(), model.generator_ab(real_a).detach()
        domains = (("a", model.discriminator_a, real_a), ("b", model.discriminator_b, real_b))
        for (domain, discriminator, real), fake in zip(domains, fakes, strict=True):
            real, fake = real.clone().requires_grad_(), fake.requires_grad_()
            real_logits, fake_logits = discriminator(real).logits, discriminator(fake).logits
            losses[f"discriminator_{domain}"] = _pairwise(fake_logits, real_logits)
            if number % 4 == 0:
                norms = [_norm(real_logits, real), _norm(fake_logits, fake)]
                losses[f"penalty_{domain}"] = gamma / 2 * 4 * (norms[0] + norms[1])
        return losses

    def generator_losses(real_a: Tensor, real_b: Tensor) -> dict[str, Tensor]:
        fake_b, fake_a = model.generator_ab(real_a), model.generator_ba(real_b)
        restored_a, restored_b = model.generator_ba(fake_b.detach()), model.generator_ab(fake_a.detach())
        discriminate_a, discriminate_b = model.discriminator_a, model.discriminator_b
        return {
            "adversarial_a": _pairwise(discriminate_a(real_a).logits, discriminate_a(fake_a).logits),
            "adversarial_b": _pairwise(discriminate_b(real_b).logits, discriminate_b(fake_b).logits),
            "reconstruction_a": weight * F.l1_loss(restored_a, real_a),
            "reconstruction_b": weight * F.l1_loss(restored_b, real_b),
        }

    def step(real_a: Tensor, real_b: Tensor, number: int) -> dict[str, float]:
        for group in (*generators.param_groups, *discriminators.param_groups):
            group["lr"] = config.training.learning_rate * (1 + number / config.training.decay_steps) ** -0.5
        losses = discriminator_losses(real_a, real_b, number)
        _descend(discriminators, losses, True, model)
        generator_terms = generator_losses(real_a, real_b)
        _descend(generators, generator_terms, False, model)
        return {name: loss.item() for name, loss in (losses | generator_terms).items()}

    return step


def _pairwise(below: Tensor, above: Tensor) -> Tensor:
    return F.softplus(below[None] - above[:, None]).mean()


def _norm(logits: Tensor, images: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def _optimisers(model: TranslationModel, config: Config) -> Sequence[torch.optim.Adam]:
    options = config.training

    def adam(networks: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(
            networks.parameters(),
            lr=options.learning_rate,
            betas=(options.beta1, options.beta2),
            weight_decay=options.weight_decay,
        )

    return adam(model.generators), adam(model.discriminators)


def _descend(
    optimiser: torch.optim.Adam, losses: dict[str, Tensor], of_discriminators: bool, model: TranslationModel
) -> dict[str, Tensor]:
    """Step by the losses of the discriminators or of the generators, and return them.

    Gradients of the other networks are computed too, although no optimiser uses them.
    """
    model.zero_grad()
    chosen = {}
    for name, loss in losses.items():
        if name.startswith(("discriminator", "penalty")) == of_discriminators:
            chosen[name] = loss
    torch.stack(list(chosen.values())).sum().backward()
    optimiser.step()
    return chosen
