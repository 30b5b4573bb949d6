# SPDX-License-Identifier: Apache-2.0
"""Debian's PostgreSQL, which does not run as root, and its own programs."""
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess

from net import free_port
from servers import open_up
from traced import environment, wait_for

HBA = """
host  all  guarded  127.0.0.1/32  scram-sha-256
host  all  all      127.0.0.1/32  trust
local all  all                    trust
"""


def program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else name


def as_postgres(*command):
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *command]


class Postgres:
    """An instance of its own in a temporary directory, on a free port and a Unix socket."""

    sslmode = "disable"

    def __init__(self, tmp_path, *settings):
        self.settings = [word for setting in settings for word in ("-c", setting)]
        self.directory = tmp_path / "postgresql"
        self.directory.mkdir()
        open_up(self.directory)
        user = pwd.getpwnam("postgres")
        os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.cluster, self.log = self.directory / "cluster", self.directory / "log"
        self.port = free_port()

    def __enter__(self):
        subprocess.run(as_postgres(program("initdb"), "-D", self.cluster, "-A", "trust", "-N",
                                   "--no-locale", "-E", "UTF8"),
                       check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                       cwd=self.directory, env=environment())
        (self.cluster / "pg_hba.conf").write_text(HBA)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                as_postgres(program("postgres"), "-D", self.cluster, "-p", str(self.port),
                            "-k", self.directory, "-c", "fsync=off", "-c", "autovacuum=off",
                            "-c", "listen_addresses=127.0.0.1", *self.settings),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory,
                env=environment())
        try:
            wait_for(lambda: self.is_ready() or self.process.poll() is not None, "PostgreSQL", 30)
            assert self.process.poll() is None, self.log.read_text()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGINT)  # "fast": ends sessions
        self.process.wait(timeout=20)
        shutil.rmtree(self.cluster)

    def is_ready(self):
        return subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                              stdin=subprocess.DEVNULL, check=False).returncode == 0

    def psql(self, *statements):
        commands = [word for s in statements for word in ("-c", s)]
        return subprocess.run(
            ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *commands],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            env=environment(PGSSLMODE=self.sslmode), check=False)

    def pgbench(self, *args, clients=4):
        """Runs it; how many transactions there were, and how many a second."""
        result = subprocess.run(
            [program("pgbench"), "-n", "-c", str(clients), "-j", "2", *map(str, args),
             "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "postgres"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True,
            env=environment(PGSSLMODE=self.sslmode))
        done = int(re.search(r"actually processed: (\d+)", result.stdout).group(1))
        return done, float(re.search(r"tps = ([0-9.]+)", result.stdout).group(1))

    def prepare_benchmark(self):
        """The tables of pgbench's own scripts."""
        subprocess.run(
            [program("pgbench"), "-i", "-q", "-h", "127.0.0.1", "-p", str(self.port),
             "-U", "postgres", "postgres"], check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment(PGSSLMODE=self.sslmode))
