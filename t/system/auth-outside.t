#!/usr/bin/env python3
"""Passwords that others know: a checkpassword program, PAM, a command that knows tokens: who is asked how, under which uid, for how
long, and what their troubles mean."""
import base64, os, pwd, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *
from authing import *

house = PopHouse(domains=('example.org', 'else.example'), users=['ann:secret', 'bob:secret', 'prog:secret', 'slow:secret', 'sys:secret', 'dom@else.example:secret'],
                 conf='default_domain = example.org\nauth_program_timeout = 2')
DIR = house.path('checks')
DIR.mkdir()
os.chmod(DIR, 0o777)


def script(name, text):
    path = DIR / name
    path.write_text(text)
    os.chmod(path, 0o755)
    return path


# DJB's interface, as a stranger might write it.
CHECK = script('checkpassword', '''#!/usr/bin/env python3
import os, sys
said = os.read(3, 513)
with open(%r, 'ab') as f:
    f.write(b'%%d %%s %%d %%d %%r ' %% (os.getuid(), ' '.join(sys.argv[1:]).encode(), len(os.read(0, 1)), len(said), sorted(os.environ)) + said.split(b'\\0')[0] + b'\\n')
name, password, stamp, rest = said.split(b'\\0')
if password == b'trouble':
    sys.stderr.write('the directory does not answer\\n')
    sys.exit(111)
if password == b'sleep':
    os.execvp('sleep', ['sleep', '60'])
if password == b'crash':
    os.kill(os.getpid(), 11)
if password != b'other secret' or not stamp or rest:
    sys.exit(1)
os.execv(sys.argv[-1], sys.argv[-1:])
''' % str(DIR / 'asked'))


def sleepers():
    """Programs that hang, of those that authd has started."""
    n = 0
    for pid in children(house.started['authd'].pid):
        try:
            with open('/proc/%d/cmdline' % pid, 'rb') as f:
                n += f.read().startswith(b'sleep\0')
        except OSError:  # it has just gone
            pass
    return n


def asked():
    try:
        return (DIR / 'asked').read_text().split('\n')[:-1]
    except FileNotFoundError:
        return []


def start():
    house.start_program('authd')
    wait_until(lambda: authd_answers(house), 10, 'authd answers')


PASSWD = house.path('etc', 'passwd').read_text()
PASSWD = ''.join(line + '\n' for line in PASSWD.split('\n') if line.split('@')[0] not in ('prog', 'dom', 'slow', 'sys') and line)
house.set_map('passwd', PASSWD + 'prog@example.org {CHECKPASSWORD} %s -x\n@else.example {CHECKPASSWORD}%s\n'
              'slow@example.org {CHECKPASSWORD} %s\n' % (CHECK, CHECK, CHECK))
house.programs = ('authd',)
house.started = {}
start()
a = Auth(house)
NO = ['NO', 'wrong%20name%20or%20password']
LATER = ['LATER', 'login%20not%20possible%20now,%20try%20again%20later']

# --- a program

is_(a.check('prog', 'other secret')[:2], ['YES', 'prog@example.org'], 'a program says yes')
uid = pwd.getpwnam('phcheck').pw_uid if ROOT else os.getuid()
line = asked()[0].split(' ')
is_((line[0], line[1:3]), (str(uid), ['-x', '/bin/true']), '... which ran under its own uid, with its arguments and what it has to run')
is_(line[3:], ['0', str(len('prog@example.org') + len('other secret') + 3 + 11), "['LC_CTYPE',", "'PATH']", 'prog@example.org'],
    '... a clean environment, nothing on its standard input, and DJB\'s three strings on descriptor 3') or diag(line)
is_(a.check('prog', 'other secret')[0], 'YES', 'again')
is_(len(asked()), 1, '... from the cache')
is_(a.check('prog', 'wrong'), NO, 'it says no')
is_(a.check('prog', 'wrong', client='192.0.2.2'), NO, '... and again')
is_(len(asked()), 3, '... asked each time: the password may have been set meanwhile')
is_(a.check('dom@else.example', 'other secret')[:2], ['YES', 'dom@else.example'], 'for a whole domain')
is_(a.check('ann')[0], 'YES', 'others are as they were')
n = len(asked())
is_(a.check('nobody@else.example', 'other secret', client='192.0.2.3'), NO, 'nobody in that domain')
is_(len(asked()), n, '... who has no mailbox is not asked for')
is_(a.check('prog', 'p' * 600, client='192.0.2.4'), NO, 'more than the interface takes')
is_(len(asked()), n, '... is not told')

