#!/usr/bin/env python3
"""The disk says no: EIO from fsync gives 451 and never 250; a full disk gives 452; nothing is lost."""
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import *

# program, call, error, the reply that may follow, recipients
CASES = [
    ('smtpd', 'fsync', 'EIO', '451 4.3.0', [ANN]),
    ('smtpd', 'fsync', 'EIO', '451 4.3.0', [FAR]),
    ('smtpd', 'fsync', 'ENOSPC', '452 4.3.1', [ANN]),
    ('smtpd', 'sync_file_range', 'EIO', '451 4.3.0', [ANN]),
    ('smtpd', 'write', 'ENOSPC', '452 4.3.1', [ANN]),
    ('queued', 'linkat', 'ENOSPC', '452 4.3.1', [FAR]),
    ('queued', 'linkat', 'EIO', '451 4.3.0', [FAR]),
    ('local', 'linkat', 'ENOSPC', '250 2.0.0', [ANN]),
    ('local', 'linkat', 'EIO', '250 2.0.0', [ANN, BOB]),
]


def main():
    if why_not():
        skip_all(why_not())
    rig = Rig()
    try:
        for program, call, error, reply, rcpts in CASES:
            rig.house.start()
            rig.send([ANN])  # the workers exist
            tracer, _ = rig.inject(program, call, '1+', 'error=' + error)
            m = rig.send(rcpts)
            rig.release(tracer)
            name = '%s: %s from %s' % (program, error, call)
            is_((m.reply or '')[:len(reply)], reply, name)
            after = rig.send(rcpts)
            is_((after.reply or '')[:9], '250 2.0.0', name + ': service goes on')
            settled = rig.settle()
            wait_until(lambda: all(m.token in rig.found() for m in rig.sent if m.acknowledged), 10)
            wrong = rig.faults() + ([] if settled else ['the queue does not get empty: %s' % rig.left_behind()])
            if not ok(not wrong and not rig.left_behind(), name + ': mailboxes and spool are right'):
                diag('\n'.join(wrong[:10] + rig.left_behind()))
                diag('\n'.join(rig.house.log().split('\n')[-40:]))
            rig.house.stop()
            rig.forget()
    finally:
        rig.close()
    done()


main()
