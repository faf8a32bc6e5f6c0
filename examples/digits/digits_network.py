"""The demo network in PyTorch: every kind of layer that the modules of fpga_rt compute.

A 3x3 stem, three depthwise 3x3 + pointwise 1x1 pairs as in MobileNet (Howard et al.,
arXiv:1704.04861), one residual block of two 3x3 convolutions (He et al., arXiv:1512.03385), a max
and a global average pooling, and a dense classifier. Widths are multiples of 16.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion

CLASSES = 10
STEM_CHANNELS = 32
BODY_CHANNELS = 48
HEAD_CHANNELS = 64


class Convolution(nn.Module):
    """A convolution that keeps height and width (at stride 1), and its batch normalisation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> None:
        """Make a `kernel` x `kernel` convolution of `inputs` to `outputs` channels."""
        super().__init__()
        padding = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, outputs, H / stride, W / stride) from (N, inputs, H, W), both float32."""
        result: Tensor = self.norm(self.conv(x))
        return result


class Residual(nn.Module):
    """Two 3x3 convolutions whose result is added to their input: relu(x + f(x))."""

    def __init__(self, channels: int) -> None:
        """Make a block that keeps its shape."""
        super().__init__()
        self.first = Convolution(channels, channels)
        self.second = Convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, channels, H, W) from the same shape, both float32."""
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def _pair(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Make a depthwise 3x3 and a pointwise 1x1 convolution, each with its ReLU."""
    return nn.Sequential(
        OrderedDict(
            depthwise=Convolution(inputs, inputs, stride=stride, groups=inputs),
            depthwise_relu=nn.ReLU(),
            pointwise=Convolution(inputs, outputs, kernel=1),
            pointwise_relu=nn.ReLU(),
        )
    )


def make_network() -> nn.Sequential:
    """Make the untrained network: (N, 1, 16, 16) float32 in 0..1 to (N, 10) logits."""
    return nn.Sequential(
        OrderedDict(
            stem=Convolution(1, STEM_CHANNELS),
            stem_relu=nn.ReLU(),
            pair1=_pair(STEM_CHANNELS, BODY_CHANNELS),
            pool=nn.MaxPool2d(2),
            pair2=_pair(BODY_CHANNELS, BODY_CHANNELS),
            residual=Residual(BODY_CHANNELS),
            pair3=_pair(BODY_CHANNELS, HEAD_CHANNELS, stride=2),
            average=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            dense=nn.Linear(HEAD_CHANNELS, CLASSES),
        )
    )


def fold_normalisation(network: nn.Module) -> None:
    """Replace every convolution of a network in evaluation mode by one with its normalisation."""
    for name, child in network.named_children():
        if isinstance(child, Convolution):
            setattr(network, name, fusion.fuse_conv_bn_eval(child.conv, child.norm))
        else:
            fold_normalisation(child)
