# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one Collector for all tests, and servers that live for one test each."""
import contextlib
import os
import pathlib

import pytest

import gateway
import servers
import tls
import traced


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: looks at the whole machine, or uses all of it: nothing may run beside it")


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        pytest.exit("the end-to-end tests need root", returncode=2)
    if not pathlib.Path(traced.SONDE).exists():
        pytest.exit(f"{traced.SONDE} is missing: run make", returncode=2)
    for item in items:
        if "full_speed" in item.name:  # what is lost then is counted, or reckoned; the less CPU time there is, the more
            item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def collector(tmp_path_factory):
    with gateway.Collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return tls.Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def programs_in_use():
    with tls.mapped(*tls.short_programs()):
        yield


@pytest.fixture
def start():
    """start(thing) enters a context manager for the rest of the test."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


@pytest.fixture
def python_server(tmp_path, start):
    return start(servers.PythonServer(tmp_path))


@pytest.fixture
def nginx(tmp_path, start):
    return start(servers.Nginx(tmp_path))


@pytest.fixture
def tracing(tmp_path, start):
    """tracing(ARGS...) starts `sonde trace --json ARGS` and waits until it is attached."""
    return lambda *args, **more: start(traced.Trace(tmp_path, *args, **more))
