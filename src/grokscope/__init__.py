"""What did a network learn from partly wrong labels: the rule, the wrong labels, or both?

The public names; each is imported when it is first used, so that `import grokscope` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokscope.config import SGD as SGD
    from grokscope.config import Adam as Adam
    from grokscope.config import AdamW as AdamW
    from grokscope.config import Experiment as Experiment
    from grokscope.config import ModularTask as ModularTask
    from grokscope.config import Seeds as Seeds
    from grokscope.config import TwoLayer as TwoLayer
    from grokscope.config import digest as digest
    from grokscope.data import Dataset as Dataset
    from grokscope.data import make_dataset as make_dataset
    from grokscope.errors import ConfigError as ConfigError
    from grokscope.errors import StoreError as StoreError
    from grokscope.errors import WorkerError as WorkerError
    from grokscope.models.analytic import analytic_network as analytic_network
    from grokscope.models.analytic import logit_terms as logit_terms
    from grokscope.phases import Phase as Phase
    from grokscope.phases import classify as classify
    from grokscope.prune import neurons_required as neurons_required
    from grokscope.prune import pruning_curve as pruning_curve
    from grokscope.prune import pruning_order as pruning_order
    from grokscope.run import final_network as final_network
    from grokscope.run import train as train
    from grokscope.run import train_ensemble as train_ensemble
    from grokscope.spectrum import ipr as ipr
    from grokscope.spectrum import power_spectrum as power_spectrum
    from grokscope.spectrum import residue_order as residue_order
    from grokscope.store import Run as Run
    from grokscope.store import open_run as open_run
    from grokscope.sweeps import train_missing as train_missing

_HOMES = {
    "config": "SGD Adam AdamW Experiment ModularTask Seeds TwoLayer digest",
    "data": "Dataset make_dataset",
    "errors": "ConfigError StoreError WorkerError",
    "models.analytic": "analytic_network logit_terms",
    "phases": "Phase classify",
    "prune": "neurons_required pruning_curve pruning_order",
    "run": "final_network train train_ensemble",
    "spectrum": "ipr power_spectrum residue_order",
    "store": "Run open_run",
    "sweeps": "train_missing",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_HOME)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
