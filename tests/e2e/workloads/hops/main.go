// SPDX-License-Identifier: Apache-2.0

// Requests that make requests. Each has a name in its path, /HOW/NAME, and those that it makes are /HOW/NAME/0, ...:
// so who made which can be told from their paths alone.
//
//	hops back [PEM]                answers after a short while, or with AT_ONCE set at once
//	hops front URL RPC [PEM]       asks those at URL and RPC, a host and port of gRPC, in the way that the path says
//	hops load URL HOW CLIENTS FIRST LAST [PEM]    requests with these numbers as names, by so many clients at once;
//	                               over gRPC, on four connections, if URL is HOST:PORT
//
// Who serves prints two ports: HTTP's and gRPC's.
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

const fanOut = 4

var (
	back   string
	client = &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 64,
		ForceAttemptHTTP2:   os.Getenv("HTTP2") != "",
	}}
)

func get(from string) {
	answer, err := client.Get(from)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	if _, err = io.Copy(io.Discard, answer.Body); err != nil {
		panic(err)
	}
}

func ask(path string, k int) { get(fmt.Sprintf("%s%s/%d", back, path, k)) }

func forward(path string) { ask(path, 0) }

func inHandler(path string) {
	ask(path, 0)
	ask(path, 1)
}

func fan(path string) {
	var group errgroup.Group
	for k := 0; k < fanOut; k++ {
		k := k
		group.Go(func() error {
			ask(path, k)
			return nil
		})
	}
	group.Wait()
}

// Groups within a group, and one more each when those have ended.
func nested(path string) {
	var group errgroup.Group
	for k := 0; k < 2; k++ {
		k := k
		group.Go(func() error {
			var inner errgroup.Group
			inner.Go(func() error {
				ask(path, 2*k)
				return nil
			})
			inner.Wait()
			ask(path, 2*k+1)
			return nil
		})
	}
	group.Wait()
}

// Goroutines of which only their creator knows that they take no work from others.
func bare(path string) {
	var group sync.WaitGroup
	for k := 0; k < fanOut; k++ {
		group.Add(1)
		go func(k int) {
			defer group.Done()
			ask(path, k)
		}(k)
	}
	group.Wait()
}

// A pool whose workers are started by the requests that find too few, and take whatever is in the queue.
type job struct {
	path string
	done chan bool
}

const workersMax = 8

var (
	queue   = make(chan job, 1024)
	workers int32
)

func work() {
	for j := range queue {
		ask(j.path, 0)
		j.done <- true
	}
}

func pool(path string) {
	j := job{path, make(chan bool)}
	queue <- j
	if n := atomic.LoadInt32(&workers); n < workersMax && atomic.CompareAndSwapInt32(&workers, n, n+1) {
		go work()
	}
	<-j.done
}

// The same with workers that end when they have been idle for a while.
var (
	shortQueue   = make(chan job, 1024)
	shortWorkers int32
)

func workShortly() {
	defer atomic.AddInt32(&shortWorkers, -1)
	for {
		select {
		case j := <-shortQueue:
			ask(j.path, 0)
			j.done <- true
		case <-time.After(20 * time.Millisecond):
			return
		}
	}
}

func shortPool(path string) {
	j := job{path, make(chan bool)}
	shortQueue <- j
	for {
		if n := atomic.LoadInt32(&shortWorkers); n < workersMax && atomic.CompareAndSwapInt32(&shortWorkers, n, n+1) {
			go workShortly()
		}
		select {
		case <-j.done:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// As drivers of databases do: a connection is taken from a pool, written to and read from by who asks.
var idle = make(chan net.Conn, 64)

func raw(path string) {
	var conn net.Conn
	select {
	case conn = <-idle:
	default:
		to, err := url.Parse(back)
		if err != nil {
			panic(err)
		}
		if conn, err = net.Dial("tcp", to.Host); err != nil {
			panic(err)
		}
	}
	fmt.Fprintf(conn, "GET %s/0 HTTP/1.1\r\nHost: back\r\n\r\n", path)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		panic(err)
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	idle <- conn
}

// What is asked after the answer has been given.
func detached(path string) {
	go func() {
		time.Sleep(time.Duration(rand.Intn(5000)) * time.Microsecond)
		ask(path, 0)
	}()
}

var ways = map[string]func(string){
	"forward": forward, "handler": inHandler, "fan": fan, "nested": nested, "bare": bare, "pool": pool, "short": shortPool, "raw": raw,
	"detached": detached, "quiet": func(string) {},
}

func front(answer http.ResponseWriter, request *http.Request) {
	do(request.URL.Path)
	fmt.Fprintln(answer, "done")
}

func rest(string) {
	if os.Getenv("AT_ONCE") == "" {
		time.Sleep(time.Duration(rand.Intn(2000)) * time.Microsecond)
	}
}

func pause(answer http.ResponseWriter, request *http.Request) {
	rest(request.URL.Path)
	fmt.Fprintln(answer, "done")
}

func serve(handler http.HandlerFunc, portRPC int, pem string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port, portRPC)
	server := &http.Server{Handler: handler}
	if os.Getenv("HTTP2") == "" {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	if pem == "" {
		err = server.Serve(listener)
	} else {
		err = server.ServeTLS(listener, pem, pem)
	}
	panic(err)
}

func load(to, how string, clients, first, last int, pem string) {
	var group sync.WaitGroup
	var conns [4]*grpc.ClientConn
	byRPC := !strings.Contains(to, "/")
	for i := 0; byRPC && i < len(conns); i++ {
		conns[i] = connect(to, pem)
	}
	next := int64(first) - 1
	for c := 0; c < clients; c++ {
		group.Add(1)
		go func(conn *grpc.ClientConn) {
			defer group.Done()
			for i := atomic.AddInt64(&next, 1); i <= int64(last); i = atomic.AddInt64(&next, 1) {
				if path := fmt.Sprintf("/%s/%d", how, i); byRPC {
					invoke(conn, path)
				} else {
					get(to + path)
				}
			}
		}(conns[c%len(conns)])
	}
	group.Wait()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	args := append(os.Args[1:], "", "", "")
	switch args[0] {
	case "back":
		serve(pause, serveRPC(rest, args[1]), args[1])
	case "front":
		back = args[1]
		backRPC = connect(args[2], args[3])
		serve(front, serveRPC(do, args[3]), args[3])
	default:
		var numbers [3]int
		for i, arg := range args[3:6] {
			numbers[i], _ = strconv.Atoi(arg)
		}
		load(args[1], args[2], numbers[0], numbers[1], numbers[2], args[6])
	}
}
