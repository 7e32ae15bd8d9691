#!/usr/bin/env python3
"""Mail programs that hand their messages to sendmail: mutt and s-nail."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

if not have('mutt') and not have('s-nail'):
    skip_all('neither mutt nor s-nail is installed')
house = House(users=['ann:secret', 'bob:secret', 'carol:secret']).start()
home = house.path('home')
home.mkdir()
env = {'HOME': str(home), 'MAILRC': '/dev/null', 'LC_ALL': 'C.UTF-8', 'EMAIL': 'ann@example.org', 'TERM': 'dumb'}
BODY = 'Zażółć\n.\n..\n\nFrom here on\nno line is lost\n'


def three(program, body):
    """Everybody has it; the body is the same, nobody sees the Bcc."""
    for user, n in (('ann', 1), ('bob', 1), ('carol', 1)):
        mail = house.wait_mail(user + '@example.org', n)
        is_(len(mail), n, '%s: %s has one message' % (program, user))
        if not mail:
            continue
        ok(mail[-1].endswith(b'\n\n' + body.encode()), '%s: the body %s has, octet for octet' % (program, user))
        fields = dict((k.lower(), v) for k, v in headers(mail[-1]))
        is_(fields.get(b'return-path'), b'<ann@example.org>', '%s: the sender' % program)
        ok(b'bcc' not in fields, '%s: no Bcc' % program)
        is_(fields.get(b'subject'), b'minutes', '%s: the subject' % program)
        for p in house.mail_files(user + '@example.org'):
            p.unlink()


if have('mutt'):
    house.run(['mutt', '-n', '-F', '/dev/null', '-e', 'set sendmail="%s -C %s -oem -oi"' % (BIN / 'sendmail', house.dir),
               '-e', 'set copy=no', '-e', 'set use_envelope_from=yes', '-e', 'set from=ann@example.org',
               '-e', 'set send_charset=utf-8', '-e', 'set allow_8bit=yes',
               '-s', 'minutes', '-c', 'bob@example.org', '-b', 'carol@example.org', '--', 'ann@example.org'],
              input=BODY, env=env)
    three('mutt', BODY)
else:
    skip('mutt', 'mutt is not installed')

if have('s-nail'):
    house.run(['s-nail', '-:', '/', '-S', 'v15-compat', '-S', 'mta=%s' % (BIN / 'sendmail'),
               '-S', 'mta-arguments=-C %s' % house.dir, '-S', 'ttycharset=utf-8', '-S', 'mime-encoding=8b',
               '-r', 'ann@example.org', '-s', 'minutes', '-c', 'bob', '-b', 'carol@example.org', 'ann'],
              input=BODY, env=env)
    # s-nail itself writes the '>', for those who keep mail in one file
    three('s-nail', BODY.replace('\nFrom ', '\n>From '))
else:
    skip('s-nail', 's-nail is not installed')
done()
