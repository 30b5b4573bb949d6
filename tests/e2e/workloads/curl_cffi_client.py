# SPDX-License-Identifier: Apache-2.0
"""A client on curl_cffi, whose extension has libcurl and BoringSSL linked into it: curl_cffi_client.py
BASE_URL PATH... Prints "ready" when the extension is loaded, and goes on when a line comes. Prints what is
answered, a JSON list of status and size for each path."""
import json
import os
import sys

from curl_cffi import requests


def main():
    base, paths = sys.argv[1], sys.argv[2:]
    session = requests.Session(verify=os.environ["SSL_CERT_FILE"], trust_env=False)
    print("ready", flush=True)
    sys.stdin.readline()
    answers = [session.get(base + path) for path in paths]
    print(json.dumps([[a.status_code, len(a.content)] for a in answers]), flush=True)


main()
