"""A server with two seated clients. Modules that need another one have their own."""

import pytest

from tests.support.scripted_server import Server


@pytest.fixture(params=[True, False], ids=["sealed", "bare"])
def server(request):
    return Server(e2ee=request.param)


@pytest.fixture
def pair(server):
    return server.seated(2)
