#!/usr/bin/env python3
"""The Milter protocol octet by octet: what is agreed upon, told and believed; filters that fail at each stage, late or for good."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
import base64, ssl, struct
from milter_raw import Filter, packet

house = House(users=['ann:secret', 'bob:secret'], conf='hostname = mx.example.org\nsmtpd_timeout = 20s\nlisten_submissions = none\n'
              'listen_pop3s = none', options=['--self-signed'])
house.start()
BODY = b'From: x@client.example\r\nMessage-ID: <1@client.example>\r\nSubject:  two\r\n\r\nHello.\r\n'
OK, YES = (b'c', b''), [(b'c', b'')]
seen = {}


def configure(*places, **settings):
    house.conf('milters = %s\n' % ', '.join(p if isinstance(p, str) else p.place for p in places)
               + ''.join('%s = %s\n' % x for x in {'milter_default': 'tempfail', **settings}.items()))


def client(service='smtp', fails=None):
    """A connection to an smtpd of its own, which has read the settings as they are now. fails: a system call of it, and how:
    'pwrite64:error=ENOSPC'."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(1)
        far = socket.create_connection(listener.getsockname(), 15)
        near, _ = listener.accept()
    if fails:
        spawn(['strace', '-qq', '-o', '/dev/null', '-e', 'trace=' + fails.split(':')[0], '-e', 'inject=' + fails,
               LIBEXEC / 'smtpd', '-C', house.dir, '-s', service], stdin=near, stdout=near, stderr=open(house.path('log', 'smtpd.log'), 'ab'))
    else:
        house.spawn('smtpd', '-s', service, stdin=near, stdout=near)
    near.close()
    return Smtp(0, sock=far)


def newest(address='ann@example.org', bound=5):
    """The message that has come since the last call, else b''."""
    n = seen.get(address, 0)
    mail = house.wait_mail(address, n + 1, bound)
    seen[address] = len(mail)
    return max(house.mail_files(address), key=lambda p: p.stat().st_mtime_ns).read_bytes() if len(mail) > n else b''


def text_of(message):
    """Without what we put above it."""
    return re.sub(rb'\A((Return-Path|Delivered-To|X-Original-To): .*\n|Received: .*\n([ \t].*\n)*)*', b'', message)


def converse(s, body=BODY, hello='EHLO client.example', rcpts=('ann',)):
    """One message; {command: first 9 octets of its answer}, up to the one that is refused."""
    said = {'banner': s.reply()}
    for command in [hello, 'MAIL FROM:<x@client.example>'] + ['RCPT TO:<%s@example.org>' % r for r in rcpts] + ['DATA']:
        if said[list(said)[-1]][0] not in (220, 250, 354):
            break
        s.send(command + '\r\n')
        said[command[:4]] = s.reply()
    if said.get('DATA', [0])[0] == 354:
        s.send(body + b'.\r\n')
        said['end'] = s.reply()
    return {k: ('%d %s' % (v[0], v[1][-1] if v[1] else '')) for k, v in said.items()}


def last(said):
    """Where the conversation ended, and how."""
    return list(said)[-1] + ' ' + re.match(r'\d+( \d\.\d+\.\d+)?', list(said.values())[-1]).group(0)


# --- what is said, octet by octet -------------------------------------------------------------------------------

f = Filter()
configure(f)
with client() as s:
    port = s.sock.getsockname()[1]
    is_(last(converse(s)), 'end 250 2.0.0', 'a message passes')
    s.cmd('QUIT')
wait_until(lambda: f.letters().endswith('Q'), what='the end')
is_(f.told(), [
    ('O', struct.pack('>III', 6, 0x1ff, 0x1fffff)),
    ('C', b'[127.0.0.1]\x004' + struct.pack('>H', port) + b'127.0.0.1\0'),
    ('H', b'client.example\0'),
    ('M', b'<x@client.example>\0'),
    ('R', b'<ann@example.org>\0'),
    ('T', b''),
    ('L', b'From\0x@client.example\0'),
    ('L', b'Message-ID\0<1@client.example>\0'),
    ('L', b'Subject\0 two\0'),
    ('N', b''),
    ('B', b'Hello.\r\n'),
    ('E', b''),
    ('Q', b'')], 'every packet')
