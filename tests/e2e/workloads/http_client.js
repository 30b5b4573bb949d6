// SPDX-License-Identifier: Apache-2.0
// A node http client: http_client.js BASE_URL PLAN. PLAN is a JSON list of {method, path, body,
// headers}. Prints a JSON line for each request: what it did and when.
'use strict';

const [base, plan] = [new URL(process.argv[2]), JSON.parse(process.argv[3])];
const http = require(base.protocol.slice(0, -1));
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const now = () => Math.round((origin + performance.now()) * 1e6);

// performance.timeOrigin is off by what the process was held up when it was taken. Of Date.now(), which is
// rounded down, the largest difference is the closest.
let origin = 0;
for (const begun = Date.now(); Date.now() < begun + 20;) {
  origin = Math.max(origin, Date.now() - performance.now());
}

function run(step) {
  return new Promise((resolve, reject) => {
    const body = 'b'.repeat(step.body || 0);
    const headers = { ...step.headers };
    if (body.length) headers['Content-Length'] = body.length;
    const start = now();
    const request = http.request({
      agent, host: base.hostname, port: base.port, method: step.method, path: step.path, headers,
    }, (response) => {
      let n = 0;
      response.on('data', (bytes) => { n += bytes.length; });
      response.on('end', () => {
        console.log(JSON.stringify({
          method: step.method, path: step.path, status: response.statusCode, start_ns: start,
          end_ns: now(), request_bytes: body.length, response_bytes: n, times_fine: true,
        }));
        resolve();
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

(async () => {
  for (const step of plan) await run(step);
  agent.destroy();
})().catch((error) => { console.error(error); process.exit(1); });
