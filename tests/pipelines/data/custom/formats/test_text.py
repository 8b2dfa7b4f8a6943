"""Encodings of text files. Cells, separators and cut lines: test_reading.py and test_corners.py."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from mixmas_pipeline.pipelines.data.custom.formats import text
from mixmas_pipeline.pipelines.data.custom.formats.form import Form

TEXT = "name,größe\nJosé,1\nZoë,2\n"


def read(folder: Path, content: bytes, encoding: str | None = None, name: str = "a.csv") -> pd.DataFrame:
    (folder / name).write_bytes(content)
    return text.read(folder / name, Form(encoding=encoding))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("utf-32", None), ("utf-8", "UTF8"),
        ("latin-1", "latin-1"), ("cp1252", "cp1252"), ("utf-16-le", "utf-16-le"), ("utf-8-sig", "utf-8"),
        ("mac-roman", "mac_roman"),
    ],
)  # fmt: skip
def test_encodings(encoding: str, written: str | None, name: str, tmp_path: Path) -> None:
    content = TEXT.encode(encoding)
    frame = read(tmp_path, gzip.compress(content) if name.endswith("gz") else content, written, name)
    assert frame.to_dict("list") == {"name": ["José", "Zoë"], "größe": ["1", "2"]}


def test_an_encoding_that_is_guessed_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        read(tmp_path, TEXT.encode("utf-16"))
    assert "a.csv begins as a text in UTF-16 does, and is read so" in caplog.text


def test_an_encoding_that_may_be_the_wrong_one_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, b"name\nJose\n", "latin-1")
    read(tmp_path, TEXT.encode("latin-1"), "latin-1")
    assert not caplog.text
    read(tmp_path, TEXT.encode(), "latin-1")
    assert "a.csv reads as UTF-8 too: if it shows letters such as Ã or Â, leave out encoding: latin-1" in caplog.text


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"a,b\n1,2\n3,caf\xe9\n", None, "line 3 has the byte 0xe9, which in cp1252 reads '3,café'.*encoding: cp1252"),
        (b"caf\xe9,b\n1,2\n", None, "line 1 has the byte 0xe9"),
        (b"a,b\n1,caf\xc3", None, "line 2 has the byte 0xc3"),
        ("a,b\n1,é\n".encode(), "ascii", "it is no ASCII text .*expected another encoding"),
        ("a,b\n1,é\n".encode("utf-16") + b"\x00", None, "it is no UTF-16 text .*truncated"),
        ("a,b\n1,é\n".encode("utf-16-le"), None, "no UTF-8 text|utf-16-le or utf-16-be beside file"),
        ("a,b\n1,2\n".encode("utf-16-le"), None, "line 1 has a character NUL.*write encoding: utf-16-le"),
    ],
)
def test_bytes_that_are_no_text(content: bytes, encoding: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content, encoding)
