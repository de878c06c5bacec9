"""How does a 3x3 convolution take half of its products?  By Winograd's algorithm, for a network that only infers.

On a CPU without matrix units the convolutions are most of a restoration, and what they cost is products. What lies
between them is a matter of memory: it is done to a few rows at a time, while these are in a core's cache.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.network.unet import ResidualBlock, UNet

STEP = 4  # rows that are written at a time, out of six that are read
AT_A_TIME = 1 << 18  # values of every fourth row that are worked on at a time, one MiB

# What three rows of taps give at 0, 1, -1, 2, -2 and infinity, in twenty-fourths.
_TAPS = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, -24]]


class WinogradConv(nn.Module):
    """A 3x3 convolution of stride 1 and padding 1, along the columns as F(4, 3): six 1x3 convolutions give four rows.

    Its weights are those of now, frozen. The result is the convolution's but for the rounding of float32: some 5e-6
    of the largest value, where the convolution itself is off by 2e-6.

    Args:
        convolution: of one group.
        scale: (D, 1, 1), multiplies what comes out.

    Source:
        Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; one dimension of it, because then
        all but sums is left to torch's convolution, and the sums are of whole rows.
    """

    def __init__(self, convolution: nn.Conv2d, scale: Tensor | None = None) -> None:
        super().__init__()
        weight = convolution.weight.detach().double()
        bias = convolution.weight.new_zeros(len(weight)) if convolution.bias is None else convolution.bias.detach()
        if scale is not None:
            weight, bias = weight * scale.detach().unsqueeze(-1), bias * scale.detach().flatten()
        taps = torch.tensor(_TAPS, dtype=torch.float64, device=weight.device) / 24
        weights = torch.einsum("kt,dcts->kdcs", taps, weight).unsqueeze(3)  # (6, D, C, 1, 3)
        for place, rows in enumerate(weights.to(convolution.weight)):
            rows = rows.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"weight{place}", rows, persistent=False)
        self.register_buffer("bias", bias.clone(), persistent=False)

    def forward(
        self,
        x: Tensor,
        before: Callable[[Tensor], Tensor] | None = None,
        after: Callable[[Tensor], object] | None = None,
        plus: Tensor | None = None,
    ) -> Tensor:
        """(B, C, H, W) to (B, D, H, W), channels last in memory.

        Args:
            before, after: done to what comes in, and in place to what comes out, as long as it is at hand. Of a pixel
                they may look at the channels alone.
            plus: (B, D, H, W), added at the end.
        """
        batch, channels, height, width = x.shape
        rows = STEP * -(-height // STEP)
        result = x.new_empty(batch, rows, width, len(self.get_buffer("bias")))
        step = STEP * max(1, AT_A_TIME // (channels * width))
        for picture in range(batch):
            for start in range(0, rows, step):
                stop = min(start + step, rows)
                above, below = int(start > 0), int(stop < height)
                part = x[picture : picture + 1, :, start - above : stop + below]
                part = (part if before is None else before(part)).permute(0, 2, 3, 1)
                if stop > height:
                    part = F.pad(part, (0, 0, 0, 0, 0, stop - height))
                written = result[picture : picture + 1, start:stop]
                self._convolve(part, above, below, written)
                if after is not None:
                    after(written)
                if plus is not None:
                    written = written[:, : height - start]
                    written += plus[picture : picture + 1, :, start:stop].permute(0, 2, 3, 1)
        return result[:, :height].permute(0, 3, 1, 2)

    def _convolve(self, x: Tensor, above: int, below: int, y: Tensor) -> None:
        """(1, above + 4 N + below, W, C), with the neighbouring rows that there are, to ``y``, (1, 4 N, W, D)."""
        count = y.shape[1] // STEP
        shape = (1, count, *x.shape[2:])
        row1, row2, row3, row4 = (x[:, above + i : above + STEP * count : STEP] for i in range(STEP))
        row0, row5 = x[:, 3 - 3 * above : above + STEP * count - 1 : STEP], x[:, above + STEP :: STEP]
        first, second, third, spare = (x.new_empty(shape) for _ in range(4))
        # At 0: 4 r0 - 5 r2 + r4. At infinity: -4 r1 + 5 r3 - r5. At 1 and -1: -4 r2 + r4, plus and minus -4 r1 + r3.
        even, odd = torch.add(row4, row2, alpha=-4, out=second), torch.add(row3, row1, alpha=-4, out=spare)
        torch.sub(even, row2, out=first)[:, 1 - above :].add_(row0, alpha=4)
        at_0 = self._multiply(0, first)
        torch.add(odd, row3, alpha=4, out=first)[:, : count - 1 + below].sub_(row5)
        at_infinity = self._multiply(5, first)
        at_1 = self._multiply(1, torch.add(even, odd, out=first))
        near_even, near_odd = _even_and_odd(at_1, self._multiply(2, even.sub_(odd)))
        # At 2 and -2: -r2 + r4, plus and minus 2 (-r1 + r3).
        even, odd = torch.sub(row4, row2, out=second), torch.sub(row3, row1, out=spare)
        at_2 = self._multiply(3, torch.add(even, odd, alpha=2, out=third))
        far_even, far_odd = _even_and_odd(at_2, self._multiply(4, even.sub_(odd, alpha=2)))
        row0, row1, row2, row3 = (y[:, i::STEP] for i in range(STEP))
        torch.add(near_even, at_0, out=row0).add_(far_even)
        torch.add(near_odd, far_odd, alpha=2, out=row1)
        torch.add(near_even, far_even, alpha=4, out=row2)
        torch.add(near_odd, far_odd, alpha=8, out=row3).add_(at_infinity)

    def _multiply(self, place: int, values: Tensor) -> Tensor:
        """(1, N, W, C) at one of six places to (1, N, W, D). The bias goes in at 1, which every row gets once."""
        bias = self.get_buffer("bias") if place == 1 else None
        result = F.conv2d(values.permute(0, 3, 1, 2), self.get_buffer(f"weight{place}"), bias, padding=(0, 1))
        return result.permute(0, 2, 3, 1)


def _even_and_odd(at_plus: Tensor, at_minus: Tensor) -> tuple[Tensor, Tensor]:
    """Their sum and their difference; the second's memory is used again."""
    even = at_plus + at_minus
    return even, torch.sub(at_plus, at_minus, out=at_minus)


class WinogradBlock(nn.Module):
    """A ``ResidualBlock`` to infer with, its weights those of now."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.norm = block.norm
        self.first, self.second = WinogradConv(block.first), WinogradConv(block.second, block.scale)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, as the block; channels last in memory."""
        inner = self.first(x, before=self.norm, after=lambda part: F.silu(part, inplace=True))
        result: Tensor = self.second(inner, plus=x)
        return result


def with_fewer_products(model: UNet) -> UNet:
    """A copy to infer with: its 3x3 convolutions are ``WinogradConv``, and what is left of parameters is shared.

    The coarsest level is left as it is: its maps are so small that torch would not take its fast convolution for rows.
    """
    result = copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    for blocks in [*result.encoder[:-1], *result.decoder]:
        for place, block in enumerate(blocks):
            if isinstance(block, ResidualBlock):
                blocks[place] = WinogradBlock(block)
    result.head, result.tail = WinogradConv(result.head), WinogradConv(result.tail)  # type: ignore[assignment]
    return result
