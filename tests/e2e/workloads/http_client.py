# SPDX-License-Identifier: Apache-2.0
"""A client on Python requests: http_client.py BASE_URL PLAN. PLAN is a JSON list of {method, path,
body, headers}. Prints a JSON line for each request: what it did and when."""
import json
import os
import sys
import time

import requests


def main():
    base, plan = sys.argv[1], json.loads(sys.argv[2])
    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ.get("SSL_CERT_FILE", True)
    for step in plan:
        body = b"b" * step.get("body", 0)
        start = time.time_ns()
        response = session.request(step["method"], base + step["path"], data=body or None,
                                   headers=step.get("headers"))
        end = time.time_ns()
        print(json.dumps({
            "method": step["method"], "path": step["path"], "status": response.status_code,
            "start_ns": start, "end_ns": end, "request_bytes": len(body),
            "response_bytes": len(response.content), "times_fine": True}), flush=True)


main()
