"""Settings that all tests share."""

from hypothesis import settings

# A busy machine must not fail a test, and a test must not find by luck what others cannot repeat.
settings.register_profile("modicum", deadline=None, derandomize=True, database=None)
settings.load_profile("modicum")
