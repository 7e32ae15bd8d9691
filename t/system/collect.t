#!/usr/bin/env python3
"""collect against a provider that behaves, and against ones that do not: what is taken is whole and once, what is
not taken stays upstream, and one bad account delays nobody."""
import os
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream


def message(n, to='ann@example.org', body=b'text\r\n'):
    return b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%d@sender.example>\r\nSubject: no. %d\r\n\r\n%s' % (
        to.encode(), n, n, body)


house = House(users=['ann:secret', 'bob:secret', 'carol:secret'], postmaster='chief',
              conf='message_size_limit = 200k\ncollect_timeout = 3s\n')
house.start()
DOMAIN = 'kind=domain tls=none login=office domain=example.org fallback=carol trusted=.isp.example'
house.map('secrets', 'office password=secret\nwrong password=s3cr3t-of-nobody\n')


def accounts(**entries):
    house.set_map('upstreams', ''.join('%s host=127.0.0.1 port=%d %s\n' % (n, up.port, words)
                                       for n, (up, words) in entries.items()))


def collect(*names, check=False, bound=60):
    return house.ph('collect', *names, check=check, bound=bound)


def taken(user):
    """What is in the mailbox, without what collect puts above each message; emptied."""
    found = []
    for p in house.mail_files(user):
        text = p.read_bytes()
        head, line, rest = text.partition(b'\nX-Posthouse-Sorted: ')
        found.append(rest.partition(b'\n')[2])
        p.unlink()
    return found


def lf(octets):
    return octets.replace(b'\r\n', b'\n')


def all_taken():
    return sorted(m for u in ('ann', 'bob', 'carol') for m in taken(u))


# --- a provider that behaves

shapes = [
    message(1, body=b'.\r\n..\r\n.dot\r\n'),
    message(2, body=b'long ' + b'x' * 50000 + b'\r\n'),
    message(3, body=b'8-bit \xff\xfe\x80 NUL \0 and CR \r in a line\r\n'),
    message(4, body=b'bare \n.\n and \r.\r and \n.\r\n are no end\r\n'),
    message(5, to='bob@example.org'),
    message(6, to='ann@example.org, bob@example.org', body=b'for two\r\n' * 3000),
    message(7, to='nobody@example.org'),
    message(8, body=b'CR CR LF \r\r\n\r\n'),
]
up = Upstream(shapes)
accounts(office=(up, DOMAIN + ' secret=office'))
p = collect()
is_(p.returncode, 0, 'collected')
like(p.stdout, r'^office: 8 messages, \d+ KiB, [\d.]+ s$', 'a line an account')
is_(taken('ann'), [lf(shapes[i]) for i in (0, 1, 2, 3, 5, 7)], "ann's messages, octet for octet")
is_(taken('bob'), [lf(shapes[i]) for i in (4, 5)], "bob's")
is_(taken('carol'), [lf(shapes[6])], 'what is nobody\'s is the fallback\'s')
is_((up.deleted, up.messages), (['uid%04d' % i for i in range(1, 9)], {}), 'deleted upstream')
first_dele = next(i for i, c in enumerate(up.commands) if c.startswith('DELE'))
ok('RETR 8' in up.commands[:first_dele], 'asked ahead')
up.messages['again'] = shapes[0]
up.messages['other'] = message(1, body=b'another body\r\n')
collect()
is_(all_taken(), [lf(message(1, body=b'another body\r\n'))], 'a second copy is dropped, the same Message-ID with other text is not')

# A message whose end does not come with CRLF, sizes that lie, servers that know less.
for name, options in (('no CAPA', dict(capa=None)), ('no PIPELINING', dict(capa=['USER', 'UIDL'])),
                      ('no UIDL', dict(uidl=False)), ('sizes of zero', dict(sizes={'uid0001': 0, 'uid0002': 0})),
                      ('sizes too large', dict(sizes={'uid0001': 9999, 'uid0002': 777}))):
    mails = [message(len(name) * 100 + i, body=name.encode() + b'\r\n') for i in (1, 2, 3)]
    up = Upstream(mails, **options)
    accounts(office=(up, DOMAIN + ' secret=office'))
    p = collect()
    is_((p.returncode, all_taken(), up.messages), (0, sorted(lf(m) for m in mails), {}), name)

