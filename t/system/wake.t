#!/usr/bin/env python3
"""wake= of an account, and posthouse wake: finger, a letter, a command; alone, and before a collection."""
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream


class Finger:
    """Answers, and remembers what it was asked."""

    def __init__(self, answer=b'Login: office\r\n\r\n  12 messages wait, sending.\r\n', hang=False):
        self.answer, self.hang, self.asked, self.done = answer, hang, [], threading.Event()
        self.sock = socket.socket()
        self.sock.bind(('127.0.0.1', 0))
        self.sock.listen(5)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            c, _ = self.sock.accept()
            c.settimeout(10)
            try:
                got = b''
                while not got.endswith(b'\n'):
                    got += c.recv(100)
                self.asked.append(got)
                c.sendall(self.answer)
                if self.hang:
                    self.done.wait(20)
            except OSError:
                pass
            c.close()


house = House(users=['ann:secret', 'bob:secret'], conf='collect_timeout = 1s\n')
house.start()
house.map('secrets', 'pop password=secret\n')


def events(p):
    return [{k: v for k, v in e.items() if k in ('account', 'answer', 'error')}
            for e in map(parse_event, p.stderr.split('\n')) if e and e['event'] == 'collect.wake']


def wake(*args):
    return house.ph('wake', *args, check=False)


# --- finger (RFC 1288)

f = Finger()
p = wake('--finger', 'office@127.0.0.1:%d' % f.port)
is_((p.returncode, f.asked), (0, [b'office\r\n']), 'finger: one line, the name')
text = 'finger office@127.0.0.1:%d: Login: office | 12 messages wait, sending.' % f.port
is_(p.stdout, 'finger: %s\n' % text, '... the answer is shown')
is_(events(p), [{'account': '-', 'answer': text}], '... and logged')
f = Finger(b'esc \x1b[2J and \xff\xfe\n' + b'x' * 300 + b'\n')
like(wake('--finger', 'a@127.0.0.1:%d' % f.port).stdout, r': esc \?\[2J and \?\? \| x{300}$', 'what is not printable is not printed')
f = Finger(b'y' * 60 + b'\r\n', hang=True)
p = wake('--finger', 'a@127.0.0.1:%d' % f.port)
f.done.set()
is_(p.returncode, 75, 'a server that hangs')
like(p.stdout, 'failed: finger a@127.0.0.1:.*: the server did not answer in time', '... is said')
f = Finger(b'z\r\n' * 200000)
p = wake('--finger', 'a@127.0.0.1:%d' % f.port)
ok(p.returncode == 0 and len(p.stdout) < 9000, 'an answer without end is cut')
like(wake('--finger', 'a@127.0.0.1:%d' % free_port()).stdout, 'failed: .*Connection refused', 'nobody there')
like(wake('--finger', 'nonsense').stdout, 'write it user@host or user@host:port', 'no address')
is_(wake().returncode, 64, 'usage')
is_(wake('--finger', 'a@b', 'isp').returncode, 64, '... one or the other')

# --- accounts

