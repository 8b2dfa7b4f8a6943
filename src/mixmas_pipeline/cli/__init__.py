"""The commands that the project adds. Kedro looks here for ``cli`` and ``run``.

They are imported when Kedro asks for them: its own commands log a line when they are imported, and
``mixmas_pipeline new`` needs none of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"group": ["cli", "run"]})
