// SPDX-License-Identifier: Apache-2.0

// Both ends of a chain: `peer backend` answers every path, by TLS if PEM is a certificate and its key;
// `peer client URL N` asks for the paths on its standard input, N at once, over connections that
// it keeps, and prints how many were answered with which status.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// One in ten fails, one in eight is slow, one in forty is the last on its connection, but of one that
// is pipelined.
func answer(w http.ResponseWriter, r *http.Request) {
	hash := fnv.New32a()
	io.WriteString(hash, r.URL.Path)
	sum := hash.Sum32() >> 8
	if sum%8 == 0 {
		time.Sleep(8 * time.Millisecond)
	}
	if sum%40 == 1 && r.Header.Get("Pipelined") == "" {
		w.Header().Set("Connection", "close")
	}
	if sum%10 == 3 {
		w.WriteHeader(http.StatusInternalServerError)
	}
	io.WriteString(w, r.URL.Path)
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	if pem := os.Getenv("PEM"); pem != "" {
		return http.ServeTLS(listener, http.HandlerFunc(answer), pem, pem)
	}
	return http.Serve(listener, http.HandlerFunc(answer))
}

type counts struct {
	sync.Mutex
	of map[string]int
}

func (c *counts) add(what string) {
	c.Lock()
	c.of[what]++
	c.Unlock()
}

func ask(base string, paths <-chan string, answered *counts) {
	client := http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	for path := range paths {
		response, err := client.Get(base + path)
		if err != nil {
			answered.add(err.Error())
			continue
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		answered.add(strconv.Itoa(response.StatusCode))
	}
}

func askAll(base string, connections int) error {
	paths := make(chan string)
	answered := counts{of: map[string]int{}}
	var askers sync.WaitGroup
	for i := 0; i < connections; i++ {
		askers.Add(1)
		go func() {
			defer askers.Done()
			ask(base, paths, &answered)
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		paths <- lines.Text()
	}
	close(paths)
	askers.Wait()
	return json.NewEncoder(os.Stdout).Encode(answered.of)
}

func main() {
	err := fmt.Errorf("usage: peer backend | peer client URL CONNECTIONS")
	if len(os.Args) == 2 && os.Args[1] == "backend" {
		err = serve()
	} else if len(os.Args) == 4 && os.Args[1] == "client" {
		var connections int
		if connections, err = strconv.Atoi(os.Args[3]); err == nil {
			err = askAll(os.Args[2], connections)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
