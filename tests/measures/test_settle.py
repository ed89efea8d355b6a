"""The settle rule: what it stops, what it must not stop, and that stopping is all it does."""

from itertools import chain

import numpy as np
import pytest

from grokscope.experiment.experiment import Experiment
from grokscope.measures.settle import has_settled
from grokscope.measures.table import network_measures
from grokscope.runs.train import train, train_each

EXPERIMENT = Experiment(corruption_fraction=0.3, settle=True, measure_every=50)
STEPS = np.arange(0, 450, 50)


def curves(train=1.0, test=0.0, norm=10.0, ipr=0.04):
    """Constant curves, or given ones, over `STEPS`."""
    full = [
        np.broadcast_to(np.asarray(values, float), STEPS.shape) for values in (train, test, ipr)
    ]
    norms = np.repeat(np.broadcast_to(np.asarray(norm, float), STEPS.shape)[:, None], 3, axis=1)
    return full[0], full[1], norms, full[2]


def settled(experiment=EXPERIMENT, **values):
    return has_settled(experiment, STEPS, *curves(**values))


def test_nothing_settles_without_the_rule_or_too_early():
    assert settled()
    assert not settled(Experiment(corruption_fraction=0.3))
    assert not settled(EXPERIMENT.replace(settle_after=401))
    assert not settled(EXPERIMENT.replace(steps=4001))  # a tenth of them is more than 400
    assert settled(EXPERIMENT.replace(steps=4000))
    assert not has_settled(EXPERIMENT, STEPS[:1], *(c[:1] for c in curves()))


def test_a_second_rule_is_not_foreseen():
    """Whether it will be learned no accuracy on the way says."""
    assert not settled(EXPERIMENT.replace(corruption="second_rule"))


def test_an_accuracy_that_may_cross_a_threshold_has_not_settled():
    # In the second half, from step 200 to 400, it ranges over 0.01; 1600 steps are left.
    wave = 0.005 * (-1) ** np.arange(9)
    assert settled(train=1.0, test=0.99 + wave)
    assert not settled(train=1.0, test=0.97 + wave)
    assert settled(train=0.70 - 0.1, test=0.99 + wave)
    assert not settled(train=0.75 + wave, test=0.99)  # 1.05 - ξ is 0.75
    assert settled(EXPERIMENT.replace(settle_caution=0.1), train=1.0, test=0.97 + wave)


def test_a_network_that_learns_ever_faster_has_not_settled():
    """A straight line from .01 to .04 ends at .16, the same growth four times over beyond .9."""
    rising = 0.04 * 4.0 ** ((STEPS - 400) / 200)
    assert not settled(train=rising, test=0.0)
    assert settled(train=rising[::-1], test=0.0)
    assert settled(train=0.04, test=0.0)
    assert not settled(train=np.where(STEPS < 300, 0, 0.04), test=0.0), "from nothing at all"
    assert settled(train=0.0, test=0.0)


def test_shrinking_weights_have_not_settled_whatever_the_accuracies():
    falling = 10 * np.exp(-STEPS / 1000)
    assert not settled(train=0.7, test=1.0, norm=falling)
    assert settled(train=0.7, test=1.0, norm=10.0)
    assert not settled(train=0.7, test=1.0, norm=0.0), "vanished in no time: not yet forgotten"


def test_a_network_that_generalised_has_not_settled_while_its_weights_go_down():
    """A straight line to the last step would not forget, but they go ever faster."""
    falling = 10 * np.exp(-STEPS / 2400)  # .083 in the second half, .67 to the end
    assert not settled(train=0.7, test=1.0, norm=falling)
    assert not settled(train=1.0, test=1.0, norm=falling)
    assert settled(train=0.7, test=1.0, norm=falling[::-1])
    assert settled(train=1.0, test=0.0, norm=falling), "there is nothing to forget"


def test_forgetting_has_settled_while_weights_go_on_vanishing():
    test = np.where(STEPS < 200, 1.0, 0.01)
    assert settled(train=0.01, test=test, norm=np.exp(-STEPS / 20.0))


def test_rising_ipr_has_not_settled_unless_the_network_has_generalised():
    rising = 0.04 + STEPS * 1e-4
    assert not settled(ipr=rising)
    assert settled(train=0.6, test=1.0, ipr=rising)
    assert settled(ipr=np.nan)


SMALL = Experiment(steps=3000, corruption_fraction=0.3, train_fraction=0.8, measure_every=50)
SMALL = SMALL.replace(modulus=23, width=64, weight_decay=1)


@pytest.fixture(scope="module")
def both():
    return train(SMALL, progress=False), train(SMALL.replace(settle=True), progress=False)


def test_a_settled_run_is_the_beginning_of_the_full_one_bit_for_bit(both):
    full, short = both
    assert short.settled_at == short.dataset.step[-1] < 3000
    assert full.settled_at is None
    assert short.phase() == full.phase()
    beginning = full.dataset.isel(step=slice(short.dataset.sizes["step"]))
    at_end = {"U", "V", "W", *network_measures()}
    measured = [name for name in short.dataset.variables if name not in at_end]
    assert short.dataset[measured].drop_attrs().identical(beginning[measured].drop_attrs())


@pytest.mark.slow
@pytest.mark.parametrize(("how", "most"), [("at once", 1e-3), ("in turn", 0)])
def test_members_of_an_ensemble_stop_one_by_one_and_others_follow(both, how, most):
    full, short = both
    members = [SMALL.replace(settle=True, settle_after=2000), SMALL.replace(settle=True),
               SMALL.replace(settle=True, seed=1), SMALL]  # fmt: skip
    ended, done = [], []
    together = train_each(members, done.append, size=2, how=how)
    for place, run in chain.from_iterable(together):
        ended.append((place, run))
    assert ended[0][0] == 1
    assert len(ended) == 4
    assert sum(done) == sum(member.steps for member in members)
    late, first, other, last = (dict(ended)[place] for place in range(4))
    assert first.settled_at == short.settled_at < 2000 <= late.settled_at
    alone = train(members[2], progress=False)
    for one, expected in ((first, short), (other, alone), (last, full)):
        assert one.dataset.step.equals(expected.dataset.step)
        for name in ("train_loss", "test_loss", "norm", "ipr"):
            np.testing.assert_allclose(one.dataset[name], expected.dataset[name], rtol=most)


def test_the_rule_is_part_of_the_digest_and_its_absence_is_not():
    from grokscope.experiment.experiment import digest

    names = {digest(e) for e in (SMALL, SMALL.replace(settle=True),
                                 SMALL.replace(settle=True, settle_after=300))}  # fmt: skip
    assert len(names) == 3
    assert "settle" not in SMALL.canonical_json()
