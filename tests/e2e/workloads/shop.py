# SPDX-License-Identifier: Apache-2.0
"""A service with a cache and a database, a thread for each connection. Prints "listening PORT".

usage: shop.py REDIS_PORT POSTGRESQL_PORT
/items/N asks the cache and, if N is odd, the database; /fail answers 500; all else asks nobody.
"""
import http.server
import sys

import psycopg
import redis


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def setup(self):
        super().setup()
        self.cache = redis.Redis(port=int(sys.argv[1]), lib_name=None, lib_version=None)
        self.database = psycopg.connect(host="127.0.0.1", port=int(sys.argv[2]), user="postgres",
                                        autocommit=True, sslmode="disable")

    def finish(self):
        self.database.close()
        super().finish()

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith("/items/"):
            self.cache.get(self.path)
            if int(self.path.rpartition("/")[2]) % 2:
                self.database.execute("SELECT 4711")
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
print(f"listening {server.server_address[1]}", flush=True)
server.serve_forever()
