#!/usr/bin/env python3
"""The power goes at the very moment the n-th 250 has come: all acknowledged mail is there."""
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import *

PLANS = [[[ANN]], [[ANN, BOB]], [[FAR]], [[FAR, ANN]], [[ANN]] * 20, [[FAR, ANN], [BOB]] * 5]


def main():
    if why_not():
        skip_all(why_not())
    rig = Rig()
    try:
        for conf in ('sync_names = auto', 'sync_names = always'):
            rig.house.conf(conf)
            os.sync()  # the maps are not what is tested
            for plan_ in PLANS:
                rig.house.start()
                for rcpts in plan_:
                    rig.send(rcpts)
                rig.power_cut()
                rig.house.start()
                settled = rig.settle()
                wrong = rig.faults() + ([] if settled else ['the queue does not get empty'])
                wrong += ['not acknowledged: %s' % m.reply for m in rig.sent if not m.acknowledged]
                if not ok(not wrong, '%s: %d messages to %s' % (conf, len(plan_), ', '.join(plan_[0]))):
                    diag('\n'.join(wrong[:10]))
                rig.house.stop()
                rig.forget()
    finally:
        rig.close()
    done()


main()
