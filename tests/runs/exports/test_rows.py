import csv
import importlib.util
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.runs.exports import export
from imaxproxy.runs.exports.rows import COLUMNS
from runs.made_run import UNIX_S, make_run

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None


def test_csv_has_a_row_a_request(tmp_path: Path) -> None:
    (path,), _ = export(make_run(tmp_path), "csv", (), None)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 4
    assert float(rows[1]["tpot_ms"]) == pytest.approx(20)
    assert float(rows[1]["sent_unix_s"]) == pytest.approx(UNIX_S + 1)
    assert (rows[3]["outcome"], rows[3]["error"], rows[3]["ttft_ms"]) == ("failed", "http_429", "")
    assert rows[0]["simulated"] == "False"


@pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow is not installed")
def test_parquet_has_the_same(tmp_path: Path) -> None:
    import pyarrow.parquet

    (path,), _ = export(make_run(tmp_path), "parquet", (), None)
    table = pyarrow.parquet.read_table(path)
    assert tuple(table.column_names) == COLUMNS
    assert table["tpot_ms"].to_pylist()[1] == pytest.approx(20)
    assert table["ttft_ms"].to_pylist()[3] is None


@pytest.mark.skipif(HAS_PYARROW, reason="pyarrow is installed")
def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pip install 'imaxproxy\[parquet\]'"):
        export(make_run(tmp_path), "parquet", (), None)
