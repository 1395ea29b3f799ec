"""Null tokens: the words that stand for a missing value, as text and as the numbers whose text they are."""

from collections.abc import Iterable
from dataclasses import dataclass

from journey.values.text import number_text


@dataclass(frozen=True)
class Tokens:
    """Null tokens by the type of the value that is compared with them: `-999` in a file, -999 in a database or a request."""

    texts: frozenset[str]
    integers: frozenset[int]
    floats: frozenset[float]
    truths: frozenset[bool]


def tokens_of(words: Iterable[str]) -> Tokens:
    """The null tokens of a rule: a number or a truth value is one if its text is."""
    texts = frozenset(words)
    return Tokens(
        texts,
        frozenset(integer for word in texts if (integer := _integer(word)) is not None),
        frozenset(number for word in texts if (number := _float(word)) is not None),
        frozenset(truth for truth in (True, False) if ("true" if truth else "false") in texts),
    )


def _integer(word: str) -> int | None:
    digits = word.removeprefix("-")
    is_short = digits.isascii() and digits.isdecimal() and len(digits) <= 19      # the digits of 64 bits
    return int(word) if is_short and str(int(word)) == word else None


def _float(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if number_text(number) == word and number == number else None
