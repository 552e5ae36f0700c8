"""A plugin for the runs over mutants: the same examples each time, and no time spent on making a failure small.

A test that is expected to fail is left out: a mutant that makes it pass would count as noticed.
"""

import pytest
from hypothesis import Phase, settings

settings.register_profile(
    "mutants", derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("mutants")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is expected to fail."""
    items[:] = [one for one in items if one.get_closest_marker("xfail") is None]
