"""The claims: each is whole, and judged by its interval alone."""

import json
from itertools import pairwise, product
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from grokscope.analysis.statistics import Interval
from grokscope.cli import main
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.phases import Phase
from grokscope.measures.pruning import pruning_curve, pruning_order
from grokscope.measures.table import MEASURES
from grokscope.paper.figures import figure_of
from grokscope.paper.grids import GRIDS, load_grid
from grokscope.paper.statements import (
    EXTENDED,
    MORE_SEEDS,
    SEEDS,
    Claim,
    Finding,
    Seed,
    Verdict,
    architectures,
    chosen,
    claims,
    counted,
    diagrams,
    experiments_of,
    families,
    judge,
    pruning,
    pruning_losses,
    remain,
    statistics,
    sweep_statistics,
    terms,
    variants,
    verify,
)
from grokscope.runs.files import write_dataset
from grokscope.runs.run import Run
from grokscope.runs.summaries import IPR_BINS
from grokscope.session.elsewhere import from_arrays
from grokscope.sweeps.archive import export
from grokscope.sweeps.diagram import as_dataset, collect
from grokscope.sweeps.sweep import sweep

ALL = claims()
SWEPT = {name: claim for name, claim in ALL.items() if claim.sweeps}


def made_up(values, bound=0.5, side="above", **options):
    """A claim whose statistic has these values, one for each seed."""
    given = iter(values)
    return Claim(
        "1", "It holds.", "a number", bound, side, "why", lambda seed: next(given), **options
    )


def judged(values, side="above", **options):
    return judge(made_up(values, side=side, **options), [{}] * len(values))


@pytest.mark.parametrize(
    ("values", "side", "verdict"),
    [
        ([0.8, 0.9, 0.85], "above", Verdict.SUPPORTED),
        ([0.8, 0.9, 0.85], "below", Verdict.CONTRADICTED),
        ([0.1, 0.12, 0.11], "above", Verdict.CONTRADICTED),
        ([0.1, 0.9, 0.6], "above", Verdict.UNDECIDED),
        ([0.9], "above", Verdict.ONE_SEED),
        ([0.1], "above", Verdict.ONE_SEED),
        ([True], "above", Verdict.ONE_SEED),
        ([np.nan, 0.9, np.nan], "above", Verdict.UNDECIDED),
        ([], "above", Verdict.UNDECIDED),
        ([0.5, 0.5], "above", Verdict.UNDECIDED),
        ([0.5, 0.5], "below", Verdict.UNDECIDED),
        ([0.9] * 3, "above", Verdict.UNDECIDED),
        ([0.9] * 4, "above", Verdict.SUPPORTED),
        ([True] * 4, "above", Verdict.SUPPORTED),
        ([True] * 3, "above", Verdict.UNDECIDED),
        ([False] * 4, "above", Verdict.CONTRADICTED),
    ],
)
def test_a_verdict_follows_from_the_whole_interval_over_seeds(values, side, verdict):
    assert judged(values, side).verdict == verdict


@pytest.mark.parametrize(
    ("values", "side", "verdict"),
    [
        ([0.8, -0.7, 0.6, -0.9], "below", Verdict.UNDECIDED),
        ([0.1, -0.2, 0.1, -0.1], "below", Verdict.SUPPORTED),
        ([-0.8, -0.9, -0.85], "above", Verdict.SUPPORTED),
        ([-0.8, -0.9, -0.85], "below", Verdict.CONTRADICTED),
    ],
)
def test_a_size_is_judged_by_its_distance_from_zero(values, side, verdict):
    assert judged(values, side, is_size=True).verdict == verdict


def test_one_seed_has_an_estimate_and_no_interval():
    for value, seeds in product((0.9, True), (SEEDS, MORE_SEEDS)):
        finding = judged([value], seeds=seeds)
        assert (finding.interval.estimate, finding.n) == (value, 1)
        assert np.isnan([finding.interval.low, finding.interval.high, finding.p]).all()


