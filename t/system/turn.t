#!/usr/bin/env python3
"""Accounts of protocol=etrn and atrn: providers with a queue for us."""
import base64
import os
import signal
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from turn_upstream import TurnUpstream

house = House(users=['ann:secret', 'bob:secret'], postmaster='chief', conf='collect_timeout = 1s\nsmtpd_timeout = 10s\n')
house.start()
house.map('secrets', 'isp password=secret\nother password=wrong\n')


def account(p, words):
    house.set_map('upstreams', 'isp host=127.0.0.1 port=%d domain=example.org %s\n' % (p.port, words))


def collect():
    p = house.ph('collect', check=False)
    p.events = [e for e in map(parse_event, p.stderr.split('\n')) if e]
    return p


def body(octets):
    """What came, without what we put above it."""
    return octets.split(b'Subject: ', 1)[1] if b'Subject: ' in octets else octets


def taken(user):
    found = [body(m) for m in house.mail(user)]
    for f in house.mail_files(user):
        f.unlink()
    return found


def mail(n, rcpts=('ann@example.org',), text=b'text\r\n', sender='pat@sender.example'):
    return sender, list(rcpts), b'Subject: %d\r\n\r\n%s' % (n, text)


def expected(*mails):
    return [m[2].split(b'Subject: ', 1)[1].replace(b'\r\n', b'\n') for m in mails]


# --- ETRN

ETRN = 'protocol=etrn tls=none'
p = TurnUpstream(auth=None)
account(p, ETRN)
r = collect()
is_(r.returncode, 0, 'ETRN')
is_(p.commands[1:], ['ETRN example.org', 'QUIT'], '... said')
is_([(e['account'], e['domain'], e['result'], e['reply']) for e in r.events if e['event'] == 'collect.etrn'],
    [('isp', 'example.org', 'started', '250 OK, queuing for node example.org started')], '... and logged')
like(r.stdout, r'^isp: 0 messages, 0 octets, [\d.]+ s$', '... no messages of its own')
house.set_map('upstreams', 'isp host=127.0.0.1 port=%d %s domain=%s\n' % (
    p.port, ETRN, 'a.example,b.example,c.example,d.example,e.example,f.example,@g.example'))
p.answers = {'a.example': '251 OK, no messages waiting for node a.example',
             'b.example': '252 OK, pending messages for node b.example started',
             'c.example': '253 OK, 14 pending messages for node c.example started',
             'd.example': '458 Unable to queue messages for node d.example',
             'e.example': '459 Node e.example not allowed: this one not',
             'f.example': '500 Syntax Error'}
r = collect()
is_(r.returncode, 75, 'every kind of reply: refusals are a failure')
is_([(e['domain'], e['result'], e['pending']) for e in r.events if e['event'] == 'collect.etrn'],
    [('a.example', 'nothing waits', '0'), ('b.example', 'started', '0'), ('c.example', 'started', '14'),
     ('d.example', 'not now', '0'), ('e.example', 'not allowed', '0'), ('f.example', 'unknown command', '0'),
     ('@g.example', 'started', '0')], '... each told apart, and all domains asked for')
like(r.stdout, r'failed: d\.example: not now: 458 Unable .* d\.example; e\.example: not allowed: 459 .*; '
     r'f\.example: unknown command: 500 Syntax Error$', '... and the reason said')
account(TurnUpstream(auth=None, offers=['PIPELINING']), ETRN)
like(collect().stdout, 'failed: the server offers no ETRN', 'a server without ETRN')
p = TurnUpstream(auth='CRAM-MD5')
account(p, ETRN + ' login=office')
is_((collect().returncode, p.commands[1:2]), (0, ['AUTH CRAM-MD5']), 'with a login')

# --- ATRN

