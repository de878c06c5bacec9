"""The benchmark: every method is timed in the same rounds."""

from restoration import Restorer
from restoration.cli.benchmark import benchmark


def test_benchmark_times_every_method_against_the_network() -> None:
    results = benchmark(Restorer.from_pretrained(), size=128, rounds=2)
    identity = "identity of one face (embedded_recogniser)"
    assert set(results) == {"restoration", "Lanczos (÷4, ×4)", "non-local means", identity}
    assert results["restoration"]["ratio"] == 1
    for row in results.values():
        assert 0 < row["fastest"] <= row["seconds"] <= row["slowest"]
