"""Every test runs with array shapes and types checked at each call."""

from pkgutil import iter_modules

from jaxtyping import install_import_hook

import grokscope

WITHOUT_ARRAYS = {"parts", "config", "grid"}
"""Which pydantic checks, and which are called a hundred thousand times."""

MODULES = {module.name for module in iter_modules(grokscope.__path__)} - {"__main__"}
install_import_hook([f"grokscope.{name}" for name in MODULES - WITHOUT_ARRAYS], "beartype.beartype")
