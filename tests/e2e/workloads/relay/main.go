// SPDX-License-Identifier: Apache-2.0

// relay ADDRESS PORT NEXT_ADDRESS NEXT_PORT: passes each request's path and body on, and answers with that one's answer.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func passOn(to string, answer http.ResponseWriter, request *http.Request) error {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	from, err := client.Post(to+request.URL.Path, "text/plain", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer from.Body.Close()
	_, err = io.Copy(answer, from.Body)
	return err
}

func main() {
	to := "http://" + net.JoinHostPort(os.Args[3], os.Args[4])
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	panic(http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if err := passOn(to, answer, request); err != nil {
			http.Error(answer, err.Error(), http.StatusBadGateway)
		}
	})))
}
