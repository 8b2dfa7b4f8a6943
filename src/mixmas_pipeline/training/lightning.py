"""Full training with PyTorch Lightning: module, data module, exact resume."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
import torch.distributed
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.evaluation.metrics import predict, score
from mixmas_pipeline.evaluation.presence import training_presence
from mixmas_pipeline.evaluation.tasks import task_of
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.storage.atomic import is_complete, write_atomically
from mixmas_pipeline.storage.cache import local_copy
from mixmas_pipeline.storage.memory_maps import release
from mixmas_pipeline.storage.paths import as_path
from mixmas_pipeline.training.loss import fusion_weight, multi_head_loss, task_loss
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.training.trial import (
    batch_rows,
    evaluation_rows,
    loss_scale,
    make_optimiser,
    to_tensors,
)
from mixmas_pipeline.utils.progress import Progress

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

_RELEASE_BYTES = 1 << 28
# Between the dropout seeds of two processes: more than there are epochs, and odd, since on the CPU torch heeds only the
# lower 32 bits of a seed.
_RANK_STRIDE = 15_485_863
_log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """What one process computes of a step.

    Attributes:
        inputs: one tensor a modality, (batch, *shape), as stored.
        labels: of the examples.
        share: what the loss is multiplied by.
        present: see ``MultimodalMixer``.
        shares: see ``mixers.loss.multi_head_loss``; beside ``share``.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    share: float = 1.0
    present: dict[str, Tensor] = {}  # noqa: RUF012
    shares: dict[str, float] = {}  # noqa: RUF012


class Batches:
    """Batches of a (memory-mapped) table, gathered as whole arrays: no loop over examples.

    Args:
        table: the data.
        rows: of each batch, for this process.
        shares: of each batch, see ``Batch.share``. Default 1.
        held: the table's tensors, where they are on the device already: see ``hold``. Default none.
        present: of the table's rows, name -> (n,) booleans. Default: as the table says.
        head_shares: of each batch, see ``Batch.shares``. Default none.
    """

    def __init__(
        self,
        table: MultimodalTable,
        rows: list[np.ndarray],
        shares: list[float] | None = None,
        held: tuple[dict[str, Tensor], Tensor] | None = None,
        present: Mapping[str, np.ndarray] | None = None,
        head_shares: list[dict[str, float]] | None = None,
    ) -> None:
        self._table, self._rows = table, rows
        self._shares = list(zip(shares or [1.0] * len(rows), head_shares or [{}] * len(rows), strict=True))
        self._held = held
        self._present = table.present if present is None else present

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Batch]:
        if self._held is not None:
            yield from self._from_device(*self._held)
            return
        arrays, read = self._table.arrays, 0
        for rows, (share, shares) in zip(self._rows, self._shares, strict=True):
            inputs = {name: torch.from_numpy(array[rows]) for name, array in arrays.items()}
            present = {name: torch.from_numpy(there[rows]) for name, there in self._present.items()}
            yield Batch(inputs, torch.from_numpy(self._table.labels[rows]), share, present, shares)
            read += sum(tensor.nbytes for tensor in inputs.values())
            if read > _RELEASE_BYTES:
                release(*arrays.values())
                read = 0

    def _from_device(self, inputs: dict[str, Tensor], labels: Tensor) -> Iterator[Batch]:
        # One copy of all row numbers: a copy to a GPU makes the host wait.
        every = torch.from_numpy(np.concatenate(self._rows)).to(labels.device)
        everywhere = {name: torch.from_numpy(there).to(labels.device) for name, there in self._present.items()}
        parts = every.split([len(rows) for rows in self._rows])
        for rows, (share, shares) in zip(parts, self._shares, strict=True):
            present = {name: there[rows] for name, there in everywhere.items()}
            yield Batch({name: tensor[rows] for name, tensor in inputs.items()}, labels[rows], share, present, shares)