# --- what may stay upstream

mails = [message(200 + i) for i in range(3)] + [message(250, body=b'y' * 5000 + b'\r\n')]
up = Upstream(mails)
accounts(office=(up, DOMAIN + ' secret=office keep=all max_size=4k'))
collect()
is_(all_taken(), sorted(lf(m) for m in mails[:3]), 'keep=all takes each')
p = collect()
is_((all_taken(), len(up.messages), up.deleted), ([], 4, []), '... once, and leaves all')
like(p.stdout, r'^office: 0 messages, 0 octets, 1 left there, ', 'too large: left there')
up.messages.pop('uid0001')
saved, up.messages = up.messages, {}
collect()
up.messages = saved
collect()
is_(all_taken(), [], 'an empty listing forgets nothing')
accounts(office=(up, DOMAIN + ' secret=office keep=delete max_messages=1'))
collect()
is_((all_taken(), sorted(up.messages)), ([lf(mails[3])], []), 'told to delete, it deletes what it has without fetching')
ok('RETR 1' not in up.commands[-8:], '... indeed')
renumbered = Upstream([message(300)])
renumbered.messages = {'uid0002': message(301, body=b'of another size\r\n')}
accounts(office=(renumbered, DOMAIN + ' secret=office'))
collect()
is_(all_taken(), [lf(message(301, body=b'of another size\r\n'))], 'a UID given to another message')

# --- a header that is longer than what is read of it

huge = b'To: bob@example.org\r\nX-Long: ' + b'h' * 300000 + b'\r\nCc: ann@example.org\r\n\r\nbody\r\n'
up = Upstream([huge, b'no field at all\r\n', b'To: bob@example.org\r\nno body'])
accounts(office=(up, DOMAIN + ' secret=office max_size=1M'))
collect(check=True)
like(house.mail('bob')[0][:1000], r'^X-Posthouse-Sorted: account=office evidence=header-recipient header=To cut=262144$', 'sorted by what fits, and says so')
is_((taken('bob'), taken('carol'), taken('ann')), ([lf(huge), b'To: bob@example.org\nno body\n'],
                                                  [b'no field at all\n'], []), '... and it is whole')

# --- a shared address

up = Upstream([message(400 + i, to=t) for i, t in enumerate(
    ('Ann <mail@isp.example>', '"Baker, Bob" <mail@isp.example>', 'public <mail@isp.example>', 'mail@isp.example'))])
accounts(family=(up, 'kind=shared tls=none login=office secret=office mailbox=mail@isp.example users=ann,bob '
                     'name="bob:Bob Baker" public=public fallback=carol'))
collect()
is_([len(taken(u)) for u in ('ann', 'bob', 'carol')], [2, 2, 1], 'told apart by name')

# --- a loop

up = Upstream([b'X-Collected-For: ann@here.example\r\n' + message(500), message(501)])
accounts(office=(up, DOMAIN + ' secret=office site=here.example'))
p = collect()
is_((p.returncode, all_taken(), up.messages), (0, [lf(message(501))], {}), 'a loop is delivered to nobody')
held = list(house.path('state', 'collect', 'hold', 'office').iterdir())
is_([h.read_bytes() for h in held], [lf(b'X-Collected-For: ann@here.example\r\n' + message(500))], '... and kept')

# --- trouble

def trouble(name, quirks, mails, error, takes=0, **options):
    """A run that fails so; takes messages come whole. Then the server comes to its senses: each came once."""
    up = Upstream(mails, **options)
    up.quirks.update(quirks)
    accounts(office=(up, DOMAIN + ' secret=office'))
    p = collect()
    is_(p.returncode, 75, name + ': exit 75')
    like(p.stdout, r'^office: %d messages?, .*: failed: .*%s' % (takes, error), '... and says why')
    first = all_taken()
    ok(all(m in [lf(x) for x in mails] for m in first) and len(first) == takes, '... takes only what is whole')
    is_(len(up.messages), len(mails), '... deletes nothing')
    up.quirks.clear()
    collect(check=True)
    is_((sorted(first + all_taken()), up.messages), (sorted(lf(m) for m in mails), {}),
        '... the next run gets the rest, nothing twice')


