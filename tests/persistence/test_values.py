"""Whatever an estimator may hold goes to JSON and comes back."""

import io
import json
import math
import pathlib
from functools import partial

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, make_scorer
from sklearn.utils import Bunch

from skasd import nn
from skasd.persistence._coding import Decoder, Encoder
from skasd.persistence._objects import OBJECTS
from skasd.persistence._values import VALUES

CODECS = [*VALUES, *OBJECTS]


def round_trip(value):
    encoder = Encoder(CODECS)
    text = json.dumps(encoder(value, "value"), allow_nan=False)
    return Decoder(CODECS, (), None, dict(enumerate(encoder.arrays)), encoder.tensors)(json.loads(text))


def assert_equal(ours, theirs):
    assert type(theirs) is type(ours)
    if isinstance(ours, (list, tuple)):
        assert len(theirs) == len(ours)
        for pair in zip(ours, theirs, strict=True):
            assert_equal(*pair)
    elif isinstance(ours, dict):
        assert_equal(list(ours), list(theirs))
        assert_equal(list(ours.values()), list(theirs.values()))
    elif isinstance(ours, np.ndarray) and ours.dtype == object:
        assert theirs.shape == ours.shape
        assert_equal(ours.ravel().tolist(), theirs.ravel().tolist())
    elif isinstance(ours, (np.ndarray, np.generic)):
        assert theirs.dtype == ours.dtype
        assert theirs.shape == ours.shape
        assert theirs.tobytes() == ours.tobytes()
    elif isinstance(ours, frozenset):
        assert_equal(sorted(ours, key=repr), sorted(theirs, key=repr))
    elif isinstance(ours, float):
        if math.isnan(ours):  # whose sign says nothing, and which no text tells
            assert math.isnan(theirs)
        else:
            assert (theirs, math.copysign(1, theirs)) == (ours, math.copysign(1, ours))
    else:
        assert theirs == ours


def object_array(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=()), max_size=8),
    st.complex_numbers(allow_nan=False),
    st.binary(max_size=8),
    st.builds(slice, st.none() | st.integers(), st.integers(), st.none() | st.integers(1)),
    st.just(...),
    st.sampled_from(
        [np.float32, np.dtype("<f4"), np.dtype(">i2"), np.dtype("U7"), float, str, torch.float16]
    ),
    st.sampled_from(
        [pathlib.Path("a") / "b", torch.device("cpu"), torch.optim.SGD, np.mean, np.log1p, f1_score]
    ),
)
numpy_dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(),
    hnp.unicode_string_dtypes(max_len=5),
    hnp.datetime64_dtypes(),
)
arrays = hnp.arrays(numpy_dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
hashables = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=4), numpy_dtypes.flatmap(hnp.from_dtype)
    ),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    st.one_of(scalars, arrays, arrays.filter(lambda array: array.ndim > 1).map(np.asfortranarray), hashables),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashables, inner, max_size=3),
        st.lists(inner, max_size=3).map(object_array),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(values)
def test_any_value(value):
    assert_equal(value, round_trip(value))


@settings(max_examples=50, deadline=None)
@given(arrays)
def test_order_in_memory_stays(array):
    for ours in (array, np.asfortranarray(array), array.T):
        theirs = round_trip(ours)
        assert theirs.flags.writeable
        if ours.flags.c_contiguous or ours.flags.f_contiguous:
            assert (theirs.flags.c_contiguous, theirs.flags.f_contiguous) == (
                ours.flags.c_contiguous,
                ours.flags.f_contiguous,
            )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"]))
def test_random_generators_go_on_where_they_were(seed, name):
    ours = np.random.Generator(getattr(np.random, name)(seed))
    ours.normal(size=3)
    theirs = round_trip(ours)
    np.testing.assert_array_equal(theirs.integers(10, size=20), ours.integers(10, size=20))
    legacy = np.random.RandomState(getattr(np.random, name)(seed))
    legacy.normal(size=3)
    np.testing.assert_array_equal(round_trip(legacy).normal(size=5), legacy.normal(size=5))


def test_same_object_twice_is_the_same_twice():
    inner = [1.0, {"a": (2, 3)}]
    array = np.arange(3)
    value = {"first": inner, "second": (inner, [array, array]), "set": {1, "x"}, "bunch": Bunch(a=inner)}
    again = round_trip(value)
    assert again["first"] is again["second"][0] is again["bunch"].a
    assert again["second"][1][0] is again["second"][1][1]
    assert type(again["bunch"]) is Bunch
    assert again["set"] == {1, "x"}


def test_a_list_may_hold_itself():
    value = [1, 2]
    value.append(value)
    again = round_trip(value)
    assert again[2] is again


def test_equal_arrays_are_stored_once():
    encoder = Encoder(CODECS)
    encoder([np.arange(100), np.arange(100), np.arange(100).astype(float)], "value")
    assert len(encoder.arrays) == 2


def test_tensors():
    tensor = torch.randn(3, 4, 5).transpose(0, 2)
    value = {"a": tensor, "b": [tensor, tensor.to(torch.bfloat16), torch.tensor(3)]}
    again = round_trip(value)
    assert again["a"] is again["b"][0]
    assert torch.equal(again["a"], tensor)
    assert torch.equal(again["b"][1], tensor.to(torch.bfloat16))
    assert again["b"][2] == 3


def test_other_objects():
    mixing = nn.OneOf((nn.Mixup(alpha=0.3), nn.FMix()))
    assert round_trip(mixing) == mixing
    assert round_trip(nn.SoundEventMixing()) == nn.SoundEventMixing()
    again = round_trip(partial(np.quantile, q=0.5, axis=1))
    np.testing.assert_array_equal(again(np.eye(3)), np.quantile(np.eye(3), q=0.5, axis=1))
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    assert round_trip(masked).mask.tolist() == [True, False]
    scorer = make_scorer(f1_score, pos_label=-1, greater_is_better=False)
    assert repr(round_trip(scorer)) == repr(scorer)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ([0, lambda x: x], r"value\[1\]"),
        ({"a": (1, open)}, r"value\['a'\]\[1\]"),
        ({"f": np.load}, r"value\['f'\]"),
        ([io.StringIO()], r"value\[0\]"),
        (scipy.sparse.eye_array(3, format="csr"), "value is of class scipy"),
        (torch.nn.Linear(2, 2), "value is of class torch"),
        (np.zeros(2, dtype=[("a", object)]), "value is of class numpy.ndarray"),
        ([pathlib.Path], r"value\[0\]"),
    ],
)
def test_what_cannot_be_stored_is_named(value, where):
    with pytest.raises(TypeError, match=where):
        round_trip(value)
