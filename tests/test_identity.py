"""Identity: the crop is where it should be, angles are angles, verdicts say the right thing, files are checked."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import BANDS, EXAMPLES, Pool
from torch import nn

from restoration import Degradation, degrade_image
from restoration.faces import FACE_TEMPLATE, IDENTITY_TEMPLATE
from restoration.images import InputError, read_image
from restoration.measure.identity import IdentityNetwork, identity_crop, judge, load_identity, read_bands
from restoration.measure.recogniser import CROP_SIZE


def test_crop_carries_the_face_template_to_the_identity_template() -> None:
    # Least squares for x' = a x - b y + c, y' = b x + a y + d, solved here on its own.
    (x, y), zero, one = np.asarray(FACE_TEMPLATE).T, np.zeros(5), np.ones(5)
    equations = np.concatenate((np.column_stack((x, -y, one, zero)), np.column_stack((y, x, zero, one))))
    a, b, c, d = np.linalg.lstsq(equations, np.asarray(IDENTITY_TEMPLATE).T.ravel(), rcond=None)[0]
    rows, columns = np.mgrid[:512, :512]
    small_rows, small_columns = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    for px, py in np.asarray(FACE_TEMPLATE):
        blob = np.exp(-((columns - px) ** 2 + (rows - py) ** 2) / (2 * 8.0**2)).astype(np.float32)
        crop = identity_crop(torch.from_numpy(blob).expand(1, 3, 512, 512))[0, 0].double().numpy()
        found = np.array([(crop * small_columns).sum(), (crop * small_rows).sum()]) / crop.sum()
        assert np.abs(found - (a * px - b * py + c, b * px + a * py + d)).max() < 0.05


def test_angles_are_degrees_between_unit_embeddings_and_a_broken_network_gives_none() -> None:
    network = IdentityNetwork(Pool(), "pool")
    face = torch.rand(1, 3, 512, 512)
    assert float(network.angles(face, face)) == 0
    assert float(network.angles(face, 1 - face)) > 179
    assert float(network(face).norm()) == pytest.approx(1)
    picture = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    brighter = np.clip(picture.astype(int) + 10, 0, 255).astype(np.uint8)
    assert 0 < network.angle(picture, brighter) < network.angle(picture, 255 - picture) <= 180
    for value in (0.0, math.nan, math.inf):  # all that such a network says
        broken = nn.Sequential(nn.Flatten(), nn.Threshold(math.inf, value))
        with pytest.raises(ValueError, match="broken gave no embedding"):
            IdentityNetwork(broken, "broken").angle(picture, picture)


def test_the_embedded_network_is_the_default_and_knows_two_people_apart(monkeypatch) -> None:
    monkeypatch.delenv("RESTORATION_IDENTITY", raising=False)
    network = load_identity()
    assert network.name == "embedded_recogniser"
    collins, hopper = (read_image(EXAMPLES / f"{name}.png") for name in ("eileen_collins", "grace_hopper"))
    degraded = degrade_image(collins, Degradation(blur_sigma=2, downsample=4, noise=10, jpeg=60), seed=0)
    assert network.bands is not None
    assert network.angle(collins, degraded) < network.angle(collins, hopper)
    assert network.angle(collins, collins[:, ::-1].copy()) < 30 < 60 < network.angle(collins, hopper)


def test_a_torchscript_file_is_loaded_by_environment_with_the_bands_beside_it(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "pool.torchscript.pt"
    torch.jit.script(Pool()).save(str(path))
    monkeypatch.setenv("RESTORATION_IDENTITY", str(path))
    network = load_identity()
    assert (network.name, network.bands) == ("pool", None)
    bands = dataclasses.replace(BANDS, network="pool")
    (tmp_path / "pool.verification.json").write_text(json.dumps(dataclasses.asdict(bands)))
    assert load_identity(path).bands == bands
    with pytest.raises(InputError, match=r"does not exist.*Correct the path\.$"):
        load_identity(tmp_path / "missing.pt")
    path.write_text("hello")
    with pytest.raises(InputError, match=r"TorchScript.*unset RESTORATION_IDENTITY"):
        load_identity()


@pytest.mark.parametrize(("degraded", "restored", "words", "better", "warned"), [
    (42.3, 33.1, "Closer to the person than the degraded photo by 9.2°", True, False),
    (30.0, 34.4, "Further from the person than the degraded photo by 4.4°", False, True),
    (30.0, 30.9, "As close to the person as the degraded photo", None, False),
    (90.0, 80.0, "Closer to the person than the degraded photo by 10.0°", True, True),  # still a stranger
])  # fmt: skip
def test_the_verdict_says_which_way_and_how_far(
    degraded: float, restored: float, words: str, better: bool | None, warned: bool
) -> None:
    verdict = judge(degraded, restored, BANDS)
    assert (verdict.text, verdict.better) == (words, better)
    assert (verdict.warning is not None) == warned


def test_bands_of_another_network_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.verification.json"
    path.write_text(json.dumps(dataclasses.asdict(BANDS)))
    with pytest.raises(InputError, match=r"bands of other \(those of net\)"):
        read_bands(path, "other")
    for damage in ("{}", "[1]", "no json", json.dumps(dataclasses.asdict(BANDS) | {"same": [3, 2, 1]})):
        path.write_text(damage)
        with pytest.raises(InputError, match=r"train/extras/verification\.py"):
            read_bands(path, "net")
