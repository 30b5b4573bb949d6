// SPDX-License-Identifier: Apache-2.0

// gostacks SECONDS spends time in chains of functions, in goroutines, in the runtime, in system calls and in the vDSO.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var sink int

//go:noinline
func leaf(n int) int {
	s := 0
	for i := 0; i < 1000; i++ {
		s += i * n
	}
	return s
}

//go:noinline
func tiny(n int) int { return n + 1 }

//go:noinline
func inner(n int) int {
	s := 0
	for i := 0; i < 100; i++ {
		s += leaf(tiny(i + n))
	}
	return s + 1
}

//go:noinline
func outer(n int) int { return inner(n) + 1 }

//go:noinline
func runtimeWork() int {
	m := map[string][]int{}
	for i := 0; i < 200; i++ {
		key := fmt.Sprint("key ", i%50)
		m[key] = append(m[key], i, i+1, i+2)
	}
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return len(keys)
}

//go:noinline
func kernelWork() int {
	n := 0
	for i := 0; i < 100; i++ {
		n += syscall.Getppid() & 1
		n += time.Now().Nanosecond() & 1
	}
	return n
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	end := time.Now().Add(time.Duration(seconds * 1e9))
	var group sync.WaitGroup
	for _, work := range []func() int{func() int { return outer(1) }, runtimeWork, kernelWork} {
		group.Add(1)
		go func() {
			defer group.Done()
			for time.Now().Before(end) {
				sink += work()
			}
		}()
	}
	group.Wait()
}
