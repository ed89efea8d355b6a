"""Every test runs with array shapes and types checked at each call; some need a browser."""

import functools
import http.server
import os
import shutil
import subprocess
import threading
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

import grokscope
from grokscope.training.compile import configure

WITHOUT_ARRAYS = {"experiment"}
"""Which pydantic checks, and which are called a hundred thousand times."""

settings.register_profile(
    "beside other work", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("beside other work")

configure()  # before a test's own arrays start JAX with every core, which gives other bits

MODULES = {module.name for module in iter_modules(grokscope.__path__)} - {"__main__"}
install_import_hook([f"grokscope.{name}" for name in MODULES - WITHOUT_ARRAYS], "checked.checked")


WITH_TORCH = {
    "from-elsewhere.md",
    "grokscope.session.elsewhere.from_torch",
    "grokscope.session.run.Run.to_torch",
}
"""Examples that need PyTorch, which `make torch` brings."""


def pytest_collection_modifyitems(items):
    """Without PyTorch, examples that need it are skipped."""
    if find_spec("torch") is None:
        for item in items:
            if item.name in WITH_TORCH:
                item.add_marker(pytest.mark.skip(reason="needs PyTorch"))


@pytest.fixture(scope="session")
def results():
    """The folder of shipped sweeps, which are in a clone and not in a source archive."""
    folder = Path(__file__).parents[1] / "results"
    if not any(folder.glob("*.nc")):
        pytest.skip("needs the sweeps of a clone")
    return folder


@pytest.fixture(scope="session")
def coexisting():
    """A small network that has learned the rule and the wrong labels."""
    return _trained("coexistence", weight_decay=4)


@pytest.fixture(scope="session")
def memorizing():
    """A small network that has learned the labels it was given, and no rule."""
    return _trained("memorization", train_fraction=0.2)


def _trained(phase, **settings):
    small = {"train_fraction": 0.8, "corruption_fraction": 0.3, "modulus": 41, "width": 200}
    experiment = grokscope.Experiment(steps=400, measure_every=50).replace(**small | settings)
    run = grokscope.train(experiment, progress=False)
    assert run.phase() == phase
    return run


grokscope.allow_code(Path(__file__).parent)  # where `plain_data` is


@pytest.fixture
def server():
    """Serves a folder on the loopback interface."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    servers = []

    def serve(folder):
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def small_disk(request, tmp_path):
    """The folder `runs` as a disk of the size asked for, as in 100k; skipped without root."""
    if os.geteuid() != 0 or not Path("/proc/mounts").exists():
        pytest.skip("mounts a tmpfs")
    disk = tmp_path / "runs"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", disk]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture(scope="session")
def browser():
    """A real headless Chromium; without one the tests that need it are skipped."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
