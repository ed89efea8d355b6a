"""What did a network learn from partly wrong labels: the rule, the wrong labels, or both?

The public names; each is imported when it is first used, so that `import grokscope` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokscope.analysis.label_audit import audit as audit
    from grokscope.analysis.label_audit import quality as quality
    from grokscope.analysis.norm_layers import contributions as contributions
    from grokscope.analysis.statistics import growth_exponent as growth_exponent
    from grokscope.analysis.statistics import rank_correlation as rank_correlation
    from grokscope.data.dataset import Dataset as Dataset
    from grokscope.data.dataset import complete as complete
    from grokscope.data.dataset import make_dataset as make_dataset
    from grokscope.data.mnist import read_mnist as read_mnist
    from grokscope.errors import ConfigError as ConfigError
    from grokscope.errors import StoreError as StoreError
    from grokscope.errors import WorkerError as WorkerError
    from grokscope.experiment.experiment import Experiment as Experiment
    from grokscope.experiment.experiment import digest as digest
    from grokscope.experiment.grid import Grid as Grid
    from grokscope.experiment.models import DeepMLPSettings as DeepMLPSettings
    from grokscope.experiment.models import ImageMLPSettings as ImageMLPSettings
    from grokscope.experiment.models import OwnModel as OwnModel
    from grokscope.experiment.models import TransformerSettings as TransformerSettings
    from grokscope.experiment.models import TwoLayerSettings as TwoLayerSettings
    from grokscope.experiment.optimizers import SGD as SGD
    from grokscope.experiment.optimizers import Adam as Adam
    from grokscope.experiment.optimizers import AdamW as AdamW
    from grokscope.experiment.optimizers import OwnOptimizer as OwnOptimizer
    from grokscope.experiment.own_code import allow_code as allow_code
    from grokscope.experiment.seeds import Seeds as Seeds
    from grokscope.experiment.seeds import Settle as Settle
    from grokscope.experiment.tasks import MNIST as MNIST
    from grokscope.experiment.tasks import ModularTask as ModularTask
    from grokscope.experiment.tasks import OwnTask as OwnTask
    from grokscope.measures.phases import Phase as Phase
    from grokscope.measures.phases import classify as classify
    from grokscope.measures.pruning import fewest_neurons as fewest_neurons
    from grokscope.measures.pruning import neurons_required as neurons_required
    from grokscope.measures.pruning import pruning_curve as pruning_curve
    from grokscope.measures.pruning import pruning_order as pruning_order
    from grokscope.measures.settle import has_settled as has_settled
    from grokscope.measures.spectrum import ipr as ipr
    from grokscope.measures.spectrum import power_spectrum as power_spectrum
    from grokscope.measures.spectrum import residue_order as residue_order
    from grokscope.models.analytic import analytic_network as analytic_network
    from grokscope.models.analytic import logit_terms as logit_terms
    from grokscope.models.network import Layer as Layer
    from grokscope.models.network import Network as Network
    from grokscope.paper.grids import load_grid as load_grid
    from grokscope.runs.compact import without_weights as without_weights
    from grokscope.runs.pruning import prune as prune
    from grokscope.runs.pruning import pruning_curves as pruning_curves
    from grokscope.runs.run import Run as Run
    from grokscope.runs.run import open_run as open_run
    from grokscope.runs.train import train as train
    from grokscope.runs.train import train_ensemble as train_ensemble
    from grokscope.sweeps import sweep as sweep
    from grokscope.sweeps.archive import archive as archive
    from grokscope.sweeps.archive import export as export
    from grokscope.sweeps.archive import load_sweep as load_sweep
    from grokscope.sweeps.archive import restore as restore
    from grokscope.sweeps.diagram import Boundary as Boundary
    from grokscope.sweeps.diagram import as_table as as_table
    from grokscope.sweeps.diagram import boundaries as boundaries
    from grokscope.sweeps.diagram import collect as collect
    from grokscope.sweeps.diagram import phase_codes as phase_codes
    from grokscope.sweeps.diagram import phase_diagram as phase_diagram
    from grokscope.sweeps.refine import enclosed as enclosed
    from grokscope.sweeps.refine import follow_boundaries as follow_boundaries
    from grokscope.sweeps.sweep import train_missing as train_missing

_HOMES = {
    "experiment.models": "DeepMLPSettings ImageMLPSettings OwnModel TransformerSettings TwoLayerSettings",
    "sweeps.archive": "archive export load_sweep restore",
    "experiment.experiment": "Experiment digest",
    "data.dataset": "Dataset complete make_dataset",
    "sweeps.diagram": "Boundary as_table boundaries collect phase_codes phase_diagram",
    "errors": "ConfigError StoreError WorkerError",
    "analysis.label_audit": "audit quality",
    "experiment.grid": "Grid",
    "paper.grids": "load_grid",
    "analysis.statistics": "growth_exponent rank_correlation",
    "runs.compact": "without_weights",
    "data.mnist": "read_mnist",
    "models.analytic": "analytic_network logit_terms",
    "models.network": "Layer Network",
    "analysis.norm_layers": "contributions",
    "experiment.own_code": "allow_code",
    "experiment.optimizers": "SGD Adam AdamW OwnOptimizer",
    "experiment.seeds": "Seeds Settle",
    "measures.phases": "Phase classify",
    "measures.pruning": "fewest_neurons neurons_required pruning_curve pruning_order",
    "sweeps.refine": "enclosed follow_boundaries",
    "runs.pruning": "prune pruning_curves",
    "runs.train": "train train_ensemble",
    "measures.settle": "has_settled",
    "measures.spectrum": "ipr power_spectrum residue_order",
    "runs.run": "Run open_run",
    "sweeps.sweep": "sweep train_missing",
    "experiment.tasks": "MNIST ModularTask OwnTask",
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
