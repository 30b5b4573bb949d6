# SPDX-License-Identifier: Apache-2.0
"""The real Collector takes our profiles and hands them on as they were."""
import subprocess

import pytest
import requests
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2

import profcheck
from traced import ROOT, wait_for


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    directory = tmp_path_factory.mktemp("profile")
    subprocess.run([ROOT / "build/tests/write_profile", directory], check=True)
    return (directory / "profile.otlp").read_bytes()


def plain(request):
    """The request in one of several forms that say the same. The Collector moves the texts of
    resources to the end of the table of strings, and its JSON has no id of zeros, an empty value for
    one that is not set, and an empty resource for none."""
    request.dictionary.link_table[0].Clear()
    request.dictionary.attribute_table[0].ClearField("value")
    strings = request.dictionary.string_table
    moved = set()
    for group in request.resource_profiles:
        group.resource.SetInParent()
        for attribute in group.resource.attributes:
            if attribute.key_strindex:
                moved.add(attribute.key_strindex)
                attribute.key = strings[attribute.key_strindex]
                attribute.ClearField("key_strindex")
            if attribute.value.HasField("string_value_strindex"):
                moved.add(attribute.value.string_value_strindex)
                attribute.value.string_value = strings[attribute.value.string_value_strindex]
    if moved:
        assert moved == set(range(min(moved), len(strings)))
        del strings[min(moved):]
    return request


def test_the_collector_hands_on_what_it_got(collector, sent):
    before = len(collector.profiles())
    response = requests.post(f"{collector.url}/v1development/profiles", data=sent, timeout=20,
                             headers={"Content-Type": "application/x-protobuf"})
    assert response.status_code == 200, response.text
    answer = profiles_service_pb2.ExportProfilesServiceResponse.FromString(response.content)
    assert not answer.partial_success.rejected_profiles
    assert not answer.partial_success.error_message
    wait_for(lambda: len(collector.profiles()) > before, "the Collector to write the profile", 20)
    got, = collector.profiles()[before:]
    assert profcheck.violations(got) == []
    want = profiles_service_pb2.ExportProfilesServiceRequest.FromString(sent)
    assert sum(len(p.samples) for r in want.resource_profiles for s in r.scope_profiles
               for p in s.profiles) > 20
    assert plain(got) == plain(want)
