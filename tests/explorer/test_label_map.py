"""Which neuron holds which wrong label: the same in the page as in a picture, for any task."""

import http.client
import threading

import numpy as np
import pytest

import grokscope
from browsing import until
from grokscope.data.dataset import complete_grid
from grokscope.errors import ConfigError
from grokscope.experiment import own_code
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.explorer import payload
from grokscope.explorer.page import page
from grokscope.explorer.payload import details, overview
from grokscope.explorer.serve import listen
from grokscope.explorer.source import open_source, sweep_id
from grokscope.plotting.neurons import plot_neurons
from grokscope.plotting.wording import MAP_WORDS

FEATURES = Experiment(
    task="plain_data:features", model="image_mlp", width=12, depth=2, loss="cross_entropy",
    steps=20, corruption_fraction=0.4, keep_weights=[0, 10],
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A sweep on features that code of the user's own makes; its first network is trained."""
    store = tmp_path_factory.mktemp("features") / "runs"
    grid = complete_grid(Grid(FEATURES, axes={"weight_decay": [0, 1]}))
    grokscope.train(grid.cell((0, 0)), store, progress=False)
    return open_source(store, grid)


@pytest.mark.parametrize("task", ["features", "tokens"])
def test_the_page_and_the_picture_have_the_same_map(source, task):
    tokens = Experiment(steps=20, modulus=11, width=12, corruption_fraction=0.3)
    run = source.run(0) if task == "features" else grokscope.train(tokens, progress=False)
    shown = details(run)["attribution"]
    panel = next(axes for axes in plot_neurons(run).axes if axes.images)
    added = np.array(shown["added"]) * shown["step"]
    np.testing.assert_allclose(panel.images[0].get_array(), added, atol=shown["step"])
    left, right, lowest, highest = panel.images[0].get_extent()
    assert [left, right] == [shown["ranks"][0] - 0.5, shown["ranks"][-1] + 0.5]
    assert lowest > highest, "the first example is above"
    assert [panel.get_xlabel(), panel.get_ylabel()] == [MAP_WORDS["neurons"], MAP_WORDS["examples"]]
    assert (np.diff(added.sum(axis=1)) <= 12 * shown["step"]).all(), "the most memorised first"
    assert (np.diff(shown["memorizing"]) <= 0).all()


def test_the_ranks_of_a_wide_layer_are_those_among_all_neurons(monkeypatch, source):
    monkeypatch.setattr(payload, "UNITS", 4)
    shown = details(source.run(0))["attribution"]
    assert shown["ranks"] == [1, 4, 8, 12]
    assert np.shape(shown["added"])[1] == 4


def test_features_are_named_by_their_number(source):
    run = source.run(0)
    for name in details(run)["attribution"]["examples"]:
        number, given, true = (int(word.strip(",")) for word in name.split()[1::2])
        assert (run.data.given_labels[number], run.data.true_labels[number]) == (given, true)


def test_own_code_that_may_not_run_is_said_with_what_to_do(source, monkeypatch, capfd):
    assert details(source.run(0))["has_kept_weights"]
    monkeypatch.setattr(own_code, "_folders", {})
    shown = details(source.run(0))
    assert "`plain_data` must be a file plain_data.py" in shown["attribution"]["lacking"]
    assert "Use --code DIR" in shown["attribution"]["lacking"]
    assert shown["curves"]["test_accuracy"]
    assert not shown["has_kept_weights"], "no link to a page that cannot be made"
    with listen(source) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", f"/time/{sweep_id(source.dataset())}/0")
        assert connection.getresponse().status == 404
        connection.close()
        server.shutdown()
    assert "Traceback" not in capfd.readouterr().err


def test_a_network_of_wrong_features_has_all_but_its_map_and_pruning_curves(source, monkeypatch):
    def refuse(run):
        raise ConfigError("`features` must give the logits")

    monkeypatch.setattr(payload, "without_weights", refuse)
    monkeypatch.setattr(payload, "features_fit", lambda *_: False)
    shown = details(source.run(0))
    assert "do not add to the logits" in shown["attribution"]["lacking"]
    assert "pruning" not in shown
    assert shown["norms"]


@pytest.mark.slow
def test_the_page_draws_the_map_of_own_data_and_groups_what_lacks_one(source, open_page, tmp_path):
    cells = dict.fromkeys((0, 1), details(source.run(0)))
    path = tmp_path / "page.html"
    path.write_text(page(overview(source.dataset()), cells), "utf-8")
    tab = open_page(path.as_uri() + "#pins=0.1")
    until(tab, "$('attribution-scatter').data")
    shown = tab.evaluate("$('attribution-map').layout")
    assert shown["xaxis"]["title"]["text"] == MAP_WORDS["neurons"]
    assert shown["yaxis2"]["title"]["text"] == f"B: {MAP_WORDS['examples']}".replace("\n", "<br>")
    bottom, top = shown["yaxis"]["range"]
    assert bottom > top, "the first example is above"
    drawn = tab.evaluate("$('attribution-map').data[1]")
    assert drawn["y"] == cells[1]["attribution"]["examples"]
    assert drawn["x"] == cells[1]["attribution"]["ranks"]
    reasons = "['x', 'y', 'x'].map((lacking) => ({ attribution: { lacking } }))"
    assert tab.evaluate(f"lackingWords({reasons})").endswith("of A, C, since x; of B, since y.")