f = Finger()
script = house.path('dial')
script.write_text('#!/bin/sh\necho "$@" >%s/dialled\necho "no carrier" >&2\nexit $2\n' % house.path())
script.chmod(0o755)
house.path().chmod(0o777)
house.path('etc', 'start.eml').write_text('Subject: SEND us\nX-Key: 42\n\nplease\n')
house.set_map('upstreams', '''
finger  protocol=wake wake=finger:us@127.0.0.1:%d
letter  protocol=wake wake=mail:ann@example.org
form    protocol=wake wake=mail:bob@example.org wake_template=start.eml
nobody  protocol=wake wake=mail:who@example.org
noform  protocol=wake wake=mail:bob@example.org wake_template=none.eml
call    protocol=wake wake="!%s isp 0"
busy    protocol=wake wake="!%s isp 7"
gone    protocol=wake wake="!/nonexistent/dial"
none    kind=single tls=none host=127.0.0.1 port=1 login=x users=ann secret=pop
''' % (f.port, script, script))
p = wake('finger')
is_((p.returncode, f.asked), (0, [b'us\r\n']), 'an account with finger')
p = wake('letter')
like(p.stdout, r'^letter: mail to ann@example\.org: [a-z0-9]+$', 'a letter, and its ID')
id = p.stdout.split()[-1]
is_(events(p), [{'account': 'letter', 'answer': 'mail to ann@example.org: ' + id}], '... logged')
letters = house.wait_mail('ann', 1)
is_(len(letters), 1, '... one, once')
h = {n.decode().lower(): v.decode() for n, v in headers(letters[0])}
is_((h['from'], h['to'], h['return-path']), ('postmaster@example.org', 'ann@example.org', '<postmaster@example.org>'), '... from the postmaster')
ok('date' in h and id in h['message-id'] and h['subject'] == 'Please send our mail', '... with all it needs')
wake('form')
m = house.wait_mail('bob', 1)[0]
ok(m.endswith(b'Subject: SEND us\nX-Key: 42\n\nplease\n'), "a template's words")
like(wake('nobody').stdout, 'nobody: failed: mail to who@example.org: nobody takes mail', 'an address that is none')
like(wake('noform').stdout, 'failed: .*cannot read wake_template=none.eml: No such file', 'a template that is not there')
p = wake('call')
is_((p.returncode, p.stdout, house.path('dialled').read_text()), (0, 'call: command %s: done\n' % script, 'isp 0\n'), 'a command')
p = wake('busy')
is_((p.returncode, p.stdout), (75, 'busy: failed: command %s: exit status 7: no carrier\n' % script), 'one that fails says why')
like(wake('gone').stdout, 'failed: command /nonexistent/dial: No such file', 'one that is not there')
is_((wake('none').returncode, wake('none').stdout), (64, 'none: the account has no wake=\n'), 'an account without')
is_(wake('strange').returncode, 64, 'no such account')
p = wake('call', 'finger', 'busy')
is_((p.returncode, [l.split(':')[0] for l in p.stdout.strip().split('\n')]), (75, ['call', 'busy', 'finger']), 'several')

# --- before a collection

order = []
up = Upstream([b'To: ann@example.org\r\nMessage-ID: <1@x.example>\r\n\r\nhello\r\n'])
up.quirks['USER'] = lambda conn, arg: order.append(len(f.asked))
f = Finger()
POP = 'kind=single tls=none host=127.0.0.1 port=%d login=office users=ann secret=pop ' % up.port
house.set_map('upstreams', 'pop ' + POP + 'wake=finger:us@127.0.0.1:%d\n' % f.port)
p = house.ph('collect')
is_((order, len(house.mail('ann'))), ([1], 2), 'the upstream is woken, then collected from')
is_([e['account'] for e in events(p)], ['pop'], '... which is logged')
up.messages['2'] = b'To: ann@example.org\r\nMessage-ID: <2@x.example>\r\n\r\nhello again\r\n'
house.set_map('upstreams', 'pop ' + POP + 'wake="!/nonexistent/dial"\n')
p = house.ph('collect')
is_((p.returncode, len(house.mail('ann'))), (0, 3), 'a wake that fails is no reason not to collect')
ok('error' in events(p)[0], '... and is logged')
house.set_map('upstreams', 'isp protocol=wake wake=finger:us@127.0.0.1:%d\nbad protocol=wake wake="!/nonexistent/dial"\n' % f.port)
p = house.ph('collect', check=False)
is_((p.returncode, len(f.asked)), (75, 2), 'protocol=wake: nothing else is done')
like(p.stdout, r'^isp: 0 messages, 0 octets, [\d.]+ s$', '... and told')
like(p.stdout, r'^bad: .*failed: command /nonexistent/dial: No such file', '... also when it fails')
done()