m = f.macros_of('C')
m.pop('{daemon_port}'), m.pop('{client_port}')
is_(m, {'j': 'mx.example.org', 'v': 'Posthouse', '_': '[127.0.0.1]', '{daemon_name}': 'smtp', '{daemon_addr}': '127.0.0.1',
        '{if_addr}': '127.0.0.1', '{client_addr}': '127.0.0.1', '{client_name}': '[127.0.0.1]', '{client_ptr}': 'unknown'},
    'macros of the connection')
is_(f.macros_of('H'), None, 'none of TLS that is not there')
is_(f.macros_of('M'), {'{mail_addr}': 'x@client.example', '{mail_host}': 'client.example', '{mail_mailer}': 'smtp'}, 'of MAIL')
is_(f.macros_of('R'), {'{rcpt_addr}': 'ann@example.org', '{rcpt_host}': 'example.org', '{rcpt_mailer}': 'local'}, 'of RCPT')
queue_id = house.wait_event('smtpd.received')['id']
is_((f.macros_of('T'), f.macros_of('N'), f.macros_of('E')),
    ({'i': queue_id}, {'i': queue_id}, {'i': queue_id, '{msg_id}': '<1@client.example>'}), 'the ID from DATA on')
newest()

# ESMTP parameters, each a string; RSET and a second message; what is unknown.
f.reset()
with client() as s:
    s.talk('''
        S: 220 *
        C: HELO old.example
        S: 250 *
        C: FOO bar
        S: 500 *
        C: MAIL FROM:<> SIZE=100 BODY=8BITMIME
        S: 250 *
        C: RCPT TO:<Ann@Example.org> NOTIFY=NEVER ORCPT=rfc822;x@y.example
        S: 250 *
        C: RSET
        S: 250 *
        C: MAIL FROM:<x@client.example>
        S: 250 *
        C: QUIT
        S: 221 *
    ''', 'a client that thinks again')
wait_until(lambda: f.letters().endswith('Q'), what='the end')
is_(f.told('HUMRAQ'), [('H', b'old.example\0'), ('U', b'FOO bar\0'), ('M', b'<>\0SIZE=100\0BODY=8BITMIME\0'),
                       ('R', b'<Ann@example.org>\0NOTIFY=NEVER\0ORCPT=rfc822;x@y.example\0'), ('A', b''),
                       ('M', b'<x@client.example>\0'), ('A', b''), ('Q', b'')], 'parameters, unknown commands, ABORT')
f.reset()
with client() as s:
    s.hello()
    s.cmd('MAIL FROM:<x@client.example>')
wait_until(lambda: f.letters().endswith('Q'), what='the end')
is_(f.letters(), 'OCHMAQ', 'a client that hangs up: ABORT, QUIT')

# The body in pieces of at most 65535 octets, whatever it is made of.
f.reset()
many = BODY + b'\r\n' * 100000
with client() as s:
    is_(last(converse(s, many)), 'end 250 2.0.0', 'a hundred thousand empty lines')
pieces = [d for c, d in f.told('B')]
ok(max(map(len, pieces)) <= 65535, 'no piece is too long') or diag(max(map(len, pieces)))
is_(b''.join(pieces), b'Hello.\r\n' + b'\r\n' * 100000, 'and together they are the body')
newest()

# --- what is agreed upon ------------------------------------------------------------------------------------------

every = {'C': 0x1, 'H': 0x2, 'M': 0x4, 'R': 0x8, 'B': 0x10, 'L': 0x20, 'N': 0x40, 'U': 0x100, 'T': 0x200}
mute = {'L': 0x80, 'C': 0x1000, 'H': 0x2000, 'M': 0x4000, 'R': 0x8000, 'T': 0x10000, 'U': 0x20000, 'N': 0x40000, 'B': 0x80000}
whole = 'OCHUMRTLLLNBE'


def unknown_and_message(name, want):
    with client() as s:
        s.hello()
        s.cmd('FOO')
        like(s.message('x@client.example', ['ann@example.org'], BODY), '^250', name)
    is_(f.letters().rstrip('Q'), want, '... told')
    is_(text_of(newest()), BODY.replace(b'\r\n', b'\n'), '... and it came')


for letter, bit in every.items():
    f.reset()
    f.options = (6, 0x1ff, bit)
    unknown_and_message('not told of %s' % letter, whole.replace(letter, ''))