ATRN = 'protocol=atrn tls=none login=office'
shapes = [
    mail(1),
    mail(2, ['ann@example.org', 'bob@example.org'], b'.\r\n..\r\n.dot\r\n354 250 text\r\n221 bye\r\n'),
    mail(3, ['bob@example.org'], b'8-bit \xff\xfe\x80 NUL \0\r\n'),
    mail(4, text=b'long ' + b'x' * 900 + b'\r\n' + b'a line\r\n' * 60000, sender=''),
]
for pipelined, chunks in (False, 0), (True, 0), (False, 200000):
    p = TurnUpstream(shapes, pipelined=pipelined, chunks=chunks)
    account(p, ATRN)
    r = collect()
    is_(r.returncode, 0, 'ATRN' + (', the provider pipelining' if pipelined else ', in chunks' if chunks else ''))
    is_(p.commands, ['EHLO ' + p.commands[0][5:], 'AUTH CRAM-MD5', 'ATRN example.org'], '... said')
    like(r.stdout, r'^isp: 4 messages, \d+ KiB, ', '... counted')
    is_((len(p.sent), p.replies[-1][:3]), (4, '221'), '... and the session went to its end')
    ok('STARTTLS' not in p.hello and 'SMTPUTF8' in p.hello, '... which offers no TLS: that is in front of it')
    received = [e for e in r.events if e['event'] == 'smtpd.received']
    is_([(e['client'], e['service'], e['helo']) for e in received], [('[127.0.0.1]', 'odmr', 'provider.example')] * 4,
        '... by our smtpd, which knows whom it serves')
    like(house.mail('ann')[0].decode('latin-1'), r'\nReceived: from provider\.example \(\[127\.0\.0\.1\]\)\n', '... and says so')
    is_(sorted(taken('ann')), sorted(expected(shapes[0], shapes[1], shapes[3])), "ann's messages, octet for octet")
    is_(sorted(taken('bob')), sorted(expected(shapes[1], shapes[2])), "bob's")

p = TurnUpstream([])
account(p, ATRN)
r = collect()
is_((r.returncode, p.commands[-1]), (0, 'QUIT'), '453: no mail is no failure')
like(r.stdout, r'^isp: 0 messages, 0 octets, [\d.]+ s$', '... and says none')

# Somebody else's mail is no business of ours, whoever brings it; nor is the provider's a client of ours.
house.set_map('access', '127.0.0.1 trust\n')
p = TurnUpstream([mail(10, ['nobody@elsewhere.example']), mail(11, ['who@example.org']), mail(12)])
account(p, ATRN)
r = collect()
is_([x[:3] for x in p.replies if x[0] in '45'], ['550', '554', '550', '554'], 'no relay for the provider, nor unknown people')
is_((taken('ann'), len(p.mails)), (expected(mail(12)), 2), '... what is ours is taken')
house.set_map('access', '127.0.0.1 reject\n')
p = TurnUpstream([mail(13)])
account(p, ATRN)
is_((collect().returncode, taken('ann')), (0, expected(mail(13))), 'whom we called is not turned away by access')
house.set_map('access', '')

# --- refusals

for answer, text in (('450 ATRN request refused', 'does not give us this mail: .*: 450 ATRN request refused'),
                     ('451 Unable to process ATRN request now', 'not now: 451 Unable'),
                     ('502 Command not implemented', 'knows no ATRN: 502'),
                     ('530 Authentication required', 'wants another login: 530'),
                     ('554 no', 'ATRN: 554 no')):
    p = TurnUpstream([mail(20)])
    p.quirks['ATRN'] = lambda s, a, answer=answer: s.say(answer) or True
    account(p, ATRN)
    r = collect()
    is_((r.returncode, len(p.mails)), (75, 1), answer)
    like(r.stdout, 'failed: .*' + text, '... is said')
p = TurnUpstream([mail(21)])
account(p, ATRN + ' secret=other')
r = collect()
like(r.stdout, 'failed: login refused: 535 5.7.8 no', 'a wrong password')
ok([e for e in r.events if e['event'] == 'collect.auth_failed'], '... is told as such')
ok(not [c for c in p.commands if c.startswith('ATRN')], '... and nothing else is said')
ok('wrong' not in r.stdout + r.stderr, '... nor the password')
p = TurnUpstream([mail(22)], auth='PLAIN')
account(p, ATRN)
r = collect()
like(r.stdout, 'failed: the server takes the password in the clear only, and there is no TLS', 'PLAIN without TLS is not said')
ok(not [c for c in p.commands if c.startswith('AUTH')], '... indeed')

