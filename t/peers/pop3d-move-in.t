#!/usr/bin/env python3
"""From Dovecot's and Courier's servers to pop3d: a client that keeps mail on the server fetches nothing again."""
import os, poplib, shutil, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from dovecot import *
from pop3_peers import Courier
from popmail import *

house = PopHouse(users=['dove:secret', 'cour:secret']).start()


def uidl(port, user):
    p = poplib.POP3('127.0.0.1', port, 20)
    p.user(user), p.pass_('secret')
    said = {}
    for line in p.uidl()[1]:
        number, uid = line.split(b' ')
        said[uid] = b'\n'.join(p.retr(int(number))[1])
    p.quit()
    return said


def move_in(user, old, name):
    """Copies the messages as a person would, tells of the unique-ids, and compares."""
    box = house.maildir(user)
    for sub in ('tmp', 'new', 'cur'):
        (box / sub).mkdir(parents=True, mode=0o700)
        own(box / sub, house.path('mail'))
    for sub in ('new', 'cur'):
        for f in (old / sub).iterdir():
            shutil.copy2(f, box / sub / f.name)
            own(box / sub / f.name, box / sub)
    r = house.ph('mailbox', 'import-uidl', user, '--from', name, old)
    like(r.stdout, r' 5 unique-ids, for 5 of 5 messages', name + ': all five are known')


if DOVECOT:
    d = Dovecot(house.path('dovecot-' + 'old'))
    maildir = d.dir / 'Maildir'
    for i in range(5):
        f = maildir / 'cur' / ('%d.M%dP1.old,S=17,W=20:2,S' % (1700000000 + i, i)) if i % 2 else maildir / 'new' / ('%d.M%dP1.old' % (1700000000 + i, i))
        f.write_bytes(b'Subject: %d\n\nfrom\n' % i)
        if ROOT:
            os.chown(f, d.owner.pw_uid, d.owner.pw_gid)
    before = uidl(d.port, 'dove')
    is_(len(before), 5, 'Dovecot says five unique-ids')
    move_in('dove', maildir, 'dovecot')
    is_(uidl(house.pop3_port, 'dove'), before, '... pop3d says the same, of the same messages')
    end(d.process)
else:
    skip('Dovecot', 'not installed')

if Courier.missing is None:
    c = Courier(house.path('courier-old'))
    c.put([b'Subject: %d\n\nfrom\n' % i for i in range(5)])
    before = uidl(c.port, 'office')
    is_(len(before), 5, 'Courier says five unique-ids')
    move_in('cour', c.dir, 'courier')
    is_(uidl(house.pop3_port, 'cour'), before, '... pop3d says the same, of the same messages')
else:
    skip('Courier', Courier.missing)
done()
