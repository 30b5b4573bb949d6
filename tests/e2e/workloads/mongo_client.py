# SPDX-License-Identifier: Apache-2.0
"""Operations by pymongo, one on each line of standard input (a method of the collection and its
arguments, in JSON; `command` is the database's). For each line it answers with the commands that the
driver made of it: name, database, collection, what it failed with."""
import json
import sys

import pymongo
import pymongo.errors
import pymongo.monitoring


class Listener(pymongo.monitoring.CommandListener):
    def __init__(self):
        self.commands, self.by_id = [], {}

    def started(self, event):
        value = event.command.get("collection") if event.command_name == "getMore" \
            else event.command[event.command_name]
        said = {"name": event.command_name, "db": event.database_name, "code": None,
                "collection": value if isinstance(value, str) else None}
        self.commands.append(said)
        self.by_id[event.request_id] = said

    def succeeded(self, event):
        errors = event.reply.get("writeErrors")
        if errors:
            self.by_id[event.request_id]["code"] = errors[0]["code"]

    def failed(self, event):
        self.by_id[event.request_id]["code"] = event.failure.get("code")


def main():
    listener = Listener()
    client = pymongo.MongoClient("127.0.0.1", int(sys.argv[1]), event_listeners=[listener])
    items = client.shop.items
    for line in sys.stdin:
        method, *args = json.loads(line)
        listener.commands.clear()
        try:
            if method == "command":
                client.shop.command(*args)
            elif method == "find":
                list(items.find(*args).batch_size(2))
            elif method == "aggregate":
                list(items.aggregate(*args))
            else:
                getattr(items, method)(*args)
        except pymongo.errors.OperationFailure:
            pass
        print(json.dumps(listener.commands), flush=True)


main()
