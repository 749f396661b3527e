"""Values of numpy, pandas, pydantic and attrs become JSON as docs/reference/functions.md says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyfi.runner.environment import Spec, build
from pyfi.runner.frames import NOT_SERIALISABLE
from pyfi.runner.policy import Policy
from tests.unit.runner.conftest import Driver

if TYPE_CHECKING:
    from tests.integration.runner.conftest import Repository

SOURCE = """
import attrs, numpy as np, pandas as pd, pydantic, datetime
class Inner(pydantic.BaseModel):
    when: datetime.date
class Model(pydantic.BaseModel):
    inner: Inner
    tags: set[str]
@attrs.define
class Point:
    x: int
def scalars(): return [np.int64(3), np.float32(0.5), np.float64(1.5), np.bool_(True), np.str_("a")]
def arrays(): return {"a": np.arange(4).reshape(2, 2), "b": np.array([True]), "c": np.array(["x"], dtype=object)}
def times(): return [np.datetime64("2026-01-02T03:04:05"), np.array(["2026-01-02"], dtype="datetime64[D]")]
def frame(): return pd.DataFrame({"n": [1, 2], "t": pd.to_datetime(["2026-01-02", None]), "f": [0.5, None]})
def series(): return [pd.Series([1, 2]), pd.Index(["a", "b"]), pd.NA, pd.NaT, pd.Timestamp("2026-01-02")]
def model(): return [Model(inner=Inner(when=datetime.date(2026, 1, 2)), tags={"a"}), Point(1)]
def nan_array(): return {"a": np.array([1.0, float("nan")])}
def nan_scalar(): return np.float32("nan")
def complex_array(): return [np.array([1j])]
def bytes_array(): return np.array([b"x"])
"""
KEPT = {
    "scalars": [3, 0.5, 1.5, True, "a"],
    "arrays": {"a": [[0, 1], [2, 3]], "b": [True], "c": ["x"]},
    "times": ["2026-01-02T03:04:05", ["2026-01-02"]],
    "frame": [{"n": 1, "t": "2026-01-02T00:00:00.000", "f": 0.5}, {"n": 2, "t": None, "f": None}],
    "series": [[1, 2], ["a", "b"], None, None, "2026-01-02T00:00:00"],
    "model": [{"inner": {"when": "2026-01-02"}, "tags": ["a"]}, {"x": 1}],
}
REFUSED = {
    "nan_array": "result['a'][1] is nan: JSON has no such number",
    "nan_scalar": "result is nan: JSON has no such number",
    "complex_array": "result[0] is a numpy.ndarray: it is not JSON",
    "bytes_array": "result is a numpy.ndarray: it is not JSON",
}


@pytest.mark.timeout(600)
def test_values_of_other_packages(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"values.py": SOURCE, "requirements.txt": "attrs\nnumpy\npandas\npydantic>=2\n"})
    made = build(
        Spec(repository=repository.url, commit=commit, policy=Policy(allow_file=True)), tmp_path / "environments"
    )
    (tmp_path / "guest").mkdir()
    driver = Driver(tmp_path / "guest", made.python)
    driver.checkout = made.checkout
    try:
        driver.start(None, *KEPT, *REFUSED, module="values")
        assert {name: driver.result(name) for name in KEPT} == KEPT
        for name, message in REFUSED.items():
            outcome = driver.call(name)
            assert (outcome.outcome, outcome.first["message"]) == (NOT_SERIALISABLE, message)
    finally:
        driver.close()