mails = [message(600 + i, body=b'line\r\n' * 500) for i in range(5)]


def drop(conn, n):
    if n == '4':
        conn.send(b'+OK\r\n' + mails[3][:1000])
        return False


trouble('dropped inside a message', {'RETR': drop}, mails, 'the connection broke inside a message', takes=3)

mails = [message(620 + i) for i in range(3)]


def forever(conn, n):
    if n == '2':
        conn.send(b'+OK\r\n' + mails[1])
        try:
            while True:
                conn.send(b'z' * 65536)
        except OSError:
            return False


trouble('a message without end', {'RETR': forever}, mails, 'a message without end', takes=1)

mails = [message(640 + i) for i in range(3)]


def silence(conn, n):
    if n == '3':
        conn.send(b'+OK\r\n' + mails[2][:50])
        time.sleep(6)
        return False


trouble('silence', {'RETR': silence}, mails, 'broke inside a message: .*timed out', takes=2)

mails = [message(650 + i) for i in range(2)]


def endless_line(conn, arg):
    try:
        while True:
            conn.send(b'+OK' + b'z' * 65536)
    except OSError:
        return False


trouble('an endless line', {'UIDL': endless_line}, mails, '.*')
mails = [message(660 + i) for i in range(2)]
trouble('no POP3 at all', {'USER': lambda c, a: c.send(b'HTTP/1.1 400 Bad\r\n') or True}, mails, 'no POP3 reply')
mails = [message(670 + i) for i in range(2)]


def no_quit(conn, arg):
    return False


trouble('gone at QUIT', {'QUIT': no_quit}, mails, 'QUIT|closed|hung up', takes=2)

# A listing with a message more than there is, and one it will not give.
up = Upstream([message(680), message(681)])
up.quirks['LIST'] = lambda c, a: c.send(b'+OK\r\n1 100\r\n2 100\r\n3 100\r\n.\r\n') or True
up.quirks['RETR'] = lambda c, n: c.send(b'-ERR no such message\r\n') or True if n in ('1', '3') else None
accounts(office=(up, DOMAIN + ' secret=office'))
p = collect()
is_((p.returncode, all_taken(), sorted(up.messages)), (0, [lf(message(681))], ['uid0001']),
    'wrong counts: what is there is taken, the rest stays')
like(p.stdout, '2 left there', '... and is reported')

# --- passwords

good, bad = Upstream([message(700)]), Upstream([message(701)])
accounts(good=(good, DOMAIN + ' secret=office'), bad=(bad, DOMAIN + ' secret=wrong'))
p = collect()
is_(p.returncode, 75, 'one wrong password: exit 75')
is_(all_taken(), [lf(message(700))], '... the other account is collected')
like(p.stderr, r'collect\.auth_failed account=bad', '... and the log tells which')
ok('s3cr3t' not in p.stdout + p.stderr + house.log(), '... but no password')
like(house.ph('collect', '--status').stdout, r'^bad: .*failed: login refused.*\n(.*\n)*good: .*ok$|^good: .*ok\n(.*\n)*bad: .*failed: login', '--status')

# --- TLS

def certificate():
    where = house.path('tls')
    where.mkdir()
    where.chmod(0o755)
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', str(where / 'key'),
                    '-out', str(where / 'cert')], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(where / 'cert', where / 'key')
    return context, where / 'cert'


context, ca = certificate()


def over_tls(name, up, words, good):
    house.set_map('upstreams', 'office host=localhost port=%d %s ca=%s secret=office\n' % (
        up.port, DOMAIN.replace('tls=none', words), ca))
    p = collect()
    is_((p.returncode, len(all_taken())), (0, 1) if good else (75, 0), name)
    return p


