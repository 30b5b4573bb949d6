// SPDX-License-Identifier: Apache-2.0

// Sends requests at a fixed rate: paced ADDRESS PATH CONNECTIONS RATE SECONDS. Each keep-alive
// connection has one request outstanding and its own schedule; one that is late catches up.
// Prints {"requests": N, "seconds": S, "errors": N}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
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

func main() {
	address, path := os.Args[1], os.Args[2]
	connections, rate, seconds := number(os.Args[3]), number(os.Args[4]), number(os.Args[5])
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n")
	each := rate * seconds / connections
	interval := time.Second * time.Duration(connections) / time.Duration(rate)
	var done, errors atomic.Int64
	var group sync.WaitGroup
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
			start := time.Now().Add(interval * time.Duration(c) / time.Duration(connections))
			for i := 0; i < each; i++ {
				if wait := time.Until(start.Add(interval * time.Duration(i))); wait > 0 {
					time.Sleep(wait)
				}
				conn.Write(request)
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					errors.Add(1)
					return
				}
				io.Copy(io.Discard, response.Body)
				done.Add(1)
			}
		}()
	}
	group.Wait()
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests": done.Load(), "errors": errors.Load(), "seconds": time.Since(begin).Seconds()})
}
