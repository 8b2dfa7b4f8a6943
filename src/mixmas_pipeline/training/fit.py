"""Full training with PyTorch Lightning: early stopping, the best epoch's model, exact resume."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy

from mixmas_pipeline.data.table import MultimodalTable
from mixmas_pipeline.models.architecture import Architecture
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import MultimodalMixer
from mixmas_pipeline.storage.atomic import is_complete
from mixmas_pipeline.storage.cache import local_copy
from mixmas_pipeline.training.batches import batch_rows, passes_per_epoch
from mixmas_pipeline.training.checkpoints import AtomicCheckpoints, MovableCheckpoints, ResumableEarlyStopping
from mixmas_pipeline.training.data_module import TableDataModule
from mixmas_pipeline.training.lightning_module import MixerModule
from mixmas_pipeline.training.parameters import TrainingParameters
from mixmas_pipeline.utils.devices import matmul_precision, pick_device, pick_precision

if TYPE_CHECKING:
    from mixmas_pipeline.storage.paths import AnyPath

BEST, LAST = "best.ckpt", "last.ckpt"
_LIGHTNING_PRECISION: dict[str, Any] = {
    "float32": "32-true",
    "tf32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
    "float64": "64-true",
}
_log = logging.getLogger(__name__)


def train(
    architecture: Architecture,
    train_table: MultimodalTable,
    validation: MultimodalTable,
    parameters: TrainingParameters,
    checkpoints: AnyPath,
) -> tuple[MultimodalMixer, pd.DataFrame]:
    """Train in this process until the validation score has not improved for ``patience`` epochs.

    Args:
        checkpoints: folder of this training alone. If it has a last checkpoint, training resumes from it and ends
            exactly as it would have without the interruption.

    Returns:
        The best epoch's model, in eval mode, on the CPU; the history, one row per epoch.

    Raises:
        FloatingPointError: the training loss is NaN or infinite.
        ValueError: the device does not exist here, or the metric is not one of the task.
    """
    fit(architecture, train_table, validation, parameters, checkpoints)
    return trained(architecture, checkpoints, parameters.keep)


def fit(
    architecture: Architecture,
    train_table: MultimodalTable,
    validation: MultimodalTable,
    parameters: TrainingParameters,
    checkpoints: AnyPath,
    *,
    distributed: bool = False,
) -> None:
    """Train, and leave the result in the folder of checkpoints.

    Args:
        checkpoints: see ``train``.
        distributed: this is one of the processes that torchrun has started. Default false.
    """
    for name in ("pytorch_lightning", "lightning.pytorch", "pytorch_lightning.utilities.rank_zero", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    device = pick_device(parameters.device)
    precision = pick_precision(parameters.precision, device)
    batches = len(batch_rows(len(train_table), parameters.batch_size, 0, 0))
    steps = batches * passes_per_epoch(len(train_table), parameters) * parameters.max_epochs
    module = MixerModule(architecture, parameters, steps, train_table)
    data = TableDataModule(train_table, validation, parameters, module.scale, list(architecture.inputs))
    last = checkpoints / LAST
    resumes = is_complete(last)
    if resumes:
        _log.info("Resuming from the checkpoint %s", last)
    with torch.random.fork_rng(), warnings.catch_warnings(), matmul_precision(precision):
        # Expected: training resumes in the folder of its last checkpoint.
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        # The replacement is newer than the oldest supported torch, and not quite the same.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        warnings.filterwarnings("ignore", message=".*sync_dist=True")  # every process has the whole split's score
        trainer = pl.Trainer(
            accelerator=device.type,
            devices=parameters.devices if distributed or isinstance(parameters.devices, list) else 1,
            num_nodes=parameters.num_nodes if distributed else 1,
            strategy=_data_parallel() if distributed else "auto",
            precision=_LIGHTNING_PRECISION[precision],
            max_epochs=parameters.most_epochs,
            gradient_clip_val=parameters.clip_norm,
            callbacks=_callbacks(parameters, checkpoints),
            plugins=[AtomicCheckpoints(), *([TorchElasticEnvironment()] if distributed else [])],
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=str(checkpoints),
        )
        trainer.fit(module, data, ckpt_path=str(last) if resumes else None, weights_only=True)


def trained(
    architecture: Architecture, checkpoints: AnyPath, keep: Literal["best", "last"]
) -> tuple[MultimodalMixer, pd.DataFrame]:
    """Read the result of a finished training from its folder; returns as ``train``.

    Args:
        keep: see ``TrainingParameters``.
    """
    file = checkpoints / (BEST if keep == "best" else LAST)
    state = torch.load(local_copy(file), map_location="cpu", weights_only=True)["state_dict"]
    kept = "averaged." if any(name.startswith("averaged.") for name in state) else "model."
    weights = {name.removeprefix(kept): weight for name, weight in state.items() if name.startswith(kept)}
    model = initialised(MultimodalMixer, 0, architecture).to(next(iter(weights.values())).dtype)
    model.load_state_dict(weights)
    history = torch.load(local_copy(checkpoints / LAST), map_location="cpu", weights_only=True)["history"]
    return model.eval(), pd.DataFrame(history)


def _callbacks(parameters: TrainingParameters, checkpoints: AnyPath) -> list[pl.Callback]:
    patience = parameters.patience if parameters.keep == "best" else parameters.max_epochs
    stop = ResumableEarlyStopping(
        "monitor", mode="max", patience=patience, check_on_train_epoch_end=True, check_finite=True
    )
    best = MovableCheckpoints(
        str(checkpoints),
        BEST.removesuffix(".ckpt"),
        monitor="monitor",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    # Not save_last of the one above: Lightning 2.6 does that only in epochs that are a new best.
    last = MovableCheckpoints(
        str(checkpoints), LAST.removesuffix(".ckpt"), save_on_train_epoch_end=True, enable_version_counter=False
    )
    return [stop, best, last]


def _data_parallel() -> DDPStrategy:
    """Every process has the whole model, and all take the same steps."""
    return DDPStrategy(
        # The model's buffers are constants; and a broadcast of them in every validation batch would wait for ever,
        # since some processes have fewer batches.
        broadcast_buffers=False,
        # No parameter is unused. Without this flag torch lays out the gradients anew after the first step, and the
        # layout decides in which order the parts of three or more processes are added up: a resumed training would end
        # differently.
        find_unused_parameters=True,
    )
