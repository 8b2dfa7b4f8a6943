"""A model as `kedro run --pipelines=export` writes it: a folder with all that is needed to use the model, without this
project's data and without Kedro.

    model = ExportedModel.from_pretrained("folder")
    logits = model({"image": images, "audio": spectrograms})["fused"]
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from mixmas_pipeline.data.schema import StoredInput, Task
from mixmas_pipeline.models.ensemble import ENSEMBLE_FILE, AnyModel, load_model
from mixmas_pipeline.models.multimodal import ARCHITECTURE_FILE, WEIGHTS_FILE
from mixmas_pipeline.models.reference import REFERENCE_FILE, ReferenceModel
from mixmas_pipeline.utils.parameters import Parameters, Positive, suggestion

CONFIG_FILE = "config.json"
Inputs = Mapping[str, Tensor | np.ndarray]


class ExportedConfig(Parameters):
    """``config.json`` of an exported folder: what the model takes, and what its predictions mean.

    Attributes:
        version: of the mixmas_pipeline that wrote the folder.
        task: "multiclass", "binary", "multilabel" or "regression".
        classes: their names, in the order of the logits; for a regression the targets' names.
        inputs: modality -> its input.
        thresholds: of a single model of a multilabel task, class -> the probability above which to predict it, tuned on
            the validation split. Default none: the logits decide.
        decision_weights: of the fused logits, see ``EnsembleConfig``; ``ExportedModel.probabilities`` takes them out.
            Default null.
        files: name of a file in the folder -> SHA-256 of its content.
    """

    version: str
    task: Task
    classes: tuple[str, ...] = Field(min_length=1)
    inputs: dict[str, StoredInput] = Field(min_length=1)
    thresholds: dict[str, float] = Field(default_factory=dict)
    decision_weights: tuple[Positive, ...] | None = None
    files: dict[str, str]


class ExportedModel:
    """A trained model that checks its inputs.

    Attributes:
        model: in eval mode. ``model.to("cuda")`` moves it; inputs follow.
        config: what the model takes, and what its predictions mean.
    """

    def __init__(self, model: AnyModel, config: ExportedConfig) -> None:
        self.model, self.config = model, config

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read an exported folder. Nothing in it is executed.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is not the one that was exported.
        """
        folder = Path(folder)
        config = _read_config(folder / CONFIG_FILE)
        has = {n: n in config.files or (folder / n).exists() for n in (ENSEMBLE_FILE, REFERENCE_FILE)}
        description = REFERENCE_FILE if has[REFERENCE_FILE] else ARCHITECTURE_FILE
        for name in (description, WEIGHTS_FILE, *([ENSEMBLE_FILE] if has[ENSEMBLE_FILE] else [])):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder / name} is missing; expected a folder that the pipeline export wrote")
            found, expected = digest((folder / name).read_bytes()), config.files.get(name)
            if found != expected:
                raise ValueError(
                    f"{folder / name} is not the file that was exported: its SHA-256 is {found}; {CONFIG_FILE} says "
                    f"{expected}"
                )
        model = ReferenceModel.from_pretrained(folder) if has[REFERENCE_FILE] else load_model(folder)
        return cls(model, config)

    def __call__(self, inputs: Inputs, present: Inputs | None = None) -> dict[str, Tensor]:
        """Predict a batch.

        Args:
            inputs: modality -> (batch, *shape) in the stored type, as numpy arrays or tensors. An optional modality may
                be left out.
            present: optional modality -> (batch,) booleans: whether the example has it. Default: all examples have
                every modality in ``inputs``.

        Returns:
            Logits, (batch, classes): under "fused" the decision, and under each modality's name those of its head. (A
            reference model has no heads.) For a regression predictions in the targets' units.

        Raises:
            ValueError: a modality is unknown or missing, has another shape or type, or holds NaN or infinity; the
                message names it, what was found and what was expected.
        """
        tensors, has = self.check(inputs, present)
        with torch.inference_mode():
            return self.model(tensors, has)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities of the classes, (batch, classes), from the fused logits.

        The largest logit (multilabel: one above 0, if there are no thresholds) decides, which may not be the most
        probable class.

        Raises:
            ValueError: the model is of a regression.
        """
        if self.config.task == "regression":
            raise ValueError("a regression has no probabilities; its outputs are numbers in the targets' units")
        if self.config.decision_weights is not None:
            logits = logits - logits.new_tensor(self.config.decision_weights).log()
        return logits.sigmoid() if self.config.task == "multilabel" else logits.softmax(dim=1)

    def check(self, inputs: Inputs, present: Inputs | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The inputs and presence masks that the model gets, on its device. Raises what ``__call__`` raises."""
        known, present = self.config.inputs, dict(present or {})
        optional = [name for name, kind in known.items() if kind.optional]
        _check_names("inputs", inputs, list(known))
        _check_names("present", present, optional)
        if missing := [name for name in known if name not in inputs and name not in optional]:
            raise ValueError(f"inputs lack {missing[0]!r}; expected {_expected(known[missing[0]])}")
        if not inputs:
            raise ValueError(f"inputs are empty; expected at least one of {', '.join(known)}")
        device = next(chain(self.model.parameters(), self.model.buffers())).device
        tensors = _tensors(inputs)
        batch = next((len(x) for x in tensors.values() if x.dim()), 0)
        for name, x in tensors.items():
            _check_input(name, x, known[name], batch)
        has = _tensors(present)
        for name in optional:
            if name not in tensors:
                if name in has and has[name].any():
                    raise ValueError(f"present says that examples have {name!r}, and inputs lack it")
                dtype = getattr(torch, known[name].dtype)
                tensors[name] = torch.zeros((batch, *known[name].shape), dtype=dtype)
                has[name] = torch.zeros(batch, dtype=torch.bool)
        for name, x in has.items():
            if x.dtype != torch.bool or x.shape != (batch,):
                raise ValueError(f"present of {name!r} is {_found(x)}; expected bool ({batch},)")
        return {name: x.to(device) for name, x in tensors.items()}, {name: x.to(device) for name, x in has.items()}


