#!/usr/bin/env python3
"""The map access, decision by decision: client, HELO, sender, recipient, the address they come in at; what counts for
more than what; who may use which sender; groups that strangers do not write to."""
import base64, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from dns_server import *

dns = DnsServer({'2.0.0.127.bl.test': ['127.0.0.2'], '2.0.0.127.good.test': ['127.0.0.2'],
                 '77.113.0.203.good.test': ['127.0.0.3']})
for last in 66, 77, 88:
    dns.names['%d.113.0.203.bl.test' % last] = ['127.0.0.4']
dns.names['1.100.51.198.bl.test'] = ['127.0.0.4']
lan = free_port()
house = House(users=['anna:secret', 'bob:secret'], smarthost='127.0.0.1:%d' % free_port(), conf='''
hostname = mx.example.org
proxy_from = 127.0.0.9
log_level = detail
plaintext_login = always
''' + dns.conf, maps={'domains': 'alias.example alias-of=example.org\nbackup.example relay\n'})
house.conf('listen_submission = 127.0.0.1:%d, 127.0.0.2:%d' % (house.submission_port, lan), compile=False)
house.start()
LOGIN = 'AUTH PLAIN ' + base64.b64encode(b'\0anna\0secret').decode()


def come(address, port=None, cls=Smtp):
    """As this client, through the balancer."""
    s = cls(0, sock=socket.create_connection(('127.0.0.1', port or house.smtp_port), 15 * PATIENCE, ('127.0.0.9', 0)))
    s.send('PROXY %s %s %s 4711 25\r\n' % (('TCP6', address, '::1') if ':' in address else ('TCP4', address, '127.0.0.1')))
    return s


def ask(address, *rcpts, sender='x@client.example', login=False, helo='client.example', port=None):
    """The answer to each recipient (or to what came before)."""
    with come(address, port or (house.submission_port if login else None)) as s:
        code, text = s.reply()
        if code != 220:
            return '%d %s' % (code, text[-1])
        for c in ['EHLO ' + helo] + ([LOGIN] if login else []) + ['MAIL FROM:<%s>' % sender]:
            answer = s.cmd(c)
            if answer[0] != '2':
                return answer
        answers = [s.cmd('RCPT TO:<%s>' % r) for r in rcpts]
        return answers[0] if len(answers) == 1 else [a[:9] for a in answers]


def access(text):
    house.set_map('access', text)


HERE, THERE = 'bob@example.org', 'x@else.example'

# --- ranges and masks ------------------------------------------------------------------------------

house.set_map('access', '''192.168.1.10-192.168.1.20  trust
10.0.0.0/255.0.0.0         trust
10.1.0.0/16                no-relay
10.1.2.3                   trust
2001:db8::/32              trust
2001:db8:bad::1-2001:db8:bad::f reject text="Not you"
''', compile=False)
p = house.compile()
is_([re.sub(r'.*?access:', 'access:', w) for w in p.stderr.strip().split('\n')],
    ['access:3: warning: 10.1.0.0/16 lies inside 10.0.0.0/8 of line 2, which says otherwise: this one counts',
     'access:4: warning: 10.1.2.3/32 lies inside 10.1.0.0/16 of line 3, which says otherwise: this one counts',
     'access:6: warning: 2001:db8:bad::1/128 lies inside 2001:db8::/32 of line 5, which says otherwise: this one counts',
     '3 warnings'], 'what overlaps is told, once a line')
for client, trusted in (('192.168.1.9', False), ('192.168.1.10', True), ('192.168.1.15', True), ('192.168.1.20', True),
                        ('192.168.1.21', False), ('10.255.255.255', True), ('9.255.255.255', False), ('11.0.0.0', False),
                        ('10.1.255.255', False), ('10.1.2.3', True), ('10.1.2.4', False), ('2001:db8:ffff::1', True),
                        ('2001:db9::', False), ('2001:db8:bad::10', True)):
    like(ask(client, THERE), '^250' if trusted else '^550 5.7.1 Relaying denied', '%s %s' % (client, 'relays' if trusted else 'does not'))
is_(ask('2001:db8:bad::f', THERE), '554 5.7.1 Not you', 'the end of a range')

# --- clients: neither, nor -------------------------------------------------------------------------

