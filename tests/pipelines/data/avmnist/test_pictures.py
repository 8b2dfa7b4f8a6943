"""The energy basis and the reduced pictures, against numpy's SVD and scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from mixmas_pipeline.pipelines.data.avmnist.nodes import fit_energy_basis, reduce_images
from mixmas_pipeline.pipelines.data.avmnist.parameters import PictureParameters

Images = dict[str, np.ndarray]
TRAIN = pd.DataFrame({"picture": np.arange(1000)})


@pytest.fixture(scope="module")
def small(images: Images) -> Images:
    """The pictures at half their resolution: the same algebra in a fraction of the time."""
    return {part: np.ascontiguousarray(pictures[:, ::2, ::2]) for part, pictures in images.items()}


@pytest.fixture(scope="module")
def reference(small: Images) -> PCA:
    """All principal components of the training pictures, by scikit-learn."""
    return PCA(svd_solver="full").fit(flat(small["train"][:1000]))


def flat(images: np.ndarray) -> np.ndarray:
    """Rows of pixels in double precision."""
    return images.reshape(len(images), -1).astype(np.float64)


def basis_of(images: np.ndarray, energy: float = 0.25, pairs: pd.DataFrame = TRAIN) -> Images:
    """The basis at a share of the energy."""
    return fit_energy_basis(images, pairs, PictureParameters(energy_kept=energy))


def grey(reduced: Images, part: str) -> np.ndarray:
    """Stored bytes as grey levels."""
    return flat(reduced[part]) * float(reduced["scale"][0]) + float(reduced["offset"][0])


@pytest.mark.parametrize("energy", [0.01, 0.25, 0.5, 0.8, 0.95])
def test_kept_components_are_the_fewest_that_explain_enough(energy: float, small: Images, reference: PCA) -> None:
    share = reference.explained_variance_ratio_
    basis = basis_of(small["train"], energy)
    kept = len(basis["components"])
    assert share[:kept].sum() >= energy - 1e-6
    assert share[: kept - 1].sum() < energy
    np.testing.assert_allclose(basis["explained"], share, atol=1e-5)


def test_basis_is_that_of_scikit_learn_and_of_the_svd(small: Images, reference: PCA) -> None:
    basis = basis_of(small["train"], 0.8)
    pixels = flat(small["train"][:1000])
    np.testing.assert_allclose(basis["mean"], pixels.mean(axis=0), rtol=1e-5)
    kept = len(basis["components"])
    assert kept > 3
    np.testing.assert_allclose(basis["components"] @ basis["components"].T, np.eye(kept), atol=1e-5)
    by_svd = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][:kept]
    for rows in (by_svd, reference.components_[:kept]):
        agreement = np.abs(np.sum(basis["components"] * rows, axis=1))  # up to the sign
        np.testing.assert_allclose(agreement, 1, atol=1e-3)


def test_basis_knows_the_training_rows_only(small: Images) -> None:
    """Other validation pictures, and pictures beyond ``train_size``, change nothing at all."""
    before = basis_of(small["train"])
    changed = small["train"].copy()
    changed[1000:] = 255 - changed[1000:]
    after = basis_of(changed)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)
    few = TRAIN.iloc[:400]
    changed[400:1000] = 0
    for name, array in basis_of(small["train"], pairs=few).items():
        np.testing.assert_array_equal(basis_of(changed, pairs=few)[name], array)


def test_basis_uses_every_training_row(small: Images) -> None:
    changed = small["train"].copy()
    changed[999] = 255 - changed[999]
    assert not np.array_equal(basis_of(changed)["mean"], basis_of(small["train"])["mean"])


def test_pictures_without_variance_are_an_error(small: Images) -> None:
    with pytest.raises(ValueError, match="all training pictures are the same"):
        basis_of(np.full_like(small["train"], 7))


@pytest.mark.parametrize("energy", [0.25, 0.8])
def test_reduced_pictures_are_the_projection_with_the_mean_added_back(
    energy: float, small: Images, reference: PCA
) -> None:
    reduced = reduce_images(small["train"], small["test"], basis_of(small["train"], energy))
    pixels = flat(small["train"][:1000])
    mean = pixels.mean(axis=0)
    share = np.cumsum(reference.explained_variance_ratio_)
    rows = np.linalg.svd(pixels - mean, full_matrices=False)[2][: np.searchsorted(share, energy) + 1]
    half_a_step = float(reduced["scale"][0]) / 2 + 0.02
    for part in ("train", "test"):
        expected = (flat(small[part]) - mean) @ rows.T @ rows + mean
        expected = expected.clip(grey(reduced, "train").min(), grey(reduced, "train").max())
        assert np.abs(grey(reduced, part) - expected).max() <= half_a_step
        assert (reduced[part].shape, reduced[part].dtype) == (small[part].shape, np.dtype(np.uint8))
    assert np.abs(grey(reduced, "train")[:1000].mean(axis=0) - mean).max() < half_a_step


def test_energy_that_is_left_is_the_energy_asked(small: Images) -> None:
    """75 % of the energy removed, measured on the pictures themselves."""
    basis = basis_of(small["train"], 0.25)
    reduced = reduce_images(small["train"], small["test"], basis)
    left = grey(reduced, "train")[:1000].var(axis=0).sum() / flat(small["train"][:1000]).var(axis=0).sum()
    kept = len(basis["components"])
    assert left == pytest.approx(float(basis["explained"][:kept].sum()), abs=0.005)


def test_bytes_are_used_from_end_to_end(small: Images) -> None:
    reduced = reduce_images(small["train"], small["test"], basis_of(small["train"]))
    assert (reduced["train"].min(), reduced["train"].max()) == (0, 255)


def test_test_pictures_do_not_change_training_pictures(small: Images) -> None:
    basis = basis_of(small["train"])
    reduced = reduce_images(small["train"], small["test"], basis)
    extreme = np.where(np.random.default_rng(0).random(small["test"].shape) < 0.5, 0, 255).astype(np.uint8)
    other = reduce_images(small["train"], extreme, basis)
    for name in ("train", "scale", "offset"):
        np.testing.assert_array_equal(other[name], reduced[name])


def test_test_pictures_beyond_the_training_range_are_clipped_not_wrapped(small: Images) -> None:
    dim = small["train"] // 2 + 60
    basis = basis_of(dim)
    component = basis["components"][0].reshape(14, 14)
    bright = np.where(component > 0, 255, 0).astype(np.uint8)[None]
    reduced = reduce_images(dim, np.concatenate([bright, 255 - bright]), basis)
    direct = (flat(bright) - basis["mean"]) @ basis["components"].T @ basis["components"] + basis["mean"]
    over = direct.reshape(14, 14) > 255 * float(reduced["scale"][0]) + float(reduced["offset"][0])
    assert over.any(), "the example does not leave the range; the test proves nothing"
    assert (reduced["test"][0][over] == 255).all()


def test_validation_pictures_do_not_change_training_pictures(small: Images) -> None:
    """The range that is spread over the bytes is that of the training pictures."""
    basis = basis_of(small["train"])
    reduced = reduce_images(small["train"], small["test"], basis)
    component = basis["components"][0].reshape(14, 14)
    changed = small["train"].copy()
    changed[1000:] = np.where(component > 0, 255, 0)
    changed[1150:] = np.where(component > 0, 0, 255)
    other = reduce_images(changed, small["test"], basis)
    np.testing.assert_array_equal(other["scale"], reduced["scale"])
    np.testing.assert_array_equal(other["train"][:1000], reduced["train"][:1000])
