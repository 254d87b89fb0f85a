"""Empties an engine of containers, networks, volumes, and copies of records that are gone.

    empty.py SOCKET

What a swarm leaves behind takes seconds to come loose, so it is tried again and again. Docker's own client, a process for
each look and each removal, takes more of the processor than all that: hosts are emptied before every test.
"""

import http.client
import json
import socket
import sys
import time
from urllib.parse import quote

TRIES = 40
PAUSE = 0.25
LIMIT = 120


class Engine(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)

    def ask(self, method, path):
        """Status and body; the connection is kept."""
        self.request(method, path)
        answer = self.getresponse()
        return answer.status, answer.read()

    def all(self, path, filters=None):
        """A list; an engine says `null` where it has none."""
        if filters:
            path += ("&" if "?" in path else "?") + "filters=" + quote(json.dumps(filters))
        status, body = self.ask("GET", path)
        if status != 200:
            raise OSError(f"GET {path}: {status} {body.decode(errors='replace')}")
        return json.loads(body) or []

    def remove(self, path):
        """What went wrong, if something did. What is gone is removed."""
        status, body = self.ask("DELETE", path)
        if status < 300 or status == 404:
            return None
        return f"DELETE {path}: {status} {body.decode(errors='replace').strip()}"


def empty(engine):
    """Removes what there is, once; what went wrong."""
    paths = []
    for image in engine.all("/images/json", {"reference": ["stackctl-ledger.invalid/*"]}):
        paths.append(f"/images/{image['Id']}?force=1")
    for container in engine.all("/containers/json?all=1"):
        paths.append(f"/containers/{container['Id']}?force=1&v=1")
    for network in engine.all("/networks", {"type": ["custom"]}):
        paths.append(f"/networks/{network['Id']}")
    for volume in engine.all("/volumes")["Volumes"] or []:
        paths.append(f"/volumes/{quote(volume['Name'], safe='')}?force=1")
    return [why for why in map(engine.remove, paths) if why]


def main():
    engine = Engine(sys.argv[1])
    wrong = []
    for at in range(TRIES):
        try:
            wrong = empty(engine)
        except (OSError, http.client.HTTPException) as error:
            engine.close()
            wrong = [str(error)]
        if not wrong:
            # Nothing was in the way of anything: a second look would find nothing.
            return 0
        if at > 0:
            time.sleep(PAUSE)
    print("\n".join(wrong))
    return 1


sys.exit(main())