# A server that cannot prove that it knows the password, one that asks for ever, one that wants no token.

p = TurnUpstream([mail(23)], auth='SCRAM-SHA-256')
p.quirks['AUTH'] = lambda s, a: s.say('235 come in') or True
account(p, ATRN)
like(collect().stdout, 'failed: SCRAM-SHA-256: the server says that we are logged in before it has proved to know the password',
     'a server that is content too early')
p.quirks['AUTH'] = lambda s, a: [s.say('334 ' + 'A' * 40) for i in range(100)] and True
r = collect()
is_((r.returncode, [c for c in p.commands if c.startswith('ATRN')]), (75, []), 'challenges that make no sense')
p = TurnUpstream([mail(24)], auth='XOAUTH2')


def refuse_token(s, arg):
    s.say('334 ' + base64.b64encode(b'{"status":"401","scope":"x"}').decode())
    p.commands.append(s.line())
    s.say('535 5.7.8 no')
    return True


p.quirks['AUTH'] = refuse_token
account(p, 'protocol=atrn tls=none login=office auth=oauth secret="!/bin/echo TOKEN77"')
r = collect()
like(r.stdout, r'failed: the server refuses the token: \{"status":"401","scope":"x"\}; login refused: 535 5\.7\.8 no', 'a token that is refused')
is_(p.commands[1:], ['AUTH XOAUTH2 ' + base64.b64encode(b'user=office\1auth=Bearer TOKEN77\1\1').decode(), ''],
    '... was said, and the challenge answered by nothing')
ok('TOKEN77' not in r.stdout + r.stderr, '... and is not told to anybody else')

# --- trouble

def breaks_off(s, arg):
    s.say('250 OK now reversing the connection')
    s.reply()
    for c in ('EHLO p.example', 'MAIL FROM:<>', 'RCPT TO:<ann@example.org>', 'DATA'):
        s.say(c)
        s.reply()
    s.send(b'Subject: half\r\n\r\nhalf a mess')
    return False


p = TurnUpstream([mail(30)])
p.quirks['ATRN'] = breaks_off
account(p, ATRN)
r = collect()
like(r.stdout, '^isp: 0 messages, .*failed: the connection broke while mail came in: the server hung up', 'dropped inside a message')
is_(taken('ann'), [], '... nothing of it is delivered')
quiet = threading.Event()


def hangs(s, arg):
    s.say('250 OK now reversing the connection')
    quiet.wait(30)
    return False


house.conf('smtpd_timeout = 1s\n')
p = TurnUpstream([mail(31)])
p.quirks['ATRN'] = hangs
account(p, ATRN)
r = collect()
like(r.stdout, 'failed: our own smtpd ended the session', 'a provider that turns round and says nothing')
house.conf('smtpd_timeout = 10s\n')
p.quirks['ATRN'] = lambda s, a: quiet.wait(30) and False
like(collect().stdout, 'failed: the server did not answer in time', '... or does not answer at all')
quiet.set()


def in_pieces(s, arg):
    """The reply and what comes behind it in one segment, the rest octet by octet."""
    s.send(b'250 OK now reversing the connection\r\nEHLO p.example\r\n')
    s.reply()
    s.reply()
    for c in ('MAIL FROM:<>', 'RCPT TO:<ann@example.org>', 'DATA'):
        for o in (c + '\r\n').encode():
            s.send(bytes([o]))
        s.reply()
    for o in b'Subject: 32\r\n\r\nx\r\n.\r\n':
        s.send(bytes([o]))
    s.reply()
    s.say('QUIT')
    s.reply()
    return False


p = TurnUpstream([mail(32)])
p.quirks['ATRN'] = in_pieces
account(p, ATRN)
r = collect()
like(r.stdout, '^isp: 1 message, ', 'a provider in a hurry, and then in none')
is_(taken('ann'), expected(mail(32, text=b'x\r\n')), '... the message is whole')

# A server that never ends, in two ways.

