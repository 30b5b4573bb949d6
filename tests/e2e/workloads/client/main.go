// SPDX-License-Identifier: Apache-2.0

// A Go net/http client: client BASE_URL PLAN. PLAN is a JSON list of {method, path, body, headers}.
// Prints a JSON line for each request: what it did and when. Before one with pause_ms it waits.
package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

type step struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Body    int               `json:"body"`
	Headers map[string]string `json:"headers"`
	PauseMs int               `json:"pause_ms"`
}

type truth struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Status    int    `json:"status"`
	StartNs   int64  `json:"start_ns"`
	EndNs     int64  `json:"end_ns"`
	Sent      int    `json:"request_bytes"`
	Received  int    `json:"response_bytes"`
	TimesFine bool   `json:"times_fine"`
}

func main() {
	var plan []step
	if err := json.Unmarshal([]byte(os.Args[2]), &plan); err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, s := range plan {
		var body io.Reader
		if s.Body > 0 {
			body = strings.NewReader(strings.Repeat("b", s.Body))
		}
		request, err := http.NewRequest(s.Method, os.Args[1]+s.Path, body)
		if err != nil {
			panic(err)
		}
		for name, value := range s.Headers {
			request.Header.Set(name, value)
		}
		time.Sleep(time.Duration(s.PauseMs) * time.Millisecond)
		start := time.Now()
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		n, err := io.Copy(io.Discard, response.Body)
		if err != nil {
			panic(err)
		}
		end := time.Now()
		response.Body.Close()
		out.Encode(truth{s.Method, s.Path, response.StatusCode, start.UnixNano(), end.UnixNano(),
			s.Body, int(n), true})
	}
}