def test_what_was_tried_at_settings_of_our_choosing_cannot_contradict():
    assert judged([0.1, 0.12, 0.11], chosen="rate").verdict == Verdict.NOT_REPRODUCED
    assert judged([0.8, 0.9, 0.85], chosen="rate").verdict == Verdict.SUPPORTED


def test_a_claim_whose_sweep_is_missing_is_undecided_and_says_so():
    finding = judge(ALL["sublinear"])
    assert (finding.verdict, finding.missing) == (Verdict.UNDECIDED, "sweep figure32")


def test_a_size_is_that_of_the_mean_and_not_a_mean_of_sizes():
    interval = judged([0.3, -0.3, 0.2, -0.2], is_size=True).interval
    assert (interval.estimate, interval.low) == (0, 0)
    up, down = (judged([sign * 2, sign * 3], is_size=True) for sign in (1, -1))
    assert up.interval == down.interval


def test_seeds_without_a_value_leave_a_claim_undecided():
    finding = judged([2.0, 2.1, np.nan, np.nan])
    assert finding.verdict == Verdict.UNDECIDED
    assert finding.missing == "a value of every seed, which 2 of 4 lack"


def test_controls_are_judged_with_the_claim():
    given = iter([0.2, 0.3])
    controls = {"by size": lambda seed: next(given)}
    finding = judged([0.8, 0.9], controls=controls)
    assert finding.controls["by size"].estimate == pytest.approx(0.25)


def test_every_pruning_claim_has_its_controls():
    pruned = [claim for name, claim in ALL.items() if name.startswith("prune-")]
    assert len(pruned) == 29
    for claim in pruned:
        assert set(claim.controls) == {"at random", *pruning.ORDERS}
    assert pruning.N_RANDOM >= 50


def test_families_that_were_extended_are_so_as_a_whole_and_pay_for_the_second_look():
    members = families(ALL)
    assert set(EXTENDED) <= set(members.values())
    for name, claim in ALL.items():
        assert claim.seeds == (MORE_SEEDS if members[name] in EXTENDED else SEEDS), name
    once, twice = (judged([0.8, 0.9, 0.7], seeds=seeds) for seeds in (SEEDS, MORE_SEEDS))
    assert twice.p == pytest.approx(2 * once.p)
    assert twice.interval == once.interval


def test_families_share_their_networks_and_holm_counts_them_once():
    members = families(ALL)
    assert members["corrects"] == members["two-stages"] == members["full-inversion"]
    assert members["two-stages"] != members["bimodal"]
    claims_ = {name: made_up([], sweeps=("a",)) for name in "xy"} | {"z": made_up([])}
    nothing = Interval(1.0, 1.0, 1.0)

    def standing(*p):
        found = {
            name: Finding(Verdict.SUPPORTED, nothing, 4, p=one)
            for name, one in zip("xyz", p, strict=True)
        }
        return remain(claims_, found)

    assert standing(0.01, 0.9, 0.04) == 2  # .02 ≤ .025, .04 ≤ .05
    assert standing(0.02, 0.9, 0.04) == 0  # .04 > .025
    assert standing(np.nan, np.nan, 0.04) == 1
    counts = counted(claims_, {"x": Finding(Verdict.ONE_SEED, nothing, 1)})
    assert "1 one seed (1 families)" in counts


@pytest.mark.slow
def test_sweeps_without_a_finished_run_decide_nothing(tmp_path):
    empty = {name: collect(load_grid(name).every(8), tmp_path) for name in GRIDS}
    for name, claim in SWEPT.items():
        sweeps = {one: empty[one] for one in claim.sweeps}
        assert judge(claim, sweeps=sweeps).verdict == Verdict.UNDECIDED, name


def test_a_damaged_export_is_told_and_the_other_claims_are_judged(tmp_path):
    (tmp_path / "figure3a.nc").write_bytes(b"not a sweep")
    write_dataset(tmp_path / "figure3b.nc", collect(load_grid("figure3b").every(4), tmp_path))
    names = ["forgetting-at-20", "confusion-at-high-dropout"]
    with pytest.warns(UserWarning, match=r"figure3a\.nc") as said:
        found = verify(names, store=tmp_path, results=tmp_path, train_sweeps=False)
    assert found[names[0]].missing == "sweep figure3a"
    assert not found[names[1]].missing.startswith("sweep")
    assert "figure3a.nc" in str(said[0].message)


