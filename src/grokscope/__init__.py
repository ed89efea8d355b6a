"""What did a network learn from partly wrong labels: the rule, the wrong labels, or both?

The public names; each is imported when it is first used, so that `import grokscope` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokscope.architectures import DeepMLP as DeepMLP
    from grokscope.architectures import ImageMLP as ImageMLP
    from grokscope.architectures import OwnModel as OwnModel
    from grokscope.architectures import Transformer as Transformer
    from grokscope.architectures import TwoLayer as TwoLayer
    from grokscope.archives import archive as archive
    from grokscope.archives import export as export
    from grokscope.archives import load_sweep as load_sweep
    from grokscope.archives import restore as restore
    from grokscope.config import Experiment as Experiment
    from grokscope.config import digest as digest
    from grokscope.data import Dataset as Dataset
    from grokscope.data import complete as complete
    from grokscope.data import make_dataset as make_dataset
    from grokscope.diagram import Boundary as Boundary
    from grokscope.diagram import as_table as as_table
    from grokscope.diagram import boundaries as boundaries
    from grokscope.diagram import collect as collect
    from grokscope.diagram import phase_codes as phase_codes
    from grokscope.diagram import phase_diagram as phase_diagram
    from grokscope.errors import ConfigError as ConfigError
    from grokscope.errors import StoreError as StoreError
    from grokscope.errors import WorkerError as WorkerError
    from grokscope.evidence import audit as audit
    from grokscope.evidence import quality as quality
    from grokscope.grid import Grid as Grid
    from grokscope.grid import load_grid as load_grid
    from grokscope.intervals import growth_exponent as growth_exponent
    from grokscope.intervals import rank_correlation as rank_correlation
    from grokscope.lean import without_weights as without_weights
    from grokscope.mnist import read_mnist as read_mnist
    from grokscope.models.analytic import analytic_network as analytic_network
    from grokscope.models.analytic import logit_terms as logit_terms
    from grokscope.models.network import Layer as Layer
    from grokscope.models.network import Network as Network
    from grokscope.neurons import contributions as contributions
    from grokscope.parts import SGD as SGD
    from grokscope.parts import Adam as Adam
    from grokscope.parts import AdamW as AdamW
    from grokscope.parts import OwnOptimizer as OwnOptimizer
    from grokscope.parts import Seeds as Seeds
    from grokscope.parts import Settle as Settle
    from grokscope.phases import Phase as Phase
    from grokscope.phases import classify as classify
    from grokscope.plugins import allow_code as allow_code
    from grokscope.prune import fewest_neurons as fewest_neurons
    from grokscope.prune import neurons_required as neurons_required
    from grokscope.prune import pruning_curve as pruning_curve
    from grokscope.prune import pruning_order as pruning_order
    from grokscope.record import final_network as final_network
    from grokscope.refine import enclosed as enclosed
    from grokscope.refine import follow_boundaries as follow_boundaries
    from grokscope.run import pruning_curves as pruning_curves
    from grokscope.run import train as train
    from grokscope.run import train_ensemble as train_ensemble
    from grokscope.settle import has_settled as has_settled
    from grokscope.spectrum import ipr as ipr
    from grokscope.spectrum import power_spectrum as power_spectrum
    from grokscope.spectrum import residue_order as residue_order
    from grokscope.store import Run as Run
    from grokscope.store import open_run as open_run
    from grokscope.sweeps import sweep as sweep
    from grokscope.sweeps import train_missing as train_missing
    from grokscope.tasks import MNIST as MNIST
    from grokscope.tasks import ModularTask as ModularTask
    from grokscope.tasks import OwnTask as OwnTask

_HOMES = {
    "architectures": "DeepMLP ImageMLP OwnModel Transformer TwoLayer",
    "archives": "archive export load_sweep restore",
    "config": "Experiment digest",
    "data": "Dataset complete make_dataset",
    "diagram": "Boundary as_table boundaries collect phase_codes phase_diagram",
    "errors": "ConfigError StoreError WorkerError",
    "evidence": "audit quality",
    "grid": "Grid load_grid",
    "intervals": "growth_exponent rank_correlation",
    "lean": "without_weights",
    "mnist": "read_mnist",
    "models.analytic": "analytic_network logit_terms",
    "models.network": "Layer Network",
    "neurons": "contributions",
    "plugins": "allow_code",
    "parts": "SGD Adam AdamW OwnOptimizer Seeds Settle",
    "phases": "Phase classify",
    "prune": "fewest_neurons neurons_required pruning_curve pruning_order",
    "record": "final_network",
    "refine": "enclosed follow_boundaries",
    "run": "pruning_curves train train_ensemble",
    "settle": "has_settled",
    "spectrum": "ipr power_spectrum residue_order",
    "store": "Run open_run",
    "sweeps": "sweep train_missing",
    "tasks": "MNIST ModularTask OwnTask",
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