def pretrained_files(model: AnyModel) -> dict[str, bytes]:
    """The files that ``save_pretrained`` writes: name -> content."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder) / "model")
        return {file.name: file.read_bytes() for file in sorted((Path(folder) / "model").iterdir())}


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _read_config(path: Path) -> ExportedConfig:
    try:
        return ExportedConfig.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing; expected a folder that the pipeline export wrote") from None
    except ValidationError as error:
        raise ValueError(f"{path} is not what the pipeline export writes: {error}") from None


def _check_names(what: str, found: Inputs, known: list[str]) -> None:
    for name in found:
        if name not in known:
            expected = suggestion(name, known) if known else "expected none: no modality is optional"
            raise ValueError(f"{what} name {name!r}: {expected}")


def _tensors(arrays: Inputs) -> dict[str, Tensor]:
    return {n: a if isinstance(a, Tensor) else torch.from_numpy(np.array(a)) for n, a in arrays.items()}


def _check_input(name: str, x: Tensor, kind: StoredInput, batch: int) -> None:
    if x.shape != (batch, *kind.shape) or _dtype(x) != kind.dtype:
        expected = _expected(kind, f"{batch}" if batch else "batch")
        raise ValueError(f"input {name!r} is {_found(x)}; expected {expected}")
    if x.is_floating_point() and not (finite := torch.isfinite(x).flatten(1).all(dim=1)).all():
        raise ValueError(f"input {name!r}, row {int((~finite).nonzero()[0])}: NaN or infinity; expected finite numbers")


def _expected(kind: StoredInput, batch: str = "batch") -> str:
    return f"{kind.dtype} ({', '.join(map(str, (batch, *kind.shape)))})"


def _found(x: Tensor) -> str:
    return f"{_dtype(x)} ({', '.join(map(str, x.shape))})"


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