def test_there_are_as_many_claims_as_the_readme_says_and_each_is_whole():
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert f"checks {len(ALL)} of the paper's statements" in readme
    for name, claim in ALL.items():
        assert claim.says.endswith("."), name
        assert claim.section
        assert claim.statistic
        assert claim.why
        assert set(claim.sweeps) <= set(GRIDS), name
        assert claim.experiments or claim.sweeps, name
        assert np.isfinite(claim.bound)


def test_quick_halves_steps_only_where_they_decide_nothing():
    plain, forgets = ALL["coexistence"], ALL["forgetting"]
    assert experiments_of(plain, "quick", 3)["run"].steps == 1000
    assert experiments_of(plain, "paper", 3)["run"].steps == 2000
    assert experiments_of(forgets, "quick", 3)["run"].steps == 2000
    assert experiments_of(forgets, "quick", 3)["run"].seeds.seed == 3


@pytest.fixture
def runs(coexisting, memorizing):
    return {"run": coexisting, "memory": memorizing}


def of(name, run):
    """What a claim's statistic is of one run, whatever it calls it."""
    claim = ALL[name]
    return claim.measure(Seed(dict.fromkeys(claim.experiments, run), {}))


@pytest.mark.slow
def test_statistics_tell_coexistence_from_memorization(runs):
    """On networks of known phases: what the claims are about is there, or is not."""
    both, memory = runs["run"], runs["memory"]
    assert of("coexistence", both) is True
    assert of("coexistence", memory) is False
    assert statistics.in_phase(Phase.MEMORIZATION)(Seed({"run": memory}, {})) is True
    assert of("prune-low", both) > 0.6 > 0.2 > of("prune-low", memory)
    assert of("two-peaks", both) > 0.6 > 0.2 > of("two-peaks", memory)
    assert of("bimodal", both) is True
    assert of("ipr-decay", both) == 0  # of the same run twice


def test_what_never_generalised_forgets_nothing_and_groks_not(runs):
    both, memory = runs["run"], runs["memory"]
    assert of("relu-keeps", both) < 0.1
    assert np.isnan(of("relu-keeps", memory))
    assert of("only-grokked-forgets", memory) < 0.1
    assert np.isnan(of("only-grokked-forgets", both))
    assert of("grokking", both) > 1
    assert np.isnan(of("grokking", memory))


@pytest.mark.parametrize("name", SWEPT)
def test_claims_of_sweeps_are_judged_whatever_the_sweep_has(name):
    """Quick sweeps of made-up results: no claim ends in an error, or lacks an axis value."""
    rng = np.random.default_rng(0)
    sweeps = {}
    for sweep_name in SWEPT[name].sweeps:
        data = as_dataset_of(figure_of(sweep_name).grids_at("quick")[sweep_name], rng)
        sweeps[sweep_name] = data
    found = judge(SWEPT[name], sweeps=sweeps)
    if name.startswith("wide"):
        assert found.missing.startswith("sweep")
    else:  # by chance there may be nothing to measure
        assert not found.missing or found.missing.startswith("a value of every seed")


def as_dataset_of(grid, rng):
    """A sweep's dataset with random results."""
    summary = lambda: {  # noqa: E731
        **dict.fromkeys(MEASURES, 1.0), "failed_at": None, "settled_at": None,
        "train_accuracy": rng.random(), "test_accuracy": rng.random(),
        "peak_test_accuracy": float(rng.choice([0.5, 1.0])),
        "corrupted_accuracy": rng.random(), "neurons_required": float(rng.integers(1, 99)),
        "norm": {}, "own": {}, "ipr_counts": {"first": rng.integers(0, 9, IPR_BINS).tolist(),
                                              "last": rng.integers(0, 9, IPR_BINS).tolist()},
    }  # fmt: skip
    return as_dataset(grid, {name: summary() for name in grid.digests}, ())


