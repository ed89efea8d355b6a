# The public names, once: `__init__.py` and type checkers read them here.

from . import models as models
from . import paper as paper
from . import plotting as plotting
from . import sweeps as sweeps
from .analysis import label_audit as label_audit
from .analysis import norm_layers as norm_layers
from .analysis import statistics as statistics
from .analysis.label_audit import audit as audit
from .data.dataset import Dataset as Dataset
from .data.dataset import complete as complete
from .data.dataset import make_dataset as make_dataset
from .errors import ConfigError as ConfigError
from .errors import StoreError as StoreError
from .errors import WorkerError as WorkerError
from .experiment.experiment import Experiment as Experiment
from .experiment.experiment import digest as digest
from .experiment.grid import Grid as Grid
from .experiment.own_code import allow_code as allow_code
from .measures import pruning as pruning
from .measures import settle as settle
from .measures import spectrum as spectrum
from .measures.phases import Phase as Phase
from .measures.phases import classify as classify
from .models.network import Layer as Layer
from .models.network import Network as Network
from .runs.store import Store as Store
from .session.answers import Extraction as Extraction
from .session.answers import Movement as Movement
from .session.answers import Pruned as Pruned
from .session.elsewhere import from_arrays as from_arrays
from .session.elsewhere import from_torch as from_torch
from .session.run import Run as Run
from .session.run import open_run as open_run
from .session.run import train as train
from .session.sweep import Sweep as Sweep
from .session.sweep import load_sweep as load_sweep
from .session.sweep import sweep as sweep
from .sweeps.archive import export as export
from .sweeps.sweep import train_missing as train_missing

__version__: str
