"""The blocks, one file each: the paper and its equations, the hyperparameters, the module.

To add a block: write its file here, with a subclass of ``BlockParameters`` and its module, and add a line to
``BLOCKS``. This file imports no torch, and a block's file is imported only when the block is used.
"""

from __future__ import annotations

# Name -> the class of its hyperparameters.
BLOCKS: dict[str, str] = {
    "mlp_mixer": "mixmas_pipeline.models.blocks.mlp_mixer:MLPMixerParameters",
    "hyper_mixer": "mixmas_pipeline.models.blocks.hyper_mixer:HyperMixerParameters",
    "ramlp": "mixmas_pipeline.models.blocks.ramlp:RaMLPParameters",
    "monarch_mixer": "mixmas_pipeline.models.blocks.monarch_mixer:MonarchMixerParameters",
    "linear": "mixmas_pipeline.models.blocks.linear:LinearParameters",
    "real_mlp": "mixmas_pipeline.models.blocks.real_mlp:RealMLPParameters",
    "mlp": "mixmas_pipeline.models.blocks.mlp:MLPParameters",
}