def test_no_difference_is_no_growth():
    """The same diagram twice supports no claim that one has more."""
    grid = figure_of("figure3a").grids_at("quick")["figure3a"]
    data = as_dataset_of(grid, np.random.default_rng(1))
    found = judge(ALL["relu-needs-more"], sweeps={"figure3a": data, "figure27": data})
    assert (found.verdict, found.interval.estimate) == (Verdict.ONE_SEED, 0)


def test_pruning_statistics_by_their_definition(runs):
    run = runs["run"]
    network, data = run.network, run.data
    curve = pruning_curve(network, data, pruning_order(run.neuron_ipr, "highest"), "mse", stride=10)
    most = float((curve.corrupted_accuracy - curve.test_accuracy).max())
    assert of("prune-high", run) == pytest.approx(most, abs=1e-6)


CURVE = xr.Dataset(
    {
        "corrupted_accuracy": ("pruned", [0.9, 0.5, 0.6, 0.0, 0.0]),
        "uncorrupted_accuracy": ("pruned", [1.0, 0.97, 0.99, 0.92, 0.1]),
        "test_accuracy": ("pruned", [0.8, 0.9, 0.95, 0.85, 0.0]),
        "train_loss": ("pruned", [1.0, 2.0, 1.5, 3.0, 5.0]),
        "test_loss": ("pruned", [2.0, 1.0, 1.5, 3.0, 1.25]),
    },
    {"pruned": [0, 10, 20, 30, 40]},
)


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        (pruning._gain, 0.05),  # memorisation has gone at 30
        (pruning._clean_kept, 0.92),
        (pruning._clean_kept_to_half, 0.97),
        (pruning._largest_rise, 0.1 / 0.9),
        (pruning_losses._falls("first", "test_loss"), 1.0),  # from 2 to 1, and back by a half
        (pruning_losses._falls("second", "train_loss", "test_loss"), 1.0),  # 1.75 of 1.75
        (pruning_losses._rises("first", train=1, test=1), -0.25),  # -0.5 of 2
        (pruning_losses._rises("second", train=1, test=-1), 0.125),  # 0.25 of 2
        (pruning_losses._largest_fall("train_loss"), 0.5 / 4),
    ],
)
def test_statistics_of_a_curve_by_hand(statistic, value):
    assert statistic(CURVE) == pytest.approx(value)


def test_the_first_tenth_of_a_curve():
    curve = CURVE.assign_coords(pruned=[0, 5, 10, 50, 100])
    assert pruning_losses._change_at_first(curve) == 1 / 2  # from 2 to 1, where it goes up to 3


def test_where_memorisation_never_goes_there_is_no_value():
    kept = CURVE.isel(pruned=slice(0, 3))
    assert np.isnan(pruning._gain(kept))
    assert np.isnan(pruning._clean_kept(kept))


def test_statistics_of_dynamics_by_another_way(runs):
    run, memory = runs["run"], runs["memory"]
    data = run.dataset
    both = [
        min(a, b)
        for a, b in zip(data.train_accuracy.values, data.test_accuracy.values, strict=True)
    ]
    assert of("first-groks", run) == pytest.approx(max(both))
    assert of("first-groks", memory) < 0.3
    assert of("memorization-at-chance", run) > 0.5 > of("memorization-at-chance", memory)
    left = [data.norm.values[-1, i] / data.norm.values[:, i].max() for i in range(3)]
    assert of("norms-vanish", run) == pytest.approx(max(left))
    assert of("robust-to-removal", run) == 0  # of the same run twice
    ipr = data.mean_ipr.values
    falls = [before - after for before, after in pairwise(ipr)]
    assert of("grokking-ipr-monotone", run) == pytest.approx(max(falls) / (ipr.max() - ipr.min()))
    best = data.test_accuracy.values.tolist().index(data.test_accuracy.values.max())
    clean = 1 - run.experiment.corruption_fraction
    away = abs(float(data.train_accuracy[best]) - clean)
    assert of("forgetting-inverts-first", run) == pytest.approx(away)


