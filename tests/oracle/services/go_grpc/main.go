// SPDX-License-Identifier: Apache-2.0

// A chain that speaks gRPC from end to end: go_grpc [backend | client URL N]. Its methods are the
// paths of the chain, so it has no generated code; messages are StringValue.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Serves every method by a function of its path.
func serve(address string, answer func(context.Context, string) error) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	return grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		path, _ := grpc.MethodFromServerStream(stream)
		if err := stream.RecvMsg(&wrapperspb.StringValue{}); err != nil {
			return err
		}
		if err := answer(stream.Context(), path); err != nil {
			return err
		}
		return stream.SendMsg(wrapperspb.String("done"))
	})).Serve(listener)
}

func connect(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func call(ctx context.Context, conn *grpc.ClientConn, path string) error {
	return conn.Invoke(ctx, path, wrapperspb.String("work"), &wrapperspb.StringValue{})
}

// One in ten fails, one in eight is slow.
func answerLeaf(_ context.Context, path string) error {
	hash := fnv.New32a()
	io.WriteString(hash, path)
	sum := hash.Sum32() >> 8
	if sum%8 == 0 {
		time.Sleep(8 * time.Millisecond)
	}
	if sum%10 == 3 {
		return status.Error(codes.Internal, "failed")
	}
	return nil
}

type service struct {
	backend *grpc.ClientConn
}

func (s *service) callLeaves(ctx context.Context, ident string, errs []error, once bool) {
	var calls sync.WaitGroup
	for k := range errs {
		path := fmt.Sprintf("/leaf/%s/%d", ident, k)
		if !once {
			errs[k] = call(ctx, s.backend, path)
			continue
		}
		calls.Go(func() { errs[k] = call(ctx, s.backend, path) })
	}
	calls.Wait()
}

func (s *service) work(ctx context.Context, path string) error {
	parts := strings.Split(path, "/")
	count, _ := strconv.Atoi(parts[3])
	wait, _ := strconv.Atoi(parts[5])
	time.Sleep(time.Duration(wait) * time.Millisecond)
	errs := make([]error, count)
	s.callLeaves(ctx, parts[2], errs, parts[4] == "once")
	if parts[6] == "1" {
		go func() {
			time.Sleep(3 * time.Millisecond)
			call(context.Background(), s.backend, "/after/"+parts[2])
		}()
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *service) background() {
	for k := 0; ; k++ {
		time.Sleep(10 * time.Millisecond)
		call(context.Background(), s.backend, fmt.Sprintf("/background/%d", k))
	}
}

func serveWork() error {
	conn, err := connect("127.0.0.1:" + os.Getenv("BACKEND"))
	if err != nil {
		return err
	}
	s := service{conn}
	go s.background()
	return serve("127.0.0.1:"+os.Getenv("PORT"), s.work)
}

// Asks for the paths on standard input, n at once, over up to 4 connections. Prints how many succeeded
// as "200", and how many failed as "502".
func askAll(address string, n int) error {
	var askers sync.WaitGroup
	var mutex sync.Mutex
	paths := make(chan string)
	answered := map[string]int{}
	conns := make([]*grpc.ClientConn, min(n, 4))
	for i := range conns {
		conn, err := connect(strings.TrimPrefix(address, "http://"))
		if err != nil {
			return err
		}
		conns[i] = conn
	}
	for i := 0; i < n; i++ {
		askers.Add(1)
		go func() {
			defer askers.Done()
			for path := range paths {
				what := map[codes.Code]string{codes.OK: "200", codes.Internal: "502"}
				code := status.Code(call(context.Background(), conns[i%len(conns)], path))
				mutex.Lock()
				answered[what[code]]++
				mutex.Unlock()
			}
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		paths <- lines.Text()
	}
	close(paths)
	askers.Wait()
	return json.NewEncoder(os.Stdout).Encode(answered)
}

func main() {
	var err error
	switch {
	case len(os.Args) == 1:
		err = serveWork()
	case os.Args[1] == "backend":
		err = serve("127.0.0.1:0", answerLeaf)
	case len(os.Args) == 4:
		var n int
		if n, err = strconv.Atoi(os.Args[3]); err == nil {
			err = askAll(os.Args[2], n)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
