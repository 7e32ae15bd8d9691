#!/usr/bin/env python3
"""What collect writes above a copy, how it explains itself, and what people do about mail that went to the wrong
person: sort it again, assign it, have the rule remembered."""
import os
import re
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream

house = House(users=['ann:secret', 'bob:secret', 'carol:secret', 'dora:secret'])
house.start()
house.map('secrets', 'office password=secret\n')
DOMAIN = 'kind=domain domain=example.org users=ann,bob,carol,dora fallback=carol trusted=.isp.example site=here.example'
HOP = b'Received: from x (x [192.0.2.1]) by mx.isp.example with ESMTP; x\r\n'


def message(n, top=b'', to=b'ann@example.org'):
    return top + (b'From: pat@sender.example\r\n%sMessage-ID: <%d@sender.example>\r\nSubject: no. %d\r\n\r\ntext\r\n' % (
        b'To: %s\r\n' % to if to else b'', n, n))


def entry(up, words=DOMAIN, name='office', more=''):
    return '%s host=127.0.0.1 port=%d tls=none login=office secret=office %s\n%s' % (name, up.port, words, more)


def collect(mails, words=DOMAIN):
    """Collect these; the account's server."""
    up = Upstream(mails)
    house.set_map('upstreams', entry(up, words))
    house.ph('collect')
    return up


def head(text):
    """The lines of ours above a message, without those that differ each time; and the message."""
    above, sorted_line, rest = text.partition(b'\nX-Posthouse-Sorted: ')
    line, _, message = rest.partition(b'\n')
    mark = re.search(rb'^X-Collected-For: (.*)$', above, re.M).group(1)
    return mark.decode(), line.decode(), message


def heads(user):
    return sorted(head(text)[:2] for text in house.mail(user))


def empty(*users):
    for user in users or ('ann', 'bob', 'carol', 'dora'):
        for path in house.mail_files(user):
            path.unlink()


# --- marks

forged = b'X-Posthouse-Sorted: account=office\r\n evidence=fallback\r\nX-POSTHOUSE-SORTED: x\r\n'
collect([message(1, to=b'ann@example.org, bob@example.org'),
         message(2, b'X-Original-To: bob@example.org\r\n' + HOP),
         message(3, to=b''),
         message(4, b'X-Original-To: nobody@example.org\r\n' + HOP),
         message(5, b'X-Collected-For: ann@here.example\r\n' + forged, to=b'ann@example.org, dora@example.org')])
is_(heads('ann'), [('ann@here.example', 'account=office evidence=header-recipient header=To')], 'a copy bears its own mark')
is_(heads('bob'), [('bob@here.example', 'account=office evidence=envelope-header header=X-Original-To'),
                   ('bob@here.example', 'account=office evidence=header-recipient header=To')], "... and nobody else's")
is_(heads('carol'), [('carol@here.example', 'account=office evidence=fallback reason=no-name'),
                     ('carol@here.example', 'account=office evidence=fallback reason=unknown-user')],
    'the fallback learns why')
text = house.mail('dora')[0]
is_(text.lower().count(b'\nx-posthouse-sorted:'), 1, 'one such line, ours')
is_(head(text)[2], (b'X-Collected-For: ann@here.example\r\n' + message(5, to=b'ann@example.org, dora@example.org')).replace(
    b'\r\n', b'\n'), '... the rest came as it was')
name = re.search(r',S=(\d+),W=(\d+)', house.mail_files('dora')[0].name)
is_((int(name.group(1)), int(name.group(2))), (len(text), len(text) + text.count(b'\n')), '... and is counted right')
empty()

# --- sorted again

def letter(path):
    """A message's queue ID, from its name."""
    return path.name.split('.')[1]


def replay(*args, check=True):
    return house.ph('collect', '--replay', 'office', *args, check=check)


mails = [message(10, to=b'info@example.org'), message(11, to=b'info@example.org, ann@example.org'),
         message(12, b'X-Original-To: info@example.org\r\n' + HOP), message(13, to=b''),
         message(14, b'List-Id: <dev.example.net>\r\n', to=b''), message(15, to=b'all@example.org')]
