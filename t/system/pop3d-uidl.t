#!/usr/bin/env python3
"""Unique-ids that messages had on another server: POP3 clients fetch nothing twice after a move."""
import os, re, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(users=['ann:secret', 'bob:secret', 'carl:secret', 'new:secret']).start()


def uids(user):
    with house.pop3(user) as p:
        return [line.split(b' ')[1].decode() for line in p.multi('UIDL')[1].split(b'\r\n')[:-1]]


def imported(*args, input=None):
    r = house.ph('mailbox', 'import-uidl', *args, input=input, check=False)
    return r.returncode, r.stdout + r.stderr


# A list.
for i in range(1, 7):
    put(house, 'ann', b'Subject: %d\n\n%d\n' % (i, i), '%d.m%d.house' % (1700000000 + i, i))
OWN = ['%d.m%d.house' % (1700000000 + i, i) for i in range(1, 7)]
is_(uids('ann'), OWN, 'without a list: the names')
text = house.path('list')
text.write_text('first 1700000001.m1.house\n'
                'UID2-77 cur/1700000002.m2.house,S=17,W=20:2,S\n'
                '1700000004.m4.house /home/ann/Maildir/new/1700000003.m3.house\n'
                'gone 1600000000.m0.house\n')
is_(imported('ann', text), (0, 'ann@example.org: 4 unique-ids, for 3 of 6 messages\n'), 'a list is read')
now = uids('ann')
is_(now[:3], ['first', 'UID2-77', '1700000004.m4.house'], 'messages have the unique-ids of the list')
is_(now[4:], OWN[4:], 'others have their own')
ok(re.fullmatch(r'[0-9a-f]{64}', now[3]), 'a name that the list gives to another message stands for one only') or diag(now[3])
is_(uids('ann'), now, 'the same in the next session')
with house.pop3('ann') as p:
    is_(p.cmd('UIDL 2'), '+OK 2 UID2-77', 'UIDL of one message')
    p.multi('RETR 1')
    p.cmd('DELE 2')
    p.cmd('QUIT')
is_(uids('ann'), now[:1] + now[2:], 'they outlive moving to cur/, and go with their messages')
box = house.maildir('ann')
is_(oct((box / 'posthouse-uidl').stat().st_mode & 0o777), '0o600', 'the file is its owner\'s')
if ROOT:
    is_((box / 'posthouse-uidl').owner(), 'phmail', '... who is phmail')
is_((box / 'posthouse-uidl').read_text(), 'gone 1600000000.m0.house\nfirst 1700000001.m1.house\nUID2-77 1700000002.m2.house\n'
    '1700000004.m4.house 1700000003.m3.house\n', '... and sorted by name')

# What somebody else wrote there.
(box / 'posthouse-uidl').write_bytes(b'twice 1700000001.m1.house\ntwice 1700000003.m3.house\n\nnonsense\n' + b'x' * 71 + b' 1700000004.m4.house\n'
                                     b'caf\xc3\xa9 1700000005.m5.house\nnice 1700000006.m6.house')
is_(uids('ann'), OWN[:1] + OWN[2:5] + ['nice'], 'a unique-id that stands there twice, or is none, does not count')

# Refused, and nothing written.
before = (box / 'posthouse-uidl').read_bytes()
for what, octets in (('no file', 'lonely\n'), ('over 70 octets', 'x' * 71 + ' 1700000001.m1.house\n'), ('not printable', 'a\tb 1700000001.m1.house\n'),
                     ('empty', ' 1700000001.m1.house\n'), ('a line too long', 'a ' + 'b' * 5000 + '\n')):
    text.write_text('fine 1700000003.m3.house\n' + octets)
    code, said = imported('ann', text)
    is_((code, re.sub(r'^.*(list:\d+):.*', r'\1', said.strip())), (65, 'list:2'), 'refused: ' + what)
is_((box / 'posthouse-uidl').read_bytes(), before, '... and nothing is changed')
is_(imported('nobody', text)[0], 67, 'no such mailbox')
is_(imported('new', text), (66, 'posthouse mailbox: cannot open %s: No such file or directory\n' % house.maildir('new')), 'no mail there yet')
is_(imported('ann', '--from', 'exchange')[0], 64, 'no such server')
is_(imported('ann')[0], 64, 'no list')
is_(imported('ann', '-', input='stdin 1700000003.m3.house\n')[0], 0, 'a list from standard input')
is_(uids('ann')[1], 'stdin', '... replaces what was there')

