"""How does a 3x3 convolution take a quarter of its products?  By Winograd's algorithm, for a network that only infers.

On a CPU without matrix units the wide convolutions are most of a restoration, and what they cost is products.
"""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.model import ResidualBlock, UNet

NARROWEST = 128  # channels; with fewer, what is saved is spent on reading and writing tiles
FEWEST = 16  # tiles of a picture; with fewer, reading the weights takes longer than the products
AT_A_TIME = 64  # tiles; what is made of them stays in a core's own cache
TILE, STEP = 6, 4  # pixels that are read and written at a time, in each direction

# A tile's pixels and a kernel's taps as the values of two polynomials at 0, 1, -1, 2, -2 and infinity; back from there.
_READ = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
         [0, 4, 0, -5, 0, 1]]  # fmt: skip
_TAPS = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]  # in twenty-fourths
_WRITE = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


class WinogradConv(nn.Module):
    """A 3x3 convolution of stride 1 and padding 1, computed as F(4x4, 3x3). Its weights are those of now, frozen.

    The result is the convolution's but for the rounding of float32: some 4e-5 of the largest value, where the
    convolution itself is off by 1e-5.

    Args:
        convolution: of one group; what has less than ``FEWEST`` tiles is left to it.

    Source:
        Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        weight = convolution.weight.detach()
        read, taps, write = (torch.tensor(rows, dtype=torch.float64) for rows in (_READ, _TAPS, _WRITE))
        both = torch.kron(taps, taps) / 24**2  # (36, 9): along columns and along rows
        flat = weight.double().permute(2, 3, 1, 0).reshape(9, -1)  # (9, C * D)
        weights = (both.to(flat.device) @ flat).view(TILE**2, *weight.shape[1::-1])
        self.read: Tensor  # (36, 36)
        self.write: Tensor  # (16, 36)
        self.weight: Tensor  # (36, C, D)
        for name, value in (("read", torch.kron(read, read)), ("write", torch.kron(write, write)), ("weight", weights)):
            self.register_buffer(name, value.to(weight), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D, H, W); fastest where channels are last in memory, and so they come out."""
        batch, channels, height, width = x.shape
        rows, columns = -(-height // STEP), -(-width // STEP)
        if rows * columns < FEWEST:
            result: Tensor = self.convolution(x)
            return result
        margins = (0, 0, 1, STEP * columns - width + 1, 1, STEP * rows - height + 1)
        padded = F.pad(x.permute(0, 2, 3, 1), margins)
        tiles = padded.unfold(1, TILE, STEP).unfold(2, TILE, STEP)  # (B, rows, columns, C, 6, 6), a view
        written = x.new_empty(batch, rows, STEP, columns, STEP, self.weight.shape[2])
        step = max(1, AT_A_TIME // columns)
        for picture, start in itertools.product(range(batch), range(0, rows, step)):
            part = tiles[picture, start : start + step]  # (rows, columns, C, 6, 6)
            values = self.read @ part.permute(3, 4, 0, 1, 2).reshape(TILE**2, -1)
            products = torch.bmm(values.view(TILE**2, -1, channels), self.weight)  # (36, rows * columns, D)
            y = (self.write @ products.view(TILE**2, -1)).view(STEP, STEP, len(part), columns, -1)
            written[picture, start : start + step] = y.permute(2, 0, 3, 1, 4)
        y = written.view(batch, STEP * rows, STEP * columns, -1)
        if self.convolution.bias is not None:
            y += self.convolution.bias
        return y[:, :height, :width].permute(0, 3, 1, 2)


def with_fewer_products(model: UNet) -> UNet:
    """A copy to infer with, which shares the parameters: the wide convolutions of its blocks are ``WinogradConv``.

    The coarsest level is left as it is: its maps are so small that nothing is gained.
    """
    result = copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    for level in [*result.encoder[:-1], *result.decoder]:
        for block in level.modules():
            if isinstance(block, ResidualBlock) and block.first.in_channels >= NARROWEST:
                for name in ("first", "second"):
                    setattr(block, name, WinogradConv(getattr(block, name)))
    return result
