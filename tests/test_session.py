import pytest

import grokscope
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.runs.pruning import control_band
from grokscope.session.sweep import Sweep
from grokscope.sweeps.diagram import collect


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


def test_a_sweep_is_drawn_with_other_thresholds(tmp_path):
    axes = {"train_fraction": [0.3, 0.5], "corruption_fraction": [0.1, 0.2]}
    data = collect(grokscope.Grid(axes=axes), tmp_path)
    for name in ("train_accuracy", "test_accuracy", "peak_test_accuracy"):
        data[name][:] = 0.8
    sweep = Sweep(data, tmp_path)
    assert legend_of(sweep.plot()) == ["Confusion"]
    assert legend_of(sweep.plot(generalizes=0.75, memorizes=0.75)) == ["Coexistence"]
    with pytest.raises(ConfigError, match="Did you mean generalizes"):
        sweep.plot(generalises=0.75)


def test_a_folder_is_no_sweep_s_file(tmp_path):
    with pytest.raises(ConfigError, match=r"got the folder .* Use sweep\(grid, store\)"):
        grokscope.load_sweep(tmp_path)
