// SPDX-License-Identifier: Apache-2.0
//! As inlined.c, with closures and iterators of the standard library.
use std::hint::black_box;

extern "C" {
    fn clock() -> i64; // the process's CPU time in us
}

fn cpu_ns() -> u64 {
    unsafe { clock() as u64 * 1000 }
}

#[inline(always)]
fn burn(rounds: u64) {
    (0..rounds * 1000).for_each(|i| {
        black_box(i); // the hot line
    });
}

#[inline(always)]
fn inner_most(rounds: u64) {
    burn(rounds * 6);
}

#[inline(always)]
fn outer_most(rounds: u64) {
    inner_most(rounds);
}

#[inline(always)]
fn inner_some(rounds: u64) {
    burn(rounds * 3);
}

#[inline(always)]
fn outer_some(rounds: u64) {
    inner_some(rounds);
}

#[inline(never)]
fn called_little(rounds: u64) {
    burn(rounds);
}

#[inline(always)]
fn inner_little(rounds: u64) {
    called_little(rounds);
    black_box(rounds);
}

#[inline(always)]
fn outer_little(rounds: u64) {
    inner_little(rounds);
}

fn timed(spent: &mut u64, call: impl Fn()) {
    let begin = cpu_ns();
    call();
    *spent += cpu_ns() - begin;
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(1.0, |word| word.parse().unwrap());
    let mut rounds = 200;
    let mut spent = [0; 3];
    while (cpu_ns() as f64) < seconds * 1e9 {
        rounds = 200 + (rounds * 7919 + 13) % 600;
        timed(&mut spent[0], || outer_most(rounds));
        timed(&mut spent[1], || outer_some(rounds));
        timed(&mut spent[2], || outer_little(rounds));
    }
    println!("{} {} {}", spent[0], spent[1], spent[2]);
}
