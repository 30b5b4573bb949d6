// SPDX-License-Identifier: Apache-2.0

// net/http, server and client: go_http [bare|pool]. A call is made in the goroutine of its handler, calls at
// once in goroutines that the handler starts by WaitGroup.Go; with bare, by a go statement. With pool, goroutines that have always been there make
// all calls, and get them through a channel. With PEM, a certificate and its key, all is TLS.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

var backend = os.Getenv("SCHEME") + "://127.0.0.1:" + os.Getenv("BACKEND")
var client = &http.Client{
	Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	Timeout:   10 * time.Second,
}

func get(path string) int {
	response, err := client.Get(backend + path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return http.StatusBadGateway
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

type job struct {
	path   string
	status chan int
}

var jobs = make(chan job)

func runWorker() {
	for job := range jobs {
		job.status <- get(job.path)
	}
}

func getByWorker(path string) int {
	job := job{path, make(chan int)}
	jobs <- job
	return <-job.status
}

var (
	call = get
	bare bool
)

func callAtOnce(ident string, count int, statuses []int) {
	var calls sync.WaitGroup
	for k := 0; k < count; k++ {
		one := func() { statuses[k] = call(fmt.Sprintf("/leaf/%s/%d", ident, k)) }
		if !bare {
			calls.Go(one)
			continue
		}
		calls.Add(1)
		go func() {
			defer calls.Done()
			one()
		}()
	}
	calls.Wait()
}

func work(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	ident := parts[2]
	count, _ := strconv.Atoi(parts[3])
	wait, _ := strconv.Atoi(parts[5])
	time.Sleep(time.Duration(wait) * time.Millisecond)
	statuses := make([]int, count)
	if parts[4] == "once" {
		callAtOnce(ident, count, statuses)
	} else {
		for k := range statuses {
			statuses[k] = call(fmt.Sprintf("/leaf/%s/%d", ident, k))
		}
	}
	for _, status := range statuses {
		if status >= 500 {
			w.WriteHeader(http.StatusBadGateway)
			break
		}
	}
	if parts[6] == "1" {
		go func() {
			time.Sleep(3 * time.Millisecond)
			call("/after/" + ident)
		}()
	}
}

func background() {
	for k := 0; ; k++ {
		time.Sleep(10 * time.Millisecond)
		call(fmt.Sprintf("/background/%d", k))
	}
}

func main() {
	bare = len(os.Args) > 1 && os.Args[1] == "bare"
	if len(os.Args) > 1 && os.Args[1] == "pool" {
		call = getByWorker
		for i := 0; i < 32; i++ {
			go runWorker()
		}
	}
	go background()
	http.HandleFunc("/serve/", work)
	address, pem := "127.0.0.1:"+os.Getenv("PORT"), os.Getenv("PEM")
	var err error
	if pem != "" {
		err = http.ListenAndServeTLS(address, pem, pem, nil)
	} else {
		err = http.ListenAndServe(address, nil)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
