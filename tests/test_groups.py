"""Groups: who is in which, what a gap is, and that a known unfairness is found."""

import numpy as np
import pytest
import torch

from restoration.images import to_image
from restoration.measure.faithfulness import skin_lightness
from restoration.measure.metrics import Scores
from train.data import Faces
from train.groups import groupings, lightness_groups
from train.summary import markdown


@pytest.fixture(scope="module")
def people(faces: Faces) -> Faces:
    """Eighteen faces in two folders: an example in lights from dark to bright, in mixed order."""
    order = np.random.default_rng(0).permutation(18)
    images = torch.cat([(faces.images[:1] * (0.3 + 0.04 * step)).to(torch.uint8) for step in order.tolist()])
    return Faces(images, tuple(f"{'ab'[index % 2]}/{step:02}.png" for index, step in enumerate(order)))


def light(faces: Faces, index: int) -> float:
    return skin_lightness(to_image(faces.clean([index])))


def test_thirds_of_skin_lightness_are_equal_and_in_order(people: Faces) -> None:
    labels = lightness_groups(people)
    values = {word: [light(people, i) for i in range(18) if labels[i].startswith(word)] for word in ("d", "m", "l")}
    assert [len(group) for group in values.values()] == [6, 6, 6]
    assert max(values["d"]) < min(values["m"]) < max(values["m"]) < min(values["l"])
    darkest = next(label for label in labels if label.startswith("d"))
    assert darkest == f"darkest third, L* {min(values['d']):.0f}–{max(values['d']):.0f}"


def test_a_known_unfairness_is_found_with_its_interval(people: Faces) -> None:
    """Dark faces gain 1 dB and keep their identity worse, the others gain 3 dB; folders are treated alike."""
    dark = [label.startswith("dark") for label in lightness_groups(people)]
    noise = np.random.default_rng(1).normal(0, 0.1, 18)
    rows = [
        {
            "degraded input": Scores(25.0, 0.6, 40.0),
            "restored": Scores(25 + (1 if d else 3) + e, 0.7, 40 - (2 if d else 10)),
        }
        for d, e in zip(dark, noise, strict=True)
    ]
    by_folder, by_light = groupings(people, rows)
    assert (by_folder["by"], by_light["by"], by_light["method"]) == ("folder", "skin lightness", "restored")
    assert [group["images"] for group in by_folder["groups"]] == [9, 9]
    assert [group["name"].split()[0] for group in by_light["groups"]] == ["darkest", "middle", "lightest"]
    gap = by_light["gap"]["psnr"]
    assert gap["worst"].startswith("darkest")
    assert gap["gap"] == pytest.approx(2, abs=0.2)
    groups = {group["name"]: group for group in by_light["groups"]}
    halves = [groups[gap[end]]["methods"]["restored"]["psnr"]["ci95"] for end in ("best", "worst")]
    assert gap["ci95"] == pytest.approx(np.hypot(*halves))
    assert by_light["gap_of_gain"]["psnr"]["gap"] == pytest.approx(gap["gap"])
    assert by_light["gap"]["identity_angle"]["worst"].startswith("darkest")  # a larger angle is worse
    assert groups[gap["worst"]]["gain"]["identity_angle"]["mean"] == pytest.approx(-2)
    assert by_light["gap"]["ssim"]["gap"] == 0

    run = {"set": "s", "protocol": "p", "images": 18, "methods": groups[gap["worst"]]["methods"]}
    table = markdown({"weights": {"name": "w"}, "identity": "n", "runs": [{**run, "groupings": [by_light]}]})
    assert "**by skin lightness**" in table
    assert f"| gap, best to worst |  | {gap['gap']:.2f} ± {gap['ci95']:.2f} |" in table