f.reset()
f.options = (6, 0x1ff, sum(every.values()))
unknown_and_message('told of nothing but the end', 'OE')
f.reset()
f.options = (6, 0x1ff, sum(mute.values()))
unknown_and_message('silent until the end', whole)
for letter in mute:
    f.reset()
    f.options = (6, 0x1ff, mute[letter])
    unknown_and_message('silent at %s' % letter, whole)
f.reset()
f.options = (2, 0x3f, 0)
unknown_and_message('a filter of version 2 knows neither DATA nor unknown commands', 'OCHMRLLLNBE')
f.reset()
f.options = (3, 0x3f, 0)
unknown_and_message('one of version 3 not DATA', 'OCHUMRLLLNBE')
f.reset()
f.options = (6, 0x1ff, 0x100000)
f.says['E'] = [(b'h', b'X-Added\0\tvalue\0'), OK]
with client() as s:
    converse(s)
is_(f.told('L')[2], ('L', b'Subject\0  two\0'), 'values with their leading blanks')
like(newest(), r'^X-Added:\tvalue$', '... both ways')
f.reset()
f.options = (6, 0x1ff, 0x400)
f.says['B'] = [(b's', b'')]
with client() as s:
    is_(last(converse(s, many)), 'end 250 2.0.0', 'SKIP')
is_([c for c, _ in f.told('BE')], ['B', 'E'], 'one piece of the body is enough for it')
newest()
f.reset()
f.options = (6, 0x1ff, 0x800)
with client() as s:
    s.hello()
    s.cmd('MAIL FROM:<x@client.example>')
    like(s.cmd('RCPT TO:<nobody@example.org>'), '^550 5.1.1', 'a recipient that we refuse')
is_(f.told('R'), [('R', b'<nobody@example.org>\0')], '... is told')
m = f.macros_of('R')
is_((m['{rcpt_mailer}'], m['{rcpt_host}'], m['{rcpt_addr}'][:9]), ('error', '5.1.1', '550 5.1.1'), '... with our reply')
f.reset()
f.macros = {0: b'j {client_addr}', 2: b'{mail_addr} nonsense {auth_type}', 3: b'', 5: b'i,{msg_id}', 77: b'x'}
with client() as s:
    converse(s)
is_((f.macros_of('C'), f.macros_of('M'), f.macros_of('R')),
    ({'j': 'mx.example.org', '{client_addr}': '127.0.0.1'}, {'{mail_addr}': 'x@client.example'}, None), 'macros as it wants them')
is_(sorted(f.macros_of('E')), ['i', '{msg_id}'], '... with commas between')
newest()
for name, offer in (('version 7', packet(b'O', struct.pack('>III', 7, 0, 0))), ('version 1', packet(b'O', struct.pack('>III', 1, 0, 0))),
                    ('an action nobody offered', packet(b'O', struct.pack('>III', 6, 0x4000, 0))),
                    ('a step nobody offered', packet(b'O', struct.pack('>III', 6, 0, 0x10000000))),
                    ('options cut short', packet(b'O', b'\0\0\0\6')), ('something else', packet(b'c')),
                    ('a packet of no octets', b'\0\0\0\0'), ('a packet of four gigabytes', b'\xff\xff\xff\xffO'),
                    ('a list of macros without its end', packet(b'O', struct.pack('>IIII', 6, 0, 0, 1) + b'i j'))):
    f.reset()
    f.says['O'] = offer
    with client() as s:
        is_(last(converse(s)), 'MAIL 451 4.3.0', name + ' is not agreed upon')
f.reset()
f.options = (6, 0, 0)
f.says['E'] = [(b'h', b'X-New\0one\0'), OK]
with client() as s:
    is_(last(converse(s)), 'end 451 4.3.0', 'a change that was not agreed upon is not believed')
f.reset()
f.says['R'] = [(b'h', b'X-New\0one\0'), OK]
with client() as s:
    is_(last(converse(s)), 'RCPT 451 4.3.0', 'nor one before its time')
for what, said in (('z', b''), ('y', b'550 5.7.1 no end'), ('y', b'hello\0'), ('y', b'250 2.0.0 fine\0'), ('y', b'550-5.1.1 a\n551 b\0')):
    f.reset()
    f.says['M'] = [(what.encode(), said)]
    with client() as s:
        is_(last(converse(s)), 'MAIL 451 4.3.0', 'no answer: %s %r' % (what, said))

