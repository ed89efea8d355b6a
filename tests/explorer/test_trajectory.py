"""The page of one network over time: its numbers, what it reacts to, and what it refuses."""

import json
import time

import jax.numpy as jnp
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import grokscope
from browsing import set_slider, until
from grokscope import Experiment
from grokscope.analysis.neurons import held_table
from grokscope.analysis.trajectory import trajectory
from grokscope.cli import main
from grokscope.data.groups import group_of
from grokscope.errors import ConfigError, StoreError
from grokscope.explorer.trajectory import LEVELS, quantized, run_names, shown, whole_page
from grokscope.measures.spectrum import power_share

COLUMNS = ("frequency", "ipr", "memorizing", "generalizing")
SMALL = Experiment(
    modulus=11, width=16, steps=50, measure_every=10, corruption_fraction=0.3, weight_decay=2,
    keep_weights="log:6",
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store") / "runs"


@pytest.fixture(scope="module")
def run(store):
    return grokscope.train(SMALL, store, progress=False)


@pytest.fixture(scope="module")
def branch(run, store):
    """The same run without weight decay from one of its steps on."""
    start = run.at(run.experiment.kept_steps[3])
    changed = run.experiment.replace(weight_decay=0)
    return grokscope.train(changed, store, progress=False, start=start)


@pytest.fixture(scope="module")
def address(run, branch, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "page.html"
    path.write_text(whole_page(run, [branch]), "utf-8")
    return path.as_uri()


def digits(values):
    return [None if np.isnan(v) else float(f"{v:.4g}") for v in values]


@pytest.mark.slow
def test_each_neuron_has_the_numbers_of_the_run_at_that_step(run):
    found = shown(trajectory(run))
    assert found["steps"] == run.experiment.kept_steps
    for place, step in enumerate(found["steps"]):
        table = held_table(run.at(step), "hidden")
        for name in COLUMNS:
            expected = digits(table[name].to_numpy())
            assert found["neurons"][name][place] == pytest.approx(expected, rel=1e-3, abs=1e-9)
    data = run.data
    for example in found["examples"]:
        index = next(
            i for i in np.flatnonzero(data.is_wrong)
            if f"({', '.join(map(str, data.inputs[i]))})" == example["name"]
        )  # fmt: skip
        assert (example["given"], example["true"]) == (
            data.given_labels[index],
            data.true_labels[index],
        )
        for place, step in enumerate(found["steps"]):
            logits = np.asarray(run.at(step).network(jnp.asarray(data.inputs[[index]])))[0]
            np.testing.assert_allclose(example["logits"][place], logits, rtol=1e-3, atol=1e-6)


def decoded(content, shape):
    """Weights from their bytes, by matrix, neuron, step and residue."""
    count = int(np.prod(shape[:3]))
    scales = np.frombuffer(content, "<f4", count).reshape(shape[:3])
    numbers = np.frombuffer(content, np.int8, offset=4 * count).reshape(shape)
    return scales, numbers * scales[..., None]


def test_a_quantised_weight_is_off_by_half_a_level_at_most(run):
    followed = trajectory(run)
    exact = np.stack([one.transpose(2, 0, 1) for one in followed.vectors.values()])
    scales, weights = decoded(quantized(followed.vectors), exact.shape)
    assert (np.abs(weights - exact) <= 0.501 * scales[..., None]).all()
    np.testing.assert_allclose(scales * LEVELS, np.abs(exact).max(axis=-1), rtol=1e-6)
    zeros = {"U": np.zeros((2, 5, 3), np.float32)}
    assert not decoded(quantized(zeros), (1, 3, 2, 5))[1].any()


def test_vectors_are_in_the_order_of_the_operation():
    experiment = SMALL.replace(operation="multiplication", steps=3, keep_weights="log:2")
    run = grokscope.train(experiment, progress=False)
    followed = trajectory(run)
    order = group_of(experiment.task, None).shift_order
    assert shown(followed)["vectors"] == {"names": ["U", "V", "W"], "residues": order.tolist()}
    np.testing.assert_array_equal(followed.vectors["U"][-1], run.dataset.U.values[order])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "there", "why"),
    [
        ({"corruption_fraction": 0}, {"frequency", "ipr"}, "none of its training labels is wrong"),
        ({"model": "transformer", "tied": True}, {"frequency", "ipr"}, "do not add to the logits"),
        ({"model": "deep_mlp"}, set(COLUMNS), ""),
    ],
)
def test_what_has_no_meaning_is_absent_and_the_page_says_why(
    open_page, tmp_path, settings, there, why
):
    experiment = SMALL.replace(**{"steps": 2, "keep_weights": "log:3"} | settings)
    run = grokscope.train(experiment, progress=False)
    found = shown(trajectory(run))
    assert set(found["neurons"]) == there
    assert why in " ".join(found["lacking"])
    path = tmp_path / "page.html"
    path.write_text(whole_page(run), "utf-8")
    tab = open_page(path.as_uri())
    assert why in tab.locator("#lacking").text_content()
    assert tab.evaluate("state.plane") == ("attribution" if "memorizing" in there else "frequency")


