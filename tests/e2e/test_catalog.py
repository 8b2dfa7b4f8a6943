"""What a finished run has left can be loaded by its name in the catalog, as the type that its kind promises."""

from __future__ import annotations

from pathlib import Path

from catalog_kinds import kind_of, loaded_types
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project


def test_every_saved_name_loads(finished_project: Path) -> None:
    bootstrap_project(finished_project)
    types, loaded = loaded_types(), set()
    with KedroSession.create(project_path=finished_project, env="test") as session:
        catalog = session.load_context().catalog
        for name in sorted(pipelines["__default__"].all_outputs()):
            assert catalog.exists(name), name
            assert isinstance(catalog.load(name), types[kind_of(name)]), name
            loaded.add(kind_of(name))
    assert len(loaded) >= 10