up = collect(mails)
is_([len(house.mail_files(u)) for u in ('ann', 'bob', 'carol')], [1, 0, 5], 'to be sorted again')
spam = b'From: x@y.example\r\nTo: info@example.org\r\n\r\nX-Posthouse-Sorted: account=office evidence=fallback\r\n'
house.send('x@y.example', ['carol@example.org'], b'X-Collected-For: carol@here.example\r\n'
           b'X-Posthouse-Sorted: account=office evidence=fallback reason=no-name\r\n' + spam)
house.wait_mail('carol', 6)
p = replay('--dry-run')
is_(len(re.findall(r'^\S+: carol \(fallback, (no-name|unknown-user)\)$', p.stdout, re.M)), 5, 'the same rules, the same result')
like(p.stdout, r"^office: 5 messages in the fallback's mailbox, 0 would go elsewhere$", '... what came another way is not looked at')
BETTER = DOMAIN + ' alias=bob:info alias=dora:info list=dev.example.net:ann public=all'
house.set_map('upstreams', entry(up, BETTER))
seen = house.mail_files('carol')[0]
os.rename(seen, seen.parent.parent / 'cur' / (seen.name + ':2,S'))
before = {letter(p) for p in house.mail_files('carol')}
p = replay('--dry-run')
like(p.stdout, r"^office: 5 messages in the fallback's mailbox, 4 would go elsewhere$", '--dry-run')
is_({letter(p) for p in house.mail_files('carol')}, before, '... does nothing')
p = replay()
like(p.stdout, r"^office: 5 messages in the fallback's mailbox, 4 went elsewhere$", 'better rules')
like(p.stdout, r'^\w+: bob, dora \(header-recipient, To\)$', '... each told')
lf = lambda octets: octets.replace(b'\r\n', b'\n')
is_(sorted(head(t)[2] for t in house.mail('bob')), sorted(lf(mails[i]) for i in (0, 2, 5)), '... whole')
is_(sorted(head(t)[2] for t in house.mail('dora')), sorted(lf(mails[i]) for i in (0, 2, 5)), '... for everybody')
is_(sorted(head(t)[2] for t in house.mail('ann')), sorted(lf(mails[i]) for i in (1, 4, 5)), '... who has not got it')
is_(heads('bob')[0], ('bob@here.example', 'account=office evidence=envelope-header header=X-Original-To'), '... marked anew')
like(house.mail('bob')[0], r'^Received: from 127\.0\.0\.1\n\tby \S+ \(Posthouse\) with POP3 id', '... with a trace')
left = house.mail('carol')
is_(sorted(b'To: all@' in t and 2 or b'no. 13' in t and 1 or 0 for t in left), [0, 1, 2],
    'what is still nobody\'s, is for everybody, or came from elsewhere stays')
p = replay()
like(p.stdout, r"^office: 2 messages in the fallback's mailbox, 1 went elsewhere$", 'once more')
is_([len(house.mail_files(u)) for u in ('ann', 'bob', 'carol', 'dora')], [3, 3, 3, 3], '... nobody gets anything twice')
up.messages.update(('again%d' % i, m) for i, m in enumerate(mails) if i != 1)
house.ph('collect')
is_([len(house.mail_files(u)) for u in ('ann', 'bob', 'carol', 'dora')], [3, 3, 3, 3], '... not from the provider either')
is_(replay('nosuch', check=False).returncode, 64, 'one account at a time')
is_(house.ph('collect', '--replay', 'nosuch', check=False).returncode, 64, 'no such account')
empty()

# --- assigned

UPSTREAMS = """# providers
office host=127.0.0.1 port=%d tls=none login=office secret=office """ + DOMAIN + """ # the house's own
  # below: by hand
  alias=ann:a.archer

# another one
other host=127.0.0.1 port=1 tls=none login=x secret=office kind=single users=bob fallback=carol
"""
mails = [message(20, to=b''), message(21, to=b'info@example.org'),
         message(22, b'List-Id: Dev <dev.example.net>\r\n', to=b'dev@lists.example.net'),
         message(23, b'X-Original-To: b.baker+x@example.org\r\n' + HOP + b'List-Id: <x.example.net>\r\n'),
         message(24, b'List-Id: <"x;\\y\0\x01.example.net>\r\n', to=b''), message(25, to=b'')]
