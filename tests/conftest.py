"""For every test."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# how long an example takes says something of the machine and what else runs on it, nothing of the law
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("desk")


@pytest.fixture(scope="session", autouse=True)
def user_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's data folder is not ours to write: a desk that a test announces is remembered in a temporary one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user-data")))
        yield


@pytest.fixture(scope="module", autouse=True)
def module_data(user_data: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each module is a user of its own: trials are counted over all folders of one, and tests are no trials."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user-data")))
        yield
