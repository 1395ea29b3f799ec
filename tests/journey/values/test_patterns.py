"""Patterns are refused unless Python and DuckDB read them alike and neither can run away."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey.values.patterns import matcher, why_unsafe

SAFE = [
    "[A-Z]{2}[0-9]{3,}", "a|b|", "(?:ab)+", "(ab)*c?", ".", ".*", r"\d+\.\d{1,2}", r"\w+@\w+\.[a-z]{2,3}", "[^a-c]", "[-+]?[0-9]",
    "[+.-]", r"[\]\[\\]",
    "é+", "[à-ÿ]", "a{2}", "(?:a|b){1}", "[^\\d]", "a b", "#[0-9a-f]+", "'\"", "x{0,3}",
]  # fmt: skip
UNSAFE = [
    "^a", "a$", r"\s", r"\bword", r"\Aa", r"(a)\1", "(?=a)b", "(?<!a)b", "(?i)a", "(?P<name>a)", "a*?", "a++", "a{,3}", "(a+)+", "(a|b)*",
    "(?:a?)*", "[[:alpha:]]",
    "[a&&b]", "(", ")", "[", "a{2,1}", "*a", r"\x41", r"\u0041", r"\pL", "[]a]", "a{1000}", "[z-a]", r"\\1)", "(?>a)", "a**", "[]",
]  # fmt: skip


@pytest.mark.parametrize("pattern", SAFE)
def test_a_plain_pattern_is_allowed(pattern):
    assert why_unsafe(pattern) is None


@pytest.mark.parametrize("pattern", UNSAFE)
def test_a_pattern_that_could_differ_or_run_away_is_refused(pattern):
    assert why_unsafe(pattern)


tokens = st.sampled_from(
    ["a", "b", "1", ".", "[ab]", "[^a]", r"\d", r"\w", "é", "[^\\w]", "(", "(?:", ")", ")", "|", "*", "+", "?", "{2}", "{1,2}", "[-a]", " "]
)
subjects = ["", "a", "b", "aa", "ab", "aab", "1", "1a", "é", "éé", "\n", "a\n", " ", "a1", "bb1", "٣", "😀", "a a", "-"]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(patterns=st.lists(st.lists(tokens, min_size=1, max_size=7).map("".join), min_size=20, max_size=40))
def test_what_is_allowed_matches_the_same_texts_in_both(patterns):
    safe = [pattern for pattern in patterns if why_unsafe(pattern) is None]
    with duckdb.connect() as connection:
        for pattern in safe:
            found = connection.execute("SELECT list(regexp_full_match(s, $p)) FROM (SELECT unnest($s) AS s)",
            {"p": pattern, "s": subjects}).fetchall()
            assert [matcher(pattern).fullmatch(text) is not None for text in subjects] == found[0][0], pattern