def test_runs_are_named_by_what_differs(run, branch):
    step = branch.experiment.first_step
    assert run_names([run, branch]) == ["wd = 2", f"wd = 0, from step {step} of wd = 2"]
    assert run_names([run]) == [f"run {run.digest[:8]}"]
    with pytest.raises(ConfigError, match="at most 6 runs, got 7"):
        whole_page(run, [branch] * 6)


def pixels(tab, name):
    return tab.evaluate(f"$('{name}').toDataURL()")


def test_the_slider_moves_every_panel(open_page, run, address):
    tab = open_page(f"{address}#step=0")
    steps = run.experiment.kept_steps
    panels = ("curves", "plane", "ipr", "vectors", "spectrum", "logits")
    before = {name: pixels(tab, name) for name in panels}
    axes = tab.evaluate("JSON.stringify([fixed.x, fixed.y, fixed.weight, fixed.logits])")
    places = tab.evaluate("plane")
    set_slider(tab, "step", 3)
    assert tab.locator("#now").text_content() == f"step {steps[3]} (4 of {len(steps)})"
    assert [name for name in panels if pixels(tab, name) == before[name]] == []
    assert tab.evaluate("JSON.stringify([fixed.x, fixed.y, fixed.weight, fixed.logits])") == axes
    assert tab.evaluate("plane") != places
    table = held_table(run.at(steps[3]), "hidden")
    neuron = tab.evaluate("state.neuron")
    weights = np.stack([tab.evaluate(f"[...vector({m}, state.step)]") for m in range(3)])
    at_step = run.at(steps[3]).dataset
    exact = np.stack([at_step[name].values[:, neuron] for name in "UVW"])
    np.testing.assert_allclose(weights, exact, atol=np.abs(exact).max() / LEVELS)
    share = tab.evaluate("spectrum(vector(0, state.step))")
    np.testing.assert_allclose(share, power_share(weights[0]), atol=1e-4)
    counts = np.histogram(table.ipr.dropna(), tab.evaluate("data.bins"), (0, 1))[0]
    assert tab.evaluate("counts(state.step)") == counts.tolist()


def test_no_label_of_the_steps_is_cut(open_page, address):
    tab = open_page(address)
    ends = tab.evaluate("""() => {
        const ends = [], pen = $("curves").getContext("2d"), write = pen.fillText;
        pen.fillText = (text, x, y) => {
            if (pen.textAlign === "center") ends.push(x + pen.measureText(text).width / 2);
            write.call(pen, text, x, y);
        };
        fixed.steps = axis([0, 100000], "step", { place: LOG, ticks: [0, 100000] });
        drawCurves();
        return ends;
    }""")
    assert len(ends) >= 3
    assert max(ends) <= tab.evaluate("$('curves').clientWidth")


def test_the_keyboard_moves_in_time_and_space_plays(open_page, address):
    tab = open_page(f"{address}#step=0")
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 5)):
        tab.keyboard.press(key)
        assert tab.evaluate("state.step") == place
    tab.clock.install()  # so that eight steps a second do not run out on a busy machine
    tab.clock.pause_at(time.time() + 60)
    tab.keyboard.press(" ")
    for ms, place, label in ((0, 0, "Pause"), (300, 2, "Pause"), (400, 5, "Play")):
        tab.clock.run_for(ms)
        assert tab.evaluate("state.step") == place
        assert label in tab.locator("#play").text_content()
    tab.locator("#step").focus()
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("state.step") == 1
    tab.locator("#neuron").fill("3")
    tab.keyboard.press("Enter")
    until(tab, "state.neuron === 3")


def test_clicks_choose_neurons_and_steps(open_page, address):
    tab = open_page(address)
    neuron = tab.evaluate("plane.findIndex((place, i) => place && i !== state.neuron)")
    x, y = tab.evaluate(f"plane[{neuron}]")
    tab.locator("#plane").click(position={"x": x, "y": y})
    chosen = tab.evaluate("state.neuron")
    assert tab.evaluate(f"Math.hypot(plane[{chosen}][0] - {x}, plane[{chosen}][1] - {y})") < 1
    assert f"neuron {chosen}" in tab.locator("#vectors-title").text_content()
    tab.locator("#typical-memorizing").click()
    assert tab.evaluate("state.neuron") == tab.evaluate("data.typical.memorizing")
    tab.locator("#curves").click(position={"x": 55, "y": 40})
    assert tab.evaluate("state.step") == 0


