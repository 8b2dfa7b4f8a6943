"""The pipelines. A node's namespace begins with its pipeline (``search.image``), so that kedro-viz draws one box per
pipeline; a data set's name begins with the data set (``avmnist.search.image.choice``), since the catalog holds several.
"""

import warnings

# Kedro wants both to begin with the same word.
warnings.filterwarnings("ignore", message=r"One or more dataset names contain '\.'", category=UserWarning)
