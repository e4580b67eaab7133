"""CSV files hold no formulas, and give back every name."""

import os
from pathlib import PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discogan.csv_files import FORMULA_STARTS, quote_formula, read_rows, unquote_formula, write_csv
from discogan.errors import DataError
from discogan.names import name_of, path_of


@settings(deadline=None)
@given(st.text(st.sampled_from("'=+-@\t\r\na ,\"\udce9é")))
def test_quoting_is_undone_by_unquoting(text):
    quoted = quote_formula(text)
    assert quoted[:1] not in FORMULA_STARTS or not quoted
    assert unquote_formula(quoted) == text


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\tx", "\rx", "\nx", "'=x", "''+x", "＝1"])  # noqa: RUF001
def test_a_name_that_is_a_formula_is_quoted(name):
    assert quote_formula(name) == f"'{name}"


def test_other_names_and_numbers_are_written_as_they_are(tmp_path):
    write_csv(tmp_path / "x.csv", ("name", "score"), [("'plain'", -0.5), ("a=b", "x")])
    assert (tmp_path / "x.csv").read_text() == "name,score\n'plain',-0.5\na=b,x\n"


def test_every_name_comes_back(tmp_path):
    paths = [os.fsencode(name) for name in ("=x,y", 'a"b', "new\nline", "-1.png", "'+", "é", "a\\b")] + [b"caf\xe9.png"]
    names = [name_of(PurePath(os.fsdecode(path))) for path in paths]
    write_csv(tmp_path / "x.csv", ("name", "number"), [(name, index) for index, name in enumerate(names)])
    rows = read_rows(tmp_path / "x.csv", ("name", "number"), "two columns")
    assert [os.fsencode(path_of(row.values["name"])) for row in rows] == paths


def test_cells_beyond_the_header_are_left_out(tmp_path):
    (tmp_path / "x.csv").write_text("\ufeffa,b\n1,2,3\n\n", "utf-8")
    assert [row.values for row in read_rows(tmp_path / "x.csv", ("a",), "a column a")] == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "line 1 does not name the column a"),
        (b"b\n1\n", "line 1 does not name the column a"),
        (b"a,a\n1,2\n", "names the column a twice"),
        (b"a,b\n,2\n", "line 2 has no a"),
        (b"a,b\n1,2\n\xff\n", "line 3 is not UTF-8"),
        (b"a\n\0\n", "line 2 contains a NUL"),
        (b'a\n"1\n', "is not valid CSV"),
        (b"a\n" + b"x" * 200_000, "is not valid CSV"),
    ],
)
def test_a_mistake_is_one_message_with_file_and_line(tmp_path, content, problem):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_rows(tmp_path / "x.csv", ("a",), "a column a")
    assert str(tmp_path / "x.csv") in str(caught.value)


@pytest.mark.parametrize("path", ["missing.csv", ".", "/dev/zero"])
def test_what_is_not_a_file_is_explained(tmp_path, path):
    with pytest.raises(DataError, match=r"cannot be read|is not a file"):
        read_rows(tmp_path / path, ("a",), "a column a")
