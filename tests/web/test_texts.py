"""The texts: every language says everything."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.pages import WEB

LANGUAGES = ("de", "en", "es", "fr", "nb", "nl")


def texts(language: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((WEB / "texts" / f"{language}.json").read_text())
    return read


def paths(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each text's path and the placeholders in it."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{key}.")
        else:
            lines = value if isinstance(value, list) else [value]
            yield (
                f"{prefix}{key}",
                " ".join(sorted(part.split("}")[0] for line in lines for part in line.split("{")[1:])),
            )


def test_there_is_a_file_for_each_language_and_no_other() -> None:
    assert sorted(path.stem for path in (WEB / "texts").iterdir()) == list(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_with_the_same_placeholders(language: str) -> None:
    assert dict(paths(texts(language))) == dict(paths(texts("en")))
