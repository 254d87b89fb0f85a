#!/usr/bin/python3
"""Stands before a Docker engine's socket and writes down what would change something there.

    logged.py SOCKET ENGINE LOG

One line for each such request, before it is passed on: nanoseconds of the machine's steady clock, method,
path, and the lease that it was sent under. Everything else goes through as it is.
"""

import os
import re
import socket
import sys
import threading
import time

HEAD = re.compile(rb"(POST|PUT|DELETE|PATCH) (\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")
LEASE = re.compile(rb"^x-stackctl-lease: *(\S+)", re.IGNORECASE | re.MULTILINE)
# Of a request whose head comes in pieces.
KEPT = 16 * 1024

listen_at, engine, log = sys.argv[1:]
lines = open(log, "ab", buffering=0)


def note(pending):
    """Writes down whole heads, and gives back what may be the beginning of one."""
    end = 0
    for found in HEAD.finditer(pending):
        lease = LEASE.search(found[3])
        word = lease[1] if lease else b"-"
        lines.write(b"%d %s %s %s\n" % (time.monotonic_ns(), found[1], found[2], word))
        end = found.end()
    return pending[end:][-KEPT:]


def carry(source, sink, watch):
    pending = b""
    try:
        while data := source.recv(65536):
            if watch:
                pending = note(pending + data)
            sink.sendall(data)
    except OSError:
        pass
    for end, how in ((source, socket.SHUT_RD), (sink, socket.SHUT_WR)):
        try:
            end.shutdown(how)
        except OSError:
            pass


def serve(near):
    far = socket.socket(socket.AF_UNIX)
    try:
        far.connect(engine)
    except OSError:
        near.close()
        return
    back = threading.Thread(target=carry, args=(far, near, False), daemon=True)
    back.start()
    carry(near, far, True)
    back.join()
    near.close()
    far.close()


if os.path.exists(listen_at):
    os.unlink(listen_at)
door = socket.socket(socket.AF_UNIX)
door.bind(listen_at)
door.listen(128)
while True:
    one, _ = door.accept()
    threading.Thread(target=serve, args=(one,), daemon=True).start()
