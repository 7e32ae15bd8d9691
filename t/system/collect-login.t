#!/usr/bin/env python3
"""How collect logs in to a POP3 server: the strongest way that is offered, or the one that was asked for; once."""
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from collecting import *

c = Collecting()
house = c.house
NUMBER = [0]


def log_in(name, words, how, good=True, says=None, **options):
    """One run; how: what the server saw. A login that fails is tried once."""
    NUMBER[0] += 1
    up = c.office([message(NUMBER[0])], words, **options)
    p = c.collect()
    is_((p.returncode, up.logins, len(c.all_taken())), (0 if good else 75, how, 1 if good else 0), name)
    if says:
        like(p.stdout, says, '... and says so')
    ok('secret' not in p.stdout + p.stderr.replace('secret=', ''), '... without the password')
    return up, p


ALL = ['UIDL', 'TOP', 'SASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256', 'USER']
AUTO = 'secret=office'
log_in('the best of many', AUTO, ['SCRAM-SHA-256'], capa=ALL)
log_in('the best of few', AUTO, ['SCRAM-SHA-1'], capa=['SASL PLAIN SCRAM-SHA-1'])
log_in('PLAIN', AUTO, ['PLAIN'], capa=['SASL LOGIN PLAIN'])
log_in('LOGIN', AUTO, ['LOGIN'], capa=['SASL LOGIN'])
log_in('CRAM-MD5 is not chosen', AUTO, ['USER'], capa=['SASL CRAM-MD5', 'USER'])
log_in('no SASL', AUTO, ['USER'], capa=['USER', 'UIDL'])
log_in('no CAPA', AUTO, ['USER'], capa=None)
log_in('mechanisms of nobody', AUTO, ['USER'], capa=['SASL X-KRYPTON GSSAPI'])
for word, how in (('user', 'USER'), ('plain', 'PLAIN'), ('login', 'LOGIN'), ('cram-md5', 'CRAM-MD5'), ('scram', 'SCRAM-SHA-256'),
                  ('scram-sha-1', 'SCRAM-SHA-1'), ('scram-sha-256', 'SCRAM-SHA-256')):
    log_in('auth=' + word, AUTO + ' auth=' + word, [how], capa=ALL)
log_in('auth=scram without SCRAM: nothing is said', AUTO + ' auth=scram', [], False, capa=['SASL PLAIN', 'USER'])
log_in('auth=plain without PLAIN: nothing is said', AUTO + ' auth=plain', [], False, r'cannot log in with PLAIN', capa=['USER'])
log_in('APOP', AUTO + ' auth=apop', ['APOP'], greeting='ready <1896.697170952@dbc.example>', capa=None)
log_in('APOP without a timestamp: nothing is said', AUTO + ' auth=apop', [], False, 'no timestamp')
log_in('APOP with a timestamp that is more than one', AUTO + ' auth=apop', [], False, 'no timestamp',
       greeting='<' + 'a b' * 20 + '@x>')

# --- refused

for capa, how in (('USER', 'USER'), ('SASL PLAIN', 'PLAIN'), ('SASL SCRAM-SHA-256', 'SCRAM-SHA-256'), ('SASL LOGIN', 'LOGIN')):
    up, p = log_in(how + ' refused', 'secret=wrong', [how], False, r'login refused \((%s|PASS)\): \[AUTH\] no' % how, capa=[capa])
    like(p.stderr, 'collect.auth_failed account=office', '... which the log tells')
    ok('s3cr3t' not in p.stdout + p.stderr + house.log(), '... without the password')
for text in ('[IN-USE] somebody reads', '[LOGIN-DELAY] later', '[SYS/TEMP] the disk', 'maildrop lock busy', 'mailbox in use'):
    up = c.office([message(50)])
    up.quirks['PASS'] = lambda conn, a: conn.send(b'-ERR ' + text.encode() + b'\r\n') or True
    p = c.collect()
    like(p.stdout, 'failed: not now: ', 'only busy: ' + text)
    ok('auth_failed' not in p.stderr, '... that is no wrong password')
up = Upstream([message(51)], capa=['SASL SCRAM-SHA-256'])
up.scram_signature = b'x' * 32
c.use(up)
p = c.collect()
is_((p.returncode, c.all_taken(), [x for x in up.commands if x.startswith(('RETR', 'LIST'))]), (75, [], []),
    'a server that does not know the password either is left')
