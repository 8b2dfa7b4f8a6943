"""Counted words against the formula by hand, and against texts that the training rows have not."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from kind_samples import frame, made

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.pipelines.data.custom.kinds import words
from mixmas_pipeline.pipelines.data.custom.modalities import WordsParameters
from mixmas_pipeline.pipelines.data.custom.parameters import TableParameters

TEXTS = ["A red hen, a red barn", "the red fox", "the fox and the hen", "no one", "THE barn is 7 m long"]


def counted(texts: list[Any], train: int | None = None, **parameters: Any) -> Column:
    return made(frame(note=texts), train=train, kind="words", column="note", **parameters)


def terms(text: str) -> Counter[str]:
    """Words and pairs of neighbours."""
    single = re.findall(r"\w+", text.lower())
    return Counter([*single, *map(" ".join, pairwise(single))])


def by_hand(texts: list[str], train: int) -> tuple[list[str], np.ndarray]:
    """(1 + ln count) (ln((1 + n) / (1 + texts with it)) + 1), each text divided by its length."""
    frequencies = Counter(term for text in texts[:train] for term in terms(text))
    known = sorted(t for t in frequencies if sum(t in terms(text) for text in texts[:train]) >= 2)
    table = np.zeros((len(texts), len(known)))
    for row, text in enumerate(texts):
        for column, term in enumerate(known):
            if count := terms(text)[term]:
                having = sum(term in terms(other) for other in texts[:train])
                table[row, column] = (1 + math.log(count)) * (math.log((1 + train) / (1 + having)) + 1)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return known, table / np.where(lengths > 0, lengths, 1)


@pytest.mark.parametrize("train", [3, 5])
def test_weights_are_those_of_the_formula_and_are_learnt_of_the_training_rows(train: int) -> None:
    known, table = by_hand(TEXTS, train)
    column = counted(TEXTS, train=train)
    learnt = words.learn(WordsParameters(column="note"), frame(note=TEXTS[:train]), None)
    assert learnt["words"] == known
    assert {"red", "hen", "fox"} <= set(known)
    np.testing.assert_allclose(column.array, table, atol=1e-3)
    assert (column.array.dtype, column.modality.kind, column.modality.shape) == (np.float16, "tabular", (len(known),))
    assert column.modality.features == tuple(known)
    assert not column.array[3].any(), "it has no known word, which is not to lack the text"
    assert column.present.all()


def test_only_the_most_frequent_are_counted() -> None:
    texts = ["b b b a a c", "b a c", "c d d"]
    assert words.learn(WordsParameters(column="note", size=2), frame(note=texts), None)["words"] == ["a", "b"]


def test_many_rows_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = counted(TEXTS * 3)
    monkeypatch.setattr(words, "_TOGETHER", 4)
    np.testing.assert_array_equal(counted(TEXTS * 3).array, whole.array)


def test_empty_cells_and_blanks_lack_the_text_and_change_no_other() -> None:
    column = counted(["red hen", None, "  ", "red fox", np.nan], optional=True)
    assert column.present.tolist() == [True, False, False, True, False]
    assert not column.array[~column.present].any()
    np.testing.assert_array_equal(column.array[column.present], counted(["red hen", "red fox"]).array)


def test_words_that_one_text_has_are_counted_if_there_are_no_others() -> None:
    assert counted(["red", "green", "blue"]).array.tolist() == np.eye(3)[[2, 1, 0]].tolist()


def test_numbers_are_texts() -> None:
    assert counted([7.0, 7.0, 8.0, 8.0]).array.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]


@pytest.mark.parametrize("texts", [["?!", "..."], [None, ""]])
def test_texts_without_a_word_are_refused(texts: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"no training row has a word in the column 'note'.*words: 0 leaves"):
        counted(texts)


def table(**modalities: Any) -> TableParameters:
    section = {"file": "a.csv", "label": "y", "task": "binary", "split": {"column": "s"}, "modalities": modalities}
    return TableParameters.model_validate(section)


def test_every_text_has_its_words_beside_it() -> None:
    found = table(
        note={"kind": "text", "column": "n", "optional": True, "words": 50}, age={"kind": "tabular", "columns": "*"}
    )
    assert list(found.modalities) == ["note", "note_words", "age"]
    assert found.modalities["note_words"] == WordsParameters(column="n", size=50, optional=True)
    assert TableParameters.model_validate(found.model_dump(mode="json")) == found, "completed parameters are read again"
    assert list(table(note={"kind": "text", "column": "n", "words": 0}).modalities) == ["note"]


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match=r"note_words is the name of the words of note; found tabular.*words: 0"):
        table(note={"kind": "text", "column": "n"}, note_words={"kind": "tabular", "columns": ["a"]})