def hold(table: MultimodalTable, device: torch.device) -> tuple[dict[str, Tensor], Tensor] | None:
    """The whole table on a GPU, if it takes at most a quarter of the memory that is free there; else None."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    size = table.labels.nbytes + sum(array.nbytes for array in table.arrays.values())
    return to_tensors(table, device) if size <= free / 4 else None


class TableModule(pl.LightningDataModule):
    """Training batches in an order that depends on seed and epoch only; validation batches in order.

    Several processes make the same steps as one: each takes its part of every training batch, and of the validation
    split a run of rows.

    Args:
        class_weights: the loss's ``scale`` where that is one, see ``mixers.loss.task_loss``.
        modalities: of the model; none of which is ever missing from all that take part. Default: the table's.
    """

    def __init__(
        self,
        train: MultimodalTable,
        validation: MultimodalTable,
        parameters: TrainingParameters,
        class_weights: Tensor | None = None,
        modalities: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self._modalities = list(modalities or train.schema.modalities)
        self._train, self._validation, self._parameters = train, validation, parameters
        self._held: dict[str, tuple[dict[str, Tensor], Tensor] | None] = {}
        self._weights = np.ones(len(train))  # of every example in a batch's mean loss
        if class_weights is not None and train.schema.task in ("multiclass", "binary"):
            self._weights = class_weights.double().numpy()[train.labels]

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        self._held = {"train": hold(self._train, device), "validation": hold(self._validation, device)}

    def train_dataloader(self) -> Batches:
        epoch = self.trainer.current_epoch if self.trainer else 0
        rank, world = self._place()
        rows, shares, head_shares = [], [], []
        settings = self._parameters
        # Of all rows, in every process: so the examples that lack something are the same however many processes there
        # are, and whether training was interrupted or not.
        present = training_presence(self._train, self._modalities, settings.modality_dropout, settings.seed, epoch)
        for piece in batch_rows(len(self._train), self._parameters.batch_size, self._parameters.seed, epoch):
            whole = piece.numpy()
            weights, mine = self._weights[whole], whole[rank::world]
            # DDP takes the plain mean of the processes' gradients. Each process's loss is a mean over its own examples,
            # so this factor makes of it the mean over the whole batch, however uneven the parts are. A process for
            # which nothing is left computes an example that counts 0: all must take part in every step.
            shares.append(world * weights[rank::world].sum() / weights.sum())
            rows.append(mine if len(mine) else whole[:1])
            # The mean of a modality's head is over the examples that have it, which may be parted unevenly.
            head_shares.append({name: _share(weights, there[whole], rank, world) for name, there in present.items()})
        return Batches(self._train, rows, shares, self._held.get("train"), present, head_shares)

    def val_dataloader(self) -> Batches:
        rank, world = self._place()
        rows = np.array_split(np.arange(len(self._validation)), world)[rank]
        batches = [rows[batch] for batch in evaluation_rows(self._validation)]
        return Batches(self._validation, [batch for batch in batches if len(batch)], held=self._held.get("validation"))

    def _place(self) -> tuple[int, int]:
        """This process's number and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def _share(weights: np.ndarray, counted: np.ndarray, rank: int, world: int) -> float:
    """What the mean loss over a process's counted examples is multiplied by, beside the factor for all examples, so
    that it becomes the process's part of the mean over the batch's counted examples: the process's share of counted
    weight over the batch's. 1 where nothing is counted."""
    mine, here = weights[rank::world], counted[rank::world]
    if world == 1 or not mine.sum() or not (weights * counted).sum():
        return 1.0
    return float(((mine * here).sum() / mine.sum()) / ((weights * counted).sum() / weights.sum()))


