"""In which arithmetic does a device learn fastest?"""

from __future__ import annotations

from typing import Literal

import torch

from restoration.restorer import select_precision


def fastest(device: torch.device) -> Literal["bf16", "fp32"]:
    """bfloat16 on a GPU and on a CPU with matrix units for it; float32 where bfloat16 is imitated, and slow."""
    return "bf16" if device.type == "cuda" else select_precision("auto", device)
