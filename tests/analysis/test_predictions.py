"""Audits of predictions that something else made: known answers, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.analysis.cross_fitting import logits_of
from grokscope.analysis.label_audit import as_table, audit, qualities
from grokscope.cli import main
from grokscope.errors import ConfigError
from grokscope.plotting.audit import plot_audit

CLASSES = ["cat", "dog", "fox"]
PROBABILITIES = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]]
GIVEN = ["cat", "cat", "fox", "cat"]
TRUE = ["cat", "dog", "fox", "cat"]


def test_known_answers():
    found = audit(GIVEN, probabilities=PROBABILITIES, classes=CLASSES, true=TRUE)
    expected = [-np.log(9), np.log(3.5), np.log(3 / 4), -np.log(2)]
    np.testing.assert_allclose(found.margin, expected)
    np.testing.assert_allclose(found.confidence, [-0.9, -0.2, -0.4, -0.5])
    np.testing.assert_allclose(found.probability, PROBABILITIES, atol=1e-15)
    assert found.suggested.values.tolist() == ["cat", "dog", "fox", "cat"]
    assert found.is_wrong.values.tolist() == [False, True, False, False]
    assert found.label.values.tolist() == CLASSES
    assert as_table(found).row.tolist() == [1, 2, 3, 0]
    assert qualities(found)["margin"]["auroc"] == 1
    assert "loss" not in found  # nobody knows which loss was trained by


def test_what_holds_the_arrays_does_not_matter():
    logits = np.log(np.array(PROBABILITIES) + 0.01)
    codes = [CLASSES.index(name) for name in GIVEN]
    wanted = audit(codes, logits=logits)
    frame = pd.DataFrame(logits, columns=CLASSES)
    others = (
        audit(np.array(codes), logits=logits.tolist()),
        audit(pd.Series(codes, index=[7, 3, 3, 1]), logits=pd.DataFrame(logits)),
        audit(pd.Series(codes, dtype=float), logits=logits),
        audit(pd.Categorical(GIVEN), logits=frame),
        audit(np.array(GIVEN), logits=logits, classes=CLASSES),
        audit(np.array(GIVEN, dtype=object), logits=frame.astype(object)),
    )
    for other in others:
        np.testing.assert_array_equal(other.margin, wanted.margin)
        names = np.array(CLASSES) if other.given.dtype.kind in "UO" else np.arange(3)
        np.testing.assert_array_equal(other.suggested, names[wanted.suggested])
    assert "is_wrong" not in wanted
    assert qualities(wanted) == {}


@given(st.lists(st.lists(st.floats(-20, 20), min_size=3, max_size=3), min_size=1, max_size=8))
def test_probabilities_say_what_their_logits_say(rows):
    logits = np.array(rows)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    labels = np.arange(len(rows)) % 3
    one, other = audit(labels, logits=logits), audit(labels, probabilities=shares)
    np.testing.assert_allclose(one.margin, other.margin, atol=1e-6)
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-6)


def test_a_network_s_own_logits_rank_as_its_run_does(coexisting):
    data, of_run = coexisting.data, audit(coexisting)
    n = data.n_train
    logits = logits_of(coexisting.network, data.inputs[:n])
    found = audit(data.given_labels[:n], logits=logits, true=data.true_labels[:n])
    for name in ("margin", "confidence", "given", "true", "is_wrong"):
        np.testing.assert_array_equal(found[name], of_run[name])
    whole = of_run[["row", "given", "suggested", "margin"]].assign(row=of_run.example)
    assert as_table(found).row.tolist() == as_table(whole).row.tolist()
    for name in ("margin", "confidence"):
        assert qualities(found)[name] == pytest.approx(qualities(of_run)[name], nan_ok=True)


NAN = float("nan")


@pytest.mark.parametrize(
    ("labels", "arguments", "words"),
    [
        ([0, None, "", NAN], {"logits": np.eye(4)}, "`labels` must not be missing, got 3 missing of"
         " 4, the first in row 1"),
        (["a", NAN], {"logits": np.eye(2), "classes": ["a", "b"]}, "1 missing of 2"),
        (["a", "b"], {"logits": np.eye(2)}, "among the classes 0, 1, got 'a' in row 0"),
        ([0, 1], {"logits": np.eye(2), "classes": ["a", "b"]}, "classes 'a', 'b', got 0 in row 0"),
        ([0, 2], {"logits": np.eye(2)}, "got 2 in row 1"),
        ([0, 0.5], {"logits": np.eye(2)}, "got 0.5 in row 1"),
        ([0, -1], {"logits": np.eye(2)}, "got -1 in row 1"),
        ([0], {"logits": np.eye(2)}, "one label for each of the 2 examples, got [1]"),
        ([[0, 1], [1, 0]], {"logits": np.eye(2)}, "got [2, 2]"),
        ([0, 1], {"logits": [[1, 2], [3, NAN]]}, "finite numbers, got nan in row 1, column 1"),
        ([0, 1], {"logits": [[1, "x"], [3, 4]]}, "got 'x' in row 0, column 1"),
        ([0, 1], {"logits": [[1, 2], [3]]}, "`logits` must be an array [example, class]"),
        ([0, 1], {"logits": [1, 2]}, "two classes or more, got [2, 1]"),
        ([], {"logits": np.zeros((0, 3))}, "a row for each example"),
        ([0, 1], {"probabilities": [[0.5, 0.5], [0.5, 0.7]]}, "a sum of 1.2 in row 1"),
        ([0, 1], {"probabilities": [[1.5, -0.5], [0.5, 0.5]]}, "a least of -0.5"),
        ([0, 1], {"probabilities": np.eye(2), "logits": np.eye(2)}, "got both"),
        ([0, 1], {"true": [0, 1]}, "got neither"),
        ([0, 1], {"logits": np.eye(2), "true": [0, None]}, "`true` must not be missing"),
        ([0, 1], {"logits": np.eye(2), "classes": ["a", "a"]}, "`classes` must name each"),
        ([0, 1], {"logits": np.eye(2), "classes": ["a"]}, "`classes` must name each"),
        ([0, 1], {"logits": np.eye(2), "folds": 5}, "`folds` must be left out"),
        ([[0], [1, 2]], {"logits": np.eye(2)}, "`labels` must be among"),
    ],
)  # fmt: skip
def test_what_is_no_prediction_is_refused_in_a_line(labels, arguments, words):
    with pytest.raises(ConfigError) as refused:
        audit(labels, **arguments)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_of_classes_stay_as_they_are():
    for classes in ([0, "b"], [True, "b"], ["a", "b"]):
        found = audit(classes, logits=np.eye(2), classes=classes)
        assert found.given.values.tolist() == found.suggested.values.tolist() == classes
    assert audit([0, 1], logits=np.eye(2), classes=[0, 1]).given.dtype.kind == "i"


def test_labels_alone_are_told_what_to_stand_beside():
    with pytest.raises(ConfigError, match=r"got list\. Beside labels, give logits=… or prob"):
        audit(["a", "b"])


def test_a_run_takes_no_predictions(coexisting):
    with pytest.raises(ConfigError, match="`logits` must be given beside labels"):
        audit(coexisting, logits=np.eye(2))


def test_tensors_are_taken_as_arrays():
    torch = pytest.importorskip("torch")
    logits, codes = np.log(np.array(PROBABILITIES) + 0.01), [0, 1, 2, 0]
    found = audit(torch.tensor(codes), logits=torch.tensor(logits))
    np.testing.assert_array_equal(found.margin, audit(codes, logits=logits).margin)


def test_a_tensor_with_gradients_is_refused_in_a_line():
    torch = pytest.importorskip("torch")
    with pytest.raises(ConfigError, match="requires grad"):
        audit([0, 1], logits=torch.eye(2, requires_grad=True))


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return pd.DataFrame(PROBABILITIES, columns=CLASSES).assign(given=GIVEN, truth=TRUE)


def call(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["audit", *arguments])
    return ended.value.code or 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_command_judges_a_file(table, capsys, ending):
    path = f"predictions.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    assert not call(path, "--labels", "given", "--true", "truth", "--export", "suspects.csv")
    text = capsys.readouterr().out
    assert "classes cat, dog, fox: 1 of 4 labels are wrong" in text
    assert Path("figures/predictions-audit.png").is_file()
    listed = pd.read_csv("suspects.csv")
    assert listed.columns.tolist() == ["row", "given", "suggested", "true", "is_wrong", "evidence"]
    assert listed.is_wrong.tolist() == [True, False, False, False]
    assert listed.row.tolist() == [1, 2, 3, 0]
    assert listed.suggested[0] == "dog"
    assert not call(path, "--labels", "given", "--ignore", "truth", "--json", "--top", "1")
    document = json.loads(capsys.readouterr().out)
    assert (document["wrong"], document["flagged"], document["phase"]) == (None, 1, None)
    assert document["strongest"][0]["row"] == 1


def test_numbers_in_a_file_may_name_classes(table, capsys):
    numbers = {name: str(place) for place, name in enumerate(CLASSES)}
    coded = table.rename(columns=numbers).assign(given=[0, 0, 2, 0]).drop(columns="truth")
    for path in ("a.csv", "a.parquet"):
        coded.to_csv(path, index=False) if path.endswith("csv") else coded.to_parquet(path)
        assert not call(path, "--labels", "given", "--json")
        assert json.loads(capsys.readouterr().out)["strongest"][0]["suggested"] == "1"


def test_who_suspects_nothing_is_told_why(table, capsys):
    table.assign(given=["cat", "dog", "fox", "cat"]).to_csv("a.csv", index=False)
    assert not call("a.csv", "--labels", "given", "--ignore", "truth")
    assert "predictions of models that have not seen the label" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", "--labels g", "No columns"),
        ("a,b,g\n", "--labels g", "a row for each example"),
        ("a,b,g\n", "--labels g", "got [0, 2]. Add the examples."),
        ("a;b;g\n.5;.5;a\n", "--labels g", "one column, 'a;b;g'; commas must separate columns"),
        ("a,b,g\n.5,.5,a\n", "", "`labels` must name a column of file.csv, got none. Use one of"),
        ("a,b,g\n.5,.5,a\n", "--labels h", "got 'h'. Use one of a, b, g"),
        ("a,b,g\n.5,.5,a\n", "--labels g --true t", "`true` must name a column"),
        ("a,b,g\n.5,.5,a\n", "--labels g --ignore t", "`ignore` must name a column"),
        ("a,b,g\n.5,.5,a\n.5,x,a\n", "--labels g", "got 'x' in row 1, column b"),
        (
            "a,b,g\n.5,,a\n",
            "--labels g",
            "got '' in row 0, column b. Drop the row, or the column "
            "if it is no class: of a file with --ignore 'b'.",
        ),
        ("a,b,g\n.5,nan,a\n", "--labels g", "got 'nan' in row 0, column b"),
        ("a,b,g\n.5,.5,\n", "--labels g", "1 missing of 1"),
        ("a,b,g\n.5,.5,c\n", "--labels g", "got 'c' in row 0. Name the columns as the labels"),
        ("a,g\n1,a\n", "--labels g", "two classes or more"),
        ("a,b,g\n3,1,a\n", "--labels g", "got neither. Use --logits"),
        ("a,b,g\n3,1,a\n", "--labels g --probabilities", "a sum of 4 in row 0"),
        (",a,b,g\n0,3,-1,a\n", "--labels g", "--ignore 'Unnamed: 0'"),
        ("a,b,g\n.5,.5,a\n", "--labels g --folds 5", "`folds` must be left out"),
        ("a,b,g\n.5,.5,a,7\n", "--labels g", "got 'a' in row 0, column b"),
    ],
)
def test_bad_files_get_one_line_and_code_2(tmp_path, monkeypatch, capsys, content, options, words):
    monkeypatch.chdir(tmp_path)
    Path("file.csv").write_text(content)
    assert call("file.csv", *options.split()) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_other_bad_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("noise.parquet").write_bytes(bytes(range(256)))
    Path("noise.csv").write_bytes(bytes(range(256)))
    Path("folder.csv").mkdir()
    for name in ("noise.parquet", "noise.csv", "folder.csv", "nothing.csv"):
        assert call(name, "--labels", "g") == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert call("61cef3", "--labels", "g") == 2
    assert "`labels` must be given with a file" in capsys.readouterr().err


def test_the_picture_has_no_run(table):
    found = audit(table.given, probabilities=table[CLASSES], true=table.truth)
    assert len(plot_audit(None, found).axes) == 3
    assert len(plot_audit(None, found.drop_vars(["true", "is_wrong"])).axes) == 1
