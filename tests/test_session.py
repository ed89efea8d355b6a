import pytest

import grokscope
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.runs.pruning import control_band


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_pruned_run_has_its_controls_and_draws_them():
    run = grokscope.train(Experiment(steps=30, modulus=7, width=20), progress=False)
    pruned = run.prune(first="highest", band=5, seed=1)
    assert pruned.band is not None
    assert dict(pruned.band.sizes) == {"pruned": 21, "quantile": 3}
    expected = control_band(run, 5, seed=1)
    assert expected is not None
    assert pruned.band.identical(expected)
    assert legend_of(pruned.plot())[-2:] == ["thin: by norm", "pale: 5 random orders"]
    alone = run.prune(by="norm", band=0)
    assert alone.band is None
    assert alone.by_norm is None
    assert legend_of(alone.plot())[-1] == "1 − ξ"
    for negative in (lambda: run.prune(band=-1), lambda: control_band(run, -1)):
        with pytest.raises(ConfigError, match="`band` must be a whole number from 0, got -1"):
            negative()
