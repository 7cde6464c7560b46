"""Where the tests' Chromium comes from, and what is said where there is none."""

from pathlib import Path

import pytest

from deploy.local import browser


def test_without_any_way_to_a_browser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ASSENT_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "UNPACKED", tmp_path / "chromium")
    with pytest.raises(browser.BrowserMissingError, match="install the package `chromium`"):
        browser.chromium()


def test_a_browser_that_does_not_start_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'libnss3.so: cannot open shared object file' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("ASSENT_CHROMIUM", str(broken))
    with pytest.raises(browser.BrowserMissingError, match=r"libnss3\.so"):
        browser.chromium()


def test_a_browser_that_starts_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    working = tmp_path / "working"
    working.write_text("#!/bin/sh\necho Chromium 1\n")
    working.chmod(0o755)
    monkeypatch.setenv("ASSENT_CHROMIUM", str(working))
    assert browser.chromium() == working
