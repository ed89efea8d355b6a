"""How long do `--help` and the import take, beyond the interpreter's own start?"""

import subprocess
import sys

from common import seconds


def run(*arguments):
    return lambda: subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )


bare = seconds(run("-c", "pass"), 9)
helped = seconds(run("-m", "grokscope", "--help"), 9)
imported = seconds(run("-c", "import grokscope"), 9)
print(f"interpreter alone {bare:.3f} s")
for what, took, must in (
    ("grokscope --help", helped, 0.3),
    ("import grokscope, beyond the interpreter", imported - bare, 0.5),
):
    print(f"{what:58s} {took:8.3f} s   target ≤ {must} s   {'met' if took <= must else 'MISSED'}")