is_(a.check('prog', 'trouble'), LATER, 'trouble is no refusal')
like(house.log(), r'cannot tell" program=\S+checkpassword error="exit code 111" said="the directory does not answer', '... and is told to the log')
is_(a.check('prog', 'crash'), LATER, 'nor is a crash')
began = time.monotonic()
is_(a.check('prog', 'sleep'), LATER, 'nor is one that hangs')
ok(1.9 < time.monotonic() - began < 4 * PATIENCE, '... whose time is limited')
# Who hangs keeps nobody else waiting, and there is a limit to how many do.
hanging = [Auth(house) for _ in range(20)]
for i, h in enumerate(hanging):
    h.say('CHECK', 'slow', 'sleep', 'pop3', '198.51.100.%d' % i)
began = time.monotonic()
is_(Auth(house).check('bob')[0], 'YES', 'hashes are checked meanwhile')
ok(time.monotonic() - began < 1.5 * PATIENCE, '... at once')
most = 0
end_at = time.monotonic() + 1
while time.monotonic() < end_at:
    most = max(most, sleepers())
    time.sleep(0.05)
ok(0 < most <= 16, 'of 20 that hang, 16 at most are there: %d' % most)
is_([h.hear() for h in hanging], [LATER] * 20, '... all are answered')
ok(wait_until(lambda: sleepers() == 0, 5),
   '... and none is left')

# --- the words of passwd

for text, why in (('@else.example $y$j9T$abcdefghijklmnop$' + 'x' * 43, 'a whole domain has no password of its own'),
                  ('@far.example {CHECKPASSWORD}/bin/false', 'the domain far.example is not in domains'),
                  ('prog@example.org {CHECKPASSWORD} check', 'whole path'), ('prog@example.org {PAM} no/service', 'PAM')):
    house.set_map('passwd', PASSWD + text + '\n', compile=False)
    p = house.compile(check=False)
    ok(p.returncode != 0 and why in p.stderr, 'compile: ' + why) or diag(p.stderr)

# --- PAM

if '-lpam' not in (BUILDDIR / 'Makefile').read_text():
    skip('PAM', 'built without PAM')
    end(house.started['authd'])
else:
    (house.path('etc', 'pam.d')).mkdir()
    for service, lines in (('yes', 'auth required pam_permit.so\naccount required pam_permit.so\n'),
                           ('no', 'auth required pam_deny.so\naccount required pam_permit.so\n'),
                           ('closed', 'auth required pam_permit.so\naccount required pam_deny.so\n'),
                           ('who', 'auth [success=1 default=ignore] pam_exec.so quiet expose_authtok %s\nauth requisite pam_deny.so\n'
                            'auth required pam_permit.so\naccount required pam_permit.so\n' % script(
                               'who', '#!/bin/sh\nread -r p\n[ "$PAM_USER $PAM_RHOST $PAM_SERVICE $p" = "sys 192.0.2.9 who pam secret" ]\n')),
                           ('missing', 'auth required pam_not_there.so\naccount required pam_permit.so\n'),
                           ('hang', 'auth required pam_exec.so quiet %s\naccount required pam_permit.so\n' % script('hang', '#!/bin/sh\nexec sleep 60\n')),
                           ('posthouse', 'auth required pam_permit.so\naccount required pam_permit.so\n')):
        house.path('etc', 'pam.d', service).write_text(lines)
    end(house.started['authd'])
    house.conf('pam_directory = %s' % house.path('etc', 'pam.d'), compile=False)

    def service(name):
        house.set_map('passwd', PASSWD + 'sys@example.org {PAM} %s\n' % name)

    service('yes')
    start()
    a = Auth(house)
    is_(a.check('sys', 'anything', client='192.0.2.9')[:2], ['YES', 'sys@example.org'], 'PAM says yes')
    service('no')
    began = time.monotonic()
    is_(a.check('sys', 'anything', client='192.0.2.9'), NO, 'PAM says no')
    service('closed')
    is_(a.check('sys', 'anything', client='192.0.2.10'), NO, '... or that the account is closed')
    service('who')
    is_(a.check('sys', 'pam secret', client='192.0.2.9')[0], 'YES', 'it is told the bare name, the client, and the password')
    is_(a.check('sys', 'pam Secret', client='192.0.2.11'), NO, '... which counts')
    service('missing')
    ok(a.check('sys', 'x', client='192.0.2.12')[0] != 'YES', 'a module that is not there: no yes')
    service('hang')
    is_(a.check('sys', 'x', client='192.0.2.14'), LATER, 'a module that hangs')
    ok(wait_until(lambda: sleepers() == 0, 5),
       '... takes nothing with it, and leaves nothing behind')
    service('')
    is_(a.check('sys', 'x', client='192.0.2.15')[0], 'YES', 'without a name it is the service posthouse')
    is_(a.ask('OFFER', 'any')[1], 'no', 'PAM has no verifiers: no SCRAM')
    is_(house.stop(), {'authd': 0}, 'authd ends well')

