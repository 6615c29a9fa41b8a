"""What every test runs under: checks on, a cache of its own, and slices of long suites.

- `CHAINRULE_CHECK=1`: graphs, kernels and plans are verified after every pass.
- A temporary object cache, so that a run neither reads nor fills the user's own.
- `--slice 0.1 --slice-seed TEXT` keeps a tenth of the selected tests; the text decides which.
- Tests marked `oracle` compare with PyTorch and are skipped, with that reason, where it is missing.
- Property tests draw the same examples each time; `HYPOTHESIS_PROFILE=search` looks for new ones.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

os.environ["CHAINRULE_CHECK"] = "1"
if "CHAINRULE_CACHE_DIR" not in os.environ:
    _cache = tempfile.mkdtemp(prefix="chainrule-tests-")
    os.environ["CHAINRULE_CACHE_DIR"] = _cache
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)

# A shared machine makes single examples slow for no fault of theirs: no deadline.
_SLOW_IS_FINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile(
    "steady", max_examples=25, derandomize=True, database=None, **_SLOW_IS_FINE
)
settings.register_profile("search", max_examples=200, print_blob=True, **_SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chainrule")
    group.addoption(
        "--slice",
        type=float,
        default=1.0,
        metavar="FRACTION",
        help="run this fraction of the selected tests",
    )
    group.addoption(
        "--slice-seed", default="0", metavar="TEXT", help="decides which tests a slice holds"
    )


def _place(seed: str, test: str) -> float:
    """A number in [0, 1) that depends on the seed and the test's name only."""
    digest = hashlib.sha256(f"{seed}\n{test}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@pytest.hookimpl(trylast=True)  # after -m and -k have chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("torch") is None:
        missing = pytest.mark.skip(reason="PyTorch is not installed: nothing to compare with")
        for item in items:
            if item.get_closest_marker("oracle"):
                item.add_marker(missing)
    fraction, seed = config.getoption("--slice"), config.getoption("--slice-seed")
    if fraction < 1.0 and items:
        # An empty run would look like a green one: the first in line always stays.
        limit = max(fraction, min(_place(seed, item.nodeid) for item in items) + 2**-48)
        kept = [item for item in items if _place(seed, item.nodeid) < limit]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.fixture(autouse=True)
def recorded_alone(request, monkeypatch):
    """No test knows the marks of another; with CHAINRULE_DEFER=always all are recorded."""
    from chainrule.base.settings import reload_settings
    from chainrule.base.settings import settings as chosen
    from chainrule.tensor.deferred.recorder import forget, mark

    before = os.environ.get("CHAINRULE_DEFER")
    if request.node.get_closest_marker("at_once"):
        monkeypatch.setenv("CHAINRULE_DEFER", "off")
        reload_settings()
    elif chosen().defer in {"always", "compiled"}:
        mark()
    yield
    forget()
    if os.environ.get("CHAINRULE_DEFER") != before:
        monkeypatch.undo()
        reload_settings()


@pytest.fixture(autouse=True)
def denormals_kept():
    """A test that leaves denormal numbers flushed would make others fail, far from the cause."""
    yield
    assert float("2.3e-308") / 4 > 0, "the test's thread takes denormal numbers for zero"


@pytest.fixture
def denormals_as_before():
    """`set_flush_denormal` has no value that stands for what holds before any call."""
    from chainrule.compiler.runtime.denormals import EAGER, MODES
    from chainrule.compiler.runtime.interpreter import interpreter

    before = MODES.copy()
    yield
    interpreter().denormals(0)  # eager code of this thread
    MODES[:] = before
    EAGER[:] = 0


@pytest.fixture
def other_models_hidden():
    """Messages name models that are alive: those of other tests and their parameters are hidden."""
    from chainrule.tensor.alive import MODULES, OPTIMIZERS

    hidden = [(alive, list(alive)) for alive in (MODULES, OPTIMIZERS)]
    for alive, _ in hidden:
        alive.clear()
    yield
    for alive, members in hidden:
        alive.update(members)
