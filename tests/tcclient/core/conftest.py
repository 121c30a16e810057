"""A server, and two who are seated; modules that need it otherwise have their own."""

import pytest

from tests.support.scripted_server import Server


@pytest.fixture(params=[True, False], ids=["sealed", "bare"])
def server(request):
    return Server(e2ee=request.param)


@pytest.fixture
def pair(server):
    return server.seated(2)
