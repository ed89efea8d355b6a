"""Progress where no bar can be drawn: a line a minute, and nothing in the first."""

from grokscope import progress


def test_a_line_a_minute_says_how_far_and_how_long(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress_bar("training", 2000, True) as advance:
        for _ in range(10):
            now[0] += 20
            advance(100)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        "grokscope: training, 300 of 2,000 steps: 15% after 0:01:00, about 0:05:40 left"
    )
    with progress.work_bar(True) as update:
        now[0] += 61
        update("3 of 9 networks", 0.0, 9.0)
        now[0] += 61
        update("8 of 9 networks", 9.0, 9.0)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "grokscope: 3 of 9 networks: 0% after 0:01:01"
    assert last.startswith("grokscope: 8 of 9 networks: 99% after 0:02:02"), "the last still works"


def test_silent_if_not_wanted(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with progress.progress_bar("training", 2, False) as advance, progress.work_bar(False) as update:
        advance(1)
        update("", 1.0, 2.0)
    assert capsys.readouterr() == ("", "")
