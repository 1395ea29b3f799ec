"""Case, white space and the text of numbers are DuckDB's, code point by code point."""

import duckdb
import pytest

from journey.values.text import WHITE, WHITE_RE2, collapsed, lower, number_text, stripped, upper


def code_points(query: str) -> list[tuple[str, ...]]:
    every = "SELECT chr(i::INT) AS c FROM range(1, 1114112) t(i) WHERE i NOT BETWEEN 55296 AND 57343"       # all but the surrogates
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {query} FROM ({every})").fetchall()


@pytest.mark.parametrize(("function", "of"), [("upper", upper), ("lower", lower)])
def test_every_code_point_has_the_case_that_duckdb_gives_it(function, of):
    assert [(c, there, of(c)) for c, there in code_points(f"c, {function}(c)") if there != of(c)] == []


def test_white_space_is_pythons_in_both_places():
    in_duckdb = {c for c, white in code_points(f"c, regexp_full_match(c, '{WHITE_RE2}')") if white}
    assert in_duckdb == set(WHITE) == {chr(i) for i in range(0x110000) if chr(i).isspace()}


def test_words_change_case_character_by_character():
    assert (upper("straße"), lower("ΌΣΟΣ"), upper("ﬁ")) == ("STRAẞE", "όσοσ", "ﬁ")


def test_white_space_is_stripped_and_collapsed():
    assert (stripped("\u3000 a  b\x85"), collapsed(" a \t\n b")) == ("a  b", " a b")


@pytest.mark.parametrize(
    ("number", "text"), [(5, "5"), (5.0, "5"), (-0.0, "0"), (2.5, "2.5"), (2.0**53, "9007199254740992"), (1e17, "1e+17"), (2**60,
    str(2**60))]
)
def test_a_number_has_one_text(number, text):
    assert number_text(number) == text
