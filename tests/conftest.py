"""Settings that all tests share."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.shapes import check_shapes

# A busy machine must not fail a test, and a test must not find by luck what others cannot repeat.
settings.register_profile("modicum", deadline=None, derandomize=True, database=None)
settings.load_profile("modicum")

# A shell starts what runs in the background deaf to interrupts, and so would be what tests interrupt.
for _number, _plain in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _plain)

# Here and nowhere else: processes that tests start, benchmarks and users' programs go without.
check_shapes()


def _unlearnt() -> Iterator[None]:
    """Let what is learnt as a secret meanwhile be known no longer: a test's key may be another's word."""
    from modicum import secrecy  # after the hook that checks shapes

    known = secrecy._known
    before = known.secrets, known.stretches, known.words
    yield
    known.secrets, known.stretches, known.words = before


_module_secrets = pytest.fixture(autouse=True, scope="module")(_unlearnt)
_own_secrets = pytest.fixture(autouse=True)(_unlearnt)


@pytest.fixture(autouse=True, scope="session")
def _few_draws() -> None:
    """Have `check` draw few simulated studies a truth, whatever it is asked for elsewhere."""
    from modicum.simulation import outlook

    outlook._MOST_DRAWS = outlook._LEAST_DRAWS


@pytest.fixture(autouse=True)
def _hears_interrupts() -> Iterator[None]:
    """Give back the handler of interrupts: a command that ends by one in this process listens no more."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
