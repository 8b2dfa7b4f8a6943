"""The multimodal model: every part registered, trained, saved and read back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from block_cases import noise, randomised
from torch import Tensor

from mixmas_pipeline.models.architecture import FUSION_FUNCTIONS, TORCH_NAMES, Architecture
from mixmas_pipeline.models.blocks.mlp_mixer import MLPMixerBlock
from mixmas_pipeline.models.encoder import initialised
from mixmas_pipeline.models.multimodal import FUSED, MultimodalMixer
from mixmas_pipeline.training.loss import multi_head_loss

Build = Callable[..., Architecture]
MIXED = {"image": "ramlp", "series": "monarch_mixer", "network": "hyper_mixer"}
PAIRS = [
    ("mlp_mixer", "monarch_mixer", "hyper_mixer"),
    ("hyper_mixer", "hyper_mixer", "mlp_mixer"),
    ("ramlp", "mlp_mixer", "monarch_mixer"),
    ("monarch_mixer", "mlp_mixer", "mlp_mixer"),
    ("mlp", "mlp", "mlp_mixer"),
    ("mlp_mixer", "hyper_mixer", "mlp"),
    ("linear", "linear", "linear"),
]
LABELS = {
    "multiclass": torch.tensor([0, 1, 2, 1]),
    "multilabel": torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0]]),
}


NORM = "encoders.image.blocks.1"
PARTS = [
    "encoders.image.tokeniser",
    NORM,
    "encoders.series.blocks.0",
    "heads.image",
    "heads.series",
    "fusion.width_alignment.0",
    "fusion_network.0",
    "fused_head.linear",
]


def without_effect(name: str, model: MultimodalMixer) -> bool:
    """A bias that shifts all channels of a token alike: the LayerNorms after it take the shift out again.

    So it is in MLP-Mixer itself, with the last bias of its token-mixing MLP, and with a token alignment's.
    """
    if "token_alignment" in name and name.endswith("bias"):
        return model.fusion.function != "max"
    block, _, rest = name.rpartition(".token_mixing.")
    return rest == "3.bias" and isinstance(model.get_submodule(block), MLPMixerBlock)


def examples(architecture: Architecture, rows: int = 4) -> dict[str, Tensor]:
    stored = {
        "image": (noise(rows, 6, 6).abs() * 100).clamp(max=255).to(torch.uint8),
        "series": noise(rows, 5, 3, seed=2),
    }
    return {name: stored[name] for name in architecture.inputs}


@pytest.mark.parametrize("task", LABELS)
@pytest.mark.parametrize("function", FUSION_FUNCTIONS)
@pytest.mark.parametrize(("image", "series", "network"), PAIRS)
def test_every_parameter_is_registered_and_trained(
    build: Build, task: str, function: str, image: str, series: str, network: str
) -> None:
    """The published model kept encoders and heads in plain dicts: neither registered nor trained."""
    architecture = build(task=task, function=function, image=image, series=series, network=network)
    model = initialised(MultimodalMixer, 0, architecture).double()
    names = {name for name, _ in model.named_parameters()}
    for part in PARTS if image != "linear" else [part for part in PARTS if part != NORM]:
        assert any(name.startswith(part) for name in names), part
    logits = model(examples(architecture))
    assert list(logits) == [FUSED, "image", "series"]
    assert all(head.shape == (4, 3) for head in logits.values())
    multi_head_loss(logits, LABELS[task], task, 1 / 3).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 1e-7 or without_effect(name, model), name


def test_an_optimiser_step_moves_every_parameter(build: Build) -> None:
    model = initialised(MultimodalMixer, 0, build(function="max"))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    multi_head_loss(model(examples(model.architecture)), LABELS["multiclass"], "multiclass", 1 / 3).backward()
    optimiser.step()
    for name, parameter in model.named_parameters():
        assert not torch.equal(parameter, before[name]) or without_effect(name, model), name


def test_models_share_nothing(build: Build) -> None:
    """In the published search a candidate started from encoders that an earlier one had trained."""
    architecture = build()
    first, second = (initialised(MultimodalMixer, 0, architecture) for _ in range(2))
    assert {p.data_ptr() for p in first.parameters()}.isdisjoint(p.data_ptr() for p in second.parameters())


def test_fused_logits_do_not_involve_auxiliary_heads(build: Build) -> None:
    """The published model averaged untrained heads into the fused logits."""
    model = initialised(MultimodalMixer, 0, build()).eval()
    inputs = examples(model.architecture)
    before = model(inputs)
    for name in ("image", "series"):
        torch.nn.init.constant_(model.heads[name].linear.weight, 7.0)
    after = model(inputs)
    assert torch.equal(after[FUSED], before[FUSED])
    assert not torch.equal(after["image"], before["image"])
    assert not torch.equal(after["series"], before["series"])


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_late_decision_is_the_mean_of_all_heads(build: Build, task: str) -> None:
    late, joined = (
        initialised(MultimodalMixer, 0, build(task=task, function=function)).eval() for function in ("late", "concat")
    )
    inputs = examples(late.architecture)
    logits, other = late(inputs), joined(inputs)
    torch.testing.assert_close(logits[FUSED], (other[FUSED] + other["image"] + other["series"]) / 3)
    assert torch.equal(logits["image"], other["image"])
    without = late(inputs, {"series": torch.tensor([True, False, True, True])})
    expected = joined(inputs, {"series": torch.tensor([True, False, True, True])})
    torch.testing.assert_close(without[FUSED][1], (expected[FUSED] + expected["image"])[1] / 2)
    torch.testing.assert_close(without[FUSED][0], logits[FUSED][0])


def test_linear_blocks_make_a_linear_model(build: Build) -> None:
    """f(a) + f(b) - f(c) = f(a + b - c) on the logits of every head, whatever the positions."""
    architecture = build(image="linear", series="linear", network="linear")
    model = randomised(initialised(MultimodalMixer, 0, architecture)).eval()
    a, b, c = ({"image": noise(2, 6, 6, seed=i), "series": noise(2, 5, 3, seed=i + 9)} for i in range(3))
    mixed = {name: a[name] + b[name] - c[name] for name in a}
    for head, logits in model(mixed).items():
        torch.testing.assert_close(logits, model(a)[head] + model(b)[head] - model(c)[head])


def test_linear_block_can_be_any_linear_layer_of_a_picture(build: Build) -> None:
    """Fit the weights, of full rank, of a linear layer over all pixels: 3 classes, 4 patches, a width of 12."""
    raw = build(image="linear", modalities=("image",)).model_dump()
    raw["encoders"]["image"]["hidden_dim"] = 12
    model = initialised(MultimodalMixer, 0, Architecture.model_validate(raw)).double()
    weights, pixels = noise(3, 4, 9, dtype=torch.float64), noise(5, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        parameters = dict(model.named_parameters())
        parameters["encoders.image.tokeniser.projection.weight"].copy_(weights.reshape(12, 9))
        parameters["encoders.image.tokeniser.projection.bias"].zero_()
        number = torch.arange(12)  # of a pair of class and patch
        parameters["encoders.image.blocks.0.factors"].copy_(4 * (number % 4 == torch.arange(4)[:, None]))
        parameters["heads.image.linear.weight"].copy_(number // 4 == torch.arange(3)[:, None])
        parameters["heads.image.linear.bias"].zero_()
    patches = pixels.reshape(5, 2, 3, 2, 3).transpose(2, 3).reshape(5, 4, 9)
    logits = model({"image": pixels * 50 + 100})[FUSED]
    torch.testing.assert_close(logits, torch.einsum("ctp,btp->bc", weights, patches))


def test_heads_see_their_modality_only_and_the_fused_head_all(build: Build) -> None:
    model = initialised(MultimodalMixer, 0, build()).eval()
    inputs = examples(model.architecture)
    before = model(inputs)
    for name, other in (("image", "series"), ("series", "image")):
        after = model({**inputs, name: inputs[name].flip(1)})
        assert torch.equal(after[other], before[other])
        assert not torch.equal(after[name], before[name])
        assert not torch.equal(after[FUSED], before[FUSED])


def test_fused_weight_of_the_loss_decides_which_parts_learn(build: Build) -> None:
    model = initialised(MultimodalMixer, 0, build())
    multi_head_loss(model(examples(model.architecture)), LABELS["multiclass"], "multiclass", 1.0).backward()
    assert all(p.grad is None or not p.grad.any() for p in model.heads.parameters())
    assert all(p.grad is not None and p.grad.any() for p in model.encoders.parameters())


@pytest.mark.parametrize("modality", ["image", "series"])
def test_one_modality_has_no_fusion(build: Build, modality: str) -> None:
    architecture = build(modalities=(modality,))
    model = initialised(MultimodalMixer, 0, architecture)
    assert not hasattr(model, "fusion")
    logits = model(examples(architecture))
    assert list(logits) == [FUSED, modality]
    assert torch.equal(logits[FUSED], logits[modality])
    loss = multi_head_loss(logits, LABELS["multiclass"], "multiclass", 0.5)
    torch.testing.assert_close(loss, F.cross_entropy(logits[FUSED], LABELS["multiclass"]))
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_inputs_are_standardised_inside(build: Build) -> None:
    model = initialised(MultimodalMixer, 0, build(modalities=("image",))).eval()
    (stored,) = examples(model.architecture).values()
    tokens = model.encoders["image"]((stored.float() - 100.0) / 50.0)
    torch.testing.assert_close(model({"image": stored})[FUSED], model.heads["image"](tokens))


@pytest.mark.parametrize("unusable", [FUSED, "audio.left", "keys"])
def test_a_modality_name_that_the_model_cannot_use_is_refused(build: Build, unusable: str) -> None:
    """Logits of a modality "fused" would stand in for the decision; the others cannot name a torch module."""
    raw = build().model_dump()
    for part in ("inputs", "encoders"):
        raw[part] = {{"image": unusable}.get(name, name): value for name, value in raw[part].items()}
    with pytest.raises(ValueError, match=re.escape(unusable)):
        MultimodalMixer(Architecture.model_validate(raw))


def test_the_names_that_torch_uses_are_known() -> None:
    """They are refused before any data is prepared, where torch is not imported. In a process of its own: libraries add
    to torch's modules."""
    script = "from torch import nn; print(*dir(nn.ModuleDict), *dir(nn.ModuleDict()))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "state_dict" in found
    assert {name for name in found if re.fullmatch(r"[a-z][a-z0-9_]*", name)} <= TORCH_NAMES