# --- answers --------------------------------------------------------------------------------------------------------

for said, want in ((b'550 5.7.1 50%% off\0', [b'550 5.7.1 50% off']),
                   (b'451-4.7.1 one\r\n451-4.7.1 two\r\n451 4.7.1 three\0', [b'451-4.7.1 one', b'451-4.7.1 two', b'451 4.7.1 three']),
                   (b'554 no code\0', [b'554 5.7.1 no code']), (b'550\0', [b'550 5.7.1'])):
    f.reset()
    f.says['R'] = [(b'y', said)]
    with client() as s:
        s.hello()
        s.cmd('MAIL FROM:<x@client.example>')
        s.send('RCPT TO:<ann@example.org>\r\n')
        is_([(s.line() or b'').rstrip() for _ in want], want, 'in its own words: %r' % said)
for answer, want in ((b'4', '421 4.3.0'), (b'f', '421 4.3.0'), (b'y', '421 4.2.1')):
    f.reset()
    f.says['R'] = [(answer, b'421 4.2.1 bye\0' if answer == b'y' else b'')]
    with client() as s:
        is_(last(converse(s)), 'RCPT ' + want, 'the connection ends: %r' % answer)
        ok(s.closed(), '... and has ended')
f.reset()
f.says['C'] = [(b't', b'')]
with client() as s:
    is_(last(converse(s)), 'banner 421 4.7.1', 'tempfail is no greeting')
f.reset()
f.says['H'] = [(b'r', b'')]
with client() as s:
    s.reply()
    like(s.cmd('EHLO bad.example'), '^550 5.7.1', 'a name that it refuses')
    like(s.cmd('EHLO bad.example'), '^550 5.7.1', '... again')
    f.says.clear()
    s.send('EHLO good.example\r\n')
    is_(s.reply()[0], 250, '... and one that it takes')
    like(s.message('x@client.example', ['ann@example.org'], BODY), '^250', '... whose mail goes on')
newest()
for stage in 'CH':
    f.reset()
    f.says[stage] = [(b'a', b'')]
    with client() as s:
        is_(last(converse(s)), 'end 250 2.0.0', 'accepted at %s' % stage)
        s.cmd('MAIL FROM:<x@client.example>')
    is_(f.letters().rstrip('Q'), 'OCH'[:'OCH'.index(stage) + 1], '... is not asked again')
    newest()
for stage in 'MRTLNBE':
    f.reset()
    f.says[stage] = [(b'a', b'')]
    with client() as s:
        is_(last(converse(s)), 'end 250 2.0.0', 'accepted at %s' % stage)
        ok(newest(), '... came')
        f.says.clear()
        like(s.message('x@client.example', ['ann@example.org'], BODY), '^250', '... and is asked about the next')
    like(f.letters(), 'A?MRTLLLNBEQ?$', '... from its beginning')
    newest()
for stage in 'MRTLNBE':
    f.reset()
    f.says[stage] = [(b'd', b'')]
    with client() as s:
        is_(last(converse(s)), 'end 250 2.0.0', 'discarded at %s' % stage)
is_(newest(bound=0), b'', 'and none came')

# --- filters that fail ------------------------------------------------------------------------------------------------

STAGES = ['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E']
WHERE = dict(zip(STAGES, ['MAIL', 'MAIL', 'MAIL', 'RCPT', 'DATA', 'end', 'end', 'end', 'end']))
for default, want in (('tempfail', '451 4.3.0'), ('reject', '550 5.3.0'), ('shutdown', '421 4.3.0'), ('accept', None), ('quarantine', None)):
    configure('%s default=%s' % (f.place, default))
    held = len(house.events('queue.held', by='a filter did not answer'))
    for stage in STAGES:
        f.reset()
        f.says[stage] = Filter.DIE
        with client() as s:
            said = converse(s)
        where = {'C': 'banner', 'H': 'EHLO'}.get(stage, WHERE[stage]) if default == 'shutdown' else WHERE[stage]
        is_(last(said), '%s %s' % (where, want) if want else 'end 250 2.0.0', 'default=%s: it dies at %s' % (default, stage))
        if default == 'accept':
            is_(text_of(newest()), BODY.replace(b'\r\n', b'\n'), '... and the mail came')
    if default == 'quarantine':
        ok(house.wait_event('queue.held', n=held + len(STAGES), by='a filter did not answer'), 'all are held')
        is_(newest(bound=0), b'', 'and none was delivered')
ok(house.events('milter.failed', so='quarantine', at='body'), 'the log says at which stage, and what became of it')

# In the middle of its changes: nothing of them is done, and the next message is asked about anew.
configure(f, milter_default='accept')
f.reset()
f.says['E'] = lambda f, conn, data: conn.sendall(packet(b'h', b'X-Half\0one\0') + packet(b'b', b'half a bo')) or Filter.DIE
with client() as s:
    is_(last(converse(s, many)), 'end 250 2.0.0', 'it dies among its changes')
    is_(text_of(newest()), many.replace(b'\r\n', b'\n'), 'the mail is as it was')
    f.says = {'E': [(b'h', b'X-Whole\0one\0'), OK]}
    like(s.message('x@client.example', ['ann@example.org'], BODY), '^250', 'the next one')
    like(newest(), '^X-Whole: one$', 'is changed')
is_((f.connections, f.letters().count('C'), f.letters().count('H')), (2, 2, 2), 'connected again, and told what it had missed')

# Patience.
for letter, name in (('M', 'timeout'), ('E', 'content_timeout')):
    configure('%s %s=1s' % (f.place, name), milter_default='tempfail')
    f.reset()
    f.says[letter] = Filter.SILENT
    start = time.monotonic()
    with client() as s:
        is_(last(converse(s)), WHERE[letter] + ' 451 4.3.0', '%s: it says nothing at %s' % (name, letter))
    took = time.monotonic() - start
    ok(0.9 < took < 4 * PATIENCE, '... for a second') or diag(took)
like(house.events('milter.failed')[-1].get('reason', ''), 'timed out', 'the log says so')


def at_work(f, conn, data):
    for _ in range(5):
        time.sleep(0.4)
        conn.sendall(packet(b'p'))


configure('%s content_timeout=1s timeout=1s' % f.place)
for letter in 'ME':
    f.reset()
    f.says[letter] = at_work
    with client() as s:
        is_(last(converse(s)), 'end 250 2.0.0', 'a filter that is at work at %s has more time' % letter)
    newest()
with socket.socket() as nobody:
    nobody.bind(('127.0.0.1', 0))
    configure('inet:127.0.0.1:%d' % nobody.getsockname()[1])
    with client() as s:
        is_(last(converse(s)), 'MAIL 451 4.3.0', 'nobody listens there')
    nobody.listen(1)
    fill = [socket.create_connection(nobody.getsockname()) for _ in range(2)]  # what it will accept is full
    configure('inet:127.0.0.1:%d connect_timeout=1s' % nobody.getsockname()[1])
    start = time.monotonic()
    with client() as s:
        is_(last(converse(s)), 'MAIL 451 4.3.0', 'connect_timeout')
    ok(time.monotonic() - start < 6 * PATIENCE, '... is kept')
    for x in fill:
        x.close()

# --- several, over TCP -----------------------------------------------------------------------------------------------

g = Filter(inet=True)
h = Filter(inet=True, family=socket.AF_INET6) if socket.has_ipv6 and os.path.exists('/proc/net/if_inet6') else Filter(inet=True)
configure(f, g, h)
for x in f, g, h:
    x.reset()
f.says['E'] = [(b'i', struct.pack('>I', 0) + b'X-Above\0all\0'), (b'i', struct.pack('>I', 1) + b'X-Below\0second\0'),
               (b'm', struct.pack('>I', 1) + b'Subject\0one\0'), (b'b', b'New bo'), (b'b', b'dy\r'), (b'b', b'\n'), OK]
g.says['E'] = [(b'i', struct.pack('>I', 0) + b'X-Highest\0of all\0'), (b'm', struct.pack('>I', 1) + b'From\0\0'),
               (b'm', struct.pack('>I', 1) + b'From\0\0'), (b'm', struct.pack('>I', 3) + b'X-More\0added\0'), (b'h', b'X-Last\0a\n b\nc\0'), OK]
with client() as s:
    is_(last(converse(s)), 'end 250 2.0.0', 'three filters')
is_([d for c, d in g.told('LB')], [b'X-Above\0all\0', b'X-Below\0second\0', b'From\0x@client.example\0',
                                   b'Message-ID\0<1@client.example>\0', b'Subject\0one\0', b'New body\r\n'],
    'the second sees what the first has changed, and not our Received')
is_([d for c, d in h.told('LB')], [b'X-Highest\0of all\0', b'X-Above\0all\0', b'X-Below\0second\0', b'Message-ID\0<1@client.example>\0',
                                   b'Subject\0one\0', b'X-More\0added\0', b'X-Last\0a\n b\n\tc\0', b'New body\r\n'], 'the third as well')
like(newest(), r'\A(Return-Path|Delivered-To|X-Original-To): .*\n(?s:.*)X-Highest: of all\nX-Above: all\nX-Below: second\nReceived: .*\n(\s.*\n)*'
     r'Message-ID: <1@client.example>\nSubject: one\nX-More: added\nX-Last: a\n b\n\tc\n\nNew body\n\Z', 'in this order')
for x in f, g, h:
    x.reset()
g.says['R'] = [(b'r', b'')]
with client() as s:
    is_(last(converse(s)), 'RCPT 550 5.7.1', 'the second refuses')
    s.cmd('RSET')
    ok(wait_until(lambda: 'A' in f.letters() and 'A' in h.letters()), 'all are told that it is over')
is_(h.told('R'), [], 'the third was not asked')
for x in f, g, h:
    x.reset()
f.says['E'] = [(b'r', b'')]
with client() as s:
    is_(last(converse(s)), 'end 550 5.7.1', 'the first refuses a message')
    f.says.clear()
    like(s.message('x@client.example', ['ann@example.org'], BODY), '^250', 'and takes the next')
is_(g.letters().rstrip('Q'), 'OCHMRTAMRTLLLNBE', 'the second did not see it')
newest()

# Numbers of fields stay those that the filter saw: who takes out all of one name may begin at either end.
configure(f)
for order in ((1, 2, 3), (3, 2, 1)):
    f.reset()
    f.says['E'] = [(b'm', struct.pack('>I', n) + b'X-A\0\0') for n in order] + [OK]
    with client() as s:
        converse(s, b'X-A: 1\r\nX-B: 2\r\nx-a: 3\r\nX-A: 4\r\nX-A: 5\r\n\r\nHello.\r\n')
    is_(text_of(newest()), b'X-B: 2\nX-A: 5\n\nHello.\n', 'three of four taken out, %s first' % order[0])

# Recipients with arguments, a sender with arguments.
f.reset()
f.says['E'] = [(b'2', b'<far@else.example>\0NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@else.example\0'), (b'-', b'ann@example.org\0'),
               (b'e', b'<new@client.example>\0RET=HDRS ENVID=a+2Bb SIZE=5\0'), (b'q', b'look at it\0'), OK]
with client() as s:
    said = converse(s)
held = house.wait_event('queue.held', by='look at it')
envelope = (house.path('spool', 'hold', held['id'])).read_bytes()
like(envelope, r'^sender .*new@client\.example', 'the sender')
like(envelope, r'^ret HDRS', 'RET')
like(envelope, r'^envid a\+', 'ENVID')
like(envelope, r'far@else\.example.*old@else\.example', 'the recipient, with its ORCPT')
ok(b'ann@example.org' not in envelope, 'the other one is gone')
f.reset()
f.says['E'] = [(b'2', b'bob@example.org\0NONSENSE=1\0'), (b'+', b'not an address\0'), (b'-', b'<nobody@example.org>\0'), OK]
with client() as s:
    is_(last(converse(s)), 'end 250 2.0.0', 'changes that are none')
ok(newest('bob@example.org') and newest(), 'the others are done')
is_(sorted(e['reason'] for e in house.events('milter.failed', so='ignored'))[-3:],
    ['a recipient it adds is none', 'a recipient it deletes is none', 'its parameters are none'], 'and these are in the log')
f.reset()
f.says['E'] = [(b'-', b'<ann@example.org>\0'), OK]
with client() as s:
    is_(last(converse(s)), 'end 250 2.0.0', 'nobody is left: it is taken, and goes nowhere')
is_(newest(bound=0), b'', '... really')

