"""Tables survive a spreadsheet."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skasd._csv_tables import read_csv, read_text_csv, write_csv

NAMES = [
    '=HYPERLINK("http://x","y").wav',
    "+1+cmd|' /C calc'!A0",
    "-2+3.wav",
    "@SUM(1)",
    "\tx.wav",
    "\rx.wav",
    "'=quoted.wav",
    "''@twice",
    'plain, with "quotes"; and\nlines.wav',
    "Pumpe Süd 泵.wav",
    "a\u2028b\x85c.wav",
    "\udcff.wav",
    "-12",
    "'-12",
    "nan",
    " spaces ",
]


def test_names_come_back_and_no_cell_is_a_formula(tmp_path):
    path = tmp_path / "t.csv"
    table = pd.DataFrame(
        {"path": NAMES, "anomaly_score": np.linspace(0, 1, len(NAMES)) / 3, "n": range(len(NAMES))}
    )
    write_csv(table, path)
    assert path.read_bytes().startswith(b'\xef\xbb\xbf"path"')
    pd.testing.assert_frame_equal(read_csv(path, text=["path"]), table, check_dtype=False)
    plain = pd.read_csv(path, keep_default_na=False, encoding_errors="surrogateescape", dtype=str)
    for cell in plain["path"]:
        assert cell == "-12" or cell[0] not in "=+-@\t\r"


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda t: "\x00" not in t), min_size=1)
)
def test_any_text_comes_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    write_csv(pd.DataFrame({"path": texts, "x": 1}), path)
    assert list(read_csv(path, text=["path"])["path"]) == texts


def test_kinds_of_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;c;d;e;;\n1;1,5;True;x_1;\n\n2;;False;1_0;;;\n;;;;;;\n")
    table = read_csv(path)
    assert list(table) == ["a", "b", "c", "d", "e"]
    assert [kind.kind for kind in table.dtypes[:3]] == ["i", "f", "b"]
    assert table["b"].tolist()[0] == 1.5
    assert list(table["d"]) == ["x_1", "1_0"]
    assert table["e"].isna().all()
    assert read_text_csv(path)["a"].tolist() == ["1", "2"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8", "cp1252"])
def test_encodings_and_line_ends_of_spreadsheets(tmp_path, encoding):
    path = tmp_path / "t.txt"
    path.write_bytes("path\tanomaly_score\r\nPrüfstand Süd/1.wav\t1,25\r\n".encode(encoding))
    table = read_csv(path, text=["path"])
    assert table.to_dict("list") == {"path": ["Prüfstand Süd/1.wav"], "anomaly_score": [1.25]}


@pytest.mark.parametrize(
    ("text", "match"),
    [("", "is empty"), ("a,a\n1,2\n", "two columns 'a'"), ("a,b\n1,2\n1,2,3\n", "3 cells in line 3")],
)
def test_what_is_no_table(text, match, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=match):
        read_csv(tmp_path / "t.csv")