# qmail: the name up to the colon, sizes included.
for name, sub in (('1700000001.1.old,S=17', 'new'), ('1700000002.2.old,S=17,W=20:2,S', 'cur'), ('1700000003.3.old:2,', 'cur'), ('1700000004.' + 'q' * 70, 'new')):
    put(house, 'bob', b'Subject: x\n\nxxx\n', name, sub=sub, sizes=False)
is_(uids('bob')[:3], ['1700000001.1.old', '1700000002.2.old', '1700000003.3.old'], 'our own unique-ids have no sizes')
code, said = imported('bob', '--from', 'qmail')
is_((code, said), (0, 'bob@example.org: 2 unique-ids, for 2 of 4 messages\n1 were left out: no POP3 server may use what is empty, over 70 octets or not printable\n'),
    'qmail: names of files')
is_(uids('bob')[:3], ['1700000001.1.old,S=17', '1700000002.2.old,S=17,W=20', '1700000003.3.old'], '... with sizes, without flags')

# Dovecot's list, both versions; its saved unique-ids; other formats.
for i in range(1, 6):
    put(house, 'carl', b'Subject: %d\n\n%d\n' % (i, i), '%d.M%dP9.old' % (1276528487 + i, i), sub='cur', flags=':2,S')
dove = house.path('dove')
dove.mkdir()
dove.chmod(0o755)
(dove / 'dovecot-uidlist').write_text('''3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
25006 :1276528488.M1P9.old,S=14,W=17:2,S
25010 W17 S14 :1276528489.M2P9.old
25017 PUID9-4 W17 :1276528490.M3P9.old
25020 G0123456789abcdef P :1276528491.M4P9.old
''')
is_(imported('carl', '--from', 'dovecot', dove), (0, 'carl@example.org: 3 unique-ids, for 3 of 5 messages\n'), 'Dovecot, version 3')
is_(uids('carl'), ['%08x%08x' % (25006, 1275660208), '%08x%08x' % (25010, 1275660208), 'UID9-4', '1276528491.M4P9.old', '1276528492.M5P9.old'],
    '... UID and UIDVALIDITY in hexadecimal, what it saved itself, names')
imported('carl', '--from', 'dovecot', '--format', '%v-%u', dove / 'dovecot-uidlist')
is_(uids('carl')[:2], ['1275660208-25006', '1275660208-25010'], 'another format')
code, said = imported('carl', '--from', 'dovecot', '--format', '%g', dove)
is_((code, said), (65, 'posthouse mailbox: dovecot-uidlist:2: the --format has variables other than %u, %v and %f\n'), '... and one that is not understood')
(dove / 'dovecot-uidlist').write_text('1 1275660208 25022\n25006 1276528488.M1P9.old:2,S\n')
is_(imported('carl', '--from', 'dovecot', dove)[0], 0, 'version 1')
is_(uids('carl')[0], '%08x%08x' % (25006, 1275660208), '... is read, too')
for i, broken in enumerate(('4 V1 N2\n', '3 N2\n', '3 V1 N2\nx :a\n', '3 V1 N2\n7 no file\n', 'garbage')):
    (dove / 'dovecot-uidlist').write_text(broken)
    is_(imported('carl', '--from', 'dovecot', dove)[0], 65, 'a list that is not Dovecot\'s, %d' % i)

# Courier's, in the mailbox itself.
box = house.maildir('carl')
(box / 'courierpop3dsizelist').write_text('/2 4 1700000009\n1276528488.M1P9.old 17 3:1700000009\n1276528489.M2P9.old 17 0:0\n1276528490.M3P9.old 17 2:0\n')
own(box / 'courierpop3dsizelist', box)
is_(imported('carl', '--from', 'courier'), (0, 'carl@example.org: 2 unique-ids, for 2 of 5 messages\n'), 'Courier')
is_(uids('carl')[:3], ['UID3-1700000009', '1276528489.M2P9.old', 'UID2'], '... as it says them')
(box / 'courierpop3dsizelist').write_text('/3 4 1700000009\n1276528488.M1P9.old:2,S 17 9:1700000009:0\n')
is_(imported('carl', '--from', 'courier')[0], 0, 'its newer format')
is_(uids('carl')[0], 'UID9-1700000009', '... has the flags and one number more')
(box / 'courierpop3dsizelist').write_text('/9 what\n')
is_(imported('carl', '--from', 'courier')[0], 65, 'not Courier\'s')
done()
