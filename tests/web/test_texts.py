"""The texts: every language says everything, and a changed notice has a new version."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.pages import WEB

LANGUAGES = ("de", "en", "es", "fr", "nb", "nl")

# What people were shown is kept with their answers as version and language only, so a version's words never change:
# whoever edits a notice gives it a new version in every language and adds its lines here.
NOTICES = {
    ("2026-11-22", "de"): "c17591eba14340c927bb734abf923b5d61fbc819b1086044f2cd5e852eb803bd",
    ("2026-11-22", "en"): "eef008e2ff5910ad4bc55df73cf0f5019471098fc50bf853ebff2e4226f8cb0f",
    ("2026-11-22", "es"): "de36053f290419fd37bb682c0c4763a3c1fc40a5d485072aed121ad819fe356c",
    ("2026-11-22", "fr"): "420bcc18515053e3085955881bf9426c8964e30c007d7887c985a0d63c4b215b",
    ("2026-11-22", "nb"): "45b88ef012827efbf95ae9b1c6629548190df98ac0836441b716754e9c427d31",
    ("2026-11-22", "nl"): "c31af927553f78ee2bac1daef21b408942e30a581c1ce9fca0fb1143bb9930b3",
}


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notice_keeps_its_words_as_long_as_it_keeps_its_version(language: str) -> None:
    read = texts(language)
    shown = {part: read["consent"][part] for part in ("title", "notice", "grant", "deny")}
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    assert NOTICES[read["notice_version"], language] == digest