def dynamics(**scores):
    """Something with these scores at steps 0, 10, 20 and so on, of which 1 - ξ is .7."""
    steps = {"step": 10 * np.arange(len(next(iter(scores.values()))))}
    data = xr.Dataset({name: ("step", values) for name, values in scores.items()}, steps)
    return {"run": Run(Experiment(corruption_fraction=0.3), data)}


def test_how_sudden_a_rise_or_a_fall_is():
    rises = dynamics(test_accuracy=[0, 0.05, 0.2, 0.5, 0.95, 0.85])
    assert statistics.rise_over_wait(rises) == (40 - 20) / 20
    assert np.isnan(statistics.rise_over_wait(dynamics(test_accuracy=[0, 0.5])))
    assert statistics.rise_over_wait(dynamics(test_accuracy=[0.5, 1])) == np.inf
    falls = dynamics(train_accuracy=[0, 0.7, 0.92, 0.91, 0.8, 0.72, 0.7])  # .7 on the way up too
    assert statistics.steps_of_fall(falls) == 20 / 2000
    assert np.isnan(statistics.steps_of_fall(dynamics(train_accuracy=[0, 0.95, 0.9])))
    assert np.isnan(statistics.steps_of_fall(dynamics(train_accuracy=[0, 0.5, 0.7])))


def test_statistics_of_terms_by_a_transform(runs):
    """The sub-leading terms as waves of eight directions, of a network without some columns."""
    run = runs["run"]
    p, network, kept = 41, run.network, run.neuron_ipr >= 0.1
    U, V, W = (np.asarray(matrix, float) for matrix in (network.U, network.V, network.W))
    waves = [
        np.fft.fftn((U[:, None, some] + V[None, :, some]) ** 2 @ W[:, some].T)
        for some in (kept, np.ones_like(kept))
    ]
    directions = [(2, 0, 1), (2, 0, -1), (0, 2, 1), (0, 2, -1),
                  (1, 1, 1), (1, -1, 1), (1, -1, -1), (0, 0, 1)]  # fmt: skip
    places = [tuple(k * step % p for step in d) for d in directions for k in range(1, p)]
    without, whole = (sum(abs(found[place]) ** 2 for place in places) for found in waves)
    assert 0.01 < kept.mean() < 0.99
    assert of("terms-cancelled", run) == pytest.approx(without / whole, rel=1e-4)
    assert of("terms-cancelled-otherwise", run) == 0  # of the same run twice
    found = waves[0].copy()
    for place in places:
        found[place] = 0
    data = run.data
    for name, logits in (("with", waves[0]), ("without", found)):
        tested = np.fft.ifftn(logits).real[tuple(data.inputs[~data.is_train].T)]
        labels = data.true_labels[~data.is_train]
        loss = ((tested - np.eye(p)[labels]) ** 2).mean()
        accuracy = (tested.argmax(axis=1) == labels).mean()
        if name == "with":
            before = accuracy, loss
    assert of("terms-spare-accuracy", run) == pytest.approx(accuracy - before[0], abs=1e-3)
    assert of("terms-cost-loss", run) == pytest.approx(1 - loss / before[1], rel=1e-3)


def test_a_frequency_stands_out_by_its_power_over_the_next():
    residues = np.arange(11)

    def cosine(k, size):
        return np.sqrt(size) * np.cos(2 * np.pi * k * residues / 11)

    peaks = cosine(1, 64) + cosine(3, 8) + cosine(4, 2) + cosine(5, 1)
    noise = np.random.default_rng(0).normal(size=11)  # of no high IPR
    matrix = np.stack([peaks, noise], axis=1).astype(np.float32)
    experiment = Experiment().replace(modulus=11, width=2)
    run = from_arrays({"U": matrix, "V": matrix, "W": matrix}, experiment)
    assert terms._stands_out(run, 1) == pytest.approx(8, rel=1e-4)
    assert terms._stands_out(run, 2) == pytest.approx(4, rel=1e-4)