up = c.office([message(52)], capa=['SASL PLAIN SCRAM-SHA-256'])
up.quirks['AUTH'] = lambda conn, a: [conn.send(b'+ !!!\r\n') or conn.line() for _ in range(40)] and False
p = c.collect()
is_((p.returncode, len(up.messages)), (75, 1), 'challenges that are none')

# --- tokens

TOKEN = 'ya29.' + 'A1b2' * 40
house.map('secrets', 'token password="%s"\nlong password="%s"\n' % (TOKEN, TOKEN))
for capa in ('SASL XOAUTH2', 'SASL OAUTHBEARER PLAIN', 'SASL PLAIN XOAUTH2 OAUTHBEARER'):
    up = c.office([message(60)], 'secret=token auth=oauth', capa=[capa], token=TOKEN)
    p = c.collect()
    is_((p.returncode, up.logins), (0, ['OAUTHBEARER' if 'OAUTHBEARER' in capa else 'XOAUTH2']), 'a token: ' + capa)
    ok(all(len(x) <= 253 for x in up.commands if x.startswith('AUTH')), '... in lines of a fair length')
up = c.office([message(61)], 'secret=token auth=xoauth2', capa=['SASL XOAUTH2 OAUTHBEARER'], token=TOKEN)
is_((c.collect().returncode, up.logins), (0, ['XOAUTH2']), 'auth=xoauth2')
up = c.office([message(62)], 'secret=token auth=oauth', capa=['SASL XOAUTH2', 'USER'], token='another')
p = c.collect()
is_((p.returncode, up.logins, len(up.messages)), (75, ['XOAUTH2'], 1), 'a token that is refused')
like(p.stdout, 'login refused', '... says so')
ok(TOKEN not in p.stdout + p.stderr + house.log(), '... without the token')
up = c.office([message(63)], 'secret=token auth=oauth', capa=['SASL PLAIN', 'USER'], token=TOKEN)
p = c.collect()
is_((p.returncode, [x for x in up.commands if x.startswith(('AUTH', 'USER', 'PASS'))]), (75, []), 'a token is no password')
c.all_taken()

# --- a command

tool = house.path('tool')


def script(text):
    tool.write_text('#!/bin/sh\n' + text)
    tool.chmod(0o755)


def command(name, text, good, says='', words='secret="!%s show isp"'):
    script(text)
    up = c.office([message(70)], words % tool)
    p = c.collect()
    is_((p.returncode, len(up.messages)), (0, 0) if good else (75, 1), name)
    like(p.stdout, says, '... and says so')
    ok('s3cr3t' not in p.stdout + p.stderr + house.log(), '... without what it said')
    c.all_taken()


command('a command', '[ "$*" = "show isp" ] && printf "secret\\nlogin: office\\n"', True)
command('... knows nothing of us', 'env | grep -v -E "^(PATH|PWD|SHLVL|_|OLDPWD)=" && exit 1; [ -z "$(cat)" ] && echo secret', True)
command('... may complain', 'echo "only a warning" >&2; echo secret', True)
command('... that fails', 'echo first >&2; echo "no such key: isp" >&2; echo s3cr3t; exit 3', False,
        r'failed: secret=!\S*/tool failed with exit status 3: no such key: isp$')
command('... that says nothing', 'exit 0', False, 'says nothing in its first line')
command('... that does not stop', 'yes s3cr3t', False, 'says more than 8192 octets')
command('... that is killed', 'kill -9 $$', False, 'was ended by signal 9')
command('... that is not there', '', False, 'cannot be run: No such file', words='secret="!%s-not-there"')
house.set_map('upstreams', 'office host=127.0.0.1 %s secret=!\n' % DOMAIN, compile=False)
like(house.compile(check=False).stderr, r'secret=!: which command\?', 'no command')

# --- only one account suffers

ups = [Upstream([message(80 + i)]) for i in range(3)]
SINGLE = 'kind=single users=ann tls=none login=office secret='
c.accounts(one=(ups[0], SINGLE + 'office'), two=(ups[1], SINGLE + 'wrong'), three=(ups[2], SINGLE + 'office'))
p = c.collect()
is_((p.returncode, [len(u.messages) for u in ups]), (75, [0, 1, 0]), 'three accounts for one mailbox: the wrong password is one\'s')
is_((len(c.taken('ann')), p.stderr.count('collect.auth_failed'), 'account=two' in p.stderr), (2, 1, True),
    '... and the others come')
done()
