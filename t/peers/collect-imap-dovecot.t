#!/usr/bin/env python3
"""collect over IMAP from a real Dovecot: more than 1,000 messages of varied shape, compared octet for octet; TLS;
folders; what is kept, marked, moved and deleted upstream; a UIDVALIDITY that changes."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from dovecot import Dovecot, DOVECOT_IMAP
from letters import *

if not DOVECOT_IMAP:
    skip_all('Dovecot is not installed (dovecot-core, dovecot-imapd)')

house = House(users=['%s:secret' % p for p in PEOPLE])
sent = letters(1020)
provider = Dovecot(house.path('provider'), imap=True, more='auth_mechanisms = plain login scram-sha-256 scram-sha-1\n')
for i, text in enumerate(sent):
    provider.put(i, text)


def words(port, tls, more):
    return ('office protocol=imap kind=domain host=localhost port=%d tls=%s ca=%s login=office secret=office '
            'domain=example.org fallback=carol trusted=.isp.example %s\n' % (
                port, tls, provider.dir / 'cert', more))


def collect(more, tls='none', check=True):
    house.set_map('upstreams', words(provider.tls_port if tls == 'implicit' else provider.port, tls, more))
    return house.ph('collect', bound=300, check=check)


def folder(name):
    for d in ('', 'cur', 'new', 'tmp'):
        path = provider.dir / 'Maildir' / name / d
        path.mkdir(parents=True)
        if ROOT:
            os.chown(path, provider.owner.pw_uid, provider.owner.pw_gid)


def expected(text):
    """As Dovecot sends it (CRLF line ends, no NULs), with LF line ends."""
    text = re.sub(rb'(?<!\r)\n', b'\r\n', text).replace(b'\0', b'\x80')
    return text.replace(b'\r\n', b'\n')


house.map('secrets', 'office password=secret\nbad password=wrong\n')
house.start()
p = collect('keep=all')
like(p.stdout, r'^office: %d messages, \d+ MiB, ' % len(sent), 'all collected')
diag(p.stdout.strip())
found, above = received(house)
wrong = [n for n, text in enumerate(sent, 1)
         if found.get(n) != [(who, expected(text)) for who in people_of(text)]]
is_(wrong, [], 'every octet of every message, at the right person, once')
for n in wrong[:3]:
    is_(found.get(n, [(None, None)])[0][1], expected(sent[n - 1]), 'message %d' % n)
is_(sorted(found), list(range(1, len(sent) + 1)), 'no message that is none of them')
pattern = re.compile(rb'(Return-Path: <>\n)?Delivered-To: (\w+)@example\.org\nReceived: from localhost \(\[127\.0\.0\.1\]\)\n'
                     rb'\tby \S+ \(Posthouse\) with IMAP id \w+;\n\t[^\n]+\nX-Collected-For: (\w+)@\S+\n')
is_([a for a in above if not (m := pattern.fullmatch(a[1])) or not a[0] == m[2].decode() == m[3].decode()], [],
    'what stands above each is right')
is_(provider.count(), len(sent), 'keep=all: all are still there')
p = collect('keep=all')
like(p.stdout, '^office: 0 messages, 0 octets, ', 'again: nothing is new')


def arrivals(n, **where):
    """So many new ones; their numbers."""
    first = NUMBER[0] + 1
    for i in range(n):
        provider.put(NUMBER[0] + 10000, letter(b'new\n'), **where)
    return list(range(first, NUMBER[0] + 1))


def came():
    """The numbers of what came since the last question."""
    now, _ = received(house)
    new = sorted(set(now) - set(found))
    found.update(now)
    return new


# --- folders

folder('.Lists.Announce')
folder('.Entw&APw-rfe')
new = arrivals(2) + arrivals(3, folder='.Lists.Announce') + arrivals(1, folder='.Entw&APw-rfe')
p = collect('keep=all folder=INBOX,Lists.Announce folder=Entw\xfcrfe folder=Missing', check=False)
is_((p.returncode, came()), (75, new), 'several folders; one that is not there harms no other')
like(p.stdout, r'failed: no such folder: Missing \(', '... and is named')
p = collect('keep=all folder=INBOX,Lists.Announce folder=Entw\xfcrfe')
like(p.stdout, '^office: 0 messages, ', 'again: nothing is new in any')

# --- marked, moved, deleted

new = arrivals(2)
p = collect('keep=all mark=seen', tls='starttls')
is_(came(), new, 'over STARTTLS: the new ones')
cur = provider.dir / 'Maildir' / 'cur'
wait_until(lambda: sum(f.endswith('S') for f in os.listdir(cur)) == 2, 10, 'mark=seen: they are marked as read')
new = arrivals(70)
p = collect('keep=delete move_to=Collected', tls='implicit')
is_(came(), new, 'over TLS: the new ones')
is_((provider.count(), provider.count('.Collected')), (0, len(sent) + 2 + 2 + 70),
    'move_to: what was kept before goes, too, into a folder that is made')
p = collect('keep=delete move_to=Collected auth=scram-sha-256', tls='starttls')
like(p.stdout, '^office: 0 messages, ', 'SCRAM with channel binding')
new = arrivals(100)
p = collect('keep=delete auth=user')
is_((came(), provider.count()), (new, 0), 'keep=delete, LOGIN: the provider is empty')
p = collect('keep=delete folder=Collected')
is_(came(), [], 'the same under other UIDs is known')
is_(provider.count('.Collected'), 0, '... and deleted')

# --- UIDVALIDITY

new = arrivals(5)
collect('keep=all')
is_(came(), new, 'five')
uidlist = provider.dir / 'Maildir' / 'dovecot-uidlist'
uidlist.write_text(re.sub(r'V\d+ N\d+', 'V1234567890 N1', uidlist.read_text(), 1))
for name in os.listdir(provider.dir / 'Maildir'):
    if name.startswith('dovecot.index'):
        (provider.dir / 'Maildir' / name).unlink()
new = arrivals(1)
before = len(house.mail_files('ann')) + len(house.mail_files('bob')) + len(house.mail_files('carol'))
p = collect('keep=all')
after = len(house.mail_files('ann')) + len(house.mail_files('bob')) + len(house.mail_files('carol'))
is_((came(), after), (new, before + 1), 'UIDVALIDITY changed: what is known is not delivered again')

# --- a wrong password

house.set_map('upstreams', words(provider.port, 'none', 'keep=delete').replace('secret=office', 'secret=bad'))
p = house.ph('collect', bound=300, check=False)
is_(p.returncode, 75, 'a wrong password: exit 75')
like(p.stderr, r'collect\.auth_failed account=office', '... in the log')
# --- IDLE

house.conf('collect_serve = yes', compile=False)
house.set_map('upstreams', words(provider.tls_port, 'implicit', 'keep=delete idle=yes schedule="every 5s"'))
house.ph('restart', bound=60)
wait_until(lambda: provider.count() == 0, 20)
found.update(received(house)[0])
new = arrivals(2)
wait_until(lambda: provider.count() == 0, 20)
is_((came(), provider.count()), (new, 0), 'idle=yes: what arrives is here, and gone there')
done()
