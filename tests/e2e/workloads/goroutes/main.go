// SPDX-License-Identifier: Apache-2.0

// An HTTP server whose /red and /green burn CPU time, each in a function of its own: in the goroutine of the request,
// or with "pool" as its argument in goroutines that serve all.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

const burnFor = 12 * time.Millisecond

var sink [2]uint64

func burn(at int) {
	for end := time.Now().Add(burnFor); time.Now().Before(end); {
		for i := 0; i < 50000; i++ {
			sink[at] += uint64(i)
		}
	}
}

//go:noinline
func serve_red() {
	burn(0)
	sink[0]++
}

//go:noinline
func serve_green() {
	burn(1)
	sink[1]++
}

type job struct {
	work func()
	done chan bool
}

func main() {
	jobs := make(chan job)
	pool := len(os.Args) > 1 && os.Args[1] == "pool"
	handle := func(work func()) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if pool {
				j := job{work, make(chan bool)}
				jobs <- j
				<-j.done
			} else {
				work()
			}
			fmt.Fprint(w, "ok")
		}
	}
	for i := 0; i < 4; i++ {
		go func() {
			for j := range jobs {
				j.work()
				j.done <- true
			}
		}()
	}
	http.HandleFunc("/red", handle(serve_red))
	http.HandleFunc("/green", handle(serve_green))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}