# --- Seeds


def test_same_seed_same_model_and_the_global_state_stays(build: Build) -> None:
    before = torch.random.get_rng_state()
    first = initialised(MultimodalMixer, 3, build())
    assert torch.equal(torch.random.get_rng_state(), before)
    again, other = (initialised(MultimodalMixer, seed, build()) for seed in (3, 4))
    state = first.state_dict()
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in state.items())
    random = [name for name, value in state.items() if value.numel() > 1 and value.float().std() > 0]
    assert random
    assert all(not torch.equal(state[name], other.state_dict()[name]) for name in random)


# --- Files


@pytest.mark.parametrize(("image", "series", "network"), PAIRS)
def test_saved_model_comes_back_bit_equal(build: Build, tmp_path: Path, image: str, series: str, network: str) -> None:
    architecture = build(image=image, series=series, network=network, function="mean")
    model = initialised(MultimodalMixer, 5, architecture)
    model.save_pretrained(tmp_path / "new" / "model")
    before = torch.random.get_rng_state()
    again = MultimodalMixer.from_pretrained(tmp_path / "new" / "model")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert again.architecture == model.architecture
    assert not any(module.training for module in again.modules())
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())
    inputs = examples(model.architecture)
    for name, logits in model.eval()(inputs).items():
        assert torch.equal(again(inputs)[name], logits)