over_tls('implicit TLS', Upstream([message(710)], tls=context, implicit=True), 'tls=implicit', True)
over_tls('STLS', Upstream([message(711)], tls=context, capa=['STLS', 'UIDL']), 'tls=starttls', True)
up = Upstream([message(712)], capa=['UIDL'])
over_tls('a server without STLS gets nothing', up, 'tls=starttls', False)
ok(not any(c.startswith(('USER', 'PASS')) for c in up.commands), '... no name and no password')
up = Upstream([message(713)], tls=context, capa=['STLS', 'UIDL'])
up.quirks['STLS'] = lambda c, a: c.send(b'+OK go ahead\r\n+OK slipped in\r\n') or True
over_tls('an answer slipped in before TLS', up, 'tls=starttls', False)
ok(not any(c.startswith(('USER', 'PASS')) for c in up.commands), '... no name and no password')
up = Upstream([message(714)], tls=context, implicit=True)
house.set_map('upstreams', 'office host=localhost port=%d %s secret=office\n' % (
    up.port, DOMAIN.replace('tls=none', 'tls=implicit')))
p = collect()
is_((p.returncode, up.commands), (75, []), 'a certificate nobody vouches for')
spki = subprocess.run('openssl x509 -in %s -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | '
                      'openssl base64' % ca, shell=True, check=True, stdout=subprocess.PIPE).stdout.decode().strip()
for pin, good, name in ((spki, True, 'a certificate whose key is pinned, and that nobody vouches for'),
                        ('A' * 43 + '=', False, 'one whose key is not the pinned one')):
    up = Upstream([message(715)], tls=context, implicit=True)
    house.set_map('upstreams', 'office host=localhost port=%d %s pin=sha256//%s secret=office\n' % (
        up.port, DOMAIN.replace('tls=none', 'tls=implicit'), pin))
    p = collect()
    is_((p.returncode, len(all_taken()), bool(up.commands)), (0, 1, True) if good else (75, 0, False), name)
like(p.stdout, 'is not the pinned one, but sha256//' + re.escape(spki), '... which names the key that is there')
house.set_map('upstreams', 'office host=mail.example port=%d %s secret=office\n' % (1, DOMAIN), compile=False)
like(house.compile(check=False).stderr, 'tls=none would send the password in the clear', 'tls=none is for loopback only')

# --- accounts side by side

