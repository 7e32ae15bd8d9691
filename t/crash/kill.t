#!/usr/bin/env python3
"""
kill -9 at the n-th system call of each program on the main path, alone and together with a
power cut. No acknowledged message may be missing, torn, or (locally) doubled.

CRASH_SECONDS bounds how long it goes on (default 150); CRASH_ALL=1: all cases.
"""
import os
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import *

# Per message the calls that change something or say so; n goes up to this.
CALLS = {
    'smtpd': {'write': 2, 'sendmsg': 2, 'recvmsg': 2, 'sync_file_range': 2, 'fsync': 1, 'close': 2, 'sendto': 3},
    'queued': {'openat': 3, 'linkat': 3, 'sendmsg': 4, 'recvmsg': 4, 'pwrite64': 2, 'unlinkat': 2, 'renameat': 1,
               'renameat2': 1, 'close': 4},
    'local': {'linkat': 2, 'sendmsg': 2, 'recvmsg': 1},
    'remote': {'sendmsg': 1, 'connect': 1, 'sendto': 2},
    'bounce': {'write': 1, 'sendmsg': 3, 'recvmsg': 3, 'fsync': 2},
}
MESSAGES = ([ANN], [ANN, BOB], [FAR, BOB], [FAR], [NOBODY])


def cases():
    """(program, call, n, cut), the first calls of everything first."""
    for n in range(1, 5):
        for program, calls in CALLS.items():
            for call, most in calls.items():
                if n <= most:
                    for cut in (False, True):
                        yield program, call, n, cut


def one(rig, program, call, n, cut):
    """True if somebody was killed."""
    rig.house.start()
    tracer, pids = rig.inject(program, call, n)
    killed = False
    for rcpts in MESSAGES:
        rig.send(rcpts)
        killed = not all(alive(p) for p in pids)
        if killed and cut:
            break
    if program in ('remote', 'bounce') and not killed:  # these work after the 250
        killed = wait_until(lambda: not all(alive(p) for p in pids), 1)
    rig.release(tracer)
    if cut:
        rig.power_cut()
        rig.house.start()
    else:
        wait_until(lambda: rig.send([ANN]).acknowledged, 10)  # what died is back
    settled = rig.settle()
    name = '%s at its %s %d%s' % (program, call, n, ', power cut' if cut else '')
    for m in rig.sent:
        if m.acknowledged:
            wait_until(lambda: m.token in rig.found(), 10)
    wrong = rig.faults() + ([] if settled else ['the queue does not get empty: %s' % rig.left_behind()])
    if not cut and not rig.sent[-1].acknowledged:
        wrong.append('no service afterwards: %s' % rig.sent[-1].reply)
    wrong += ['left in the spool: %s' % n for n in rig.left_behind()] if settled else []
    wrong += ['set aside without a power cut: %s' % n for n in rig.bad()] if not cut else []
    if not ok(not wrong, 'kill %s%s' % (name, '' if killed else ' (not reached)')):
        diag('\n'.join(wrong[:10]))
    rig.house.stop()
    rig.forget()
    return killed


def main():
    if why_not():
        skip_all(why_not())
    until = time.monotonic() + (1e9 if os.environ.get('CRASH_ALL') else float(os.environ.get('CRASH_SECONDS', 150)))
    rig = Rig()
    try:
        done_n = killed = left = 0
        for case in cases():
            if time.monotonic() > until:
                left += 1
                continue
            killed += one(rig, *case)
            done_n += 1
        diag('%d cases, %d reached a process, %d left for CRASH_ALL=1' % (done_n, killed, left))
        ok(killed >= 10, 'processes were really killed')
    finally:
        rig.close()
    done()


main()
