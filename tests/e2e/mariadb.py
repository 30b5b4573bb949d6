# SPDX-License-Identifier: Apache-2.0
"""Debian's MariaDB, which does not run as root, and clients of it."""
import os
import pwd
import subprocess

import mysql.connector
import pymysql

from net import accepts, free_port
from servers import open_up
from traced import environment, wait_for


def as_mysql(*command):
    return ["setpriv", "--reuid", "mysql", "--regid", "mysql", "--clear-groups", *command]


class MariaDb:
    """An instance of its own in a temporary directory, on a free port and a Unix socket."""

    def __init__(self, directory, *settings):
        self.settings = settings
        self.directory, self.log = directory, directory / "log"
        self.socket = directory / "socket"
        self.port = free_port()
        open_up(directory)
        user = pwd.getpwnam("mysql")
        os.chown(directory, user.pw_uid, user.pw_gid)

    def run(self, *command, check=True, timeout=60):
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=check,
                              timeout=timeout, stdin=subprocess.DEVNULL, env=environment(),
                              cwd=self.directory)

    def __enter__(self):
        data = self.directory / "data"
        self.run(*as_mysql("mariadb-install-db", "--no-defaults", f"--datadir={data}",
                           "--auth-root-authentication-method=normal", "--skip-test-db"))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                as_mysql("mariadbd", "--no-defaults", f"--datadir={data}",
                         f"--socket={self.socket}", f"--port={self.port}",
                         f"--pid-file={data}/pid", "--bind-address=127.0.0.1",
                         "--skip-name-resolve", "--local-infile=1", "--max-allowed-packet=64M",
                         "--innodb-flush-log-at-trx-commit=0", *self.settings),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment(),
                cwd=self.directory)
        wait_for(lambda: accepts(self.port) or self.process.poll() is not None, "MariaDB")
        assert self.process.poll() is None, self.log.read_text()
        self.client("-e", "CREATE DATABASE shop; CREATE USER app@'127.0.0.1' IDENTIFIED BY 'right';"
                    "GRANT ALL ON *.* TO app@'127.0.0.1'; USE shop;"
                    "CREATE TABLE users (id INT PRIMARY KEY, name LONGTEXT);"
                    "INSERT INTO users SELECT seq, CONCAT('user', seq) FROM seq_1_to_1000;"
                    "CREATE TABLE notes (id INT, text LONGTEXT)", database=None)
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(timeout=30)

    def client_command(self, database="shop"):
        """The C client; without database at the socket."""
        where = ["--user=root", f"--socket={self.socket}"] if database is None else [
            *self.as_app(), database]
        return ["mariadb", "--no-defaults", *where, "--batch", "--no-auto-rehash"]

    def as_app(self):
        return ["--host=127.0.0.1", f"--port={self.port}", "--user=app", "--password=right"]

    def client(self, *args, database="shop", check=True):
        return self.run(*self.client_command(database), *args, check=check)

    def connect(self, **more):
        return pymysql.connect(**{"host": "127.0.0.1", "port": self.port, "user": "app",
                                  "password": "right", "database": "shop", "autocommit": None,
                                  **more})

    def connector(self, **more):
        return mysql.connector.connect(**{
            "host": "127.0.0.1", "port": self.port, "user": "app", "password": "right",
            "database": "shop", "use_pure": True, "ssl_disabled": True, **more})

    def served(self):
        """How many SELECTs it has answered, by its own count."""
        out = self.client("-N", "-e", "SHOW GLOBAL STATUS LIKE 'Com_select'", database=None).stdout
        return int(out.split()[1])
