"""How blocks of steps are compiled: the device, threads, compiler options, and the cache on disk.

Importing this module changes nothing. The first block that is compiled calls `configure` with its
defaults, unless the user has called it before.
"""

from __future__ import annotations

import hashlib
import os
import platform
import warnings
from collections.abc import Callable, Hashable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import platformdirs
from jax._src.xla_bridge import backends_are_initialized  # JAX has no public name for it
from jax.core import Tracer
from jax.experimental.compilation_cache import compilation_cache

from grokscope.errors import ConfigError
from grokscope.models.precision import in_own_precision

R = TypeVar("R")

Options = Mapping[str, bool | int | str]

CPU_OPTIONS: Options = {
    "xla_cpu_multi_thread_eigen": False,  # same bits whatever the number of cores
    "xla_cpu_experimental_ynn_fusion_type": "",  # Eigen's products: 9.6 instead of 11.9 ms a step
    "xla_cpu_prefer_vector_width": 512,  # the optimiser's pass at batch size 64: 289, not 308 µs
}
"""Tuning of the CPU compiler; other backends ignore it."""

NOT_OF_NARROW = {"xla_cpu_prefer_vector_width"}
"""Options that networks with a narrow matrix do without.

Of a product of 16 by 16 by 30, wide vectors let the compiler take more memory than there is. So it
was with 12 to 20 rows, 13 to 20 summed and 28 to 31 columns, with no other size tried, and with
none without the option (JAX 0.10).
"""

NARROW = range(12, 33)
"""Sizes of an axis by which a matrix counts as narrow: those found, and some more."""

UNFIT = {
    "jax_debug_nans": "a run that diverges is a result, and is recorded as one",
    "jax_debug_infs": "a run that diverges is a result, and is recorded as one",
}
"""Settings of JAX that training must not have, and why."""

AUTO = "auto"
"""The device that JAX chooses: an accelerator if it finds one, and else the CPU."""

INSTALL = {
    "gpu": "Install 'grokscope[cuda]'",
    "cuda": "Install 'grokscope[cuda]'",
    "tpu": "Install 'jax[tpu]'",
}
"""What to do about a device that is not found."""

THREADS = 1
"""Threads of a training process: two processes of one thread each, on two cores, train almost
twice as many networks as one process of two threads."""


KEPT_SHAPES = 24
"""Shapes of networks whose compiled programs a process keeps in memory: 10 MB each, and 440 of the
65,530 pieces of memory that Linux lets a process map, without which XLA crashes (measured)."""

_shapes: set[Hashable] = set()


class Compilation(NamedTuple):
    """How this process compiles.

    Attributes:
        threads: threads that JAX computes with on the CPU; None if it uses every core.
        folder: where compiled blocks are kept, or None.
        options: what the compiler is told.
        unknown: options that the installed compiler does not have, which are left out.
        device: the kind of device that JAX computes on, such as cpu, gpu or tpu.
    """

    threads: int | None
    folder: Path | None
    options: Options
    unknown: tuple[str, ...]
    device: str

    @property
    def notes(self) -> dict[str, str]:
        """What a run should record of it beside the versions: options that were left out."""
        return {"unknown_compiler_options": " ".join(self.unknown)} if self.unknown else {}


_chosen: Compilation | None = None


def configure(
    threads: int | None = None,
    folder: str | Path | None = None,
    options: Options = CPU_OPTIONS,
    device: str = AUTO,
) -> Compilation:
    """Set how this process compiles; what is already compiled stays as it is.

    Training calls it with the defaults before it compiles its first block, unless you have called
    it. JAX reads the number of threads and chooses a device when it makes its first array: later,
    `threads` has no effect, and another device is refused.

    Args:
        threads: threads on the CPU; by default the environment's `NPROC`, or else one.
        folder: where compiled blocks are kept from process to process; by default the folder that
            JAX is configured with, or else one in the user's cache.
        options: compiler options by name.
        device: what to compute on: cpu, gpu, tpu, or auto for what JAX chooses. Any but auto wins
            over the environment's `JAX_PLATFORMS`.

    Returns:
        What is in effect.

    Raises:
        ConfigError: if JAX finds no such device, or computes on another already.

    >>> configure(device="cpu").device
    'cpu'
    """
    global _chosen
    if not backends_are_initialized():
        os.environ["NPROC"] = str(threads or os.environ.get("NPROC", THREADS))
        # Several processes share an accelerator: each takes the memory that it needs, not 75 %.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device != AUTO:
        _start_on(device)
    # A notebook's `!command` forks, and begins another program at once, which is harmless.
    warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
    granted = os.environ.get("NPROC", "")
    kept = _use_cache(folder)
    unknown = _unknown(options)
    _chosen = Compilation(
        int(granted) if granted.isdecimal() else None,
        kept,
        {name: value for name, value in options.items() if name not in unknown},
        unknown,
        jax.default_backend(),
    )
    return _chosen


def _start_on(device: str) -> None:
    """Let JAX choose its device among those of a kind, before it starts.

    JAX's own way to ask for an accelerator, `JAX_PLATFORMS=cuda,cpu`, falls back to the CPU in
    silence, and `gpu` fails where not every make of GPU is installed. So JAX chooses by itself, and
    what it has chosen is checked.

    Raises:
        ConfigError: if JAX finds none of this kind, or computes on another already.
    """
    if not (has_started := backends_are_initialized()):
        jax.config.update("jax_platforms", "cpu" if device == "cpu" else None)
    if (found := jax.default_backend()) == device:
        return
    if has_started:
        raise ConfigError(
            f"`device` must be chosen before JAX computes, got {device!r} in a process that "
            f"computes on {found}. Choose it in a new process, or leave it out."
        )
    *others, last = dict.fromkeys((found, "cpu", AUTO))
    remedy = f"{INSTALL[device]}, or leave it out." if device in INSTALL else "Leave it out."
    raise ConfigError(
        f"`device` must be {', '.join(others)} or {last} here, got {device!r}: JAX finds no such "
        f"device. {remedy}"
    )