access('''
198.51.100.1   no-local
198.51.100.2   no-relay
198.51.100.3   no-local,no-relay
198.51.100.4   no-local no-relay
198.51.100.5   reject text="Go away"
198.51.100.6   no-local,no-relay disabled
203.0.113.0/24 no-local,no-relay
203.0.113.9    trust
''')
is_(ask('198.51.100.1', HERE), '550 5.7.1 Local recipients take no mail from your address', 'no-local: nothing for us')
like(ask('198.51.100.1', THERE, sender='anna@example.org', login=True), '^250', '... relaying after AUTH')
like(ask('198.51.100.1', HERE, sender='anna@example.org', login=True), '^250', '... and then for us, too')
like(ask('198.51.100.1', 'x@backup.example'), '^250', '... what we relay is not for us')
is_(ask('198.51.100.2', HERE, THERE, 'x@backup.example'), ['250 2.1.5', '550 5.7.1', '550 5.7.1'], 'no-relay: for us only')
like(ask('198.51.100.2', THERE, sender='anna@example.org', login=True), '^250', '... but for who has logged in')
for client in '198.51.100.3', '198.51.100.4', '203.0.113.8':
    is_(ask(client, HERE), '554 5.7.1 Refused by this site', '%s: both, so it is refused at once' % client)
    with come(client) as s:
        s.reply()
        ok(s.closed(), '... and left')
    with come(client, house.submission_port) as s:
        ok([x for x in s.hello() if x.startswith('AUTH ')], '... may log in')
        like(s.cmd(LOGIN), '^235', '... does')
        s.cmd('MAIL FROM:<anna@example.org>')
        is_([s.cmd('RCPT TO:<%s>' % r)[:3] for r in (HERE, THERE)], ['250', '250'], '... and sends')
like(ask('203.0.113.9', THERE), '^250', 'unless it is trusted')
ok(house.wait_event('smtpd.refused', client='[198.51.100.3]', code=554, access=4), 'the log names the line')
is_(ask('198.51.100.5', HERE), '554 5.7.1 Go away', 'reject')
like(ask('198.51.100.6', HERE), '^250', 'a disabled line does nothing')

# --- HELO, sender, recipient -----------------------------------------------------------------------

access('''
192.0.2.1                trust
192.0.2.2                device=old to=*
helo:evil.example        reject
helo:rude.example        reject text="Mind your manners"
helo:inside.example      no-relay
helo:off.example         reject disabled
sender:bad@else.example  reject text="Not from you"
sender:@spam.example     reject
sender:good@spam.example no-relay
sender:<>                no-local
sender:away@else.example no-local
rcpt:anna@example.org    reject text="Anna is not for strangers"
rcpt:@backup.example     reject
''')
is_(ask('203.0.113.1', HERE, helo='EVIL.example'), '550 5.7.1 Access denied', 'a HELO name, in any case')
is_(ask('203.0.113.1', HERE, helo='rude.example'), '550 5.7.1 Mind your manners', '... in the map\'s words')
like(ask('203.0.113.1', HERE, helo='off.example'), '^250', 'a disabled one')
is_(ask('203.0.113.1', HERE, 'x@backup.example', helo='inside.example'), ['250 2.1.5', '550 5.7.1'], 'no-relay for a name')
for client in '192.0.2.1', '192.0.2.2':
    like(ask(client, HERE, helo='evil.example'), '^250', 'but %s is ours, whatever it is called' % client)
like(ask('203.0.113.1', HERE, helo='evil.example', sender='anna@example.org', login=True), '^250', '... and so is who logs in')
like(ask('192.0.2.1', THERE, helo='inside.example'), '^550', 'no-relay is for all that say so')
is_(ask('203.0.113.1', HERE, sender='Bad@ELSE.example'), '550 5.7.1 Not from you', 'a sender')
is_(ask('203.0.113.1', HERE, sender='any@spam.example'), '550 5.7.1 Access denied', 'a sender\'s domain')
like(ask('203.0.113.1', HERE, sender='any@sub.spam.example'), '^250', '... the domains below are others')
like(ask('203.0.113.1', HERE, sender='good@spam.example'), '^250', 'an address counts for more than its domain')
like(ask('203.0.113.1', HERE, sender=''), '^550 5.7.1', 'the null sender')
is_(ask('203.0.113.1', HERE, 'y@backup.example', sender='away@else.example'), ['550 5.7.1', '550 5.7.1'], 'no-local for a sender')
like(ask('192.0.2.1', THERE, sender='bad@else.example'), '^250', 'a trusted client is not asked')
is_(ask('203.0.113.1', 'Anna@example.org'), '550 5.7.1 Anna is not for strangers', 'a recipient')
is_(ask('203.0.113.1', 'anna@alias.example'), '550 5.7.1 Anna is not for strangers', '... by another name of the domain')
is_(ask('203.0.113.1', 'anna@[127.0.0.1]'), '550 5.7.1 Anna is not for strangers', '... of the host')
like(ask('203.0.113.1', 'z@backup.example'), '^550 5.7.1 ', 'a recipient\'s domain')
for client in '192.0.2.1', '192.0.2.2':
    is_(ask(client, 'anna@example.org', 'anna'), ['250 2.1.5', '250 2.1.5'], '%s may write to her' % client)
