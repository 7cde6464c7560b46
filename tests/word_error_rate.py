"""How much of what was said a recogniser got wrong."""

import re


def word_error_rate(said: str, heard: str) -> float:
    """Insertions, deletions and substitutions per word said (Levenshtein distance over words, case ignored)."""
    spoken, recognised = _words(said), _words(heard)
    row = list(range(len(recognised) + 1))
    for index, word in enumerate(spoken, 1):
        diagonal, row[0] = row[0], index
        for column, other in enumerate(recognised, 1):
            best = min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
            diagonal, row[column] = row[column], best
    return row[-1] / len(spoken)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
