// SPDX-License-Identifier: Apache-2.0

// Sends requests at a fixed rate: paced ADDRESS PATHS CONNECTIONS RATE SECONDS. Each keep-alive
// connection has one request outstanding and its own schedule; one that is late catches up.
// PATHS is one, or PATH:COUNT,... to go round. Prints {"requests": N, "seconds": S, "errors": N,
// "late": S, "counts": {"PATH STATUS": N}}; late is by how much the latest request was.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		fmt.Fprintln(os.Stderr, "not a positive number:", text)
		os.Exit(2)
	}
	return n
}

// The paths of a round, shuffled the same way each time.
func round(text string) []string {
	paths := []string{}
	for _, part := range strings.Split(text, ",") {
		path, count, found := strings.Cut(part, ":")
		if !found {
			count = "1"
		}
		for n := number(count); n > 0; n-- {
			paths = append(paths, path)
		}
	}
	rand.New(rand.NewSource(1)).Shuffle(len(paths), func(i, k int) {
		paths[i], paths[k] = paths[k], paths[i]
	})
	return paths
}

func main() {
	address, paths := os.Args[1], round(os.Args[2])
	connections, rate, seconds := number(os.Args[3]), number(os.Args[4]), number(os.Args[5])
	each := rate * seconds / connections
	interval := time.Second * time.Duration(connections) / time.Duration(rate)
	var done, errors atomic.Int64
	var group sync.WaitGroup
	var lock sync.Mutex
	counts := map[string]int{}
	late := time.Duration(0)
	begin := time.Now()
	for c := 0; c < connections; c++ {
		group.Add(1)
		go func() {
			defer group.Done()
			conn, err := net.Dial("tcp", address)
			if err != nil {
				errors.Add(1)
				return
			}
			defer conn.Close()
			reader := bufio.NewReader(conn)
			own := map[string]int{}
			latest := time.Duration(0)
			start := time.Now().Add(interval * time.Duration(c) / time.Duration(connections))
			for i := 0; i < each; i++ {
				wait := time.Until(start.Add(interval * time.Duration(i)))
				if wait > 0 {
					time.Sleep(wait)
				}
				latest = max(latest, -wait)
				path := paths[(c*each+i)%len(paths)]
				conn.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n"))
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					errors.Add(1)
					return
				}
				io.Copy(io.Discard, response.Body)
				done.Add(1)
				own[path+" "+strconv.Itoa(response.StatusCode)]++
			}
			lock.Lock()
			defer lock.Unlock()
			for key, n := range own {
				counts[key] += n
			}
			late = max(late, latest)
		}()
	}
	group.Wait()
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests": done.Load(), "errors": errors.Load(), "seconds": time.Since(begin).Seconds(),
		"late": late.Seconds(), "counts": counts})
}
