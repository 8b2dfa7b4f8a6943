"""Items, units and groups of diagnosis codes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mixmas_pipeline.pipelines.data.mimic import variables


@pytest.mark.parametrize(
    ("code", "groups"),
    [
        ("0420", {"aids"}),
        ("20280", {"haematologic_malignancy", "icd9_140_239"}),
        ("2386", {"haematologic_malignancy", "icd9_140_239"}),
        ("2385", {"icd9_140_239"}),
        ("1985", {"metastatic_cancer", "icd9_140_239"}),
        ("1992", {"icd9_140_239"}),
        ("78951", {"metastatic_cancer"}),
        ("486", {"icd9_460_519"}),
        ("51881", {"icd9_460_519"}),
        ("V1642", set()),
        ("E8889", set()),
        (None, set()),
    ],
)
def test_icd9_groups(code: str | None, groups: set[str]) -> None:
    codes = pd.Series([code], dtype=object)
    assert {g for g in variables.ICD9_RANGES if variables.in_icd9_group(codes, g).iloc[0]} == groups


@pytest.mark.mirror
def test_items_are_what_their_tables_say(demo_folder: Path) -> None:
    items = pd.read_csv(demo_folder / "D_ITEMS.csv.gz").set_index("itemid")
    labs = pd.read_csv(demo_folder / "D_LABITEMS.csv.gz").set_index("itemid")
    for row in variables.items().itertuples():
        if row.source == "labevents":
            assert labs.loc[row.itemid, "fluid"].lower() == "blood"
        else:
            assert items.loc[row.itemid, "linksto"] == row.source
            assert items.loc[row.itemid, "dbsource"] == ("carevue" if row.itemid < 220000 else "metavision")
    charted = variables.items()[variables.items()["source"] != "labevents"]
    both = charted.groupby("quantity")["itemid"].agg(["min", "max"])
    assert (both["min"] < 220000).all()
    assert (both["max"] >= 220000).all()
    assert labs.loc[variables.SPECIMEN_ITEM, "label"] == "SPECIMEN TYPE"


def test_fahrenheit_becomes_celsius() -> None:
    """Water freezes at 32 and boils at 212 degrees Fahrenheit."""
    table = variables.units().set_index(["quantity", "unit"])
    fahrenheit = table.loc[("temperature", "f")]
    for written, celsius in ((32, 0), (212, 100)):
        assert written * fahrenheit["factor"] + fahrenheit["shift"] == pytest.approx(celsius)


def test_an_item_measures_one_quantity_in_a_unit_that_can_be_converted() -> None:
    items = variables.items()
    assert not items.duplicated(["source", "itemid"]).any()
    written = set(items[["quantity", "written"]].itertuples(index=False, name=None))
    assert written <= set(variables.units()[["quantity", "unit"]].itertuples(index=False, name=None))
