#!/usr/bin/env python3
"""
While collect fetches, over POP3 and IMAP: queued and local are killed at their n-th system call; the disk is full, or
ill, when state or mail is written; the queue refuses; the connection is cut at the n-th octet, in either direction.
Every copy is there once in the end, and nothing goes upstream before it is here.

CRASH_SECONDS bounds how long it goes on (default 100); CRASH_ALL=1: all cases.
"""
import os
import random
import socket
import sys
import threading
import time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fetching import *
from rig import Rig

KILLS = {'queued': {'sendmsg': 12, 'recvmsg': 12, 'linkat': 6, 'openat': 8, 'pwrite64': 2, 'unlinkat': 3, 'close': 10},
         'local': {'linkat': 3, 'sendmsg': 3, 'recvmsg': 3, 'openat': 2}}
ERRORS = {'pwrite64': ('ENOSPC', 'EIO'), 'write': ('ENOSPC', 'EIO'), 'fdatasync': ('EIO',), 'fsync': ('EIO',), 'syncfs': ('EIO',),
          'ftruncate': ('EIO',), 'sync_file_range': ('EIO',), 'copy_file_range': ('ENOSPC',), 'openat': ('EMFILE',)}
OFTEN = {'pwrite64': 24, 'write': 10, 'fdatasync': 4, 'fsync': 2, 'syncfs': 2, 'ftruncate': 3, 'sync_file_range': 8,
         'copy_file_range': 2, 'openat': 40}


# A copy that is in a mailbox and that the disk has not taken, as it says, is not trusted: another one comes.
MAY_DOUBLE = ('fsync', 'syncfs')


class Cutter:
    """Between collect and the upstream: closes both connections when so many octets have gone in one direction."""

    def __init__(self, port):
        self.port, self.limit, self.sent = port, None, {}
        self.sock = socket.socket()
        self.sock.bind(('127.0.0.1', 0))
        self.sock.listen(20)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            a, _ = self.sock.accept()
            b = socket.create_connection(('127.0.0.1', self.port))
            for name, x, y in (('up', a, b), ('down', b, a)):
                self.sent[name] = 0
                threading.Thread(target=self.pump, args=(name, x, y), daemon=True).start()

    def pump(self, name, x, y):
        try:
            while True:
                got = x.recv(4096)
                if self.limit and self.limit[0] == name:
                    got = got[:self.limit[1] - self.sent[name]]
                self.sent[name] += len(got)
                if not got:
                    break
                y.sendall(got)
                if self.limit == (name, self.sent[name]):
                    break
        except OSError:
            pass
        for s in (x, y):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def spread(f):
    """(what, detail, function that makes the trouble), first one of each kind."""
    found = []
    for program, calls in KILLS.items():
        for call, most in calls.items():
            found += [('%s killed' % program, '%s %d' % (call, n), lambda p=program, c=call, n=n: killed(f, p, c, n))
                      for n in range(1, most + 1)]
    for call, errors in ERRORS.items():
        for error in errors:
            found += [('collect hears %s' % error, '%s %d' % (call, n), lambda c=call, e=error, n=n: erring(f, c, e, n))
                      for n in range(1, OFTEN[call] + 1)]
    for name, most in (('up', 260), ('down', 8600)):
        points = sorted(random.Random(7).sample(range(1, most), 60))
        found += [('the connection cut', '%s at %d' % (name, n), lambda d=name, n=n: cut_off(f, d, n)) for n in points]
    found += [('the queue refuses', 'no space', lambda: refusing(f))]
    random.Random(11).shuffle(found)
    return found


def killed(f, program, call, n):
    tracer, pids = Rig.inject(f, program, call, n)
    f.collect()
    Rig.release(tracer)
    wait_until(lambda: f.house.pids(program), 10)


def erring(f, call, error, n):
    f.collect(call, n, 'error=' + error)


def cut_off(f, direction, n):
    if not hasattr(f, 'cutter'):
        f.cutter = Cutter(f.upstream.port)
    f.cutter.limit = (direction, n)
    f.connect_to(f.cutter.sock.getsockname()[1])
    f.collect()
    f.connect_to(f.upstream.port)


def refusing(f):
    f.house.conf('queue_free_floor = 1024G')
    f.house.restart()
    ok(f.collect() != 0, 'a queue that refuses')
    is_(len(f.left()), len(f.made), 'leaves everything upstream')
    f.house.conf('queue_free_floor = 0')
    f.house.restart()


def main():
    if not have('strace'):
        skip_all('strace is not installed')
    until = time.monotonic() + (1e9 if os.environ.get('CRASH_ALL') else float(os.environ.get('CRASH_SECONDS', 100)))
    rigs = [Fetching(None, 'delete', 'pop3', far=False), Fetching(None, 'delete', 'imap', far=False)]
    failed, counts, left = {}, {}, 0
    for f in rigs:
        f.house.start()
        f.letters()
    for i, cases in enumerate(zip(*[spread(f) for f in rigs])):
        what, detail, trouble = cases[i % 2]
        f = rigs[i % 2]
        if time.monotonic() > until and what != 'the queue refuses':
            left += 1
            continue
        began = time.monotonic()
        f.letters()
        trouble()
        wrong = f.early() + [w for w in [f.collect_rest()] if w] + f.faults()
        if what == 'collect hears EIO' and detail.split()[0] in MAY_DOUBLE:
            wrong = [w for w in wrong if ' times for ' not in w]
        if os.environ.get('CRASH_TELL'):
            diag('%.1f s: %s %s %s' % (time.monotonic() - began, what, detail, f.protocol))
        counts[what] = counts.get(what, 0) + 1
        if wrong:
            failed.setdefault(what, []).append('%s (%s): %s' % (detail, f.protocol, '; '.join(wrong[:4])))
        f.forget()
    for what, n in sorted(counts.items()):
        if not ok(what not in failed, what):
            diag('\n'.join(failed[what][:10]))
    diag('%s; %d cases left for CRASH_ALL=1' % (', '.join('%s: %d' % c for c in sorted(counts.items())), left))
    for f in rigs:
        f.house.stop()
    done()


main()
