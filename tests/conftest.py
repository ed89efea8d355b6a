"""Every test runs with array shapes and types checked at each call."""

from pathlib import Path

from jaxtyping import install_import_hook

import grokscope

WITHOUT_ARRAYS = {"parts", "config", "grid"}
"""Which pydantic checks, and which are called a hundred thousand times."""

MODULES = {path.stem for path in Path(grokscope.__path__[0]).iterdir()} - {"__init__", "__main__"}
install_import_hook([f"grokscope.{name}" for name in MODULES - WITHOUT_ARRAYS], "beartype.beartype")
