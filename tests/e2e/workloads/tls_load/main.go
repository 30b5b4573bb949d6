// SPDX-License-Identifier: Apache-2.0

// Sends requests to a server of workloads by HTTPS, as fast as it answers: tls_load URL CONNECTIONS REQUESTS
// [PER_CONNECTION]. Each connection has one request outstanding; after PER_CONNECTION requests it is closed,
// and there is a new one. What comes back is compared with what should. Prints
// {"requests": N, "seconds": S, "errors": N}.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
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

// One request; its answer is different for each.
func ask(client *http.Client, url string, n int) bool {
	path := fmt.Sprintf("/items/%d", n)
	want, method, body := path, "GET", io.Reader(nil)
	if n%8 == 0 {
		path, want, method, body = "/echo", fmt.Sprint(n%40000), "POST", strings.NewReader(strings.Repeat("b", n%40000))
	}
	request, err := http.NewRequest(method, url+path, body)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return false
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	return err == nil && string(got) == want
}

func main() {
	url, connections, requests, each := os.Args[1], number(os.Args[2]), number(os.Args[3]), 0
	if len(os.Args) > 4 {
		each = number(os.Args[4])
	}
	var next, errors atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for i := 0; i < connections; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			transport := &http.Transport{TLSClientConfig: &tls.Config{}, ForceAttemptHTTP2: os.Getenv("HTTP2") != ""}
			client := &http.Client{Transport: transport}
			for done := 1; ; done++ {
				n := int(next.Add(1))
				if n > requests {
					transport.CloseIdleConnections()
					return
				}
				if !ask(client, url, n) {
					errors.Add(1)
				}
				if each > 0 && done%each == 0 {
					transport.CloseIdleConnections()
				}
				if n%500 == 0 {
					runtime.GC()
				}
			}
		}()
	}
	all.Wait()
	json.NewEncoder(os.Stdout).Encode(map[string]any{"requests": requests,
		"seconds": time.Since(begin).Seconds(), "errors": errors.Load()})
}
