"""Compares what was heard with what was said."""

import re


def word_error_rate(said: str, heard: str) -> float:
    """Words to insert, leave out or change, for each word said. Case and punctuation do not count."""
    reference, attempt = (re.findall(r"[a-z']+", text.lower()) for text in (said, heard))
    costs = list(range(len(attempt) + 1))
    for row, word in enumerate(reference, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(attempt, 1):
            best = min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other))
            diagonal, costs[column] = costs[column], best
    return costs[-1] / len(reference)