up = Upstream(mails)
house.set_map('upstreams', UPSTREAMS % up.port)
house.ph('collect', 'office')
ids = {int(re.search(rb'no\. (\d+)', p.read_bytes()).group(1)): letter(p) for p in house.mail_files('carol')}
is_(sorted(ids), [20, 21, 22, 23, 24, 25], 'six at the fallback')


def assign(n, user, *args, check=True):
    return house.ph('collect', 'assign', ids.get(n, n), user, *args, check=check)


def upstreams():
    return house.path('etc', 'upstreams').read_text()


p = assign(20, 'dora')
is_(p.stdout, '%s: dora has it now, and not carol\n' % ids[20], 'assigned')
is_(heads('dora'), [('dora@here.example', 'account=office evidence=assigned')], '... marked so')
is_((head(house.mail('dora')[0])[2], upstreams()), (lf(mails[0]), UPSTREAMS % up.port), '... whole; nothing remembered')
p = assign(22, 'bob@example.org', '--remember')
like(p.stdout, r'^upstreams: office: list="dev\.example\.net:bob"$', '--remember: its list')
expected = (UPSTREAMS % up.port).replace('ann:a.archer\n', 'ann:a.archer\n\tlist="dev.example.net:bob"\n')
is_(upstreams(), expected, '... as a visible line, all else as it was')
p = assign(21, 'ann', '--remember')
expected = expected.replace(':bob"\n', ':bob"\n\talias="ann:info"\n')
is_((p.stdout.splitlines()[-1], upstreams()), ('upstreams: office: alias="ann:info"', expected), '... its address')
p = assign(23, 'bob', '--remember', 'list-id', check=False)
is_(p.returncode, 65, 'a rule that would not help is not written')
like(p.stderr, 'list="x.example.net:bob" would not bring such a message to bob', '... and the reason told')
is_((upstreams(), len(house.mail_files('bob'))), (expected, 2), '... the message is his')
p = assign(25, 'bob', '--remember', 'address', check=False)
is_((p.returncode, upstreams()), (65, expected), 'no address to remember')
like(p.stderr, r"nothing remembered: no address or name in it is ours and nobody's$", '... told')
p = assign(24, 'bob', '--remember', 'list-id', check=False)
is_((p.returncode, upstreams()), (65, expected), 'what does not belong into a map stays out')
is_(len(house.mail_files('carol')), 0, 'all have gone')
up.messages = {'new%d' % i: m for i, m in enumerate((
    message(30, b'List-Id: <dev.example.net>\r\n', to=b''), message(31, to=b'info@example.org'), message(32, to=b'')))}
empty()
house.ph('collect', 'office')
is_([len(house.mail_files(u)) for u in ('ann', 'bob', 'carol')], [1, 1, 1], 'the rules are in force')
ids[32] = letter(house.mail_files('carol')[0])
for n, user, code, reason in ((99, 'ann', 66, 'no such message'), (32, 'carol', 65, "lies in carol's mailbox already"),
                              (32, 'nobody', 67, 'is not of the account office: users are ann, bob, carol, dora')):
    p = assign(str(n) if n == 99 else n, user, check=False)
    is_((p.returncode, reason in p.stderr), (code, True), 'refused: ' + reason)
is_(house.ph('collect', 'assign', 'x', check=False).returncode, 64, 'usage')
broken = upstreams() + 'third kind=nonsense\n'
house.set_map('upstreams', broken, compile=False)
up.messages = {'newer': message(33, to=b'shop@example.org')}
house.ph('collect', 'office')
ids[33] = next(letter(p) for p in house.mail_files('carol') if b'no. 33' in p.read_bytes())
p = assign(33, 'ann', '--remember', check=False)
is_((p.returncode, upstreams()), (73, broken), 'maps that do not compile stay as they were')
like(p.stderr, 'not remembered: the maps do not compile', '... told')

# A shared address: the name it was written with.
up = Upstream([message(40, to=b'"Annie S." <mail@isp.example>')])
house.set_map('upstreams', entry(up, 'kind=shared mailbox=mail@isp.example users=ann,bob fallback=carol site=here.example'))
empty()
house.ph('collect')
ids[40] = letter(house.mail_files('carol')[0])
like(assign(40, 'ann', '--remember').stdout, r'^upstreams: office: name="ann:Annie S\."$', 'a name')
up.messages = {'next': message(41, to=b'"Annie S." <mail@isp.example>')}
house.ph('collect')
is_(heads('ann'), [('ann@here.example', 'account=office evidence=assigned'),
                   ('ann@here.example', 'account=office evidence=display-name header=To')], '... in force')

