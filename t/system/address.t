#!/usr/bin/env python3
"""An address that comes after the start, and one that changes: listeners need no restart. In a network of its own."""
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

if 'OWN_NETWORK' not in os.environ:
    if not have('unshare') or subprocess.run(['unshare', '-n', 'true'], stderr=subprocess.DEVNULL).returncode:
        skip_all('needs a network namespace')
    os.execvpe('unshare', ['unshare', '-n', sys.executable, __file__], dict(os.environ, OWN_NETWORK='1'))

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8913, 0x8914, 0x8916, 1
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def request(name, payload):
    return struct.pack('16s24s', name.encode(), payload)


def set_up(name, up=True):
    flags = struct.unpack('16sh22s', fcntl.ioctl(control, SIOCGIFFLAGS, request(name, b'')))[1]
    flags = flags | IFF_UP if up else flags & ~IFF_UP
    fcntl.ioctl(control, SIOCSIFFLAGS, request(name, struct.pack('h', flags)))


def set_address(name, address):
    fcntl.ioctl(control, SIOCSIFADDR, request(name, struct.pack('HH4s8s', socket.AF_INET, 0, socket.inet_aton(address), b'')))


def greets(address, port):
    try:
        with socket.create_connection((address, port), 2) as s:
            return s.recv(100)[:3] in (b'220', b'+OK')
    except OSError:
        return False


def greets_soon(address, port):
    started = time.monotonic()
    return bool(wait_until(lambda: greets(address, port), 10)) and time.monotonic() - started < 5 * PATIENCE


set_up('lo')
house = House()
named, every = free_port(), free_port()
house.conf('listen_smtp = 127.0.0.1:%d, 192.0.2.25:%d\nlisten_pop3 = *:%d' % (house.smtp_port, named, every))
house.start()
pids = house.pids()
ok(greets('127.0.0.1', house.smtp_port), 'what is there answers')
ok(not greets('192.0.2.25', named), 'the address is not there yet')
set_address('lo:1', '192.0.2.25')
ok(greets_soon('192.0.2.25', named), 'it comes: its listener answers')
ok(greets_soon('192.0.2.25', every), '... and so does one for all addresses')
set_up('lo:1', False)
ok(not greets('192.0.2.25', named), 'it goes')
set_address('lo:1', '192.0.2.26')
ok(greets_soon('192.0.2.26', every), 'another comes instead: all addresses is that one, too')
set_address('lo:1', '192.0.2.25')
ok(greets_soon('192.0.2.25', named), 'the first comes again')
is_([p for p in pids if not alive(p)], [], 'no process was started anew')
is_(house.send('x@else.example', 'ann@example.org', b'Subject: x\r\n\r\nx\r\n')[:3], '250', 'mail comes in')
done()
