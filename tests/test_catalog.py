"""Every name of every registered pipeline is in the catalog, as the kind of data set that it has always been."""

from __future__ import annotations

import subprocess
import sys

import pytest
from catalog_kinds import KINDS, kind_of
from graphs import ROOT, configuration, pipelines
from kedro.io import DataCatalog

DATASETS = ("avmnist", "mimic", "mmimdb")
INNER = {
    "frame": "pandas.ParquetDataset",
    "clips": "pandas.ParquetDataset",
    "document": "json.JSONDataset",
    "figure": "plotly.JSONDataset",
    "page": "text.TextDataset",
}
OURS = {
    "typed": "DocumentDataset",
    "drawn": "DrawnDocumentDataset",
    "picture": "PNGDataset",
    "table": "TableDataset",
    "array": "ArrayDataset",
    "arrays": "ArraysDataset",
    "model": "ModelDataset",
    "references": "ReferencesDataset",
    "folder": "FolderDataset",
    "record": "RecordDataset",
    "runs": "RunsDataset",
    "encoder": "EncoderDataset",
    "user's file": "RowsFileDataset",
}


def names(env: str) -> set[str]:
    """The data sets of all pipelines, and those that only hooks save."""
    found = {f"{dataset}.runs" for dataset in DATASETS}
    for dataset in DATASETS:
        for pipeline in pipelines(env, dataset=dataset).values():
            found |= {name for name in pipeline.datasets() if not name.startswith("params:")}
    return found


@pytest.mark.parametrize("env", ["base", "paper", "test"])
def test_every_name_has_its_kind(env: str) -> None:
    catalog = DataCatalog.from_config(configuration(env)["catalog"])
    seen = set()
    for name in sorted(names(env)):
        dataset, kind = catalog.get(name), kind_of(name)
        seen.add(kind)
        if kind in INNER:
            assert dataset.file_options["type"] == INNER[kind], name  # type: ignore[union-attr]
        elif kind in OURS:
            assert type(dataset).__name__ == OURS[kind], name
        else:
            assert type(dataset).__module__.startswith("mixmas_pipeline.pipelines.data."), name
    absent = {"references"} if env == "paper" else set()
    assert seen == set(KINDS) - absent, "a kind without a name is not tested"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("architecture", "06_models/avmnist/architecture.json"),
        ("model", "06_models/avmnist/model"),
        ("metrics", "07_model_output/avmnist/metrics.json"),
        ("prediction_summary", "07_model_output/avmnist/prediction_summary.json"),
        ("predicted", "07_model_output/avmnist/predicted.parquet"),
        ("agreement_summary", "08_reporting/avmnist/agreement_summary.json"),
        ("search.image.choice", "07_model_output/avmnist/search/image/choice.json"),
        ("compare.baseline.tuned", "06_models/avmnist/compare/baseline/tuned.json"),
        ("validate_search.space", "05_model_input/avmnist/validate_search/space.json"),
        ("report", "08_reporting/avmnist/report.html"),
    ],
)
def test_results_of_earlier_versions_are_found_where_they_lie(name: str, file: str) -> None:
    dataset = DataCatalog.from_config(configuration("base")["catalog"]).get(f"avmnist.{name}")
    assert str(dataset._describe()["filepath"]).endswith(f"data/demo/{file}")  # type: ignore[union-attr]


def test_no_two_outputs_share_a_file() -> None:
    catalog = DataCatalog.from_config(configuration("base")["catalog"])
    files: dict[str, str] = {}
    for name in sorted(names("base")):
        if kind_of(name) not in ("source", "encoder", "record", "user's file"):
            path = str(catalog.get(name)._describe()["filepath"])  # type: ignore[union-attr]
            assert files.setdefault(path, name) == name, path


def test_making_the_catalog_imports_nothing_heavy() -> None:
    """Of the results: readers of raw data may import what they read with."""
    code = (
        "import sys; sys.path.insert(0, 'tests/samples'); from graphs import configuration;"
        "from kedro.io import DataCatalog;"
        "catalog = DataCatalog.from_config(configuration('base')['catalog']);"
        "kept = 'metrics report leaderboard mistakes examples model history_figure architecture exported'.split();"
        "kept += ['verdict', 'reference.linear'];"
        "[catalog.get(f'avmnist.{name}') for name in kept];"
        "heavy = 'torch transformers pytorch_lightning sklearn "
        "matplotlib scipy pandas pyarrow duckdb PIL plotly'.split();"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout
