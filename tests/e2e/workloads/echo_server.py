# SPDX-License-Identifier: Apache-2.0
"""Sends back what it gets, whatever that is: echo_server.py [CERTIFICATE]. It listens on two ports,
and, with a certificate (and key) in a file, on a third that speaks TLS. Prints "listening PORT PORT
[PORT]". The ports are below those that clients get."""
import random
import socketserver
import ssl
import sys
import threading


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while piece := self.request.recv(65536):
                self.request.sendall(piece)
        except OSError:
            pass


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, context=None):
        self.context = context
        for port in random.sample(range(20000, 30000), 100):
            try:
                super().__init__(("127.0.0.1", port), Echo)
                break
            except OSError:
                continue
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        return connection, address


def main():
    listeners = [Listener(), Listener()]
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
        listeners.append(Listener(context))
    print("listening", *(listener.server_address[1] for listener in listeners), flush=True)
    threading.Event().wait()


main()