p = TurnUpstream([mail(33)])
p.quirks['EHLO'] = lambda s, a: [s.say('250-X%d' % i) for i in range(1000)] and False
account(p, ATRN)
like(collect().stdout, 'failed: .*too many lines', 'a reply of too many lines')


def endless(s, arg):
    s.send(b'250-')
    while True:
        s.send(b'x' * 65536)


p.quirks['EHLO'] = endless
like(collect().stdout, 'failed: the server did not answer in time', 'a line without end')

# --- stopped in the middle of a message


def turned():
    """The smtpd processes that serve a connection turned round for this house."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                words = f.read().split(b'\0')
        except OSError:
            continue
        if b'-sodmr' in words and str(house.dir).encode() in words:
            found.append(int(pid))
    return found


for number, name in ((signal.SIGTERM, 'SIGTERM'), (signal.SIGKILL, 'SIGKILL')):
    reached, go_on = threading.Event(), threading.Event()

    def stalls(s, arg):
        s.say('250 OK now reversing the connection')
        s.reply()
        for c in ('EHLO p.example', 'MAIL FROM:<>', 'RCPT TO:<ann@example.org>', 'DATA'):
            s.say(c)
            s.reply()
        s.send(b'Subject: half\r\n\r\nhalf a mess')
        reached.set()
        go_on.wait(20)
        return False

    p = TurnUpstream([mail(34)])
    p.quirks['ATRN'] = stalls
    account(p, ATRN)
    process = house.spawn('collect')
    ok(reached.wait(10 * PATIENCE) and turned(), name + ': inside a message')
    process.send_signal(number)
    process.wait(20)
    ok(wait_until(lambda: not turned()), '... our smtpd ends, too')
    go_on.set()
    p.quirks.clear()
    r = collect()
    is_((r.returncode, taken('ann')), (0, expected(mail(34))), '... and the next run takes it, once')

# --- TLS

if not have('openssl'):
    skip('TLS', 'no openssl')
else:
    where = house.path('tls')
    where.mkdir()
    where.chmod(0o755)
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
                    '-keyout', where / 'key', '-out', where / 'cert'], check=True, stderr=subprocess.DEVNULL)
    (where / 'cert').chmod(0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(where / 'cert', where / 'key')
    for words, options in (('', {}), ('tls=implicit', {'implicit': True})):
        p = TurnUpstream(shapes, tls=context, auth='PLAIN', **options)
        account(p, 'protocol=atrn login=office ca=%s %s' % (where / 'cert', words))
        r = collect()
        is_((r.returncode, p.over_tls), (0, [True]), 'ATRN over TLS ' + words)
        like(r.stdout, r'^isp: 4 messages, ', '... counted')
        is_(sorted(taken('ann') + taken('bob')), sorted(expected(*shapes) + expected(shapes[1])), '... octet for octet')
    p = TurnUpstream(shapes)
    account(p, 'protocol=atrn login=office')
    r = collect()
    like(r.stdout, 'failed: the server offers no STARTTLS, so nothing was sent', 'TLS is the default, and asked for')
    is_(p.commands[1:], [], '... without it nothing is said')
    p = TurnUpstream(shapes, tls=context)

    def inject(s, arg):
        s.send(b'220 go ahead\r\n250 injected\r\n')
        try:
            s.sock = s.p.tls.wrap_socket(s.sock, server_side=True)
            s.buf, s.encrypted = b'', True
        except OSError:
            return False
        return True

    p.quirks['STARTTLS'] = inject
    account(p, 'protocol=atrn login=office ca=%s' % (where / 'cert'))
    r = collect()
    like(r.stdout, 'failed: the server sent more, in the clear, before TLS began', 'an answer slipped in before TLS')
    p = TurnUpstream(shapes, tls=context)
    account(p, 'protocol=atrn login=office')
    like(collect().stdout, 'failed: .*not to be trusted', 'a certificate that nobody trusts')
    is_(len(p.commands), 2, '... ends it there')

is_(house.ph('collect', '--status').returncode, 0, 'status')
house.stop()
is_(house.leftovers(), [], 'nothing is left running')
done()
