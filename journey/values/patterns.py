r"""Patterns of column rules: the regular expressions that Python and RE2 (DuckDB) read alike, and that can't run away.

Left in: characters, `.`, classes such as `[A-Z0-9_]`, `\d` and `\w` (ASCII), groups, `|`, and the quantifiers `? * + {m} {m,} {m,n}`.
Refused: anchors (a pattern always matches the whole value), look-around, back-references, flags, lazy and possessive quantifiers, `\s` and
`\b` (they differ), and a repetition inside a repetition, which takes Python exponential time.
"""

import re

LONGEST = 1_000
"""Characters a value may have to be matched at all: keeps matching in time on a server. Longer text never matches; a guess."""

_PUNCTUATION = r"""[\\.^$*+?{}()\[\]|/\-"'#&~,:;<>=!@% ]"""
_IN_CLASS = rf"(?:[^\[\]\\^&~|\-]|\\{_PUNCTUATION}|\\[dw])"
_TOKEN = re.compile(
    rf"""
    (?P<atom> \\[dw] | \\{_PUNCTUATION} | \[\^?-?(?:{_IN_CLASS}(?:-{_IN_CLASS})?)+-?\] | [^\\.^$*+?{{}}()\[\]|] | \. )
    | (?P<open> \((?:\?:|(?!\?)) )
    | (?P<close> \) )
    | (?P<bar> \| )
    | (?P<times> (?:[?*+]|\{{(?P<low>[0-9]{{1,3}})(?P<comma>,(?P<high>[0-9]{{1,3}})?)?\}})(?![?*+{{]) )
    """,
    re.VERBOSE | re.DOTALL,
)


def why_unsafe(pattern: str) -> str | None:
    """Says why a pattern is refused; None if Python and RE2 agree on it and neither can run away."""
    loose = [False]            # for each open group, outermost first: does it hold a choice or a repetition?
    closed = False             # is what stands just before a quantifier a group that holds one?
    position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            found = pattern[position:position + 2]
            return f"'{found}' at character {position + 1} isn't read alike by Python and DuckDB, or isn't needed"
        if token["times"]:
            if closed and token["times"] not in ("?", "{1}"):
                return f"'{token['times']}' at character {position + 1} repeats a group that itself holds a choice or a repetition"
            loose[-1] = True
        elif token["bar"]:
            loose[-1] = True
        elif token["open"]:
            loose.append(False)
        closed = False
        if token["close"]:
            if len(loose) == 1:
                return f"')' at character {position + 1} closes no group"
            closed = loose.pop()
            loose[-1] = loose[-1] or closed
        position = token.end()
    try:
        matcher(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"it is no regular expression: {error}"
    return None


def matcher(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled as rules use it: with `fullmatch`, ASCII classes."""
    return re.compile(pattern, re.ASCII)
