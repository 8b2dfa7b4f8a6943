"""The only table, and files beside a database that hold what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixmas_pipeline.pipelines.data.custom.formats.queries import check_settled, whole_table


def test_the_only_table(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert whole_table(['a "b"']) == 'select * from "a ""b"""'
    assert "All of the table 'a \"b\"' is read, which is the only one" in caplog.text
    with pytest.raises(ValueError, match="it has no table; write query: and a select statement beside file"):
        whole_table([])
    with pytest.raises(ValueError, match=r"it has the tables 't0', .* 't19' and 3 more; write query:"):
        whole_table([f"t{i}" for i in range(23)])


def test_changes_in_another_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.touch()
    (tmp_path / "shop.db-wal").touch()
    check_settled(path, "-wal")
    (tmp_path / "shop.db-wal").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"it has changes that are in shop\.db-wal; close the program"):
        check_settled(path, "-wal")
