// SPDX-License-Identifier: Apache-2.0

// A gRPC service and its client, without generated code: messages are StringValue. What a request says
// is what its call comes to: "ok", "code N", "sleep MS", "many N".
//
// usage: grpc server [PEM] | grpc client HOST:PORT PLAN [GATE]
// With PEM (a certificate and its key) the server speaks TLS, and the client if there is GRPC_TRUSTED.
// PLAN is a JSON array of {"method", "say", "timeout_ms", "cancel"}; for each call the client prints
// {"method", "status"}. With GATE, all calls but the first wait for a line on standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "shop.v1.Cart"

func number(say string) int {
	_, text, _ := strings.Cut(say, " ")
	n, _ := strconv.Atoi(text)
	return n
}

func obey(ctx context.Context, say string) error {
	switch {
	case strings.HasPrefix(say, "code"):
		return status.Error(codes.Code(number(say)), "as you wish")
	case strings.HasPrefix(say, "sleep"):
		select {
		case <-time.After(time.Duration(number(say)) * time.Millisecond):
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	return nil
}

func add(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	said := &wrapperspb.StringValue{}
	if err := decode(said); err != nil {
		return nil, err
	}
	return wrapperspb.String("done"), obey(ctx, said.Value)
}

// Answers each message with as many as it asks for, until the client has no more.
func talk(_ any, stream grpc.ServerStream) error {
	for {
		said := &wrapperspb.StringValue{}
		if err := stream.RecvMsg(said); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for i := 0; strings.HasPrefix(said.Value, "many") && i < number(said.Value); i++ {
			if err := stream.SendMsg(wrapperspb.String("one of many")); err != nil {
				return err
			}
		}
		if err := obey(stream.Context(), said.Value); err != nil {
			return err
		}
	}
}

// Takes all messages, then answers once.
func gather(_ any, stream grpc.ServerStream) error {
	for {
		said := &wrapperspb.StringValue{}
		if err := stream.RecvMsg(said); err == io.EOF {
			return stream.SendMsg(wrapperspb.String("gathered"))
		} else if err != nil {
			return err
		}
		if err := obey(stream.Context(), said.Value); err != nil {
			return err
		}
	}
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var options []grpc.ServerOption
	if len(os.Args) > 2 {
		identity, err := credentials.NewServerTLSFromFile(os.Args[2], os.Args[2])
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(identity))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Add", Handler: add}},
		Streams: []grpc.StreamDesc{
			{StreamName: "List", Handler: talk, ServerStreams: true},
			{StreamName: "Gather", Handler: gather, ClientStreams: true},
			{StreamName: "Talk", Handler: talk, ServerStreams: true, ClientStreams: true},
		},
	}, nil)
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}

type call struct {
	Method    string `json:"method"`
	Say       string `json:"say"`
	TimeoutMs int    `json:"timeout_ms"`
	Cancel    bool   `json:"cancel"`
}

// Sends the message three times where it may, then reads to the end; or cancels after the first answer.
func stream(ctx context.Context, conn *grpc.ClientConn, c *call, cancel func()) error {
	many := c.Method != "List"
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: c.Method != "Gather",
		ClientStreams: many}, "/"+service+"/"+c.Method)
	if err != nil {
		return err
	}
	for i := 0; i < 3 && (many || i < 1); i++ {
		if err := s.SendMsg(wrapperspb.String(c.Say)); err != nil {
			break
		}
	}
	if !c.Cancel {
		if err := s.CloseSend(); err != nil {
			return err
		}
	}
	for {
		if err := s.RecvMsg(&wrapperspb.StringValue{}); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if c.Cancel {
			cancel()
		} else if c.Method == "Gather" {
			return nil
		}
	}
}

func do(conn *grpc.ClientConn, c *call) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.TimeoutMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	switch c.Method {
	case "List", "Gather", "Talk":
		return stream(ctx, conn, c, cancel)
	}
	return conn.Invoke(ctx, "/"+service+"/"+c.Method, wrapperspb.String(c.Say),
		&wrapperspb.StringValue{})
}

var names = map[codes.Code]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN",
	codes.InvalidArgument: "INVALID_ARGUMENT", codes.DeadlineExceeded: "DEADLINE_EXCEEDED",
	codes.NotFound: "NOT_FOUND", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.Unimplemented: "UNIMPLEMENTED", codes.Internal: "INTERNAL",
	codes.Unavailable: "UNAVAILABLE",
}

func main() {
	if os.Args[1] == "server" {
		fmt.Fprintln(os.Stderr, serve())
		os.Exit(1)
	}
	var plan []call
	transport := insecure.NewCredentials()
	if os.Getenv("GRPC_TRUSTED") != "" {
		transport = credentials.NewTLS(nil)
	}
	conn, err := grpc.NewClient("passthrough:///"+os.Args[2],
		grpc.WithTransportCredentials(transport))
	if err == nil {
		err = json.Unmarshal([]byte(os.Args[3]), &plan)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := range plan {
		if i == 1 && len(os.Args) > 4 {
			bufio.NewReader(os.Stdin).ReadString('\n')
		}
		name := names[status.Code(do(conn, &plan[i]))]
		fmt.Printf("{\"method\": \"%s/%s\", \"status\": \"%s\"}\n", service, plan[i].Method, name)
	}
}
