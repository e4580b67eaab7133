"""4x4 convolutions of stride 2 and their transposes, as matrix products if those are faster than the library's kernels.

``Halving`` is ``nn.Conv2d(..., 4, 2, 1)`` and ``Doubling`` is ``nn.ConvTranspose2d(..., 4, 2, 1)``: the same weights,
names and results up to rounding. With many channels and few pixels, oneDNN's kernels on a CPU take up to five times as
long as a product of the unfolded pixels (docs/performance.md). The gradients of the weights gain most.

Each of the three operations here is bilinear, and its gradients are the other two. So second gradients, which the
penalties need, are as fast. Fine images are (N, C, H, W), coarse images (N, O, H/2, W/2), weights (O, C, 4, 4).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

MIN_WEIGHTS = 2**20
"""Weights of a layer from which products are faster. In bfloat16 they exceed a core's cache."""
MAX_SIDE_PIXELS = 8
"""Side of the fine images up to which products are faster."""
MAX_SIDE_PIXELS_BFLOAT16 = 16
"""The same in bfloat16, for all operations except ``_Halve``."""


class Halving(nn.Conv2d):
    """A 4x4 convolution of stride 2, padding 1: float (N, C, H, W) to (N, O, H/2, W/2), H and W even."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, 2, 1, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        if not _products_may_win(images, self.weight, side=images.shape[-1]):
            return super().forward(images)
        coarse = _apply(_Halve, _in_autocast_dtype(images), _in_autocast_dtype(self.weight))
        return coarse if self.bias is None else coarse + _in_autocast_dtype(self.bias)[:, None, None]


class Doubling(nn.ConvTranspose2d):
    """A transposed 4x4 convolution of stride 2, padding 1: float (N, O, h, w) to (N, C, 2h, 2w)."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, 2, 1, bias=bias)

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size or not _products_may_win(images, self.weight, side=2 * images.shape[-1]):
            return super().forward(images, output_size)
        fine = _apply(_Double, _in_autocast_dtype(images), _in_autocast_dtype(self.weight))
        return fine if self.bias is None else fine + _in_autocast_dtype(self.bias)[:, None, None]


def _products_may_win(images: Tensor, weight: Tensor, side: int) -> bool:
    """Return whether to use products: only in training, because the weights' gradients take most of the time.

    An exported network therefore uses the library's operations.
    """
    low_precision = torch.is_autocast_enabled("cpu") or images.dtype == torch.bfloat16
    max_side = MAX_SIDE_PIXELS_BFLOAT16 if low_precision else MAX_SIDE_PIXELS
    deep = weight.numel() >= MIN_WEIGHTS and side <= max_side
    training = torch.is_grad_enabled() and not torch.compiler.is_compiling()
    return deep and training and images.device.type == "cpu" and images.ndim == 4


def _in_autocast_dtype(tensor: Tensor) -> Tensor:
    """Return the tensor in the precision that autocast would choose."""
    return tensor.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else tensor


def _apply(operation: type[Function], left: Tensor, right: Tensor) -> Tensor:
    output: Tensor = operation.apply(left, right)  # type: ignore[no-untyped-call]
    return output


def _requested(ctx: Any, *gradients: tuple[type[Function], Tensor, Tensor]) -> tuple[Tensor | None, ...]:
    """Compute only the gradients that autograd requests; each is an operation on two tensors."""
    pairs = zip(ctx.needs_input_grad, gradients, strict=True)
    return tuple(_apply(*gradient) if needed else None for needed, gradient in pairs)


class _Halve(Function):
    """Fine images and weights to coarse images."""

    @staticmethod
    def forward(ctx: FunctionCtx, fine: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(fine, weight)
        if fine.shape[-1] > MAX_SIDE_PIXELS:
            return F.conv2d(fine, weight, stride=2, padding=1)
        n, _, height, width = fine.shape
        return (_unfold(fine) @ _flat(weight).t()).view(n, height // 2, width // 2, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, coarse: Tensor) -> Any:
        fine, weight = ctx.saved_tensors
        return _requested(ctx, (_Double, coarse, weight), (_Correlate, fine, coarse))


class _Double(Function):
    """Coarse images and weights to fine images."""

    @staticmethod
    def forward(ctx: FunctionCtx, coarse: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(coarse, weight)
        max_side = MAX_SIDE_PIXELS_BFLOAT16 if coarse.dtype == torch.bfloat16 else MAX_SIDE_PIXELS
        if 2 * coarse.shape[-1] > max_side:
            return F.conv_transpose2d(coarse, weight, stride=2, padding=1)
        return _fold(_rows(coarse).flatten(0, 2) @ _flat(weight), coarse, weight.shape[1])

    @staticmethod
    def backward(ctx: Any, fine: Tensor) -> Any:
        coarse, weight = ctx.saved_tensors
        return _requested(ctx, (_Halve, fine, weight), (_Correlate, fine, coarse))


class _Correlate(Function):
    """Fine and coarse images to weights: the sum over all pixels of the products that each weight takes part in."""

    @staticmethod
    def forward(ctx: FunctionCtx, fine: Tensor, coarse: Tensor) -> Tensor:
        ctx.save_for_backward(fine, coarse)
        products = _rows(coarse).flatten(0, 2).t() @ _unfold(fine)
        return products.view(coarse.shape[1], 4, 4, fine.shape[1]).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> Any:
        fine, coarse = ctx.saved_tensors
        return _requested(ctx, (_Double, coarse, weight), (_Halve, fine, weight))


def _rows(images: Tensor) -> Tensor:
    """Return (N, C, H, W) as (N, H, W, C), the order in memory of channels-last images."""
    return images.permute(0, 2, 3, 1)


def _flat(weight: Tensor) -> Tensor:
    """Return (O, C, 4, 4) as (O, 16 C), with the channel last."""
    return _rows(weight).reshape(weight.shape[0], -1)


def _unfold(fine: Tensor) -> Tensor:
    """Return the 4x4 fine pixels of each coarse pixel: (N, C, H, W) to (N H/2 W/2, 16 C)."""
    n, channels, height, width = fine.shape
    padded = F.pad(_rows(fine), (0, 0, 1, 1, 1, 1))
    image, row, pixel, _ = padded.stride()
    windows = (n, height // 2, width // 2, 4, 4, channels)
    return padded.as_strided(windows, (image, 2 * row, 2 * pixel, row, pixel, 1)).reshape(-1, 16 * channels)


def _fold(parts: Tensor, coarse: Tensor, channels: int) -> Tensor:
    """Add up the 4x4 fine pixels of all coarse pixels: (N h w, 16 C) to (N, C, 2h, 2w)."""
    n, _, height, width = coarse.shape
    blocks = parts.view(n, height, width, 2, 2, 2, 2, channels)
    padded = parts.new_zeros(n, height + 1, width + 1, 2, 2, channels)
    for down in range(2):
        for right in range(2):
            padded[:, down : down + height, right : right + width] += blocks[:, :, :, down, :, right]
    fine = padded.transpose(2, 3).reshape(n, 2 * height + 2, 2 * width + 2, channels)
    return fine[:, 1:-1, 1:-1].contiguous().permute(0, 3, 1, 2)
