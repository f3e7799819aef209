"""The machine that the tests of a module share."""

from collections.abc import Iterator

import pytest

from actions.world import World, opened


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("world")) as world:
        yield world
