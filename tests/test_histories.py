"""The stored measurements: each has its entry, loads without pickle, holds numbers."""

import zipfile

import numpy as np
import pytest

from tests import histories
from trpo_lite.course import data


def test_every_stored_file_can_be_measured_again():
    assert set(data.names()) == set(histories.MEASUREMENTS)


@pytest.mark.parametrize("name", data.names())
def test_stored_arrays_are_plain_and_say_nothing_of_the_machine(name):
    arrays = data.load(name)
    assert arrays
    for value in arrays.values():
        assert value.dtype.kind in "biufU"
    with zipfile.ZipFile(data.FOLDER / f"{name}.npz") as stored:
        assert {entry.date_time for entry in stored.infolist()} == {
            (1980, 1, 1, 0, 0, 0)
        }


def test_what_is_saved_is_loaded(tmp_path, monkeypatch):
    given = {"a": np.arange(3), "b": 2.5, "c": np.array(["x", "yz"])}
    path = histories.save("some", given, tmp_path)
    assert [*tmp_path.iterdir()] == [path]
    first = path.read_bytes()
    assert histories.save("some", given, tmp_path).read_bytes() == first
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    came = data.load("some")
    assert came.keys() == given.keys()
    for key, value in given.items():
        assert np.array_equal(came[key], value)


def test_objects_are_refused(tmp_path):
    with pytest.raises(TypeError, match="some: a has dtype object"):
        histories.save("some", {"a": np.array([None])}, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_an_unknown_name_is_named():
    with pytest.raises(ValueError, match="no stored measurement 'nothing'"):
        data.load("nothing")


def test_the_measurement_of_costs_runs():
    stored = data.load("cg_cost")
    small = histories.cg_cost(dense=(2, 3), free=(2, 3, 4), rows=10, iterations=2)
    assert small.keys() == stored.keys()
    assert small["n"].tolist() == [4, 9] and small["n_free"].tolist() == [4, 9, 16]
    assert all(len(small[k]) == 2 for k in ("build", "inverse", "solve"))
    assert len(small["cg"]) == 3
