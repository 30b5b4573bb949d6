// SPDX-License-Identifier: Apache-2.0
//! Much of Rust's standard library in one process, in several threads; what it prints is always the same.
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn mix(seed: u64) -> u64 {
    seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
}

fn work(n: u64) -> String {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut order: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    let mut heap = BinaryHeap::new();
    let mut queue = VecDeque::new();
    let mut seed = n;
    for i in 0..5000u64 {
        seed = mix(seed);
        *counts.entry(format!("{:03x}", seed >> 52)).or_insert(0) += i;
        order.entry(seed >> 56).or_default().push(i as f64 / (n + 1) as f64);
        heap.push(seed >> 40);
        queue.push_back(seed % 977);
        if i % 3 == 0 {
            queue.pop_front();
        }
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort();
    let text: String = words.iter().map(|(word, count)| format!("{}={},", word, count)).collect();
    let floats: f64 = order.values().flat_map(|v| v.iter()).sum();
    let upper = text.to_uppercase().replace("=", ": ");
    let parsed: u64 = upper.split(", ").filter_map(|part| part.split(": ").nth(1)?.parse::<u64>().ok()).sum();
    let largest: Vec<_> = heap.into_sorted_vec().into_iter().rev().take(5).collect();
    let letters: usize = upper.chars().filter(|c| c.is_alphabetic()).count();
    format!("{} {:?} {:.6} {} {:?} {:?}", parsed, largest, floats, letters, queue.iter().max(), text.find("abc"))
}

fn main() {
    let (sender, receiver) = mpsc::channel();
    let total = Arc::new(Mutex::new(0usize));
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let (sender, total) = (sender.clone(), Arc::clone(&total));
            thread::spawn(move || {
                for i in 0..10 {
                    let line = work(n * 10 + i);
                    *total.lock().unwrap() += line.len();
                    sender.send((n, i, line)).unwrap();
                }
                let failed = std::panic::catch_unwind(|| "x".parse::<i32>().map_err(|e| e.to_string()));
                assert_eq!(failed.unwrap().unwrap_err(), "invalid digit found in string");
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    drop(sender);
    let mut lines: Vec<_> = receiver.iter().collect();
    lines.sort();
    for (n, i, line) in lines {
        println!("{} {} {}", n, i, line);
    }
    println!("{}", total.lock().unwrap());
}
