"""Tasks, one object per task: metrics, dummy baseline and columns of predictions. The loss is in
``training.loss``.

Labels are those of a ``MultimodalTable``; predicted labels have the same shape. The *dummy baseline* predicts without
looking at an example: a model that does not beat it has learnt nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import predict, r2, score
from mixmas_pipeline.evaluation.probabilities import probabilities


class Task:
    """A task with one class per example; the base of the other tasks.

    Attributes:
        name: as in ``Architecture.task``.
        metrics: the scores that may select candidates and stop training.
        headline: the score by which heads and patterns are reported.
        dummy: name of the dummy baseline.
        reported: the scores of classes that are reported.
        error_size: column that says how large a mistake is.
    """

    name: ClassVar[str] = "multiclass"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro", "f1_weighted", "f1_micro", "f1_samples")
    headline: ClassVar[str] = "accuracy"
    dummy: ClassVar[str] = "most frequent class"
    reported: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro", "f1_weighted")
    error_size: ClassVar[str] = "confidence"

    def check_metric(self, metric: str, parameter: str) -> None:
        """Refuse a metric of another task.

        Raises:
            ValueError: the message names the parameter, its value, and the expected ones.
        """
        if metric not in self.metrics:
            raise ValueError(
                f"{parameter} is {metric!r}; the task is {self.name}: expected {' or '.join(self.metrics)}"
            )

    def check_balance(self, balance: str, parameter: str) -> None:
        """Refuse to balance a task without classes; raises as ``check_metric``."""

    def predict(self, logits: np.ndarray) -> np.ndarray:
        """Labels from logits, see ``metrics.predict``."""
        return predict(logits, self.name)

    def dummy_prediction(self, train: MultimodalTable) -> np.ndarray:
        """The dummy baseline's prediction, as one row's label: the most frequent class."""
        return train.label_matrix().sum(axis=0).argmax()

    def probabilities(self, logits: np.ndarray, class_weights: Sequence[float] | None = None) -> np.ndarray:
        """See ``probabilities.probabilities``."""
        return probabilities(logits, self.name, class_weights)

    def scores(self, labels: np.ndarray, logits: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
        """The reported scores of a model, by name. A score that these examples do not define is left out."""
        predicted = self.predict(logits)
        results = {name: score(name, labels, predicted, len(classes)) for name in self.reported}
        auroc, precision = self._ranking(labels, logits)
        if len(auroc):
            results |= {"auroc_macro": float(auroc.mean()), "average_precision_macro": float(precision.mean())}
        return results

    def dummy_scores(self, train: MultimodalTable, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
        """The scores of the dummy baseline; each name ends in the baseline's."""
        predicted = np.broadcast_to(self.dummy_prediction(train), labels.shape)
        return {f"{self.headline}, {self.dummy}": score(self.headline, labels, predicted, len(classes))}

    def prediction_columns(
        self,
        labels: np.ndarray | None,
        logits: np.ndarray,
        classes: tuple[str, ...],
        class_weights: Sequence[float] | None = None,
    ) -> dict[str, np.ndarray | list[str]]:
        """Columns of a table of predictions, by name, with one value per example.

        Args:
            labels: with labels there are columns that compare the predictions to them. None if they are unknown.
            class_weights: see ``probabilities``.
        """
        predicted = self.predict(logits)
        results: dict[str, Any] = {"predicted": self.label_texts(predicted, classes)}
        if labels is not None:
            correct = predicted == labels
            results = {
                "label": self.label_texts(labels, classes),
                **results,
                "correct": correct.all(axis=1) if correct.ndim == 2 else correct,
            }
        return results | {"confidence": self._confidence(self.probabilities(logits, class_weights), predicted)}

    def probability_columns(
        self, logits: np.ndarray, classes: tuple[str, ...], class_weights: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """One column per class: its probability."""
        columns = self.probabilities(logits, class_weights).T
        return {f"probability_{name}": column for name, column in zip(classes, columns, strict=True)}

    def head_columns(self, head: str, logits: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
        """Columns of the predictions of one modality's head."""
        return {f"{head}_head": self.label_texts(self.predict(logits), classes)}

    def label_texts(self, labels: np.ndarray, classes: tuple[str, ...]) -> list[str]:
        """Labels as text."""
        return list(np.array(classes)[labels])

    def mistakes(
        self, labels: np.ndarray, logits: np.ndarray, class_weights: Sequence[float] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the mistakes, the largest first, and their sizes: the confidence in the wrong class."""
        predicted = self.predict(logits)
        correct = predicted == labels
        wrong = np.flatnonzero(~(correct.all(axis=1) if correct.ndim == 2 else correct))
        confidence = self._confidence(self.probabilities(logits, class_weights), predicted)
        rows = wrong[np.argsort(-confidence[wrong], kind="stable")]
        return rows, confidence[rows]

    def _confidence(self, probabilities: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """The probability of the predicted label."""
        return probabilities[np.arange(len(probabilities)), predicted]

    def _matrix(self, labels: np.ndarray, classes: int) -> np.ndarray:
        return labels[:, None] == np.arange(classes)

    def _ranking(self, labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Area under the ROC curve (one against the rest) and average precision of each class that has both examples
        and counterexamples."""
        import torch
        from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision

        classes = logits.shape[1]
        truth = self._matrix(labels, classes)
        decided = truth.any(axis=0) & ~truth.all(axis=0)
        scores = torch.from_numpy(self.probabilities(logits)).float()
        target = torch.from_numpy(truth).long()
        auroc = multilabel_auroc(scores, target, classes, average=None).numpy()[decided]
        return auroc, multilabel_average_precision(scores, target, classes, average=None).numpy()[decided]


class Binary(Task):
    """Two classes; the second is the positive one."""

    name = "binary"
    metrics = (*Task.metrics, "f1")
    reported = ("accuracy", "f1", "f1_macro", "f1_weighted")

    def scores(self, labels: np.ndarray, logits: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
        """The scores of the positive class, with sensitivity (share of positive examples predicted positive),
        specificity (share of negative examples predicted negative), and the mean of the two."""
        predicted = self.predict(logits)
        results = {name: score(name, labels, predicted, 2) for name in self.reported}
        for name, which in (("sensitivity", 1), ("specificity", 0)):
            if (labels == which).any():
                results[name] = float((predicted[labels == which] == which).mean())
        if "sensitivity" in results and "specificity" in results:
            results["balanced_accuracy"] = (results["sensitivity"] + results["specificity"]) / 2
        auroc, precision = self._ranking(labels, logits)
        if len(auroc):
            results |= {"auroc": float(auroc[1]), "average_precision": float(precision[1])}
        return results


class Multilabel(Task):
    """Any number of labels per example."""

    name = "multilabel"
    headline = "f1_weighted"
    dummy = "most frequent labels"
    reported = Task.metrics

    def dummy_prediction(self, train: MultimodalTable) -> np.ndarray:
        """The most frequent labels, as many as give the best weighted F1 on the training split."""
        matrix = train.label_matrix()
        counts = matrix.sum(axis=0)
        order = counts.argsort(kind="stable")[::-1]
        predictions = [np.isin(np.arange(len(counts)), order[:k]) for k in range(1, len(counts) + 1)]
        return max(
            predictions, key=lambda p: score("f1_weighted", matrix, np.broadcast_to(p, matrix.shape), len(counts))
        )

    def label_texts(self, labels: np.ndarray, classes: tuple[str, ...]) -> list[str]:
        return [", ".join(np.array(classes)[row]) for row in labels.astype(bool)]

    def _confidence(self, probabilities: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        return np.where(predicted, probabilities, 1 - probabilities).mean(axis=1)

    def _matrix(self, labels: np.ndarray, classes: int) -> np.ndarray:
        return labels.astype(bool)


class Regression(Task):
    """One or more numbers per example. "Classes" are the names of the targets; logits are in their units."""

    name = "regression"
    metrics = ("r2",)
    headline = "r2"
    dummy = "training mean"
    error_size = "deviations"

    def check_balance(self, balance: str, parameter: str) -> None:
        if balance != "none":
            raise ValueError(f"{parameter} is {balance!r}; the task is regression, which has no classes: expected none")

    def dummy_prediction(self, train: MultimodalTable) -> np.ndarray:
        """The targets' means on the training split."""
        return train.labels.astype(np.float64).mean(axis=0)

    def scores(self, labels: np.ndarray, logits: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
        """R2 (the mean over the targets, and each target's); per target the root mean squared error, the mean absolute
        error, and the correlations of Pearson and Spearman."""
        from scipy.stats import rankdata

        results = {"r2": score("r2", labels, logits, len(classes))}
        if len(classes) > 1:
            results |= {f"r2 of {name}": float(value) for name, value in zip(classes, r2(labels, logits), strict=True)}
        for t, name in enumerate(classes):
            truth, predicted = labels[:, t].astype(np.float64), logits[:, t].astype(np.float64)
            of = _of(name, classes)
            results[f"rmse{of}"] = float(np.sqrt(np.square(truth - predicted).mean()))
            results[f"mae{of}"] = float(np.abs(truth - predicted).mean())
            for what, a, b in (("pearson", truth, predicted), ("spearman", rankdata(truth), rankdata(predicted))):
                if (correlation := _correlation(a, b)) is not None:
                    results[f"{what}{of}"] = correlation
        return results

    def dummy_scores(self, train: MultimodalTable, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
        """The scores of the training mean; the mean absolute error is that of the training median, the constant with
        the smallest one."""
        results = super().dummy_scores(train, labels, classes)
        errors = labels - self.dummy_prediction(train)
        from_median = np.abs(labels - np.median(train.labels.astype(np.float64), axis=0))
        for t, name in enumerate(classes):
            of = _of(name, classes)
            results[f"rmse{of}, {self.dummy}"] = float(np.sqrt(np.square(errors[:, t]).mean()))
            results[f"mae{of}, training median"] = float(from_median[:, t].mean())
        return results

    def prediction_columns(
        self,
        labels: np.ndarray | None,
        logits: np.ndarray,
        classes: tuple[str, ...],
        class_weights: Sequence[float] | None = None,
    ) -> dict[str, np.ndarray | list[str]]:
        """Per target the label, the prediction, and the error (prediction minus label)."""
        results: dict[str, Any] = {}
        for t, name in enumerate(classes):
            predicted = logits[:, t].astype(np.float64)
            if labels is None:
                results[f"predicted_{name}"] = predicted
            else:
                truth = labels[:, t].astype(np.float64)
                results |= {f"label_{name}": truth, f"predicted_{name}": predicted, f"error_{name}": predicted - truth}
        return results

    def probability_columns(
        self, logits: np.ndarray, classes: tuple[str, ...], class_weights: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """None: a number has no probability."""
        return {}

    def head_columns(self, head: str, logits: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
        return {
            f"{head}_head_{name}": column for name, column in zip(classes, logits.T.astype(np.float64), strict=True)
        }

    def label_texts(self, labels: np.ndarray, classes: tuple[str, ...]) -> list[str]:
        if len(classes) == 1:
            return [f"{value:.4g}" for value in labels[:, 0]]
        return [", ".join(f"{n} {v:.4g}" for n, v in zip(classes, row, strict=True)) for row in labels]

    def mistakes(
        self, labels: np.ndarray, logits: np.ndarray, class_weights: Sequence[float] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """All rows, the largest errors first. An example's error is its largest over the targets, in standard
        deviations of the labels."""
        deviation = labels.astype(np.float64).std(axis=0)
        errors = (np.abs(logits - labels) / np.where(deviation > 0, deviation, 1.0)).max(axis=1)
        rows = np.argsort(-errors, kind="stable")
        return rows, errors[rows]


_TASKS = {task.name: task for task in (Task(), Binary(), Multilabel(), Regression())}


def task_of(name: str) -> Task:
    """The task of this name."""
    return _TASKS[name]


def check_settings(task: str, metrics: Mapping[str, str], balances: Mapping[str, str]) -> None:
    """Refuse settings that do not fit the task, before anything is trained.

    Args:
        metrics, balances: path of a parameter in the data set's section -> its value.

    Raises:
        ValueError: the message names the parameter, its value, and the expected ones.
    """
    for parameter, metric in metrics.items():
        task_of(task).check_metric(metric, parameter)
    for parameter, balance in balances.items():
        task_of(task).check_balance(balance, parameter)


def _of(target: str, targets: tuple[str, ...]) -> str:
    return f" of {target}" if len(targets) > 1 else ""


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Pearson's correlation; None if one of the arrays is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / scale) if scale > 0 else None
