// SPDX-License-Identifier: Apache-2.0
// A node http server with the paths that all test servers have: http_server.js [https|http2 PEM]. Prints
// "listening PORT".
'use strict';
const fs = require('fs');

const small = 'x'.repeat(612);
const big = Buffer.alloc(10 * 1024 * 1024, '0123456789abcdef');
const fixed = { '/small': [200, small], '/fail': [500, 'failed'], '/big': [200, big] };

function echo(request, response) {
  let n = 0;
  request.on('data', (bytes) => { n += bytes.length; });
  request.on('end', () => response.end(String(n)));
}

function chunked(response, left) {
  if (left === 0) return response.end();
  response.write('c'.repeat(100));
  setTimeout(chunked, 2, response, left - 1);
}

function answer(request, response) {
  const path = request.url.split('?')[0];
  if (fixed[path]) {
    const [status, body] = fixed[path];
    response.writeHead(status, { 'Content-Length': body.length });
    response.end(body);
  } else if (path === '/empty' || path === '/unchanged') {
    response.writeHead(path === '/empty' ? 204 : 304);
    response.end();
  } else if (path === '/slow') {
    setTimeout(() => response.end('slow'), 50);
  } else if (path === '/chunked') {
    chunked(response, 5);
  } else if (path === '/echo') {
    echo(request, response);
  } else if (path.startsWith('/items/')) {
    response.end(path);
  } else {
    response.writeHead(404);
    response.end('no such path');
  }
}

function listener(kind = 'http', pem = undefined) {
  if (kind === 'http') return require('http').createServer(answer);
  const [key, cert] = [fs.readFileSync(pem), fs.readFileSync(pem)];
  if (kind === 'https') return require('https').createServer({ key, cert }, answer);
  return require('http2').createSecureServer({ key, cert, allowHTTP1: true }, answer);
}

const server = listener(...process.argv.slice(2));
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log('listening', server.address().port));