like(ask('203.0.113.1', 'anna@example.org', sender='anna@example.org', login=True), '^250', '... and who has logged in')
p = house.ph('route', '--client', '203.0.113.1', 'anna@example.org', check=False)
is_((p.returncode, re.findall(r'access:\d+ recipient.*|rejected: .*', p.stdout)),
    (69, ['access:13 recipient reject', 'rejected: 550 5.7.1 Anna is not for strangers']), 'posthouse route says the same')
ok(house.wait_event('smtpd.reject', command='RCPT', rcpt='Anna@example.org', client='[203.0.113.1]'), 'the log has it')

# --- what counts for more --------------------------------------------------------------------------

house.set_map('filters', 'pills string="cheap pills"\n', compile=False)
house.conf('dnsbl = bl.test, good.test*-2\ndnsbl_probe = 1s', compile=False)
access('198.51.100.0/24 trust\n')
house.restart()
like(ask('203.0.113.66', HERE), r'^550 5\.7\.1 Client \[203\.0\.113\.66\] is listed by bl\.test, see https://', 'on a list: refused at RCPT')
like(ask('203.0.113.66', 'postmaster@example.org'), '^250', '... the postmaster can be reached')
like(ask('203.0.113.77', HERE), '^250', 'a list of good senders counts for more')
like(ask('203.0.113.88', THERE, sender='anna@example.org', login=True), '^250', 'who has logged in is not asked')
is_(dns.count('88.113.0.203.bl.test'), 0, '... nor are the lists')
like(ask('198.51.100.1', THERE), '^250', 'a trusted client relays')
is_(dns.count('1.100.51.198.bl.test') + dns.count('1.100.51.198.good.test'), 0, '... and no list was asked about it')
with come('198.51.100.1') as s:
    s.hello()
    like(s.message('x@client.example', [HERE], b'Subject: cheap pills\r\n\r\nx\r\n'), '^550 5.7.1 .*filtering', '... its mail passes the filters')
with come('198.51.100.1', house.submission_port) as s:
    s.hello()
    like(s.cmd(LOGIN), '^235', '... and AUTH is accepted if it comes')
PYTHON = '/usr/bin/python3'
if not os.path.exists(PYTHON) or subprocess.run([PYTHON, '-c', 'import Milter'], capture_output=True).returncode != 0:
    skip('... and milters', 'python3-milter is not installed')
else:
    SOCKET, LOG = (str(house.path(n)) for n in ('peer.sock', 'peer.log'))
    open(LOG, 'w').close()
    peer = spawn([PYTHON, str(SRCDIR / 't' / 'lib' / 'milter_peer.py'), SOCKET, LOG], stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(SOCKET), what='the filter')
    os.chmod(SOCKET, 0o777)
    house.conf('milters = unix:' + SOCKET)
    house.restart()
    with come('198.51.100.1') as s:
        s.hello()
        like(s.message('x@client.example', [HERE], b'Subject: x\r\n\r\nx\r\n'), '^250', '... its mail passes milters')
    ok(wait_until(lambda: re.search(r'(?m)^body ', open(LOG).read())), '... which see it to its end')
    house.conf('milters =')
access('198.51.100.0/24 trust disabled\n')
house.restart()
like(ask('198.51.100.1', HERE), '^550 5.7.1 .* is listed', 'disabled trust is none')
house.conf('dnsbl =', compile=False)
house.set_map('filters', '', compile=False)

# --- two networks ----------------------------------------------------------------------------------

access('at:127.0.0.2 trust\n127.0.0.66 no-relay\n')
house.restart()


def submit(host, port, source='127.0.0.1'):
    s = Smtp(0, sock=socket.create_connection((host, port), 15 * PATIENCE, (source, 0)))
    with s:
        s.hello()
        return s.cmd('MAIL FROM:<anna@example.org>'), s.cmd('RCPT TO:<%s>' % THERE)