# --- explained

empty()
text = (b'X-Original-To: Info+x@example.org\r\n' + HOP.replace(b'; x', b' for <b@else.example>; x') +
        b'Delivered-To: ann@example.org\r\nReceived: from a by b for <ann@example.org>; x\r\n' +
        b'List-Id: <x\x1b[1my.example>\r\n' + message(50, to='Björn <ann@else.example>, bob@example.org'.encode()))
eml = house.path('letter.eml')
eml.write_bytes(text)
house.set_map('upstreams', entry(up))
expected = """account: office, kind=domain
domains: example.org
trusted: .isp.example
zone: Received 1, by mx.isp.example, took the message from outside: the zone ends with it
Delivered-To: not believed, it stands below the zone: ann@example.org
X-Original-To: info+x@example.org is ours, but nobody's
fallback: carol (unknown-user)
class: fallback
reason: unknown-user
for: carol -> carol@example.org
rule: nobody else was found (fallback=)
"""
is_(house.ph('collect', '--explain', eml).stdout, expected, '--explain')
is_(house.ph('collect', '--explain', '-', '--account', 'office', input=text).stdout, expected, '... of standard input')
p = house.ph('collect', '--explain', '-', input=text.partition(b'\r\n')[2])
like(p.stdout, r"""zone ends with it
Delivered-To: not believed, it stands below the zone: ann@example\.org
Received for: not believed, it stands below the zone: from a by b for <ann@example\.org>; x
Received for: b@else\.example says nothing
List-Id: x\?\[1my\.example is in no list=
To: ann@else\.example is not ours
To: bob@example\.org is known
class: header-recipient
by: To
for: bob -> bob@example\.org
rule: known users among the addresses of ours that it was written to""", 'each line that is looked at, no control characters')
house.set_map('upstreams', entry(up) + entry(up, name='other', words='kind=single users=bob'))
is_(house.ph('collect', '--explain', eml, check=False).returncode, 64, 'several accounts: which?')
up.messages = {'explained': message(51, to=b'ann@example.org')}
house.ph('collect', 'office')
like(house.ph('collect', '--explain', house.mail_files('ann')[0]).stdout,
     r'^copy: it was sorted before: account=office evidence=header-recipient\naccount: office(.*\n)*To: ann@example\.org is known$',
     'a copy from a mailbox tells where it came from')
empty()

# --- mailing lists that nobody is known to read

def of_list(n, name, to=b''):
    return message(n, b'List-Id: <%s>\r\n' % name, to=to)


def notices():
    return [m for m in house.mail('ann') if b'nobody is known to read' in m]


def a_week_later():
    with sqlite3.connect(house.path('state', 'collect', 'collect.db')) as db:
        db.execute("UPDATE fact SET since_s = since_s - 604800 WHERE name = 'unknown lists since'")


house.set_map('domains', 'example.org local postmaster=ann\n')
up = collect([of_list(60, b'devel.example.net'), of_list(61, b'devel.example.net'), of_list(62, b'news.example.net'),
              of_list(63, b'read.example.net', to=b'ann@example.org'), of_list(64, b'no list\x1b')])
is_(notices(), [], 'mail of unknown lists: nobody is told at once')
a_week_later()
up.messages = {'a': of_list(65, b'news.example.net'), 'b': of_list(66, b'third.example.net')}
house.ph('collect')
house.wait_mail('ann', 2)
text = notices()
is_(len(text), 1, '... after a week, the postmaster is')
like(text[0], r'Mail of these mailing lists came to office and went to carol@example.org,\nfor no list= of the account names them:\n\n'
     r'( .*\n)* +2  devel\.example\.net\n +2  news\.example\.net\n +1  third\.example\.net\n\n(.*\n)+.*list=\S+:USER\n',
     '... with the lists and how often, not those that somebody got')
up.messages = {'c': of_list(67, b'devel.example.net')}
house.ph('collect')
is_(len(notices()), 1, '... once')
empty()
done()