def test_statistics_of_logits_by_a_loop(runs):
    run = runs["run"]
    data, found, corrected = run.data, [], []
    for row in np.flatnonzero(data.is_wrong).tolist():
        logits = run.network(jnp.asarray(data.inputs[row : row + 1]))[0]
        given, true = int(data.given_labels[row]), int(data.true_labels[row])
        found.append(float(logits[given] - logits[true]))
        if int(logits.argmax()) != given:
            corrected.append(int(logits.argmax()) == true)
    assert of("peaks-alike", run) == pytest.approx(np.mean(found), rel=1e-4)
    assert of("partial-corrects", run) == pytest.approx(np.mean(corrected))


def in_phases(rows, **axes):
    """A sweep with these letters of phases, a string for each row of cells; ? is unknown."""
    axes = {name: axes.get(name, values) for name, values in {
        "weight_decay": [0], "train_fraction": [0.5, 0.9], "corruption_fraction": [0, 0.4, 0.8],
    }.items()}  # fmt: skip
    grid = Grid(Experiment(steps=20), axes=axes)
    ends = {"C": (1, 1), "P": (0.88, 1), "F": (0.2, 1), "M": (1, 0), "X": (0.1, 0)}
    ends["?"] = np.nan, np.nan
    data = as_dataset_of(grid, np.random.default_rng(0))
    accuracies = np.array([[ends[letter] for letter in row] for row in rows])
    shape = data.test_accuracy.shape
    for place, name in enumerate(("train_accuracy", "test_accuracy")):
        data[name].values[:] = accuracies[..., place].reshape(shape)
    data.peak_test_accuracy.values[:] = data.test_accuracy.values
    data.second_rule_accuracy.values[:] = np.nan
    return data


def test_statistics_of_diagrams_by_counting():
    rows = ["CMM", "CFM", "CFM", "CFF", "CMM", "CFM"]
    data = in_phases(rows, weight_decay=[0, 5, 15])
    seed = Seed({}, {"figure3a": data})
    assert diagrams._noise_borne(seed) == pytest.approx((0.4 + 0.4 + 0.4) / 3)
    assert diagrams._noisiest(seed) == 1
    other = in_phases(["CCM", "CFM", "CFM", "CFM", "XXX", "XXX"], weight_decay=[0, 5, 15])
    both = Seed({}, {"figure3a": data, "figure27": other})
    assert variants._alike(both) == pytest.approx(10 / 12)
    banded = in_phases(["MMM", "MFM", "CFM", "CFF", "XXX", "XFX"], weight_decay=[0, 5, 10])
    assert variants._band(Seed({}, {"figure26a": banded})) == pytest.approx((3 - 1) / 6)
    former = data.rename(weight_decay="dropout")
    former.restricted_test_accuracy.values[:] = 0.2
    generalizes = np.isin(list("".join(rows)), list("CF")).reshape(data.test_accuracy.shape)
    former.restricted_test_accuracy.values[generalizes] = 0.9
    both = Seed({}, {"figure12": former, "figure13": former})
    claim = ALL["hypothesis-step-two"]
    assert claim.measure(both) == pytest.approx(0.9)
    assert claim.controls["where it does not"](both) == pytest.approx(0.2)
    images = Seed({}, {"figure16a": data, "figure16b": data.rename(weight_decay="dropout")})
    assert architectures._decay_over_dropout(images) == 0


@pytest.mark.slow
def test_unknown_cells_are_left_out_on_both_sides_and_an_unknown_row_is_not_passed_over():
    """Each cell that is compared differs by nothing; a maximum over rows has no value of one."""
    one = in_phases(["CMM", "FFM"])
    other = in_phases(["?MM", "FFM"])
    growth = sweep_statistics.grows((Phase.COEXISTENCE,), "a", {}, {}, other="b")
    assert growth(Seed({}, {"a": one, "b": other})) == 0
    whole, rows = ["MMM", "MFM", "CFM", "CFF", "MMM", "MFM"], {"weight_decay": [0, 5, 10]}
    for missing in (0, 1, 4, 5):
        lacking = [*whole[:missing], "???", *whole[missing + 1 :]]
        assert np.isnan(variants._band(Seed({}, {"figure26a": in_phases(lacking, **rows)})))
        images = in_phases(lacking, **rows)
        dropouts = in_phases(whole, **rows).rename(weight_decay="dropout")
        seed = Seed({}, {"figure16a": images, "figure16b": dropouts})
        assert np.isnan(architectures._decay_over_dropout(seed))


