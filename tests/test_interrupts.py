"""Ctrl-C where it must wait, and where it would get lost."""

import subprocess
import sys

import pytest

LOST = """
import gc, signal
from grokscope import interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts.listen()
gc.callbacks.append(lambda *_: signal.raise_signal(signal.SIGINT))
gc.collect()
gc.callbacks.clear()
print("it was dropped")
try:
    interrupts.check()
except KeyboardInterrupt:
    print("and acted on")
"""
HELD = """
import signal
from grokscope import interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with interrupts.held():
        signal.raise_signal(signal.SIGINT)
        print("it was held back")
    print("for ever")
except KeyboardInterrupt:
    print("and acted on")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@pytest.mark.parametrize(
    ("script", "lines"),
    [(LOST, ["it was dropped", "and acted on"]), (HELD, ["it was held back", "and acted on"])],
    ids=["lost", "held"],
)
def test_an_interrupt_is_neither_lost_nor_in_the_middle_of_a_file(script, lines):
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == lines
    assert ran.stderr == ""
