"""A lazy module is loaded by use alone, and by several threads at once as well."""

from __future__ import annotations

import subprocess
import sys

# Prints whether pandas is loaded, before and after its first use.
USE = """
import inspect, sys, threading
from mixmas_pipeline.utils.lazy import lazy

pd = lazy("pandas")
inspect.getmodule(lazy.__code__)  # looks at every module
print("pandas" in sys.modules)
barrier, frames = threading.Barrier(4), []

def use():
    barrier.wait()
    frames.append(pd.DataFrame({"a": [1]}))

threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(frames), {type(frame).__name__ for frame in frames})
"""


def test_use_loads_the_module_and_nothing_else_does() -> None:
    done = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["False", "4 {'DataFrame'}"]
    assert done.stderr == ""