# --- tokens: what authd has to do with them

def bearer(token, login=''):
    return base64.b64encode(('n,%s,\1host=mail.example.org\1port=995\1auth=Bearer %s\1\1' % ('a=' + login if login else '', token)).encode())


def xoauth2(token, login):
    return base64.b64encode(('user=%s\1auth=Bearer %s\1\1' % (login, token)).encode())


TOKENS = script('tokens', '''#!/usr/bin/env python3
import os, sys
token = sys.stdin.read()
with open(%r, 'a') as f:
    f.write('%%s %%d %%s\\n' %% (token, os.getuid(), sys.argv[1:]))
if token == 'for.ann':
    print('ANN@example.org')
    print('scope mail')
elif token == 'for.bare':
    print('bob')
elif token == 'for.nobody':
    print('zoe@far.example')
elif token == 'silence':
    pass
elif token == 'trouble':
    sys.exit(75)
else:
    sys.exit(1)
''' % str(DIR / 'tokens.asked'))
house.set_map('passwd', PASSWD)
if 'authd' in house.started:
    end(house.started['authd'])
start()
a = Auth(house)
is_(a.ask('OFFER', 'any')[2], 'no', 'without a command no tokens are taken')
is_(a.ask('BEGIN', 'OAUTHBEARER', bearer('for.ann'), '', 'pop3', '192.0.2.1')[0], 'MALFORMED', '... really')
end(house.started['authd'])
house.conf('oauth_validate = %s --mail' % TOKENS)
start()
a = Auth(house)
is_(a.ask('OFFER', 'any')[2], 'yes', 'with one they are')
REFUSED = {'OAUTHBEARER': '{"status":"invalid_token"}', 'XOAUTH2': '{"status":"401","schemes":"bearer"}'}


def token(mechanism, said, client='192.0.2.1'):
    got = a.ask('BEGIN', mechanism, said, '', 'pop3', client)
    if got[0] != 'CHALLENGE':
        return got
    is_(base64.b64decode(got[1]).decode(), REFUSED[mechanism], 'a refusal is JSON first')
    return a.ask('STEP', base64.b64encode(b'\1'))


def tokens_asked():
    return (DIR / 'tokens.asked').read_text().split('\n')[:-1]


is_(token('OAUTHBEARER', bearer('for.ann', 'ann@example.org'))[:2], ['YES', 'ann@example.org'], 'a token, and whose it is')
is_(tokens_asked(), ["for.ann %d ['--mail']" % uid], '... on standard input, under its own uid')
is_(token('OAUTHBEARER', bearer('for.ann', 'Ann'))[:2], ['YES', 'ann@example.org'], '... by another form of the name')
is_(token('XOAUTH2', xoauth2('for.ann', 'ann@example.org'))[:2], ['YES', 'ann@example.org'], 'XOAUTH2')
is_(len(tokens_asked()), 1, '... all from the cache')
is_(token('OAUTHBEARER', bearer('for.bare'))[:2], ['YES', 'bob@example.org'], 'the token tells who it is')
is_(token('XOAUTH2', xoauth2('for.ann', 'bob@example.org'), '192.0.2.21'), NO, "another one's token")
is_(token('OAUTHBEARER', bearer('stolen'), '192.0.2.22'), NO, 'no token')
is_(token('OAUTHBEARER', bearer('for.nobody'), '192.0.2.23'), NO, 'a token of somebody who is not here')
is_(token('OAUTHBEARER', bearer('silence'), '192.0.2.24'), NO, 'a command that says nothing')
is_(token('OAUTHBEARER', bearer('for.ann', 'nosuch'), '192.0.2.25'), NO, 'nobody')
is_(token('OAUTHBEARER', bearer('trouble'), '192.0.2.26'), LATER, 'trouble is no refusal')
is_(token('OAUTHBEARER', base64.b64encode(b'n,,\1auth=Bearer'))[0], 'MALFORMED', 'not what the mechanism wants')
is_(token('OAUTHBEARER', b'?')[0], 'MALFORMED', 'no base64')
house.ph('user', 'disable', 'ann')
is_(token('OAUTHBEARER', bearer('for.ann', 'ann'), '192.0.2.27'), ['NO', 'account%20disabled'], 'a disabled account')
house.ph('user', 'enable', 'ann')
house.ph('user', 'set', 'ann', '--rights', 'smtp')
is_(token('OAUTHBEARER', bearer('for.ann', 'ann'), '192.0.2.27'), ['NO', 'this%20account%20may%20not%20log%20in%20here'], 'rights count')
is_(house.stop(), {'authd': 0}, 'authd ends well')
log = house.log()
ok(not any(t in log for t in ('for.ann', 'stolen', 'other secret', 'pam secret')), 'no password and no token in the log')
done()
