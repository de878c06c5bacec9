"""ArcFace IR-SE50, the full-strength identity network: facexlib's network and the weights that it publishes."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from restoration.faces.download import fetch, load_checkpoint

NAME = "arcface_ir_se50"
URL = "https://github.com/xinntao/facexlib/releases/download/v0.1.0/recognition_arcface_ir_se50.pth"
# The release states no checksum. This is the one that the Arch User Repository's package of facexlib pins for the
# address above; GenForce's Hammer pins the same for the file of the network's author (TreB1eN's model_ir_se50).
SHA256 = "a035c768259b98ab1ce0e646312f48b9e1e218197a0f80ac6765e88f8b6ddf28"


class ArcFace(nn.Module):
    """IR-SE50 behind the contract of ``IdentityNetwork``: RGB in [0, 1] in, embeddings out; differentiable.

    Source:
        TreB1eN, InsightFace_Pytorch: trained on blue, green, red in [-1, 1].
        Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019.
    """

    def __init__(self) -> None:
        super().__init__()
        from facexlib.recognition.arcface_arch import Backbone  # here: takes seconds to import

        self.backbone: nn.Module = Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se").eval()

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, 112, 112) RGB in [0, 1] on ArcFace's template to (B, 512) of unit length."""
        embeddings: Tensor = self.backbone(crops.flip(1) * 2 - 1)  # to blue, green, red in [-1, 1]
        return embeddings


def load_arcface(folder: Path | None = None, *, url: str = URL, sha256: str = SHA256) -> ArcFace:
    """ArcFace IR-SE50 on the CPU, its weights fetched on the first call (175 MB).

    Args:
        folder: where the weights are or go; None is the project's cache (``download.cache_folder``).
        url, sha256: of the weights.

    Raises:
        DownloadError: the weights cannot be had, or are not the published ones.
    """
    network = ArcFace()
    load_checkpoint(fetch(url, sha256, folder=folder), network.backbone)
    return network