def test_statistics_of_widths_by_hand():
    wide = Experiment().replace(width=5000)
    grids = (
        Grid(wide, axes={"weight_decay": [0], "train_fraction": [0.5, 0.9]}),
        Grid(Experiment(), axes={"weight_decay": [0, 5], "train_fraction": [0.5, 0.7, 0.9]}),
    )
    rng = np.random.default_rng(0)
    broad, narrow = (as_dataset_of(grid, rng) for grid in grids)
    broad.train_accuracy.values[:] = 1
    narrow.train_accuracy.values.ravel()[:] = [0.9, 0.1, 0.8, 0, 0, 0]
    seed = Seed({}, {"figure29": broad, "figure3a": narrow})
    assert variants._memorizes_more(seed) == pytest.approx(0.15)
    widths = as_dataset_of(Grid(Experiment(), axes={"width": [500, 1000]}), rng)
    middles = widths.ipr_bin.values
    widths.ipr_histogram.values[:] = np.where(middles > 0.5, 10, 7)
    n_periodic = 10 * (middles > 0.5).sum()
    widths.neurons_required.values.ravel()[:] = [40, 60]
    found = variants._required_of_periodic(Seed({}, {"figure32": widths}))
    assert found == pytest.approx(50 / n_periodic)


def made_small(tmp_path, axes, **options):
    base = Experiment(steps=20).replace(modulus=11, width=8)
    grid = Grid(base=base, axes=axes, **options)
    return sweep(grid, tmp_path, workers=1, progress=False)


@pytest.mark.slow
def test_statistics_of_sweeps_by_counting(tmp_path):
    axes = {
        "weight_decay": [0, 5, 20],
        "train_fraction": [0.5, 0.7],
        "corruption_fraction": [0, 0.3],
    }
    data = made_small(tmp_path, axes)
    found = sweep_statistics.codes(data)
    names = list(Phase)
    phases = [names[code] for code in found.values.ravel()]
    for phase in Phase:
        assert sweep_statistics.share(found, (phase,)) == phases.count(phase) / 12
    rows = sweep_statistics.by_row(found, (names[found.values[0, 0, 0]],))
    by_hand = (found.values == found.values[0, 0, 0]).mean(axis=(0, 2))
    np.testing.assert_allclose(rows, by_hand)
    assert ALL["multiplication"].measure(Seed({}, {"figure3a": data, "figure31": data})) == 1


@pytest.mark.slow
def test_diagrams_of_different_grids_are_compared_where_both_have_cells(tmp_path):
    decays = {"weight_decay": [0, 5]}
    fine = {"train_fraction": [0.3, 0.5, 0.7], "corruption_fraction": [0, 0.1, 0.3]}
    coarse = {"train_fraction": [0.3, 0.7], "corruption_fraction": [0, 0.3]}
    sweeps = [made_small(tmp_path, decays | axes) for axes in (fine, coarse)]
    both = Seed({}, dict(zip(("figure3a", "figure27"), sweeps, strict=True)))
    assert ALL["relu-needs-more"].measure(both) == 0  # of the same cells
    both = Seed({}, dict(zip(("figure3a", "figure31"), sweeps, strict=True)))
    assert ALL["multiplication"].measure(both) == 1


@pytest.mark.slow
def test_a_sweep_of_several_seeds_has_a_value_for_each(tmp_path):
    axes = {"train_fraction": [0.3, 0.7], "corruption_fraction": [0, 0.3]}
    three, two = (made_small(tmp_path, axes, seeds=seeds) for seeds in ([0, 1, 2], [1, 2, 5]))
    seen = []

    def measure(seed):
        seen.append([data.seed.values.tolist() for data in seed.sweeps.values()])
        return float(seed.sweeps["figure3a"].train_accuracy.mean())

    claim = Claim("1", "It is.", "x", 0, "above", "why", measure, sweeps=("figure3a", "figure27"))
    found = judge(claim, sweeps={"figure3a": three, "figure27": two})
    assert (found.n, seen) == (2, [[[1], [1]], [[2], [2]]])
    of_each = three.train_accuracy.sel(seed=[1, 2]).mean(["train_fraction", "corruption_fraction"])
    assert found.interval.estimate == pytest.approx(float(of_each.mean()))


