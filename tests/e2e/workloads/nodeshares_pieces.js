// SPDX-License-Identifier: Apache-2.0
// The functions of nodeshares.js.
'use strict';

function leaf(count) {
  let total = 0;
  for (let i = 0; i < count; i++) total = (total * 31 + i) % 1000003;
  return total;
}

function middle(count) {
  return leaf(count);
}

function nested() {
  return middle(3000);
}

class Burner {
  constructor(count) {
    this.count = count;
  }

  inner() {
    let total = 0;
    for (let i = 0; i < this.count; i++) total ^= i * 3;
    return total;
  }
}

const burner = new Burner(4000);

function method() {
  return burner.inner();
}

function made(count) {
  return function inside() {
    let total = count;
    for (let i = 0; i < count; i++) total = Math.imul(total, i | 1);
    return total;
  };
}

const call = made(4000);

function closure() {
  return call();
}

const numbers = Array.from({length: 2000}, (_, i) => i);

function callback() {
  let total = 0;
  numbers.forEach((n) => {
    total = (total * 7 + n) % 99991;
  });
  return total;
}

function recurse(depth = 8) {
  return depth ? recurse(depth - 1) + 1 : leaf(3000);
}

async function later() {
  let total = leaf(2000);
  await null;
  for (let i = 0; i < 2000; i++) total = (total * 31 + i) % 1000003;
  return total;
}

const code = new Function('let t = 0; for (let i = 0; i < 4000; i++) t = (t + i * 7) % 10007; return t;');

module.exports = {nested, method, closure, callback, recurse, later, code};
