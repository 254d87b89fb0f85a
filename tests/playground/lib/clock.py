"""Takes the place of an engine's socket: the times in its answers are those of a clock that jumped.

    clock.py SOCKET TRUE JUMPS PID

SOCKET is where the engine listens; it is moved to TRUE, and moved back at SIGTERM. JUMPS is a file of lines
"MOMENT OFFSET": from that moment (whole seconds since 1970, true) the clock is off by so many seconds; SIGHUP has it
read again. What the engine wrote down before a jump stays as it was, as on a machine whose clock is set.

An answer keeps its length, as only digits change. What people named or labelled is no time of the engine: only
the engine's own keys count, and the stamps of log lines. Of a request, `since` and `until` are translated back.
"""

import datetime
import email.utils
import os
import re
import select
import signal
import socket
import sys
import threading
import time

sock, true, jumps_file, pid_file = sys.argv[1:]
UTC = datetime.timezone.utc
STAMP = rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
KEYS = rb"Created|CreatedAt|Updated|UpdatedAt|StartedAt|FinishedAt|Start|End|SystemTime|LastTagTime|read|preread"
TEXT_TIME = re.compile(rb'(?<=")((?:' + KEYS + rb')": ?")' + STAMP)
SECONDS = re.compile(rb'"((?:Created|time)": ?)(\d{10})(?=[,}\s])')
NANOS = re.compile(rb'"(timeNano": ?)(\d{10})(\d{9})(?=[,}\s])')
DATE = re.compile(rb"^(Date: )([^\r\n]{29})(?=\r\n)", re.MULTILINE)
# A log line with its stamp: after the head of its frame, or, of a terminal, at the beginning of a line.
LOGGED = re.compile(rb"([\x01\x02]\x00{3}.{4}|\n)" + STAMP + rb"(?= )", re.DOTALL)
REQUEST = re.compile(rb"^[A-Z]+ /\S* HTTP/1\.1\r$", re.MULTILINE)
ASKED = re.compile(rb"([?&](?:since|until)=)(\d{10})")
ASKED_FOR_STAMPS = re.compile(rb"[?&]timestamps=(?:1|true)\b")
# What may be the beginning of a time: held back until more comes, or nothing does for a moment.
UNSURE = re.compile(rb'(?:\n(?=\d)|[\x01\x02]\x00{3}.{4}|")[\w.:+\-", ]{0,64}\Z', re.DOTALL)
A_MOMENT_S = 0.02

jumps = []


def read_jumps(*_):
    with open(jumps_file) as file:
        jumps[:] = [(int(moment), int(offset)) for moment, offset in (line.split() for line in file)]


def offset_at(moment):
    """By how much the clock was off at a true moment."""
    return next((offset for begun, offset in reversed(jumps) if begun <= moment), 0)


def true_of(shown):
    """The last true moment at which the clock showed this, or had passed it."""
    latest = float("inf")
    for begun, offset in reversed(jumps):
        if begun <= shown - offset:
            return min(shown - offset, latest)
        latest = begun
    return min(shown, latest)


def shift_stamp(found):
    before, stamp, fraction, zone = found.groups()
    at = datetime.datetime.fromisoformat((stamp + zone.replace(b"Z", b"+00:00")).decode())
    if at.year < 1970:  # never
        return found[0]
    at += datetime.timedelta(seconds=offset_at(at.timestamp()))
    return before + at.strftime("%Y-%m-%dT%H:%M:%S").encode() + (fraction or b"") + zone


def shift_seconds(found):
    at = int(found[2])
    return b'"%s%d' % (found[1], at + offset_at(at))


def shift_nanos(found):
    at = int(found[2])
    return b'"%s%d%s' % (found[1], at + offset_at(at), found[3])


def shift_date(found):
    at = email.utils.parsedate_to_datetime(found[2].decode()).timestamp()
    return found[1] + email.utils.formatdate(at + offset_at(at), usegmt=True).encode()


def unshift(found):
    return found[1] + b"%d" % true_of(int(found[2]))


class Connection:
    def __init__(self, near, far):
        self.near, self.far = near, far
        self.is_stamped = False  # whether log lines were asked for with the engine's stamps

    def request(self, data):
        for line in REQUEST.findall(data):
            self.is_stamped = bool(ASKED_FOR_STAMPS.search(line))
        return REQUEST.sub(lambda line: ASKED.sub(unshift, line[0]), data)

    def answer(self, data):
        data = TEXT_TIME.sub(shift_stamp, data)
        if self.is_stamped:
            data = LOGGED.sub(shift_stamp, data)
        data = SECONDS.sub(shift_seconds, data)
        data = NANOS.sub(shift_nanos, data)
        return DATE.sub(shift_date, data)

    def carry_requests(self):
        while data := self.near.recv(1 << 16):
            self.far.sendall(self.request(data))

    def carry_answers(self):
        pending = b""
        while True:
            if pending and not select.select([self.far], [], [], A_MOMENT_S)[0]:
                self.near.sendall(self.answer(pending))
                pending = b""
            data = self.far.recv(1 << 16)
            pending += data
            unsure = data and UNSURE.search(pending, max(0, len(pending) - 80))
            sure = unsure.start() if unsure else len(pending)
            self.near.sendall(self.answer(pending[:sure]))
            pending = pending[sure:]
            if not data:
                return

    def serve(self):
        back = threading.Thread(target=carry, args=(self.carry_answers, self.far, self.near), daemon=True)
        back.start()
        carry(self.carry_requests, self.near, self.far)
        back.join()
        self.near.close()
        self.far.close()


def carry(work, source, sink):
    """Until one side ends: that one direction ends, the other goes on."""
    try:
        work()
    except OSError:
        pass
    for side, how in ((source, socket.SHUT_RD), (sink, socket.SHUT_WR)):
        try:
            side.shutdown(how)
        except OSError:
            pass


def serve(near):
    far = socket.socket(socket.AF_UNIX)
    try:
        far.connect(true)
    except OSError:
        near.close()
        return
    Connection(near, far).serve()


def end(*_):
    if os.path.exists(sock):
        os.rename(true, sock)
    else:  # the engine stopped, and removed what stood where it had listened
        os.remove(true)
    os.remove(pid_file)
    os._exit(0)


def main():
    read_jumps()
    signal.signal(signal.SIGHUP, read_jumps)
    signal.signal(signal.SIGTERM, end)
    listener = socket.socket(socket.AF_UNIX)
    kept = os.stat(sock)
    new = sock + ".new"
    if os.path.exists(new):
        os.remove(new)
    listener.bind(new)
    os.chown(new, kept.st_uid, kept.st_gid)
    os.chmod(new, kept.st_mode & 0o777)
    listener.listen(256)
    os.rename(sock, true)
    os.rename(new, sock)
    with open(pid_file, "w") as file:
        print(os.getpid(), file=file)
    while True:
        near, _ = listener.accept()
        threading.Thread(target=serve, args=(near,), daemon=True).start()


main()
