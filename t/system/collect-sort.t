#!/usr/bin/env python3
"""What collect writes above a copy, how it explains itself, and what people do about mail that went to the wrong
person: sort it again, assign it, have the rule remembered."""
import os
import re
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
done()
