"""What did a network learn from partly wrong labels: the rule, the wrong labels, or both?

The public names stand in `__init__.pyi`; each is imported when it is first used, so that
`import grokscope` is quick.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("grokscope")
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
