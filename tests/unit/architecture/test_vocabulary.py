"""The words that the glossary in CONTRIBUTING.md replaces stay out of the project."""

from __future__ import annotations

from tests.unit.architecture.vocabulary import NOT_YET, findings, in_prose


def test_old_words_stay_out() -> None:
    found = dict.fromkeys(str(each) for each in findings() if not each.path.startswith(NOT_YET))
    assert not found, "\n".join(found)


def test_an_old_word_is_reported() -> None:
    assert [str(found) for found in in_prose("a.md", 3, "Send a picture.")] == [
        "a.md:3: 'picture' -> image, portrait, photo"
    ]
