"""Settings of all tests: hypothesis draws the same examples in every run, and keeps no database."""

from hypothesis import settings

settings.register_profile("paco_prof", derandomize=True, deadline=None, database=None)
settings.load_profile("paco_prof")