class MixerModule(pl.LightningModule):
    """Multi-head training of a ``MultimodalMixer``; keeps its history, one row an epoch, in the checkpoint."""

    scale: Tensor | None

    def __init__(
        self, architecture: Architecture, parameters: TrainingParameters, steps: int, labels: np.ndarray
    ) -> None:
        super().__init__()
        self.model = initialised(MultimodalMixer, parameters.seed, architecture)
        self.history: list[dict[str, float]] = []
        self._architecture, self._training, self._steps = architecture, parameters, steps
        self._losses: list[Tensor] = []
        self._logits: list[dict[str, Tensor]] = []
        self._labels: list[Tensor] = []
        self._present: list[dict[str, Tensor]] = []
        self._start, self._best = 0.0, ""
        task_of(architecture.task).check_metric(parameters.metric, "training.metric")
        scale = loss_scale(parameters, torch.from_numpy(np.array(labels)), architecture)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        return self.model(inputs, present)

    def configure_optimizers(self) -> Any:
        fused = self._training.precision != "16-mixed"  # whose gradients are scaled until the step
        optimiser, schedule = make_optimiser(self._training, self.model.parameters(), self._steps, fused)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        if self._training.precision == "16-mixed":
            super().configure_gradient_clipping(optimizer, *args, **kwargs)
        else:  # Lightning refuses to clip for a fused optimiser in any mixed precision; only scaling is in the way
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._training.clip_norm)

    def _best_so_far(self) -> str:
        metric = self._training.metric
        scores = [row[f"validation_{metric}_{FUSED}"] for row in self.history]
        return f"best {metric} {max(scores):.4f} in epoch {scores.index(max(scores)) + 1}" if scores else ""

    def on_train_start(self) -> None:
        self._best = self._best_so_far()
        epochs = self._training.max_epochs
        batches = self._steps // epochs

        def describe(done: int) -> str:
            epoch, step = divmod(done, batches)
            return f"epoch {min(epoch + 1, epochs)} of at most {epochs}, step {step} of {batches}"

        before = self.current_epoch * batches
        self._progress = Progress(self._steps, "training", describe=describe, at_most=True, done=before)

    def on_train_end(self) -> None:
        _log.info("trained for %d epochs, %s", len(self.history), self._best)

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        self._progress.advance(note=self._best)

    def on_train_epoch_start(self) -> None:
        # Dropout draws from the global generator; a fresh seed an epoch makes a resumed run equal an unbroken one.
        torch.manual_seed(self._training.seed * 1_000_003 + self.current_epoch + self.global_rank * _RANK_STRIDE)
        self._losses.clear()
        self._start = time.perf_counter()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        weight = fusion_weight(len(batch.inputs), self.current_epoch, self._training.fusion_weight_step)
        logits, task = self.model(batch.inputs, batch.present), self._architecture.task
        loss = batch.share * multi_head_loss(
            logits, batch.labels, task, weight, self.scale, batch.present, batch.shares
        )
        self._losses.append(loss.detach())
        return loss

    def on_validation_epoch_start(self) -> None:
        for gathered in (self._logits, self._labels, self._present):
            gathered.clear()

    def validation_step(self, batch: Batch, index: int) -> None:
        logits = self.model(batch.inputs, batch.present)
        self._logits.append({name: values.float() for name, values in logits.items()})
        self._labels.append(batch.labels)
        self._present.append(batch.present)

    def on_validation_epoch_end(self) -> None:
        loss, labels, heads, present = self._gathered()
        task, classes, metric = self._architecture.task, len(self._architecture.classes), self._training.metric
        row = {"epoch": self.current_epoch, "train_loss": loss}
        for head, logits in heads.items():
            truth, predicted = labels.cpu().numpy(), predict(logits.cpu().numpy(), task)
            if head in present:  # of those that have the modality
                there = present[head].cpu().numpy()
                truth, predicted = truth[there], predicted[there]
            value = score(metric, truth, predicted, classes) if len(truth) else math.nan
            row[f"validation_{metric}_{head}"] = value
            if head == FUSED:
                unit = self.scale if task == "regression" else None  # classes are not balanced here
                row["validation_loss"] = task_loss(logits, labels, task, unit).item()
                self.log("monitor", value)
        if not np.isfinite(row["train_loss"]):
            raise FloatingPointError(
                f"the training loss is {row['train_loss']} in epoch {self.current_epoch}; lower training.learning_rate "
                f"({self._training.learning_rate})"
            )
        row["learning_rate"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        row["seconds"] = time.perf_counter() - self._start
        self.history.append(row)
        self._best = self._best_so_far()
        _log.debug(
            "epoch %d of at most %d: train loss %.4f, validation loss %.4f, %s %.4f",
            self.current_epoch + 1,
            self._training.max_epochs,
            row["train_loss"],
            row["validation_loss"],
            metric,
            row[f"validation_{metric}_{FUSED}"],
        )

    def _gathered(self) -> tuple[float, Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The epoch's training loss; of the whole validation split labels, every head's logits and what is present. The
        same in every process, so that all of them decide the same."""
        loss = torch.stack(self._losses).mean().item()
        labels = torch.cat(self._labels)
        heads = {head: torch.cat([part[head] for part in self._logits]) for head in self._logits[0]}
        present = {name: torch.cat([part[name] for part in self._present]) for name in self._present[0]}
        if (world := self.trainer.world_size) == 1:
            return loss, labels, heads, present
        parts: list[Any] = [None] * world
        mine = (loss, labels.cpu(), *({n: v.cpu() for n, v in values.items()} for values in (heads, present)))
        torch.distributed.all_gather_object(parts, mine)
        return (
            sum(part[0] for part in parts) / world,
            torch.cat([part[1] for part in parts]),
            {head: torch.cat([part[2][head] for part in parts]) for head in heads},
            {name: torch.cat([part[3][name] for part in parts]) for name in present},
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear under their name only when they are whole, on any file system and in object stores."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        def write(partial: Path) -> None:
            with partial.open("wb") as stream:
                torch.save(checkpoint, stream)

        write_atomically(as_path(path), write)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().load_checkpoint(local_copy(as_path(path)), *args, **kwargs)


class MovableCheckpoints(ModelCheckpoint):
    """Knows its best epoch also when the folder was moved: Lightning keeps absolute paths, and forgets the best score
    where they differ, so that a later, worse epoch would take its place."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = self.dirpath
        assert folder is not None

        def here(path: str) -> str:
            return f"{folder}/{Path(path).name}" if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {**state_dict, "dirpath": folder, **{name: here(state_dict[name]) for name in paths}}
        moved["best_k_models"] = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(moved)


class ResumableEarlyStopping(EarlyStopping):
    """Stops at once when it is resumed from a checkpoint of a training that had already stopped."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def train(
    architecture: Architecture,
    train_table: MultimodalTable,
    validation: MultimodalTable,
    parameters: TrainingParameters,
    checkpoints: AnyPath,
) -> tuple[MultimodalMixer, pd.DataFrame]:
    """Train in this process until the validation score has not improved for ``patience`` epochs; return the best
    epoch's model.

    Args:
        checkpoints: folder of this very training; where it holds a last checkpoint, training goes on from there and
            ends exactly as it would have without the interruption.

    Returns:
        The model in eval mode, on the CPU; the history, one row an epoch.
    """
    fit(architecture, train_table, validation, parameters, checkpoints)
    return trained(architecture, checkpoints)


def fit(
    architecture: Architecture,
    train_table: MultimodalTable,
    validation: MultimodalTable,
    parameters: TrainingParameters,
    checkpoints: AnyPath,
    *,
    together: bool = False,
) -> None:
    """Train, and leave the result in the folder of checkpoints.

    Args:
        checkpoints: see ``train``.
        together: this is one of several processes, which ``learning.processes`` has started. Default false.
    """
    for noisy in (
        "pytorch_lightning",
        "lightning.pytorch",
        "pytorch_lightning.utilities.rank_zero",
        "lightning_fabric",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    batches = len(batch_rows(len(train_table), parameters.batch_size, 0, 0))
    module = MixerModule(architecture, parameters, steps=batches * parameters.max_epochs, labels=train_table.labels)
    best = MovableCheckpoints(
        str(checkpoints),
        "best",
        monitor="monitor",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    # Not save_last of the one above: Lightning 2.6 heeds that only in epochs that are a new best.
    last = MovableCheckpoints(str(checkpoints), "last", save_on_train_epoch_end=True, enable_version_counter=False)
    stop = ResumableEarlyStopping(
        "monitor", mode="max", patience=parameters.patience, check_on_train_epoch_end=True, check_finite=True
    )
    left = checkpoints / "last.ckpt"
    resumes = is_complete(left)
    if resumes:
        _log.info("Going on from the checkpoint %s", left)
    with torch.random.fork_rng(), warnings.catch_warnings():
        # Of Lightning's own making: it is told to go on in the folder of its last checkpoint.
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        # What replaces it is newer than the oldest torch that will do, and not quite the same.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        warnings.filterwarnings("ignore", message=".*sync_dist=True")  # every process has the whole split's score
        trainer = pl.Trainer(
            accelerator=parameters.accelerator,
            devices=parameters.devices,
            num_nodes=parameters.num_nodes,
            strategy=_together() if together else parameters.strategy,
            precision=parameters.precision,  # type: ignore[arg-type]
            max_epochs=parameters.max_epochs,
            gradient_clip_val=parameters.clip_norm,
            callbacks=[stop, best, last],
            plugins=[AtomicCheckpoints(), *([LightningEnvironment()] if together else [])],
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=str(checkpoints),
        )
        data = TableModule(train_table, validation, parameters, module.scale, list(architecture.inputs))
        trainer.fit(module, data, ckpt_path=str(left) if resumes else None, weights_only=True)


def _together() -> DDPStrategy:
    """Every process has the whole model, and all take the same steps."""
    return DDPStrategy(
        # The model's buffers are constants; and a broadcast of them in every validation batch would wait for ever,
        # since some processes have fewer batches.
        broadcast_buffers=False,
        # There are none. Without it torch lays out the gradients anew after the first step, and where each lies decides
        # in which order the parts of more than two processes are added up: a resumed training would end otherwise.
        find_unused_parameters=True,
    )


def trained(architecture: Architecture, checkpoints: AnyPath) -> tuple[MultimodalMixer, pd.DataFrame]:
    """What a finished training has left in its folder: see ``train``."""
    best = torch.load(local_copy(checkpoints / "best.ckpt"), map_location="cpu", weights_only=True)["state_dict"]
    weights = {name.removeprefix("model."): weight for name, weight in best.items()}
    model = initialised(MultimodalMixer, 0, architecture).to(next(iter(weights.values())).dtype)
    model.load_state_dict(weights)
    history = torch.load(local_copy(checkpoints / "last.ckpt"), map_location="cpu", weights_only=True)["history"]
    return model.eval(), pd.DataFrame(history)