# Too much.
configure(f, message_size_limit=100000)
f.reset()
f.says['E'] = [(b'b', b'x' * 60000), (b'b', b'x' * 60000), OK]
with client() as s:
    like(last(converse(s)), r'end 552 5\.3\.4', 'a new body over the limit')
    f.says.clear()
    like(s.message('x@client.example', ['ann@example.org'], BODY), '^250', 'the next message')
    is_(text_of(newest()), BODY.replace(b'\r\n', b'\n'), 'is not taken for the first')
f.reset()
f.says['E'] = [(b'h', b'X-Long\0' + b'y' * 200000 + b'\0')] * 2 + [(b'h', b'X-Short\0z\0'), OK]
with client() as s:
    is_(last(converse(s)), 'end 250 2.0.0', 'fields that do not fit a header')
    got = newest()
is_((got.count(b'X-Long'), got.count(b'X-Short')), (1, 1), 'the second is left out')

# The disk.
configure(f)
for name, says, call, want in (('a field does not fit on the disk', [(b'h', b'X-A\0b\0'), OK], 'pwrite64:error=ENOSPC', '452 4.3.1'),
                               ('a body does not', [(b'b', b'new\r\n'), OK], 'pwrite64:error=EDQUOT', '452 4.3.1'),
                               ('the disk fails', [(b'h', b'X-A\0b\0'), OK], 'pwrite64:error=EIO', '451 4.3.0'),
                               ('the old end cannot be cut off', [(b'm', struct.pack('>I', 1) + b'From\0\0'), OK], 'ftruncate:error=EIO', '451 4.3.0')):
    if not have('strace'):
        skip(name, 'strace is not installed')
        continue
    f.reset()
    f.says['E'] = says
    with client(fails=call) as s:
        is_(last(converse(s)), 'end ' + want, name + ': %s' % call)
is_(newest(bound=0), b'', 'nothing of that was delivered')

# --- other ways in ---------------------------------------------------------------------------------------------------

