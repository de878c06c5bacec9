"""Throughput: the count is that of the network's layers, and the command tells of parts that a step is made of."""

import dataclasses
import json

import pytest
import torch
from tiny import TINY

from restoration.network.unet import UNetConfig
from train.throughput import main, matrix_rate, step_arithmetic


def test_arithmetic_is_that_of_the_convolutions() -> None:
    model = UNetConfig(widths=(8, 8), encoder=(1, 1), decoder=(1,))
    config = dataclasses.replace(TINY, crop=64, batch=1, model=model)
    total = step_arithmetic(config)
    assert step_arithmetic(dataclasses.replace(config, batch=3)) == 3 * total
    assert step_arithmetic(dataclasses.replace(config, crop=128)) == 4 * total  # fully convolutional
    inside = 2 * (16 * 16 * 8 * 8 * 9)  # one 3x3 convolution of 8 channels at 16x16
    assert total > 3 * 2 * inside  # two residual blocks at least: forward, and twice as much backward


def test_a_matrix_product_has_a_rate() -> None:
    assert 1e8 < matrix_rate(torch.device("cpu"), rounds=1) < 1e15


def test_the_command_tells_where_the_time_goes(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--widths", "8", "12", "--encoder", "1", "1", "--decoder", "1", "--batch", "2", "--crop", "64"]
    assert main([*small, "--device", "cpu", "--steps", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["share"] == pytest.approx(found["step_rate"] / found["device_rate"], rel=1e-2)
    assert found["images_per_second"] == pytest.approx(2 / found["step"], rel=1e-2)
    assert max(found[part] for part in ("batch", "gradients", "update")) > 0
    assert main(["--crop", "65"]) == 2
    assert "multiple" in capsys.readouterr().err