is_([a[:9] for a in submit('127.0.0.2', lan)], ['250 2.1.0', '250 2.1.5'], 'at the address of the local network: without AUTH')
is_([a[:9] for a in submit('127.0.0.1', house.submission_port)], ['530 5.7.0', '503 5.5.1'], 'at the other: not')
is_([a[:9] for a in submit('127.0.0.2', lan, '127.0.0.66')], ['530 5.7.0', '503 5.5.1'], 'an entry of the client counts for more')
access('at:127.0.0.1:%d trust\nat:*:%d no-relay\n' % (house.submission_port, lan))
house.restart()
is_([a[:9] for a in submit('127.0.0.1', house.submission_port)], ['250 2.1.0', '250 2.1.5'], 'an address with its port')
is_([a[:9] for a in submit('127.0.0.2', lan)], ['530 5.7.0', '503 5.5.1'], 'a port of any address')
p = house.ph('compile', '--check')
is_(p.stderr, '', 'nothing odd')
house.set_map('access', 'at:203.0.113.1 trust\nat:*:2525 device=any\nat:[2001:db8::1]:25 trust\nat:[::1]:25 trust\nat:192.168.1.1:25 trust\n', compile=False)
is_(re.findall(r'access:(\d): warning: at:.*everybody who can reach', house.ph('compile', '--check').stderr), ['1', '2', '3'],
    'trust at an address that the world may reach is odd')

# --- whose sender ----------------------------------------------------------------------------------

access('192.0.2.0/24 trust\n192.0.2.200 device=old from=old@example.org\n')
house.map('aliases', 'sales@example.org anna\n')
is_(ask('203.0.113.1', THERE, sender='bob@example.org', login=True), '553 5.7.1 Sender address not owned by anna', 'anna is not bob')
like(ask('203.0.113.1', THERE, sender='sales@alias.example', login=True), '^250', 'an alias of hers is hers')
like(ask('203.0.113.1', HERE, sender='anna@example.org'), '^250', 'a stranger may say that he is anna')
house.conf('local_senders = login')
house.restart()
for sender in 'anna@example.org', 'nobody@example.org', 'Anna@ALIAS.example', 'x@mx.example.org':
    like(ask('203.0.113.1', HERE, sender=sender), '^550 5.7.1 Senders of this domain log in', 'local_senders = login: not ' + sender)
for sender in '', 'x@else.example', 'x@backup.example':
    like(ask('203.0.113.1', HERE, sender=sender), '^250', '... but <%s>' % sender)
for client in '192.0.2.1', '192.0.2.200':
    like(ask(client, HERE, sender='anna@example.org'), '^250', '... and %s, which is ours' % client)
like(ask('203.0.113.1', HERE, sender='anna@example.org', login=True), '^250', '... and anna')
house.conf('local_senders = anybody\nrelay_senders = local\nsender_rights = any')
house.restart()
for sender, local, account in (('anna@example.org', 1, 1), ('sales@alias.example', 1, 1), ('nobody@example.org', 1, 0),
                               ('x@else.example', 0, 0), ('', 1, 1)):
    for setting, good in ('local', local), ('account', account):
        house.conf('relay_senders = ' + setting)
        house.restart()
        for login in False, True:
            is_(ask('192.0.2.1', THERE, HERE, sender=sender, login=login), ['250 2.1.5' if good else '550 5.7.1', '250 2.1.5'],
                'relay_senders = %s, <%s>%s' % (setting, sender, ', who has logged in' if login else ''))
like(ask('203.0.113.1', THERE, sender='anna@example.org'), '^550 5.7.1 Relaying', 'a sender lets nobody relay')
house.conf('relay_senders = any\nsender_rights = own')
house.restart()

# --- groups ----------------------------------------------------------------------------------------

house.set_map('aliases', '''
local@example.org   post=auth-if-remote-members anna, bob
mixed@example.org   post=auth-if-remote-members anna, x@else.example
nested@example.org  anna, mixed
outer@example.org   post=auth-if-remote-members nested2, bob
nested2@example.org anna, x@else.example
away@example.org    post=auth-if-remote-members carol
carol@example.org   anna
staff@example.org   post=auth anna
open@example.org    post=anybody anna, x@else.example
plain@example.org   anna, x@else.example
relayed@example.org post=auth-if-remote-members anna, x@backup.example
''')
LIST = '550 5.7.1 Authentication required to post to this list'
for group, free in (('local', 1), ('mixed', 0), ('nested', 0), ('outer', 0), ('away', 1), ('staff', 0), ('open', 1), ('plain', 1),
                    ('relayed', 0), ('mixed@alias.example', 0)):
    rcpt = group if '@' in group else group + '@example.org'
    if free:
        like(ask('203.0.113.1', rcpt), '^250', 'a stranger may write to ' + group)
    else:
        is_(ask('203.0.113.1', rcpt), LIST, 'a stranger may not write to ' + group)
    like(ask('203.0.113.1', rcpt, sender='anna@example.org', login=True), '^250', '... who has logged in may')
    like(ask('192.0.2.1', rcpt), '^250', '... who is trusted may')
