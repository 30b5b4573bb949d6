# SPDX-License-Identifier: Apache-2.0
"""HTTP servers as users run them, each on a free loopback port. They know nothing of sonde."""
import contextlib
import fcntl
import hashlib
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from net import accepts, free_port
from traced import ROOT, environment, wait_for

unique = itertools.count(1)
WORKLOADS = pathlib.Path(__file__).parent / "workloads"

NGINX = """
worker_processes %(workers)d;
daemon off;
error_log %(dir)s/error.log warn;
pid %(dir)s/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    client_max_body_size 0;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path %(dir)s/body;
    proxy_temp_path %(dir)s/proxy;
    fastcgi_temp_path %(dir)s/fastcgi;
    uwsgi_temp_path %(dir)s/uwsgi;
    scgi_temp_path %(dir)s/scgi;
%(servers)s
}
"""
NGINX_SERVERS = """
    server {
        listen 127.0.0.1:%(port)d%(listen_more)s;
        root %(dir)s/html;
        location /items/ { return 200 "$uri"; }
        location /fail { return 500; }
        location /empty { return 204; }
        location /unchanged { return 304; }
        location /early { return 200 "$content_length"; }
        # proxied, so that the body is read before the answer
        location /echo { proxy_pass http://127.0.0.1:%(status_port)d; }
    }
    server {
        listen 127.0.0.1:%(status_port)d;
        location / { stub_status; }
        location /echo { return 200 "$content_length"; }
    }
"""

HAPROXY = """
global
    nbthread 4
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend front
    bind 127.0.0.1:%(port)d
    default_backend back
backend back
    server one 127.0.0.1:%(backend_port)d
"""


@contextlib.contextmanager
def cached(name, *source):
    """Where what is built of these sources is kept. If it is not there, it is to be built meanwhile: by one at a time."""
    cache = subprocess.run([ROOT / "tools/cache-dir"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.strip()
    digest = hashlib.sha256(b"".join(source)).hexdigest()[:12]
    built = pathlib.Path(cache) / f"workload-{name}-{digest}" / name
    built.parent.mkdir(exist_ok=True)
    with open(built.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield built


def go_program(name, *flags):
    """Builds a Go workload, once for each state of its source. It may be a module of its own."""
    module = WORKLOADS / name if (WORKLOADS / name / "go.mod").exists() else WORKLOADS
    source = [p.read_bytes() for p in
              [WORKLOADS / "go.mod", *sorted((WORKLOADS / name).iterdir())]]
    with cached(name, *source, *map(str.encode, flags)) as built:
        if not built.exists():
            subprocess.run([ROOT / "tools/go", "build", *flags, "-o", built, WORKLOADS / name],
                           check=True, cwd=module, stdin=subprocess.DEVNULL)
    return str(built)


def rust_program(directory):
    """Builds a Rust workload, once for each state of its source."""
    directory = WORKLOADS / directory
    name = directory.name
    source = [(directory / part).read_bytes() for part in ("Cargo.toml", "Cargo.lock", "src/main.rs")]
    with cached(name, *source) as built, tempfile.TemporaryDirectory() as target:
        if not built.exists():
            subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--target-dir",
                            target], check=True, cwd=directory, stdin=subprocess.DEVNULL)
            shutil.copy(pathlib.Path(target) / "release" / name, built)
    return str(built)


def open_up(directory):
    """Lets every user read below the temporary directory that this one is in."""
    for place in [directory, *directory.parents]:
        if place.stat().st_mode & 0o1000 or len(place.parts) < 3:
            break
        place.chmod(place.stat().st_mode | 0o055)


class Server:
    """A running server process with .port, .url and .service, the name its spans must carry."""
    command, service, scheme = [], None, "http"
    tells_port = True  # "listening PORT", on standard output

    def __init__(self, tmp_path, *args, prefix=(), env=None, host="127.0.0.1"):
        self.host = host
        self.log = tmp_path / f"server-{next(unique)}.log"
        self.full_command = [*prefix, *self.make_command(tmp_path), *map(str, args)]
        self.env = environment(**(env or {}))
        self.port = 0

    def make_command(self, tmp_path):
        return self.command

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.full_command, stdout=subprocess.PIPE if self.tells_port else log, stderr=log,
                stdin=subprocess.DEVNULL, env=self.env, text=True)
        self.wait_ready()
        return self

    def wait_ready(self):
        line = self.process.stdout.readline()
        assert line.startswith("listening "), f"{self.full_command}: {self.log.read_text()}"
        self.port = int(line.split()[1])

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.tells_port:
            self.process.stdout.close()

    @property
    def url(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def pid(self):
        return self.process.pid


class PortServer(Server):
    """One that is told where to listen, .fixed_port, and says nothing of use."""
    tells_port, patience = False, 10.0

    def __init__(self, tmp_path, **more):
        self.fixed_port = free_port()
        super().__init__(tmp_path, **more)

    def wait_ready(self):
        self.port = self.fixed_port
        wait_for(lambda: accepts(self.port) or self.process.poll() is not None,
                 f"{self.service} to listen", self.patience)
        assert self.process.poll() is None, self.log.read_text()


class PythonServer(Server):
    command = [sys.executable, str(WORKLOADS / "http_server.py")]
    service = "http_server"


class NodeServer(Server):
    command = ["node", str(WORKLOADS / "http_server.js")]
    service = "http_server"


class GoServer(Server):
    service = "server"

    def make_command(self, tmp_path):
        return [go_program("server")]


class BareNginx(PortServer):
    """Runs the servers that .configure(directory) returns."""
    service = "nginx"
    workers = 1

    def configure(self, directory):
        raise NotImplementedError

    def make_command(self, tmp_path):
        directory = tmp_path / f"nginx-{next(unique)}"
        directory.mkdir()
        open_up(directory)  # the workers are not root
        (directory / "nginx.conf").write_text(NGINX % {
            "dir": directory, "workers": self.workers, "servers": self.configure(directory)})
        return ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf"),
                "-e", str(directory / "error.log")]