@pytest.mark.slow
def test_sweeps_that_are_not_exported_are_trained_and_named(tmp_path, monkeypatch):
    import grokscope.paper.statements as package
    from grokscope.paper.figures import SweepFigure, quick_name

    tiny = Grid(base=Experiment(steps=20).replace(modulus=11), axes={"width": (8, 12)}, seeds=2)
    monkeypatch.setattr(SweepFigure, "grids_at", lambda figure, scale: {figure.grids[0]: tiny})
    assert quick_name("figure32") == "figure32"
    claim = Claim("1", "It trains.", "width", 5, "above", "why",
                  lambda seed: float(seed.sweeps["figure32"].width.mean()),
                  sweeps=("figure32",))  # fmt: skip
    monkeypatch.setattr(package, "claims", lambda: {"one": claim})
    said = []
    places = {"store": tmp_path / "runs", "results": tmp_path, "workers": 1, "progress": False}
    (found,) = verify(**places, show=said.append).values()
    assert (found.n, found.coarse) == (2, ("figure32",))
    assert found.seconds > 0
    assert "figure32" in said[0]
    assert len([*(tmp_path / "runs").glob("*.nc")]) == 4
    (left_out,) = verify(**places, train_sweeps=False).values()
    assert left_out.missing == "sweep figure32"


def test_verify_trains_what_is_missing_once(tmp_path, monkeypatch):
    import grokscope.paper.statements as package

    cell = Experiment(train_fraction=0.8, steps=20).replace(modulus=11, width=12)
    claim = Claim("1", "It trains.", "share", 0.5, "above", "why",
                  statistics.in_phase(Phase.COEXISTENCE), {"run": cell})  # fmt: skip
    monkeypatch.setattr(package, "claims", lambda: {"one": claim, "two": claim})
    found = verify(store=tmp_path, results=tmp_path, workers=1, progress=False)
    assert found["one"] == found["two"]
    assert found["one"].n == 4
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.nc")}
    assert len(files) == 4
    verify(store=tmp_path, results=tmp_path, workers=1, progress=False)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.nc")}


def test_the_command_prints_a_table_or_json_and_its_exit_code_says_it(
    tmp_path, monkeypatch, capsys
):
    import grokscope.paper.statements as package

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--only", "sublinear", "--no-sweeps"])
    assert not ended.value.code
    assert "figure32" in capsys.readouterr().out
    monkeypatch.setattr(package, "claims", lambda: {"wrong": made_up([0.1] * 4)})
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--json"])
    assert ended.value.code == 3
    assert json.loads(capsys.readouterr().out)["claims"][0]["verdict"] == "contradicted"
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--only", "nothing"])
    assert ended.value.code == 2


def test_unknown_claims_are_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="`only` must name claims, got 'x'"):
        chosen(["x"])


@pytest.mark.slow
def test_a_sweep_of_before_a_default_changed_is_named_so(tmp_path, monkeypatch):
    import grokscope.paper.statements as package

    base = Experiment(model="transformer", modulus=11, width=8, steps=2, dropout_sites="sublayers")
    for sites, named in (("sublayers", ("figure13 with dropout of sublayers alone",)),
                         ("everywhere", ())):  # fmt: skip
        grid = Grid(base=base.replace(dropout_sites=sites), axes={"dropout": (0, 0.1)})
        export(sweep(grid, tmp_path / "runs", workers=1, progress=False), tmp_path / "figure13.nc")
        claim = Claim("1", "It trains.", "dropout", -1, "above", "why",
                      lambda seed: float(seed.sweeps["figure13"].dropout.mean()),
                      sweeps=("figure13",))  # fmt: skip
        monkeypatch.setattr(package, "claims", lambda claim=claim: {"one": claim})
        places = {"store": tmp_path / "runs", "results": tmp_path, "progress": False}
        (found,) = verify(**places).values()
        assert found.earlier == named
