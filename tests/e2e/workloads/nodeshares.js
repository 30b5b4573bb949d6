// SPDX-License-Identifier: Apache-2.0
// Burns CPU time in JavaScript functions of all kinds, and says how much each had.
//
// nodeshares.js SECONDS: after a line has come warms up, works, prints {function: microseconds}, and waits. Each lasts a
// given share of the time, whatever its pieces cost.
'use strict';
const pieces = require('./nodeshares_pieces.js');

const SHARES = {nested: 5, method: 4, closure: 3, callback: 4, recurse: 4, later: 3, code: 3};
const CHUNK_US = 20000;

function spent() {
  const used = process.cpuUsage();
  return used.user + used.system;
}

async function burn(piece, us) {
  const begin = spent();
  let now = begin;
  while (now - begin < us) {
    for (let i = 0; i < 20; i++) await piece();
    now = spent();
  }
  return now - begin;
}

async function work(us, truth) {
  const sum = Object.values(SHARES).reduce((a, b) => a + b, 0);
  for (let left = us; left > 0; left -= CHUNK_US * Object.keys(SHARES).length)
    for (const [name, share] of Object.entries(SHARES))
      truth[name] = (truth[name] || 0) +
        await burn(pieces[name], CHUNK_US * share * Object.keys(SHARES).length / sum);
}

process.stdin.once('data', async () => {
  const truth = {};
  // Once the compiler has seen that burn calls many, it puts none of them into it.
  for (const name of Object.keys(SHARES)) await burn(pieces[name], 1);
  await work(0.7e6, {});
  await work(Number(process.argv[2]) * 1e6, truth);
  console.log(JSON.stringify(truth));
});
console.log('ready');
