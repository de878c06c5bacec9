"""Which of the boxes around one face stays?  Non-maximum suppression.

torchvision has it too, and takes two seconds to import: longer than everything else on the way to the page's answer.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, most: float) -> Tensor:
    """Keep the surest boxes, each unless it overlaps one that is kept already.

    Args:
        boxes: (N, 4) left, top, right, bottom with left <= right and top <= bottom.
        scores: (N,); of equal ones the first is the surer.
        most: the largest intersection over union that two kept boxes may have, [0, 1].

    Returns:
        (K,) int64 indices of the boxes that are kept, surest first; equals ``torchvision.ops.nms``.
    """
    left, top, right, bottom = boxes.numpy().T
    areas = (right - left) * (bottom - top)
    waiting = np.argsort(-scores.numpy(), kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        across = np.minimum(right[best], right[waiting]) - np.maximum(left[best], left[waiting])
        down = np.minimum(bottom[best], bottom[waiting]) - np.maximum(top[best], top[waiting])
        shared = across.clip(0) * down.clip(0)
        # The product of the threshold and the union: two empty boxes in one place have no ratio.
        waiting = waiting[shared <= most * (areas[best] + areas[waiting] - shared)]
    return torch.tensor(kept, dtype=torch.int64)
