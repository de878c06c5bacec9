"""Faithfulness: regions lie where they should, what is known is shown, what is not is None, what went wrong is said."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.color import lab2rgb
from tiny import CALIBRATION, EXAMPLES, Pool

from restoration import Restorer
from restoration.degrade import Degradation, degrade_image
from restoration.faces import FACE_TEMPLATE
from restoration.images import Image, read_image
from restoration.measure import faithfulness
from restoration.measure.faithfulness import REGIONS, Examination, examine, region_errors, region_masks
from restoration.measure.identity import IdentityNetwork
from restoration.measure.uncertainty import KEY

TRUTH = read_image(EXAMPLES / "eileen_collins.png")
SETTINGS = Degradation(blur_sigma=2, downsample=3, noise=12, jpeg=70)
DEGRADED = degrade_image(TRUTH, SETTINGS, 7)


def test_masks_hold_their_landmarks_and_do_not_overlap() -> None:
    masks = region_masks()
    assert tuple(masks) == REGIONS
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    for name, landmarks in {"eyes": FACE_TEMPLATE[:2], "nose": FACE_TEMPLATE[2:3], "mouth": FACE_TEMPLATE[3:]}.items():
        for x, y in landmarks.round().astype(int):
            assert masks[name][y, x]
    cheeks = FACE_TEMPLATE[:2] * 0.5 + FACE_TEMPLATE[3:] * 0.5 + [[-15, 0], [15, 0]]
    assert all(masks["skin"][y, x] for x, y in cheeks.round().astype(int))


@pytest.mark.parametrize("region", REGIONS)
def test_an_error_is_found_in_its_region(region: str) -> None:
    changed = TRUTH.copy()
    changed[region_masks()[region]] ^= 16  # every value moves by 16
    errors = region_errors(changed, TRUTH)
    assert errors.pop("whole picture") == pytest.approx(16 * region_masks()[region].mean())
    assert errors.pop(region) == 16
    assert set(errors.values()) == {0}


def grey(lightness: float) -> Image:
    """Of that L*, to 8 bits: in steps of 0.4."""
    return np.full((512, 512, 3), np.rint(255 * lab2rgb([[[lightness, 0.0, 0.0]]])[0, 0, 0]), np.uint8)


def test_colour_difference_is_ciede2000_and_lightness_that_of_the_cheeks() -> None:
    # Two greys at L* 50 and 55: dE00 = dL / S_L with S_L = 1 + 0.015 (Lm - 50)^2 / sqrt(20 + (Lm - 50)^2), k_L = 1.
    weight = 1 + 0.015 * 2.5**2 / np.sqrt(20 + 2.5**2)
    assert faithfulness.skin_colour_difference(grey(50), grey(55)) == pytest.approx(5 / weight, abs=0.25)
    elsewhere = TRUTH.copy()
    elsewhere[~region_masks()["skin"]] = 0
    assert faithfulness.skin_colour_difference(elsewhere, TRUTH) == 0
    assert faithfulness.skin_lightness(grey(70)) == pytest.approx(70, abs=0.3)
    assert faithfulness.skin_lightness(TRUTH // 2) < faithfulness.skin_lightness(TRUTH) < 90


@pytest.fixture(scope="module")
def restorer(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    """Small and fast, with a calibration of its own."""
    folder = tmp_path_factory.mktemp("calibrated") / "tiny"
    shutil.copytree(tiny_weights, folder)
    calibration = dataclasses.replace(CALIBRATION, weights=Restorer.from_pretrained(folder).fingerprint)
    facts = json.loads((folder / "training.json").read_text())
    (folder / "training.json").write_text(json.dumps({**facts, KEY: dataclasses.asdict(calibration)}))
    return Restorer.from_pretrained(folder)


@pytest.fixture(scope="module")
def restored(restorer: Restorer) -> Image:
    return restorer.restore_aligned(DEGRADED)


def look(degraded: Image, restored: Image, restorer: Restorer, **known: Any) -> Examination:
    return examine(degraded, restored, restorer.restore_tensor, restorer.calibration, **known)


def test_everything_is_known_where_the_truth_and_the_recipe_are(restorer: Restorer, restored: Image) -> None:
    network = IdentityNetwork(Pool(), "pool")
    seen = look(DEGRADED, restored, restorer, truth=TRUTH, recipe=(SETTINGS, 7), identity=network)
    np.testing.assert_array_equal(seen.change, restored.astype(int) - DEGRADED)
    np.testing.assert_array_equal(seen.error, restored.astype(int) - TRUTH)
    np.testing.assert_array_equal(seen.residual, degrade_image(restored, SETTINGS, 7).astype(int) - DEGRADED)
    assert tuple(region.name for region in seen.regions) == (*REGIONS, "whole picture")
    assert {r.name: r.restored for r in seen.regions} == region_errors(restored, TRUTH)
    assert {r.name: r.degraded for r in seen.regions} == region_errors(DEGRADED, TRUTH)
    assert seen.skin == faithfulness.skin_colour_difference(restored, TRUTH)
    assert seen.identity is not None
    angles = [network.angle(face, TRUTH) for face in (DEGRADED, restored)]
    assert [seen.identity.degraded, seen.identity.restored] == pytest.approx(angles)
    report = json.loads(json.dumps(seen.report()))
    assert report["identity"]["network"] == seen.identity.network == "pool"
    assert report["identity"]["restored_deg"] == seen.identity.restored
    assert report["regions"]["nose"]["restored"] == seen.regions[1].restored
    assert report["residual"] == pytest.approx(np.abs(seen.residual).mean())
    assert seen.uncertainty.shape == (512, 512)


def test_nothing_is_claimed_about_a_photo_without_a_truth(restorer: Restorer, restored: Image) -> None:
    seen = look(DEGRADED, restored, restorer, identity=IdentityNetwork(Pool(), "pool"))
    assert (seen.residual, seen.error, seen.identity, seen.skin) == (None, None, None, None)
    assert all((region.degraded, region.restored) == (None, None) for region in seen.regions)
    assert seen.calibrated
    assert all(region.expected is not None and region.expected > 0 for region in seen.regions)
    assert seen.warnings == []
    assert seen.report()["identity"] is None
    seen = examine(DEGRADED, restored, restorer.restore_tensor, None)  # nor about an error that was not calibrated
    assert (seen.calibrated, {region.expected for region in seen.regions}) == (False, {None})
    assert "not measured: uncertainty shows where, not how much" in seen.warnings[0]


def test_the_default_weights_are_calibrated_and_know_their_errors() -> None:
    """After new default weights: ``python -m train.calibrate --faces VALIDATION_FACES``."""
    restorer = Restorer.from_pretrained()
    assert restorer.calibration is not None
    assert restorer.calibration.rank_correlation > max(0.5, restorer.calibration.spread_rank_correlation)
    whole = look(DEGRADED, restorer.restore_aligned(DEGRADED), restorer, truth=TRUTH).regions[-1]
    assert 0.5 < whole.expected / whole.restored < 2


def test_what_went_wrong_is_said(restorer: Restorer) -> None:
    green, gentle = TRUTH.astype(int), Degradation(noise=1)
    green[region_masks()["skin"]] += [-90, 90, -90]
    spoilt = np.clip(green, 0, 255).astype(np.uint8)
    known = {"truth": TRUTH, "recipe": (gentle, 0), "identity": IdentityNetwork(Pool(), "pool")}
    seen = look(degrade_image(TRUTH, gentle, 0), spoilt, restorer, **known)
    assert seen.identity is not None
    assert seen.identity.verdict.better is False
    for warning, words in zip(seen.warnings, (
        "moved the face away", "made the skin worse", "made the whole picture worse",
        "The colour of the skin changed: ΔE2000", "does not explain what was seen",
    ), strict=True):  # fmt: skip
        assert words in warning
