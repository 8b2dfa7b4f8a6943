"""A first block of parameters for a table, guessed from what is in it: ``kedro draft``."""

from mixmas_pipeline.pipelines.data.custom.drafting.builder import Draft, data_set_name, draft
from mixmas_pipeline.pipelines.data.custom.drafting.inputs import written_path
from mixmas_pipeline.pipelines.data.custom.drafting.messages import DraftError

__all__ = ["Draft", "DraftError", "data_set_name", "draft", "written_path"]
