"""Carries Ethernet frames between a cable and a port of the switch: late, or not at all.

    line.py CABLE PORT SETTINGS

CABLE is a network interface; PORT is made, as a TAP device. SETTINGS is a file that holds "DELAY JITTER LOSS_IN
LOSS_OUT": milliseconds that a frame takes in either direction, give or take, and per cent of the frames to and
from the host that are lost. SIGHUP has it read again. Frames stay in order, as on a wire.
"""

import collections
import fcntl
import os
import random
import select
import signal
import socket
import struct
import sys
import time

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM = 0x01
PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 15, 23
SO_SNDBUFFORCE, SO_RCVBUFFORCE, SOL_PACKET, ETH_P_ALL = 32, 33, 263, 3
# What a cable holds before it loses frames, and how many are carried before the clock is looked at again.
HELD_MAX, AT_ONCE = 100_000, 64


class Way:
    """One direction: frames under way, each with the moment at which it arrives."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.loss = 0
        self.frames = collections.deque()

    def take(self, delay, jitter):
        for _ in range(AT_ONCE):
            try:
                frame = os.read(self.source, 1 << 17)
            except BlockingIOError:
                return
            except OSError:
                time.sleep(0.005)  # the interface is down
                return
            if random.uniform(0, 100) < self.loss or len(self.frames) >= HELD_MAX:
                continue
            due = time.monotonic() + max(0, delay + random.uniform(-jitter, jitter))
            if self.frames:
                due = max(due, self.frames[-1][0])
            self.frames.append((due, frame))

    def give(self, now):
        while self.frames and self.frames[0][0] <= now:
            try:
                os.write(self.sink, self.frames.popleft()[1])
            except OSError:
                pass  # nothing takes it: lost


def open_port(name):
    """With checksums left to the reader, as the kernel leaves them to a network card; segments are cut before."""
    port = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(port, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(port, TUNSETOFFLOAD, TUN_F_CSUM)
    return port


def open_cable(name):
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    cable.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    cable.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    cable.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    cable.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
    cable.bind((name, ETH_P_ALL))
    cable.setblocking(False)
    return cable.detach()


def main():
    name, port_name, settings = sys.argv[1:]
    cable = open_cable(name)
    port = open_port(port_name)
    into, out = Way(port, cable), Way(cable, port)
    now_wanted = [0.0, 0.0]

    def read_settings(*_):
        try:
            with open(settings) as file:
                delay, jitter, into.loss, out.loss = map(float, file.read().split())
            now_wanted[:] = delay / 1000, jitter / 1000
        except (OSError, ValueError):
            pass  # it is being written or removed: as before

    read_settings()
    signal.signal(signal.SIGHUP, read_settings)
    while True:
        now = time.monotonic()
        for way in (into, out):
            way.give(now)
        next_due = min((way.frames[0][0] for way in (into, out) if way.frames), default=None)
        wait = None if next_due is None else max(0, next_due - time.monotonic())
        for ready in select.select([port, cable], [], [], wait)[0]:
            (into if ready == port else out).take(*now_wanted)


main()
