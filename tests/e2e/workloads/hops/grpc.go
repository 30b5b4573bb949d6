// SPDX-License-Identifier: Apache-2.0

// The same over gRPC, whose methods are the paths. There is no generated code; messages are StringValue.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var backRPC *grpc.ClientConn

func connect(address, pem string) *grpc.ClientConn {
	secure := insecure.NewCredentials()
	if pem != "" {
		secure = credentials.NewTLS(nil)
	}
	conn, err := grpc.Dial(address, grpc.WithTransportCredentials(secure))
	if err != nil {
		panic(err)
	}
	return conn
}

func invoke(conn *grpc.ClientConn, path string) {
	err := conn.Invoke(context.Background(), path, wrapperspb.String("one"), &wrapperspb.StringValue{})
	if err != nil {
		panic(err)
	}
}

// Two calls, one after the other, and two at once.
func byRPC(path string) {
	invoke(backRPC, path+"/0")
	invoke(backRPC, path+"/1")
	var group errgroup.Group
	for k := 2; k < 4; k++ {
		k := k
		group.Go(func() error {
			invoke(backRPC, fmt.Sprintf("%s/%d", path, k))
			return nil
		})
	}
	group.Wait()
}

// A call of which many messages are sent and received, while another is made.
func byStream(path string) {
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := backRPC.NewStream(context.Background(), both, path+"/0")
	for i := 0; i < 3 && err == nil; i++ {
		err = stream.SendMsg(wrapperspb.String("one of many"))
	}
	invoke(backRPC, path+"/1")
	if err == nil {
		err = stream.CloseSend()
	}
	for err == nil {
		err = stream.RecvMsg(&wrapperspb.StringValue{})
	}
	if err != io.EOF {
		panic(err)
	}
}

func init() {
	ways["rpc"], ways["stream"] = byRPC, byStream
}

// Answers each message, when it has done what the path says.
func serveRPC(answer func(path string), pem string) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	workers, _ := strconv.Atoi(os.Getenv("WORKERS"))
	options := []grpc.ServerOption{
		grpc.NumStreamWorkers(uint32(workers)),
		grpc.UnknownServiceHandler(func(_ interface{}, stream grpc.ServerStream) error {
			path, _ := grpc.MethodFromServerStream(stream)
			answer(path)
			for {
				if err := stream.RecvMsg(&wrapperspb.StringValue{}); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.SendMsg(wrapperspb.String("done")); err != nil {
					return err
				}
			}
		}),
	}
	if pem != "" {
		identity, err := credentials.NewServerTLSFromFile(pem, pem)
		if err != nil {
			panic(err)
		}
		options = append(options, grpc.Creds(identity))
	}
	go grpc.NewServer(options...).Serve(listener)
	return listener.Addr().(*net.TCPAddr).Port
}

func do(path string) { ways[strings.Split(path, "/")[1]](path) }