house.map('users', 'dora@example.org forward=x@else.example\neric@example.org copy-to=x@else.example\n', compile=False)
house.map('aliases', 'people@example.org post=auth-if-remote-members dora, eric\n')
like(ask('203.0.113.1', 'people@example.org'), '^250', 'who forwards her mail is a member here')
p = house.ph('route', '--client', '203.0.113.1', 'mixed@example.org', check=False)
like(p.stdout, r'aliases:3 the client has not logged in, and there is a member elsewhere', 'posthouse route explains it')
p = house.run([BIN / 'sendmail', '-C', house.dir, '-f', 'anna@example.org', 'mixed@example.org'], check=False, input='Subject: x\n\nx\n')
is_(p.returncode, 0, 'sendmail is for people of this host')

# --- lists of senders ------------------------------------------------------------------------------

LINES = 100000
house.path('etc', 'spammers').write_text('# downloaded\n' + ''.join('spammer%d@bulk%d.example\n' % (i, i % 977) for i in range(LINES)) +
                                         'junk.example\n@junk2.example\n*@junk3.example\nspammer1@bulk1.example\n')
house.set_map('access', '# first\nsender:spammer7@bulk7.example no-local\nsender:file:spammers reject text="Known for spam"\n', compile=False)
began = time.monotonic()
p = house.compile()
took = time.monotonic() - began
ok(took < 3 * PATIENCE, '%d senders compile in %.2f s' % (LINES, took))
like(p.stdout, r'access %d,' % (LINES + 3), 'a hundred thousand senders compile; who stands there twice counts once')
for sender in 'spammer0@bulk0.example', 'Spammer99999@BULK%d.example' % (99999 % 977), 'x@junk.example', 'x@junk2.example', 'x@junk3.example':
    is_(ask('203.0.113.1', HERE, sender=sender), '550 5.7.1 Known for spam', sender)
for sender in 'spammer100000@bulk346.example', 'x@notjunk.example', 'x@else.example':
    like(ask('203.0.113.1', HERE, sender=sender), '^250', sender)
like(ask('203.0.113.1', HERE, sender='spammer7@bulk7.example'), '^550 5.7.1 Local', 'an entry above the list counts for more')
house.path('etc', 'spammers').write_text('good@else.example\nno address\n!touch %s\n' % house.path('etc', 'ran'))
p = house.compile(check=False)
is_((p.returncode, re.findall(r'spammers:(\d+: .*)', p.stderr)),
    (65, ['2: one address or domain stands on a line of a list, and nothing else', '3: a list runs no commands']), 'a list that is none')
ok(not house.path('etc', 'ran').exists(), 'it ran nothing')
like(ask('203.0.113.1', HERE, sender='x@junk.example'), '^550', 'the old one is in force')
house.path('etc', 'spammers').unlink()
like(house.compile(check=False).stderr, r'access:3: cannot read the list .*/etc/spammers: No such file', 'a list that is not there')
# ... or from a command
house.path('etc', 'download').write_text('spam@one.example\nspam@two.example\n')
house.set_map('access', r'!awk "{print \"sender:\" $1 \" reject\"}" ' + str(house.path('etc', 'download')) + '\n')
like(ask('203.0.113.1', HERE, sender='spam@two.example'), '^550 5.7.1', 'a list from a command')
os.chmod(house.path('etc', 'access'), 0o666)
like(house.compile(check=False).stderr, r'access:1: no command is run from a file that others may write: chown it to root, and chmod go-w ',
     'which nobody else may have written')
if ROOT:
    os.chmod(house.path('etc', 'access'), 0o644)
    os.chown(house.path('etc', 'access'), 65534, 65534)
    like(house.compile(check=False).stderr, r'access:1: no command is run from a file that others may write', 'nor own')
    os.chown(house.path('etc', 'access'), 0, 0)
else:
    skip('nor own', 'needs root')
os.chmod(house.path('etc', 'access'), 0o644)
is_(house.compile(check=False).returncode, 0, 'else it is run')
done()