class Nginx(BareNginx):
    listen_more = ""

    def configure(self, directory):
        self.html = directory / "html"
        self.html.mkdir()
        (directory / "html/small").write_text("x" * 612)
        (directory / "html/big").write_bytes(b"0123456789abcdef" * (10 * 1024 * 1024 // 16))
        for name in ("html/small", "html/big", "html"):
            (directory / name).chmod(0o755)
        self.status_port = free_port()
        return NGINX_SERVERS % {"dir": directory, "port": self.fixed_port,
                                "status_port": self.status_port, "listen_more": self.listen_more}

    def wait_ready(self):
        super().wait_ready()
        self.status_calls = 0
        self.requests_base = self.requests()

    def requests(self):
        """How many requests it has served at .port since it was ready, by its own count."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/", timeout=5) as status:
            count = int(status.read().split()[9])
        self.status_calls += 1
        return count - self.status_calls - getattr(self, "requests_base", 0)


class NginxPair(Nginx):
    workers = 2


class NginxHttp2(Nginx):
    """HTTP/2 by prior knowledge."""
    listen_more = " http2"


class NginxHttp2Pair(NginxHttp2):
    workers = 2


class Nghttpd(PortServer):
    service = "nghttpd"

    def make_command(self, tmp_path):
        directory = tmp_path / f"nghttpd-{next(unique)}"
        directory.mkdir()
        (directory / "small").write_text("x" * 612)
        return ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", str(directory),
                str(self.fixed_port)]


class Haproxy(PortServer):
    """A proxy for the server at a port, as it comes but for the time-outs. It speaks HTTP/2, too, to who
    begins with that."""
    service = "haproxy"

    def __init__(self, tmp_path, backend_port):
        self.backend_port = backend_port
        super().__init__(tmp_path)

    def make_command(self, tmp_path):
        config = tmp_path / f"haproxy-{next(unique)}.cfg"
        config.write_text(HAPROXY % {"port": self.fixed_port, "backend_port": self.backend_port})
        return ["haproxy", "-db", "-f", str(config)]


class Nghttpx(PortServer):
    """A proxy for the server at a port; it lets HTTP/1.1 be upgraded."""
    service = "nghttpx"

    def __init__(self, tmp_path, backend_port):
        self.backend_port = backend_port
        super().__init__(tmp_path)

    def make_command(self, tmp_path):
        return ["nghttpx", "--conf=/dev/null", f"-f127.0.0.1,{self.fixed_port};no-tls",
                f"-b127.0.0.1,{self.backend_port}", "--workers=1", "--single-process"]


class GrpcGo(Server):
    service = "grpc"

    def make_command(self, tmp_path):
        return [go_program("grpc"), "server"]


class GrpcPython(Server):
    command = [sys.executable, str(WORKLOADS / "grpc_peer.py"), "server"]
    service = "grpc_peer"


class Redis(PortServer):
    """Listens on .port and on the unix socket .path."""
    service = "redis-server"

    def listen(self):
        return ["--port", str(self.fixed_port)]

    def make_command(self, tmp_path):
        directory = tmp_path / f"redis-{next(unique)}"
        directory.mkdir()
        self.path = str(directory / "redis.sock")
        return ["redis-server", *self.listen(), "--unixsocket", self.path,
                "--save", "", "--dir", str(directory)]

    def ask(self, *args):
        """By the unix socket, so that nothing that is traced by the port sees it."""
        return subprocess.run(["redis-cli", "-s", self.path, *args], check=True, text=True,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout

    def forget_commands(self):
        self.ask("config", "resetstat")

    def commands(self):
        """How many it was asked since, by its own count."""
        counts = re.findall(r"cmdstat_(\S+?):calls=(\d+).*rejected_calls=(\d+)",
                            self.ask("info", "commandstats"))
        return sum(int(calls) + int(rejected) for name, calls, rejected in counts
                   if name not in ("config|resetstat", "info"))


class Memcached(PortServer):
    service = "memcached"

    def make_command(self, tmp_path):
        return ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(self.fixed_port), "-U", "0"]


ALL = {"nginx": Nginx, "python": PythonServer, "go": GoServer, "node": NodeServer}
