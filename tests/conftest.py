"""Settings that all tests share."""

from hypothesis import settings

from tests.support.shapes import check_shapes

# A busy machine must not fail a test, and a test must not find by luck what others cannot repeat.
settings.register_profile("modicum", deadline=None, derandomize=False, database=None)
settings.load_profile("modicum")

# Here and nowhere else: processes that tests start, benchmarks and users' programs go without.
check_shapes()
