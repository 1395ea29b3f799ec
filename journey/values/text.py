"""Text as rules see it: white space, upper and lower case, and the one text of a number. Tables do the same through DuckDB.

`str.strip`, `str.upper` and `str.lower` differ from DuckDB in places (ß, final sigma, ligatures), so both sides follow what is defined
here: white space is Python's 29 characters, and case maps one code point to one.
"""

import re

WHITE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""Python's white-space characters."""

WHITE_RE2 = r"[\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
"""One or more of WHITE in the syntax of RE2, DuckDB's regular expressions."""

EXACT_INTEGERS = 2**53
"""Up to here a double holds every integer."""

MISSING = "__missing__"
"""The word that stands for a missing category in front of a model; as a value it can't be told from a missing one, so it is refused."""

# Characters whose upper case Python spells with several characters, and DuckDB with one. All others of that kind stay as they are.
_UPPER = dict(zip("ßᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾳῃῳ", "ẞᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾼῌῼ", strict=True))
_LOWER = {"İ": "i"}
_WHITE_RUN = re.compile(f"[{re.escape(WHITE)}]+")


def stripped(text: str) -> str:
    """The text without white space at its ends."""
    return text.strip(WHITE)


def collapsed(text: str) -> str:
    """The text with each run of white space replaced by one space."""
    return _WHITE_RUN.sub(" ", text)


def upper(text: str) -> str:
    """The text in upper case, one code point to one, as DuckDB has it."""
    return text.upper() if text.isascii() else "".join(map(_upper_character, text))


def lower(text: str) -> str:
    """The text in lower case, one code point to one, as DuckDB has it."""
    return text.lower() if text.isascii() else "".join(map(_lower_character, text))


def number_text(number: int | float) -> str:
    """The one text of a number: integral up to 2^53 without a decimal point, else the shortest text that gives it back."""
    if isinstance(number, float) and number.is_integer() and abs(number) <= EXACT_INTEGERS:
        return str(int(number))
    return repr(number)


def _upper_character(character: str) -> str:
    upper = character.upper()
    return upper if len(upper) == 1 else _UPPER.get(character, character)


def _lower_character(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else _LOWER.get(character, character)
