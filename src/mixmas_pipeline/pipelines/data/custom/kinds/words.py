"""The words of texts, counted: what a pretrained encoder of another domain or language may miss."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from mixmas_pipeline.data.column import Column
from mixmas_pipeline.data.table import Modality
from mixmas_pipeline.pipelines.data.custom import cells
from mixmas_pipeline.pipelines.data.custom.modalities import WordsParameters

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer

_TOGETHER = 4096  # rows whose counts are dense at once, in float64
_WORD = r"(?u)\b\w+\b"
_log = logging.getLogger(__name__)


def learn(parameters: WordsParameters, rows: pd.DataFrame, source: None) -> dict[str, Any]:
    """Returns:
    words: the most frequent words and pairs of neighbours of the training texts, sorted; weights: the inverse document
    frequency of each, ln((1 + n) / (1 + texts that have it)) + 1.

    Raises:
        ValueError: no training row has a word.
    """
    texts = [text for text in cells.words(rows, parameters.column) if text]
    for least in (2, 1):  # a word of one text teaches nothing, unless there are no others
        counter = _vectoriser(min_df=least, max_features=parameters.size)
        try:
            counter.fit(texts)
        except ValueError:  # its message names settings that are not ours
            continue
        words = sorted(counter.vocabulary_, key=counter.vocabulary_.__getitem__)
        _log.info("%s: %d words and pairs of words are counted", parameters.column, len(words))
        return {"words": words, "weights": counter.idf_.tolist()}
    raise ValueError(
        f"no training row has a word in the column {parameters.column!r}; expected some (of a text: words: 0 leaves "
        "its words out)"
    )


def prepare(parameters: WordsParameters, learnt: dict[str, Any], rows: pd.DataFrame, source: None) -> Column:
    """(n, words) float16: (1 + ln count) weight, scaled to length 1; zeros for a text of other words only. A row whose
    cell is empty, or has only blanks, lacks the text."""
    texts = cells.words(rows, parameters.column)
    counter = _vectoriser(vocabulary={word: index for index, word in enumerate(learnt["words"])})
    counter.idf_ = np.array(learnt["weights"])
    array = np.zeros((len(rows), len(learnt["words"])), np.float16)
    for start in range(0, len(rows), _TOGETHER):
        part = [text or "" for text in texts[start : start + _TOGETHER]]
        array[start : start + len(part)] = counter.transform(part).toarray()
    present = np.array([bool(text) for text in texts])
    return Column(array, present, Modality("tabular", array.shape[1:], "float16", features=tuple(learnt["words"])))


def _vectoriser(**settings: Any) -> TfidfVectorizer:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=_WORD, **settings)
