#!/usr/bin/env python3
"""The power goes at the very moment the n-th 250 has come: all acknowledged mail is there."""
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import *

PLANS = [[[ANN]], [[ANN, BOB]], [[FAR]], [[FAR, ANN]], [[ANN]] * 20, [[FAR, ANN], [BOB]] * 5]


def one(rig, conf, plan_):
    rig.house.start()
    for rcpts in plan_:
        rig.send(rcpts)
    rig.power_cut()
    rig.house.start()
    settled = rig.settle()
    wrong = rig.faults() + ([] if settled else ['the queue does not get empty'])
    wrong += ['not acknowledged: %s' % m.reply for m in rig.sent if not m.acknowledged]
    if not ok(not wrong, '%s, %s: %d messages to %s' % (rig.fs.kind, conf, len(plan_), ', '.join(plan_[0]))):
        diag('\n'.join(wrong[:10]))
    rig.house.stop()
    rig.forget()


def main():
    if why_not():
        skip_all(why_not())
    for kind in ('ext4', 'xfs'):
        if why_not(kind):
            skip('power cuts on ' + kind, why_not(kind))
            continue
        rig = Rig(kind=kind)
        try:
            for conf in ('sync_names = auto', 'sync_names = always'):
                rig.house.conf(conf)
                os.sync()  # the maps are not what is tested
                for plan_ in PLANS:
                    one(rig, conf, plan_)
        finally:
            rig.close()
    done()


main()