configure(f)
f.reset()
with client() as s:
    s.hello()
    s.cmd('MAIL FROM:<x@client.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    s.send(b'BDAT 10\r\n' + BODY[:10])
    s.reply()
    s.send(b'BDAT %d LAST\r\n' % (len(BODY) - 10) + BODY[10:])
    is_(s.reply()[0], 250, 'BDAT')
    is_(f.letters(), 'OCHMRTLLLNBE', '... DATA is told once')
    newest()
    f.says['T'] = [(b'y', b'550 5.7.9 no data\0')]
    s.cmd('MAIL FROM:<x@client.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    s.send(b'BDAT 10\r\n' + BODY[:10])
    is_(s.reply(), (550, ['5.7.9 no data']), '... refused behind its octets')
    f.says.clear()
    s.cmd('MAIL FROM:<x@client.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    s.send(b'BDAT 10\r\n' + BODY[:10])
    s.reply()
    s.cmd('RSET')
    ok(wait_until(lambda: f.letters().endswith('A')), '... RSET between chunks: ABORT')
f.reset()
f.says['E'] = [(b'y', b'451 4.7.1 not now\0')]
with client('lmtp') as s:
    said = converse(s, hello='LHLO client.example', rcpts=('ann', 'bob'))
    is_((said['end'], s.line()), ('451 4.7.1 not now', b'451 4.7.1 not now'), 'LMTP: each recipient is told')
is_(f.macros_of('C')['{daemon_name}'], 'lmtp', 'LMTP has its name')

# Logins and TLS.
f.reset()
with client('submissions') as s:
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.maximum_version = ssl.TLSVersion.TLSv1_2
    c.set_ciphers('ECDHE+AESGCM:!AES256')
    s.sock = c.wrap_socket(s.sock, server_hostname='mx.example.org')
    s.sock.settimeout(15 * PATIENCE)
    s.hello()
    s.cmd('auth login ' + base64.b64encode(b'ann').decode())
    like(s.cmd(base64.b64encode(b'secret').decode()), '^235', 'a login under TLS')
    like(s.message('ann@example.org', ['bob@example.org'], BODY), '^250', '... that sends')
m = f.macros_of('H')
ok(m and m.pop('{cipher}').endswith('AES128-GCM-SHA256'), 'the cipher is told')
is_(m, {'{tls_version}': 'TLSv1.2', '{cipher_bits}': '128'}, '... with version and bits')
is_(f.macros_of('M'), {'{auth_type}': 'LOGIN', '{auth_authen}': 'ann@example.org', '{auth_author}': 'ann@example.org',
                       '{mail_addr}': 'ann@example.org', '{mail_host}': 'example.org', '{mail_mailer}': 'smtp'}, 'who has logged in, and how')
is_(f.macros_of('C')['{daemon_name}'], 'submissions', 'the service has its name')

# A client that speaks for another.
house.set_map('access', '127.0.0.1 xclient\n')
f.reset()
with client() as s:
    s.hello()
    like(s.cmd('XCLIENT ADDR=IPV6:2001:db8::7 NAME=other.example PORT=77 LOGIN=bob'), '^220', 'XCLIENT')
    s.cmd('EHLO other.example')
    like(s.cmd('MAIL FROM:<bob@example.org>'), '^250', '... who has logged in')
wait_until(lambda: f.letters().count('Q') == 2, what='the end')
is_(f.told('C')[1:], [('C', b'other.example\x006' + struct.pack('>H', 77) + b'2001:db8::7\0')], '... is another connection for filters')
is_(f.letters(), 'OCHQOCHMAQ', '... from its beginning')
is_({k: f.macros_of('C')[k] for k in ('_', '{client_addr}', '{client_port}', '{client_ptr}')},
    {'_': 'other.example [IPv6:2001:db8::7]', '{client_addr}': '2001:db8::7', '{client_port}': '77', '{client_ptr}': 'other.example'}, '... with its macros')
is_(f.macros_of('M')['{auth_type}'], 'XCLIENT', '... and its login')
house.set_map('access', '')

# One connection for many clients, where it is wanted and the filter knows how. (A start of the house is a client, too.)
for version, connections, want in ((4, 3, 'OCHMRTLLLNBEQ' * 3), (6, 0, 'CHMRTLLLNBEK' * 3)):
    f.reset()
    f.options = (version, 0x3f, 0)
    house.conf('milters = %s reuse=yes\nsmtpd_workers = 1' % f.place)
    house.restart()
    house.send('x@client.example', 'ann@example.org', BODY)
    wait_until(lambda: f.letters()[-2:] in ('EK', 'EQ'), what='the end of the client before')
    f.forget()
    for _ in range(3):
        house.send('x@client.example', 'ann@example.org', BODY)
    wait_until(lambda: len(f.letters()) >= len(want))
    # What different connections say comes in any order.
    is_((f.connections, f.letters() if version == 6 else sorted(f.letters())), (connections, want if version == 6 else sorted(want)),
        'reuse=yes, version %d' % version)
f.forget()
with house.smtp() as s:
    s.hello()
    s.cmd('QUIT')
wait_until(lambda: f.letters().endswith('Q'), what='the end')
is_((f.connections, f.letters()), (0, 'CHQ'), 'a client without a message: libmilter would not hear that another one follows')
house.send('x@client.example', 'ann@example.org', BODY)
wait_until(lambda: f.letters().endswith('K'))
f.forget()
f.hang_up()
like(house.send('x@client.example', 'ann@example.org', BODY), '^250', 'a filter that was started anew meanwhile is connected to again')
is_((f.connections, f.letters()[:2]), (1, 'OC'), '... once')

# A stop does not wait for it as long as the client would.
f.says['E'] = Filter.SILENT
with house.smtp() as s:
    s.hello()
    for command in 'MAIL FROM:<x@client.example>', 'RCPT TO:<ann@example.org>', 'DATA':
        s.cmd(command)
    s.send(BODY + b'.\r\n')
    wait_until(lambda: f.letters().endswith('E'), what='the end of the message')
    start = time.monotonic()
    os.kill(house.pids('smtpd')[0], signal.SIGTERM)
    is_(('%d %s' % (lambda r: (r[0], r[1][0][:5]))(s.reply())), '451 4.3.0', 'SIGTERM while a filter thinks')
    is_(s.reply()[0], 421, '... and good bye')
    ok(time.monotonic() - start < 7 * PATIENCE, '... soon')
is_(re.findall('ERROR: AddressSanitizer.*|runtime error: .*', house.log()), [], 'nothing has gone wrong inside')
done()
