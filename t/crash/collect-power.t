#!/usr/bin/env python3
"""
kill -9 at the n-th system call of collect, alone and with a power cut: of everything, of the file system with the state
while mail was written out, and when all was written out. POP3 and IMAP. Every copy is there once.

CRASH_SECONDS bounds how long it goes on (default 100); CRASH_ALL=1: all cases.
"""
import os
import sys
import time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fetching import *

CALLS = {'sendmsg': 20, 'recvmsg': 16, 'pwrite64': 30, 'write': 16, 'syncfs': 2, 'fsync': 8, 'fdatasync': 6,
         'sync_file_range': 14, 'ftruncate': 4, 'recvfrom': 10, 'sendto': 6, 'close': 40}


def cases():
    """(call, n, cut), spread over everything first."""
    for step in range(8):
        for i, (call, most) in enumerate(CALLS.items()):
            for n in range(1, most + 1):
                for k, cut in enumerate(('mail', 'now', 'all')):
                    if (n * 5 + i * 3 + k) % 8 == step:
                        yield call, n, cut


def one(f, call, n, cut):
    """What is wrong; was anybody killed?"""
    f.house.start()
    f.letters()
    killed = f.collect(call, n) != 0
    if cut:
        f.power_cut(cut)
        f.house.start()
    wrong = [w for w in [f.collect_rest()] if w] + f.faults(cut)
    f.house.stop()
    f.forget()
    return wrong, killed


def main():
    if why_not():
        skip_all(why_not())
    seconds = 1e9 if os.environ.get('CRASH_ALL') else float(os.environ.get('CRASH_SECONDS', 100))
    for kind in ('ext4', 'xfs'):
        if why_not(kind):
            skip('power cuts on ' + kind, why_not(kind))
            continue
        until = time.monotonic() + seconds / 2
        rigs = [Fetching(kind, keep, protocol) for keep, protocol in (('delete', 'pop3'), ('all', 'imap'), ('delete', 'imap'))]
        done_n = kills = left = 0
        failed = {}
        try:
            for i, (call, n, cut) in enumerate(cases()):
                if time.monotonic() > until:
                    left += 1
                    continue
                wrong, killed = one(rigs[i % 3], call, n, cut)
                done_n, kills = done_n + 1, kills + killed
                if wrong:
                    failed.setdefault(cut, []).append('%s %d (%s, keep=%s): %s' % (
                        call, n, rigs[i % 3].protocol, rigs[i % 3].keep, '; '.join(wrong[:4])))
        finally:
            for f in rigs:
                f.close()
        for cut in ('now', 'mail', 'all'):
            if not ok(cut not in failed, '%s: collect killed, %s' % (kind, CUTS[cut])):
                diag('\n'.join(failed[cut][:10]))
        ok(kills > done_n // 2, '%s: most of these kills hit' % kind)
        diag('%s: %d cases, %d kills, %d left for CRASH_ALL=1' % (kind, done_n, kills, left))
    done()


main()
