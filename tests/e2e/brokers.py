# SPDX-License-Identifier: Apache-2.0
"""Message brokers, each in a temporary directory and on free loopback ports."""
import subprocess

from net import free_port
from servers import PortServer

MOSQUITTO = """
listener %(port)d 127.0.0.1
allow_anonymous true
acl_file %(dir)s/mosquitto.acl
password_file %(dir)s/mosquitto.users
persistence false
max_queued_messages 0
max_inflight_messages 0
user root
log_dest stderr
log_type error
log_type warning
log_type subscribe
"""
MOSQUITTO_ACL = "topic readwrite #\ntopic deny forbidden/#\n"

NATS = """
host: "127.0.0.1"
port: %(port)d
max_payload: 1MB
jetstream { store_dir: "%(dir)s", max_memory_store: 64MB }
authorization {

  users = [ { user: app, password: right,
              permissions: { publish: { deny: "forbidden.>" }, subscribe: ">" } } ]
}
"""


class Broker(PortServer):
    """With a configuration file."""
    configuration, patience = "", 60

    def __init__(self, tmp_path, env=None):
        self.directory = tmp_path / self.service
        self.directory.mkdir()
        super().__init__(tmp_path, env=env)
        self.file("conf", self.configuration % {"port": self.fixed_port, "dir": self.directory})

    def file(self, kind, text):
        """The path of a new file."""
        path = self.directory / f"{self.service}.{kind}"
        path.write_text(text)
        return str(path)


class Mosquitto(Broker):
    service, configuration = "mosquitto", MOSQUITTO

    def make_command(self, tmp_path):
        self.file("acl", MOSQUITTO_ACL)
        subprocess.run(["mosquitto_passwd", "-b", "-c", f"{self.directory}/mosquitto.users",
                        "app", "right"], check=True, stdin=subprocess.DEVNULL)
        return ["mosquitto", "-c", f"{self.directory}/mosquitto.conf"]


class Nats(Broker):
    service, configuration = "nats-server", NATS

    def make_command(self, tmp_path):
        return ["nats-server", "-c", f"{self.directory}/nats-server.conf"]


class RabbitMq(Broker):
    """With a port mapper of its own, as the one that it would start stays behind."""
    service, configuration = "rabbitmq", "listeners.tcp.default = 127.0.0.1:%(port)d\n"

    def __init__(self, tmp_path):
        here = f"{tmp_path}/{self.service}"
        super().__init__(tmp_path, env={
            "HOME": here, "ERL_EPMD_PORT": str(free_port()), "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_NODENAME": "e2e@localhost", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{here}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{here}/rabbitmq.plugins",
            "RABBITMQ_MNESIA_BASE": f"{here}/mnesia", "RABBITMQ_LOG_BASE": f"{here}/log",
            "RABBITMQ_LOGS": "-",
            # so that the script becomes the server
            "RABBITMQ_ALLOW_INPUT": "yes", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
            "-noinput -kernel inet_dist_use_interface {127,0,0,1}"})

    def make_command(self, tmp_path):
        self.file("plugins", "[].")
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def __enter__(self):
        self.mapper = subprocess.Popen(["epmd", "-address", "127.0.0.1"], env=self.env,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        return super().__enter__()

    def __exit__(self, *exc):
        self.process.kill()  # it takes seconds to end in order
        super().__exit__(*exc)
        self.mapper.terminate()
        self.mapper.wait(timeout=10)