def test_saving_does_not_overwrite(build: Build, tmp_path: Path) -> None:
    model = initialised(MultimodalMixer, 0, build())
    with pytest.raises(FileExistsError):
        model.save_pretrained(tmp_path)


@pytest.mark.parametrize("missing", ["model.safetensors", "architecture.json"])
def test_a_missing_file_is_named(build: Build, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "model"
    initialised(MultimodalMixer, 0, build()).save_pretrained(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["architecture.json", "model.safetensors"]
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        MultimodalMixer.from_pretrained(folder)


@pytest.mark.parametrize("other", [{"width": 9}, {"series": "hyper_mixer"}, {"modalities": ("image",)}])
def test_weights_of_another_architecture_are_refused(build: Build, tmp_path: Path, other: dict[str, object]) -> None:
    for name, architecture in (("one", build()), ("two", build(**other))):
        initialised(MultimodalMixer, 0, architecture).save_pretrained(tmp_path / name)
    (tmp_path / "two" / "model.safetensors").replace(tmp_path / "one" / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key|Unexpected key"):
        MultimodalMixer.from_pretrained(tmp_path / "one")


def test_an_unknown_block_in_a_file_is_refused(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    initialised(MultimodalMixer, 0, build()).save_pretrained(folder)
    file = folder / "architecture.json"
    file.write_text(file.read_text().replace("mlp_mixer", "os.system"))
    with pytest.raises(ValueError, match=r"os\.system"):
        MultimodalMixer.from_pretrained(folder)


# --- Whole model: compiler, exporter


def test_whole_model_compiles_without_graph_breaks(build: Build) -> None:
    torch._dynamo.reset()
    model = initialised(MultimodalMixer, 0, build(**MIXED))
    inputs = examples(model.architecture)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for name, logits in compiled(inputs).items():
        torch.testing.assert_close(logits, model(inputs)[name], rtol=1e-4, atol=1e-4)


def test_whole_model_exports_for_any_batch(build: Build) -> None:
    model = initialised(MultimodalMixer, 0, build(**MIXED)).eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        model,
        (examples(model.architecture),),
        dynamic_shapes=({name: {0: batch} for name in model.architecture.inputs},),
    )
    inputs = examples(model.architecture, rows=7)
    for name, logits in program.module()(inputs).items():
        torch.testing.assert_close(logits, model(inputs)[name])