def device_kinds() -> list[str]:
    """The kinds of the devices that this process may compute on, one by one, as makers call them.

    >>> set(device_kinds())
    {'cpu'}
    """
    compilation()
    return [device.device_kind for device in jax.local_devices()]


def n_accelerators() -> int:
    """How many accelerators this process computes on; 0 if it computes on the CPU."""
    return 0 if compilation().device == "cpu" else jax.local_device_count()


def configure_as(chosen: Compilation, number: int | None = None) -> None:
    """Compile as another process does.

    Args:
        chosen: what is in effect there.
        number: of the one accelerator to compute on, where every process has its own, from 0. JAX
            must not have started: of a GPU that it does not see, it takes no memory.
    """
    if number is not None:
        for make in ("cuda", "rocm"):
            jax.config.update(f"jax_{make}_visible_devices", str(number))
    configure(chosen.threads, chosen.folder, chosen.options, chosen.device)
    if number is not None:
        devices = jax.local_devices()  # the one GPU that it sees, or all of another kind
        jax.config.update("jax_default_device", devices[number % len(devices)])


def compilation() -> Compilation:
    """How this process compiles; `configure` with its defaults if nothing is chosen yet."""
    return _chosen or configure()


def on_accelerator() -> bool:
    """Whether this process computes on something else than a CPU."""
    return compilation().device != "cpu"


def require_environment() -> None:
    """Refuse settings of JAX, of the environment or the program, that no network can train under.

    They are the fault of no experiment, and the same one may train elsewhere.

    Raises:
        ConfigError: naming the variable.
    """
    for name, words in UNFIT.items():
        if jax.config.values[name]:
            raise ConfigError(f"`{name.upper()}` must be off: {words}. Unset it.")
    try:
        compilation()
    except (RuntimeError, AssertionError) as error:  # the latter, without words, of a GPU
        wanted = str(jax.config.values["jax_platforms"])
        reason = (
            str(error).partition(" (set JAX_PLATFORMS")[0].rstrip(".") or "JAX finds no such device"
        )
        install = INSTALL.get(wanted.partition(",")[0])
        raise ConfigError(
            f"`JAX_PLATFORMS` must name a device that is there, got {wanted!r}: {reason}. "
            + (f"{install}, or unset it." if install else "Unset it.")
        ) from None


def make_room(shape: Hashable) -> None:
    """Forget all compiled blocks before those of a shape that would be one too many.

    They are read from the folder of compiled blocks when they are needed again.

    Args:
        shape: an `ensemble_key`.
    """
    if shape not in _shapes and len(_shapes) >= KEPT_SHAPES:
        jax.clear_caches()
        _shapes.clear()
    _shapes.add(shape)


def compiled(*static: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """A decorator: `jax.jit` with the options of `configure`, in the arguments' own precision.

    The function's first argument is a network, or holds one.

    Args:
        static: names of arguments whose values the function is specialised to.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @cache
        def jitted(options: tuple[tuple[str, bool | int | str], ...]) -> Callable[..., R]:
            return jax.jit(function, static_argnames=static, compiler_options=dict(options))

        @wraps(function)
        @in_own_precision
        def call(network: object, *args: object, **kwargs: object) -> R:
            if is_traced((network, args)):  # as a part of something larger that is compiled
                return function(network, *args, **kwargs)
            left_out = NOT_OF_NARROW if _is_narrow(network) else ()
            options = compilation().options.items()
            chosen = tuple(option for option in options if option[0] not in left_out)
            return jitted(chosen)(network, *args, **kwargs)

        return call

    return decorate


def is_traced(arrays: object) -> bool:
    """Whether some arrays stand for those of a program that is being compiled."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(arrays))


def _is_narrow(network: object) -> bool:
    """Whether a network, single or stacked, has an array with such an axis."""
    arrays = filter(eqx.is_inexact_array, jax.tree.leaves(network))
    return any(size in NARROW for array in arrays for size in array.shape[-2:])


def _unknown(options: Options) -> tuple[str, ...]:
    """The options that the installed compiler refuses."""

    def is_known(some: Options) -> bool:
        try:
            jax.jit(lambda x: x, compiler_options=dict(some)).lower(0.0).compile()
        except RuntimeError as error:
            if "No such compile option" in str(error):
                return False
            raise
        return True

    if is_known(options):
        return ()
    return tuple(name for name, value in options.items() if not is_known({name: value}))


def _use_cache(folder: str | Path | None) -> Path | None:
    """Keep compiled blocks on disk, so that a shape compiles once and not once a process."""
    users = jax.config.values["jax_compilation_cache_dir"]
    if folder is None and users is not None:
        return Path(users)
    if folder is None:
        folder = Path(platformdirs.user_cache_dir("grokscope")) / f"compiled-{_processor()}"
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError:
        return None  # each process then compiles for a second or two
    compilation_cache.set_cache_dir(str(folder))
    compilation_cache.reset_cache()  # JAX looks for a folder once, at its first compilation
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    return Path(folder)


def _processor() -> str:
    """Eight hex digits for the kind of processor: nodes of a cluster may share a home folder."""
    description = Path("/proc/cpuinfo")
    flags = [platform.machine(), platform.processor()]
    if description.exists():
        flags += [line for line in description.read_text().splitlines() if "flags" in line][:1]
    return hashlib.sha256("".join(flags).encode()).hexdigest()[:8]
