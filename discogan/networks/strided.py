"""The 4x4 convolutions of stride 2 and their transposes, by matrix products where those are faster than the library's.

``Halving`` is ``nn.Conv2d(..., 4, 2, 1)`` and ``Doubling`` is ``nn.ConvTranspose2d(..., 4, 2, 1)``: the same weights,
names and results to rounding. Where many channels meet few pixels, oneDNN's kernels on a CPU, above all those of the
weights' gradients, take up to five times as long as a product of the unfolded pixels (docs/performance.md).

Each of the three operations here is bilinear and has the other two as its gradients, so that gradients of gradients,
which the penalties need, are as fast. Fine images are (N, C, H, W), coarse ones (N, O, H/2, W/2), weights (O, C, 4, 4).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

MANY = 2**20
"""Weights from which products win: those that are larger than a core's cache is in bfloat16."""
SMALL, MIDDLE = 8, 16
"""Sides of the fine images up to which they win: in every operation, and in bfloat16 in all but ``_Halve``."""


class Halving(nn.Conv2d):
    """A 4x4 convolution of stride 2, padding 1: float (N, C, H, W) to (N, O, H/2, W/2), H and W even."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, 2, 1, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        if not _products_may_win(images, self.weight, side=images.shape[-1]):
            return super().forward(images)
        made = _apply(_Halve, _computed(images), _computed(self.weight))
        return made if self.bias is None else made + _computed(self.bias)[:, None, None]


class Doubling(nn.ConvTranspose2d):
    """A transposed 4x4 convolution of stride 2, padding 1, no bias or one: float (N, O, h, w) to (N, C, 2h, 2w)."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, 2, 1, bias=bias)

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size or not _products_may_win(images, self.weight, side=2 * images.shape[-1]):
            return super().forward(images, output_size)
        made = _apply(_Double, _computed(images), _computed(self.weight))
        return made if self.bias is None else made + _computed(self.bias)[:, None, None]


def _products_may_win(images: Tensor, weight: Tensor, side: int) -> bool:
    """Only in training: there the gradients of the weights are what takes long, and an export stays the library's."""
    low = torch.is_autocast_enabled("cpu") or images.dtype == torch.bfloat16
    deep = weight.numel() >= MANY and side <= (MIDDLE if low else SMALL)
    training = torch.is_grad_enabled() and not torch.compiler.is_compiling()
    return deep and training and images.device.type == "cpu" and images.ndim == 4


def _computed(tensor: Tensor) -> Tensor:
    """In the precision that autocast would choose."""
    return tensor.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else tensor


def _apply(operation: type[Function], one: Tensor, other: Tensor) -> Tensor:
    made: Tensor = operation.apply(one, other)  # type: ignore[no-untyped-call]
    return made


def _needed(ctx: Any, *gradients: tuple[type[Function], Tensor, Tensor]) -> tuple[Tensor | None, ...]:
    """The gradients, each an operation on two tensors, of those inputs that want one."""
    wanted = zip(ctx.needs_input_grad, gradients, strict=True)
    return tuple(_apply(*gradient) if needed else None for needed, gradient in wanted)


class _Halve(Function):
    """Fine images and weights to coarse images."""

    @staticmethod
    def forward(ctx: FunctionCtx, fine: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(fine, weight)
        if fine.shape[-1] > SMALL:
            return F.conv2d(fine, weight, stride=2, padding=1)
        n, _, height, width = fine.shape
        return (_unfold(fine) @ _flat(weight).t()).view(n, height // 2, width // 2, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, coarse: Tensor) -> Any:
        fine, weight = ctx.saved_tensors
        return _needed(ctx, (_Double, coarse, weight), (_Correlate, fine, coarse))


class _Double(Function):
    """Coarse images and weights to fine images."""

    @staticmethod
    def forward(ctx: FunctionCtx, coarse: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(coarse, weight)
        if 2 * coarse.shape[-1] > (MIDDLE if coarse.dtype == torch.bfloat16 else SMALL):
            return F.conv_transpose2d(coarse, weight, stride=2, padding=1)
        return _fold(_rows(coarse).flatten(0, 2) @ _flat(weight), coarse, weight.shape[1])

    @staticmethod
    def backward(ctx: Any, fine: Tensor) -> Any:
        coarse, weight = ctx.saved_tensors
        return _needed(ctx, (_Halve, fine, weight), (_Correlate, fine, coarse))


class _Correlate(Function):
    """Fine and coarse images to weights: which weight takes part in making which pixel, summed over all of them."""

    @staticmethod
    def forward(ctx: FunctionCtx, fine: Tensor, coarse: Tensor) -> Tensor:
        ctx.save_for_backward(fine, coarse)
        products = _rows(coarse).flatten(0, 2).t() @ _unfold(fine)
        return products.view(coarse.shape[1], 4, 4, fine.shape[1]).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> Any:
        fine, coarse = ctx.saved_tensors
        return _needed(ctx, (_Double, coarse, weight), (_Halve, fine, weight))


def _rows(images: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H, W, C), which is how channels-last images lie in memory."""
    return images.permute(0, 2, 3, 1)


def _flat(weight: Tensor) -> Tensor:
    """(O, C, 4, 4) as (O, 16 C), the channel last."""
    return _rows(weight).reshape(weight.shape[0], -1)


def _unfold(fine: Tensor) -> Tensor:
    """Under each coarse pixel its 4x4 fine ones: (N, C, H, W) to (N H/2 W/2, 16 C)."""
    n, channels, height, width = fine.shape
    padded = F.pad(_rows(fine), (0, 0, 1, 1, 1, 1))
    image, row, pixel, _ = padded.stride()
    windows = (n, height // 2, width // 2, 4, 4, channels)
    return padded.as_strided(windows, (image, 2 * row, 2 * pixel, row, pixel, 1)).reshape(-1, 16 * channels)


def _fold(parts: Tensor, coarse: Tensor, channels: int) -> Tensor:
    """The sum of what each coarse pixel gives to its 4x4 fine ones: (N h w, 16 C) to (N, C, 2h, 2w)."""
    n, _, height, width = coarse.shape
    blocks = parts.view(n, height, width, 2, 2, 2, 2, channels)
    padded = parts.new_zeros(n, height + 1, width + 1, 2, 2, channels)
    for down in range(2):
        for right in range(2):
            padded[:, down : down + height, right : right + width] += blocks[:, :, :, down, :, right]
    fine = padded.transpose(2, 3).reshape(n, 2 * height + 2, 2 * width + 2, channels)
    return fine[:, 1:-1, 1:-1].contiguous().permute(0, 3, 1, 2)
