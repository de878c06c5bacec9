"""What all tests share: a run that must not skip anything says so with its exit status."""

import os

import pytest

_skipped: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: compares with a GPU; skipped where there is none")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    report = yield
    if report.skipped and not item.get_closest_marker("gpu") and not hasattr(report, "wasxfail"):
        _skipped.append(item.nodeid)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("RESTORATION_NO_SKIPS") and _skipped:
        print("\nskipped, but must run here: " + ", ".join(_skipped))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
