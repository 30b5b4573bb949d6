# SPDX-License-Identifier: Apache-2.0
"""The gRPC service and client of workloads/grpc, with grpcio and without generated code."""
import json
import os
import pathlib
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "shop.v1.Cart"


def encode(text):
    return b"\x0a" + bytes([len(text)]) + text.encode()


def decode(message):
    return message[2:].decode() if message else ""


def obey(said, context):
    word, _, number = said.partition(" ")
    if word == "code":
        code = next(c for c in grpc.StatusCode if c.value[0] == int(number))
        context.abort(code, "as you wish")
    if word == "sleep":
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(int(number) / 1000)


def add(said, context):
    obey(said, context)
    return "done"


def talk(messages, context):
    for said in [messages] if isinstance(messages, str) else messages:
        if said.startswith("many"):
            yield from ["one of many"] * int(said.split()[1])
        obey(said, context)


def gather(messages, context):
    for said in messages:
        obey(said, context)
    return "gathered"


def serve():
    coding = {"request_deserializer": decode, "response_serializer": encode}
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {
        "Add": grpc.unary_unary_rpc_method_handler(add, **coding),
        "List": grpc.unary_stream_rpc_method_handler(talk, **coding),
        "Gather": grpc.stream_unary_rpc_method_handler(gather, **coding),
        "Talk": grpc.stream_stream_rpc_method_handler(talk, **coding),
    })])
    if len(sys.argv) > 2:
        pem = pathlib.Path(sys.argv[2]).read_bytes()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pem, pem)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    print("listening", port, flush=True)
    server.start()
    server.wait_for_termination()


def call(channel, method, say, timeout_ms=0, cancel=False):
    kind = {"List": "unary_stream", "Gather": "stream_unary", "Talk": "stream_stream"}
    kind = kind.get(method, "unary_unary")
    stub = getattr(channel, kind)(f"/{SERVICE}/{method}", encode, decode)
    over = threading.Event()

    def messages():
        yield from [say] * 3
        if cancel:  # the client does not end before it cancels
            over.wait(10)

    said = messages() if kind.startswith("stream") else say
    timeout = timeout_ms / 1000 if timeout_ms else None
    try:
        if kind.endswith("unary"):
            stub(said, timeout=timeout)
        else:
            answers = stub(said, timeout=timeout)
            for _ in answers:
                if cancel:
                    answers.cancel()
        return "OK"
    except grpc.RpcError as error:
        return error.code().name
    finally:
        over.set()


def connect(address):
    if trusted := os.environ.get("GRPC_TRUSTED"):
        roots = pathlib.Path(trusted).read_bytes()
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(roots))
    return grpc.insecure_channel(address)


def main():
    if sys.argv[1] == "server":
        serve()
    with connect(sys.argv[2]) as channel:
        for number, step in enumerate(json.loads(sys.argv[3])):
            if number == 1 and len(sys.argv) > 4:
                sys.stdin.readline()
            print(json.dumps({"method": f"{SERVICE}/{step['method']}",
                              "status": call(channel, **step)}), flush=True)


main()
