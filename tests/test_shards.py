"""Parts of a table, and what is said where they do not make a whole."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skasd._shards import joined, take_shard


def parts(n_items, n):
    items = [f"{i}.wav" for i in range(n_items)]
    tables = {}
    for number in range(1, n + 1):
        own, label = take_shard(items, f"{number}/{n}")
        tables[f"{number}.csv"] = pd.DataFrame({"path": own, "shard": label})
    return tables


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))), st.randoms())
def test_shards_in_any_order_make_the_whole(sizes, random):
    names = list((tables := parts(*sizes)).items())
    random.shuffle(names)
    assert joined(dict(names))["path"].tolist() == [f"{i}.wav" for i in range(sizes[0])]
    assert max(map(len, tables.values())) - min(map(len, tables.values())) <= 1


@pytest.mark.parametrize("wanted", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5"])
def test_what_is_no_shard_is_named(wanted):
    with pytest.raises(ValueError, match="as 3/10"):
        take_shard(["a"] * 5, wanted)
    with pytest.raises(ValueError, match="only 2 recordings, too few for 3"):
        take_shard(["a", "b"], "1/3")


def test_missing_and_double_shards_are_named():
    tables = parts(10, 4)
    with pytest.raises(ValueError, match="Missing shards: 2/4, 4/4, of 10 recordings"):
        joined({name: tables[name] for name in ("1.csv", "3.csv")})
    with pytest.raises(ValueError, match=r"more than once: 2/4 in 2\.csv and copy\.csv"):
        joined({**tables, "copy.csv": tables["2.csv"]})


def test_what_does_not_belong_together_is_named():
    tables = parts(10, 2)
    with pytest.raises(ValueError, match=r"1\.csv is 1/2 of 10, later\.csv is 2/2 of 11"):
        joined({"1.csv": tables["1.csv"], "later.csv": parts(11, 2)["2.csv"]})
    with pytest.raises(ValueError, match=r"w\.csv is no shard, while 1\.csv is"):
        joined({**tables, "w.csv": tables["1.csv"].drop(columns="shard")})
    with pytest.raises(ValueError, match=r"2\.csv has 4 rows, but shard 2/2 of 10 has 5"):
        joined({**tables, "2.csv": tables["2.csv"][:4]})
    with pytest.raises(ValueError, match="must say one thing"):
        joined({"both.csv": pd.concat(tables.values())})


def test_tables_that_are_no_shards_are_put_together_unless_they_overlap():
    a, b = pd.DataFrame({"path": ["x", "y"]}), pd.DataFrame({"path": ["z"]})
    assert joined({"a.csv": a, "b.csv": b})["path"].tolist() == ["x", "y", "z"]
    with pytest.raises(ValueError, match=r"'x' is scored more than once, in a\.csv, c\.csv"):
        joined({"a.csv": a, "b.csv": b, "c.csv": a[:1]})