def test_the_address_restores_what_is_shown(open_page, run, address):
    tab = open_page(address)
    tab.locator("#plane-of").select_option("frequency")
    tab.locator("#time").select_option("linear")
    tab.locator("#example").select_option("2")
    tab.locator("#neuron").fill("7")
    tab.locator("#neuron").press("Enter")
    set_slider(tab, "step", 2)
    until(tab, f"location.hash.includes('step={run.experiment.kept_steps[2]}&')")
    again = open_page(tab.url)
    assert again.evaluate("JSON.stringify(state)") == tab.evaluate("JSON.stringify(state)")
    tab.evaluate("location.hash = '#step=x&neuron=999&example=-1&plane=<b>&time=7'")
    until(tab, "JSON.stringify(state) === JSON.stringify(usual())")


def test_further_runs_are_drawn_on_the_same_axis_of_time(open_page, branch, address):
    tab = open_page(address)
    name = f"wd = 0, from step {branch.experiment.first_step} of wd = 2"
    assert name in tab.locator("#curves-key").text_content()
    steps, curve = tab.evaluate("[data.runs[1].steps, data.runs[1].curves[1]]")
    assert steps == branch.dataset.step.values.tolist()
    assert curve == digits(branch.dataset.test_accuracy.values)


@pytest.mark.parametrize(("kind", "start"), [("PNG", b"\x89PNG"), ("CSV", b"")])
def test_downloads_are_pictures_and_tables(open_page, address, kind, start):
    """Of each kind on a page of its own: Chromium refuses every eleventh download of a page."""
    tab = open_page(address)
    for name in ("curves", "plane", "ipr", "vectors", "spectrum", "logits"):
        with tab.expect_download() as download:
            tab.locator(f"#{name} + .save button", has_text=kind).click()
        content = download.value.path().read_bytes()
        assert content.startswith(start)
        assert len(content.splitlines()) > 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_keeps_out_who_cannot_see_or_point(open_page, address, scheme, width):
    """By axe-core's rules."""
    tab = open_page(address, color_scheme=scheme, bypass_csp=True, has_touch=width < 500)
    tab.set_viewport_size({"width": width, "height": 900})
    tab.locator("summary").click()
    found = Axe().run(tab).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ground = tab.evaluate("[...$('plane').getContext('2d').getImageData(2, 2, 1, 1).data]")
    assert (ground == [255] * 4) == (scheme == "light")
    assert "memorizing" in tab.locator("#plane").get_attribute("aria-label")


def test_the_command_writes_a_page_and_finds_runs_by_digest(run, branch, store, tmp_path, capsys):
    out = tmp_path / "page.html"
    names = [str(run.path), branch.digest[:10]]
    with pytest.raises(SystemExit) as ended:
        main(["explore", *names, "--store", str(store), "--export", str(out), "--json"])
    assert ended.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["steps"] == len(run.experiment.kept_steps)
    assert said["bytes"] == out.stat().st_size < 1e6


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["PLAIN", "--no-browser"], "keep_weights log:40"),
        (["abcdef", "--no-browser"], "`abcdef` must be a run file or the beginning"),
        (["RUN", "STORE", "--no-browser"], "must be a run file"),
        (["RUN", "--grid", "figure3a"], "got a run"),
        (["RUN", "--host", "", "--no-browser"], "`host`"),
        (["RUN", "--export", "page.txt"], "`export`"),
    ],
)
def test_bad_input_is_told_in_one_line(run, store, tmp_path, capsys, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    plain = grokscope.train(SMALL.replace(keep_weights=None, steps=1), tmp_path, progress=False)
    names = {"PLAIN": str(plain.path), "RUN": str(run.path), "STORE": str(store)}
    with pytest.raises(SystemExit) as ended:
        main(["explore", *(names.get(word, word) for word in words)])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert told in err
    assert (out, err.count("\n")) == ("", 1)


def test_what_cannot_be_followed_is_refused(run):
    with pytest.raises(ConfigError, match="`frames` must be 1 or more"):
        trajectory(run, 0)
    assert trajectory(run, 3).steps.tolist() == [run.experiment.kept_steps[i] for i in (0, 2, 5)]
    with pytest.raises(StoreError):
        grokscope.open_run("nothing")