slow, fast = Upstream([message(720)]), Upstream([message(721)])
may_go_on = threading.Event()
slow.quirks['RETR'] = lambda c, n: may_go_on.wait(2.5) and None
accounts(slow=(slow, DOMAIN + ' secret=office'), fast=(fast, DOMAIN + ' secret=office'))
run = spawn([BIN / 'posthouse', '-C', house.dir, 'collect'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
like(run.stdout.readline(), '^fast: 1 message', 'a slow account delays nobody')
may_go_on.set()
like(run.stdout.readline(), '^slow: 1 message', '... and is collected, too')
run.wait()
is_(len(all_taken()), 2, '... both are here')

def opens(pid, name):
    """Has this process a file of this name open?"""
    try:
        return any(os.readlink('/proc/%d/fd/%s' % (pid, fd)).endswith(name) for fd in os.listdir('/proc/%d/fd' % pid))
    except OSError:
        return False


# Two runs at a time: the second waits and reports what the first did.
up = Upstream([message(730)])
begun, may_go_on = threading.Event(), threading.Event()
up.quirks['RETR'] = lambda c, n: (begun.set(), may_go_on.wait(2.5)) and None
accounts(office=(up, DOMAIN + ' secret=office'))
run = [spawn([BIN / 'posthouse', '-C', house.dir, 'collect'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)]
begun.wait(10)
run.append(spawn([BIN / 'posthouse', '-C', house.dir, 'collect', 'now', 'office'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
wait_until(lambda: any(opens(pid, '/office.lock') for pid in children(run[1].pid)), 10)
may_go_on.set()
out = [r.communicate()[0] for r in run]
like(out[0], '^office: 1 message', 'two runs: the first collects')
like(out[1], r'^office: 1 message.*\(by another process\)', '... the second joins it')
is_((len(all_taken()), up.sessions), (1, 1), '... in one session')

# ... and when the first dies, no third takes an earlier run's word for it.
up.messages['more'] = message(731)
begun.clear()
up.quirks['RETR'] = lambda c, n: (begun.set(), time.sleep(30))
run = [spawn([BIN / 'posthouse', '-C', house.dir, 'collect'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)]
begun.wait(10)
run += [spawn([BIN / 'posthouse', '-C', house.dir, 'collect', 'now', 'office'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for i in range(2)]
wait_until(lambda: all(any(opens(pid, '/office.lock') for pid in children(r.pid)) for r in run), 10)
os.kill(children(run[0].pid)[0], signal.SIGKILL)
out = [r.communicate()[0] for r in run]
like(out[0], 'died of signal 9', 'the process that collects dies')
for r, o in zip(run[1:], out[1:]):
    like(o, r'by another process\): failed: the other process died', '... who waited for it fails, too')
is_([r.returncode for r in run], [75, 75, 75], '... exit codes')
up.quirks.clear()
is_((collect('office').returncode, len(all_taken())), (0, 1), '... and the next does it')

# --- killed

mails = [message(740 + i) for i in range(80)]
up = Upstream(mails)
accounts(office=(up, DOMAIN + ' secret=office'))
begun, may_go_on = threading.Event(), threading.Event()
up.quirks['RETR'] = lambda c, n: n == '71' and (begun.set(), may_go_on.wait(5)) and None or None
run = spawn([LIBEXEC / 'collect', '-C', house.dir], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
begun.wait(10)
wait_until(lambda: len(house.mail_files('ann')) >= 40)  # others are on their way
for pid in children(run.pid):
    os.kill(pid, signal.SIGKILL)
may_go_on.set()
run.wait()
is_(run.returncode, 75, 'killed in the middle: exit 75')
before = all_taken()
is_(len(up.messages), 80, '... nothing is deleted')
up.quirks.clear()
collect(check=True)
is_(sorted(before + all_taken()), sorted(lf(m) for m in mails), '... the next run gets the rest, nothing twice')

# --- told to stop

mails = [message(830 + i) for i in range(5)]
up = Upstream(mails, capa=['UIDL'])
accounts(office=(up, DOMAIN + ' secret=office pipelining=no'))
begun, may_go_on = threading.Event(), threading.Event()
up.quirks['RETR'] = lambda c, n: n == '3' and (begun.set(), may_go_on.wait(2)) and None or None
run = spawn([LIBEXEC / 'collect', '-C', house.dir], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
begun.wait(10)
run.terminate()  # the answer to RETR 3 keeps it waiting meanwhile
like(run.communicate()[0], r'^office: [23] messages, .*failed: stopped on request', 'SIGTERM: it stops, at the latest behind the message under way')
is_((run.returncode, len(up.messages)), (75, 5), '... exit 75')
up.quirks.clear()
collect(check=True)
is_((all_taken(), up.messages), (sorted(lf(m) for m in mails), {}), '... the rest with the next run, nothing twice')

# --- the queue has no room, or does not answer

house.conf('queue_free_floor = 1000G')
house.restart()
up = Upstream([message(890)])
accounts(office=(up, DOMAIN + ' secret=office'))
p = collect()
is_((p.returncode, len(up.messages), all_taken()), (75, 1, []), 'no room here: nothing is taken')
like(p.stdout, r'the queue refuses \(452', '... and it says so')
house.conf('queue_free_floor = 1M')
house.restart()
collect(check=True)
is_(all_taken(), [lf(message(890))], '... later it is')

house.stop()
up = Upstream([message(900)])
accounts(office=(up, DOMAIN + ' secret=office'))
p = collect()
is_((p.returncode, len(up.messages)), (75, 1), 'without a queue nothing is taken')
like(p.stdout, 'the queue', '... and it says so')
house.start()
collect(check=True)
wait_until(lambda: house.mail_files('ann'))  # the agents may not be there yet
is_(all_taken(), [lf(message(900))], '... later it is')

# --- explain

eml = house.path('letter.eml')
eml.write_bytes(message(910, to='bob@example.org'))
p = house.ph('collect', '--explain', eml, '--account', 'office')
like(p.stdout, r'^To: bob@example\.org is known\nclass: header-recipient\nby: To\nfor: bob -> bob@example\.org$|'
               r'^To: bob@example\.org is known\nclass: header-recipient\nby: To\nfor: bob@example\.org -> bob@example\.org$',
     '--explain')
is_(house.ph('collect', 'nosuch', check=False).returncode, 64, 'an account that is not there')
done()
