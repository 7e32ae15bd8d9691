#!/usr/bin/env python3
"""tokend and posthouse oauth against an authorization server of our own: every way to log in, every error body, renewal
and its limits, rotation, kills, hostile answers, who may ask, and what postmaster gets to read."""
import calendar
import os
import pty
import re
import sys
import threading
import urllib.request
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tokens import *

idp = AuthServer()
house = TokenHouse(
    idp, ['acme', 'bolt', 'crow', 'dove', 'elm', 'fern', 'gull', 'hare'],
    providers=idp.provider('browser', 'extra=access_type=offline&prompt=consent', device=False)
    + idp.provider('fixed', 'redirect=https://127.0.0.1', device=False) + idp.provider('basic', 'client_auth=basic'),
    accounts=account('web', 'browser') + account('paste', 'fixed') + account('basic', 'basic', 'scope="mail x"'))
get, oauth, status, file, db, expire = house.get, house.oauth, house.token_status, house.file, house.db, house.expire
house.start_tokend()

# --- the device authorization grant ----------------------------------------

is_(get('acme'), ('NO', 'nobody has logged in: posthouse oauth login acme'), 'before a login there is no token')
is_(get('none')[0], 'NO', 'nor for an account that is not there')
idp.approve = True
r = oauth('login', 'acme', '--no-secret')
is_(r.returncode, 0, 'login by a code')
like(r.stdout, r'^  open   %s/type$' % re.escape(idp.url), 'it shows where to go')
like(r.stdout, r'^  enter  ABCD-EFGH$', 'and the code')
like(r.stdout, r'^         \S+/type\?code=ABCD-EFGH$', 'and the address with the code in it')
like(r.stdout, r'^acme: done, for mail; tokens are kept fresh from now on$', 'and how it ended')
is_(idp.seen('/device')[-1], {'client_id': 'client-acme', 'scope': 'mail offline'}, 'the form for a code is that of RFC 8628')
is_(idp.seen()[-1], {'client_id': 'client-acme', 'grant_type': 'urn:ietf:params:oauth:grant-type:device_code',
                     'device_code': 'device-1'}, 'and so is the form for the token')
is_(get('acme'), ('TOKEN', idp.access[-1]), 'then there is a token')

idp.approve = False
r = oauth('login', 'bolt', '--no-secret')
is_((r.returncode, r.stderr), (69, 'posthouse oauth: bolt: access was denied\n'), 'access_denied')
REFUSALS = [
    ({'error': 'expired_token'}, 'the code has expired: try again'),
    ({'error': 'invalid_client', 'error_description': 'no such app'}, 'invalid_client: no such app'),
    ({'error': 'invalid_grant', 'error_description': 'bad\r\n\x1b[2Jcode'}, 'invalid_grant: bad   [2Jcode'),
    ({'error': 'unauthorized_client'}, 'unauthorized_client'),
    ({'error': 'unsupported_grant_type'}, 'unsupported_grant_type'),
    ({'error': 'invalid_request'}, 'invalid_request'),
    ({'error': 'invalid_scope'}, 'invalid_scope'),
]
for body, _ in REFUSALS:
    idp.say('/token', 400, body)
refused = []
threads = [threading.Thread(target=lambda n=n: refused.append((n, oauth('login', n, '--no-secret'))))
           for n in ('bolt', 'crow', 'dove', 'elm', 'fern', 'gull', 'hare')]
for t in threads:
    t.start()
for t in threads:
    t.join()
is_(sorted(r.stderr.replace('posthouse oauth: %s: ' % n, '') for n, r in refused), sorted(text + '\n' for _, text in REFUSALS),
    'seven logins at a time, each refused in another way')
is_({r.returncode for _, r in refused}, {69}, 'and so they end')
for status_code, body, text in [
    (400, {'error': 'invalid_client'}, 'invalid_client'),
    (404, b'not here', 'the server answers with status 404'),
    (302, b'', 'the server answers with status 302'),
    (200, b'', "the server's answer makes no sense: "),
    (200, {'device_code': 'x'}, "the server's answer makes no sense: user_code is missing"),
    (200, {'device_code': 'x', 'user_code': 7, 'verification_uri': 'u'}, "the server's answer makes no sense: user_code is no text"),
    (200, {'device_code': 'x', 'user_code': 'a\x1bb', 'verification_uri': 'u'},
     "the server's answer makes no sense: user_code has strange characters"),
    (200, {'device_code': 'x' * 20000, 'user_code': 'a', 'verification_uri': 'u'},
     "the server's answer makes no sense: device_code is too long"),
    (200, {'device_code': 'x', 'user_code': 'a', 'verification_uri': 'u', 'expires_in': 'soon'},
     "the server's answer makes no sense: expires_in is no number"),
]:
    idp.say('/device', status_code, body)
    r = oauth('login', 'bolt', '--no-secret')
    ok(r.returncode == 69 and text in r.stderr, 'a code is not to be had: ' + text) or diag(r.stderr)
is_(get('bolt')[0], 'NO', 'after all that there is no token')

# Pending, slow_down: the polls and their distance.
idp.approve = True
idp.say('/token', 400, {'error': 'authorization_pending'}, times=2)
before = len(idp.seen())
began = time.monotonic()
is_(oauth('login', 'bolt', '--no-secret').returncode, 0, 'authorization_pending is waited for')
is_(len(idp.seen()) - before, 3, 'with one request an interval')
ok(2.5 < time.monotonic() - began < 15, 'of a second')
idp.say('/token', 400, {'error': 'slow_down'})
began = time.monotonic()
is_(oauth('login', 'bolt', '--no-secret').returncode, 0, 'slow_down')
ok(time.monotonic() - began >= 6, 'makes the interval 5 seconds longer')
is_(oauth('login', 'nobody', '--no-secret').stderr,
    'posthouse oauth: nobody: there is no account nobody in the map upstreams\n', 'an account that is not there')

# Who goes away, and when tokend does.
idp.approve = None
p = subprocess.Popen([str(BIN / 'posthouse'), '-C', str(house.dir), 'oauth', 'login', 'gull', '--no-secret'],
                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
while not p.stdout.readline().startswith('waiting'):
    pass
p.kill()
p.wait()
before = len(idp.seen(client_id='client-gull'))
time.sleep(2.2)  # two intervals
ok(len(idp.seen(client_id='client-gull')) - before <= 1, 'nobody waits any more: the provider is not asked any more')
p = subprocess.Popen([str(BIN / 'posthouse'), '-C', str(house.dir), 'oauth', 'login', 'gull', '--no-secret'],
                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
while not p.stdout.readline().startswith('waiting'):
    pass
house.kill_tokend()
is_((p.wait(), p.stderr.read()[:34]), (75, 'posthouse oauth: tokend has hung u'), 'kill -9 of tokend ends a login')
house.start_tokend()
is_(get('gull')[0], 'NO', 'which has left nothing behind')
idp.approve = True

# --- browser: authorization code, PKCE --------------------------------------


def browse(name, visit, *args, feed=None):
    """posthouse oauth login with visit(url) as the person; (exit code, what it said)."""
    p = subprocess.Popen([str(BIN / 'posthouse'), '-C', str(house.dir), 'oauth', 'login', name, *args],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ''
    for line in p.stdout:
        said += line
        if line.startswith('waiting'):
            break
    url = re.search(r'^  (http\S+)$', said, re.M)
    if url:
        feed = visit(url.group(1)) or feed
    out, _ = p.communicate(feed, timeout=30)
    return p.returncode, said + out


def follow(url):
    page = urllib.request.urlopen(idp.consent(url), timeout=10).read()
    ok(b'You may close this page' in page, 'the browser is thanked')


code, said = browse('web', follow, '--no-secret')
is_(code, 0, 'login by a browser')
like(said, r'^  http://127\.0\.0\.1:%d/authorize\?response_type=code&client_id=client-web&redirect_uri=http%%3A%%2F%%2F127\.0'
     r'\.0\.1%%3A\d+%%2F&scope=mail%%20offline&state=[\w-]{43}&code_challenge=[\w-]{43}&code_challenge_method=S256'
     r'&login_hint=web%%40idp\.example&access_type=offline&prompt=consent$' % idp.port, 'the address for the browser')
is_(get('web'), ('TOKEN', idp.access[-1]), 'and there is a token')
code, said = browse('paste', lambda url: idp.consent(url) + '\n', '--no-secret')
is_(code, 0, 'login by an address that is pasted')
is_(idp.seen()[-1]['redirect_uri'], 'https://127.0.0.1', 'with the registered redirect')
code, said = browse('acme', lambda url: idp.consent(url) + '\n', '--browser', '--no-secret')
is_(code, 0, '--browser where there are codes, too, pasted')
code, said = browse('paste', lambda url: re.sub('state=[^&]*', 'state=other', idp.consent(url)) + '\n', '--no-secret')
ok(code == 69 and 'state differs' in said, 'an answer to another login is not taken')
code, said = browse('paste', lambda url: 'https://127.0.0.1/?error=access_denied&state=' +
                    re.search('state=([^&]*)', url).group(1) + '\n', '--no-secret')
ok(code == 69 and 'access was denied' in said, 'the person says no in the browser')
code, said = browse('paste', lambda url: 'what?\n' + idp.consent(url) + '\n', '--no-secret')
ok(code == 0 and 'that is not it' in said, 'nonsense pasted')
code, said = browse('paste', lambda url: re.sub('code=[^&]*', 'code=wrong', idp.consent(url)) + '\n', '--no-secret')
ok(code == 69 and 'invalid_grant: wrong verifier' in said, 'a wrong code')

# --- applications, and secrets ----------------------------------------------

idp.secret = 's&cret +%'
r = oauth('app', 'crow', '--secret-file', file('s&cret +%\nmore\n'), '--secret-expires', '2031-05-31')
is_(r.returncode, 0, 'client credentials, the secret from a file')
is_(idp.seen()[-1], {'grant_type': 'client_credentials', 'scope': 'all', 'client_id': 'client-crow',
                     'client_secret': 's&cret +%'}, 'the form')
is_(status('crow')['secret_expires_s'], calendar.timegm((2031, 5, 31, 23, 59, 59)), 'the end of that day is the end of the secret')
r = house.ph('oauth', 'app', 'crow', '--secret-file', '-', input='s&cret +%\n', check=False)
is_(r.returncode, 0, 'the secret from standard input')
is_(oauth('app', 'crow').returncode, 64, 'without a secret there is no application')
is_(oauth('app', 'crow', '--secret-file', house.path('nothing')).returncode, 66, 'no such file')
is_(oauth('app', 'crow', '--secret-file', file('s'), '--secret-expires', '2031-5').returncode, 64, 'no date')
r = oauth('app', 'crow', '--secret-file', file('wrong\n'))
is_((r.returncode, r.stderr), (69, 'posthouse oauth: crow: invalid_client: the secret is wrong\n'), 'a wrong secret')
is_(get('crow')[0], 'TOKEN', 'what was there before stays in force')
r = oauth('login', 'basic', '--secret-file', file('s&cret +%\n'))
is_(r.returncode, 0, 'client_auth=basic')
is_((idp.seen()[-1].get('basic_secret'), idp.seen()[-1].get('client_secret'), idp.seen('/device')[-1]['scope']),
    ('s&cret +%', None, 'mail x'), 'the secret is in the Authorization field, encoded; scope= of the account')
r = house.ph('collect', '--app', 'crow', '--secret-file', file('s&cret +%\n'), check=False)
is_((r.returncode, r.stdout), (0, 'crow: done, for mail; tokens are kept fresh from now on\n'), 'collect --app')
pid, terminal = pty.fork()
if pid == 0:
    os.execv(str(BIN / 'posthouse'), ['posthouse', '-C', str(house.dir), 'collect', '--login', 'dove'])
said = b''
try:
    while True:
        got = os.read(terminal, 4096)
        if not got:
            break
        said += got
        if said.endswith(b'(empty: there is none): '):
            os.write(terminal, b's&cret +%\n')
except OSError:
    pass
is_(os.waitpid(pid, 0)[1], 0, 'collect --login on a terminal')
ok(b's&cret' not in said and re.search(rb'waiting, (10:00|9:5\d) left', said), 'the secret is not shown, the time that is left is') or diag(said)
idp.secret = None

# --- renewal ----------------------------------------------------------------

before = len(idp.seen())
w = Wire(house.path('run', 'token'))
for _ in range(1000):
    w.say('GET', 'acme', '')
    w.hear('TOKEN')
w.close()
is_(len(idp.seen()) - before, 0, '1000 polls within the life of a token make no request')

idp.life = 3
oauth('login', 'elm', '--no-secret')
idp.life, idp.delay = 3600, 0.5
token = idp.access[-1]
is_(get('elm'), ('TOKEN', token), 'a token of 3 seconds')
before = len(idp.seen(grant_type='refresh_token'))
time.sleep(3.1)  # its life: there is no condition to wait for
answers_got = []
threads = [threading.Thread(target=lambda: answers_got.append(get('elm'))) for _ in range(40)]
for t in threads:
    t.start()
for t in threads:
    t.join()
is_(set(answers_got), {('TOKEN', idp.access[-1])}, 'forty ask at the end of it: all get the new one')
is_(len(idp.seen(grant_type='refresh_token')) - before, 1, 'by one request')
is_(idp.seen()[-1], {'grant_type': 'refresh_token', 'client_id': 'client-elm', 'refresh_token': idp.seen()[-1]['refresh_token']},
    'the form of a renewal')
idp.delay = 0
ok(house.events('token.renewed', account='elm', rotated='no'), 'the log knows')


house.kill_tokend()
house.start_tokend()
before = len(idp.seen())
is_(get('elm'), ('TOKEN', idp.access[-1]), 'after kill -9 the access token is still there')
is_(len(idp.seen()) - before, 0, 'and needs no request')

def hanging(handler):
    hang.wait(20)
    handler.close_connection = True


# The token near its end is handed out while the server hangs or fails.
hang = threading.Event()
house.change('elm', access_since_s=int(time.time()) - 3500, access_expires_s=int(time.time()) + 100)
idp.say('/token', 200, hanging)
before = len(idp.seen())
began = time.monotonic()
is_([get('elm')[0] for _ in range(5)], ['TOKEN'] * 5, 'near its end, while the server hangs, the token is handed out')
ok(time.monotonic() - began < 2, 'at once')
is_(wait_until(lambda: len(idp.seen()) - before, 5), 1, 'with one request')
hang.set()
expire('elm')
hang = threading.Event()
idp.say('/token', 503, hanging)
waiting = []
thread = threading.Thread(target=lambda: waiting.append(get('elm')))
before = len(idp.seen())
thread.start()
wait_until(lambda: len(idp.seen()) > before, 5, 'the server was asked')
began = time.monotonic()
is_(get('acme')[0], 'TOKEN', 'while one account waits for a server that hangs, another is served')
ok(time.monotonic() - began < 2 and not waiting, 'at once')
hang.set()
thread.join()
is_([verb for verb, _ in waiting], ['LATER'], 'and in the end that one hears that it is to wait')

# --- failures that pass -----------------------------------------------------

for status_code, body, headers, text in [
    (503, {'error': 'temporarily_unavailable'}, (), 'temporarily_unavailable'),
    (500, b'<html>', (), 'the server answers with status 500'),
    (429, {'error': 'slow_down'}, (('Retry-After', '7000'),), 'slow_down'),
    (200, b'{"access_token": ', (), "the server's answer makes no sense: "),
    (200, b'[1, 2]', (), "the server's answer makes no sense: it is no object"),
    (200, b'\0\0\0', (), "the server's answer makes no sense: "),
    (200, b'{"access_token": "a", "access_token": "b"}', (), "the server's answer makes no sense: duplicate object key"),
    (200, b'[' * 60000, (), "the server's answer makes no sense: "),
    (200, {'token_type': 'Bearer'}, (), 'access_token is missing'),
    (200, {'access_token': 12, 'token_type': 'Bearer'}, (), 'access_token is no text'),
    (200, {'access_token': '', 'token_type': 'Bearer'}, (), 'access_token is empty'),
    (200, {'access_token': 'a\x01b', 'token_type': 'Bearer'}, (), 'access_token has strange characters'),
    (200, {'access_token': 'a' * 8193, 'token_type': 'Bearer'}, (), 'access_token is too long'),
    (200, {'access_token': 'a', 'token_type': 'mac'}, (), 'token_type is not Bearer'),
    (200, {'access_token': 'a', 'expires_in': -5}, (), 'expires_in is no number'),
    (200, {'access_token': 'a', 'expires_in': [1]}, (), 'expires_in is no number'),
    (200, {'access_token': 'a', 'refresh_token': {}}, (), 'refresh_token is no text'),
    (200, b'{"x": "' + b'y' * 70000 + b'"}', (), 'the answer is longer than 65536 octets'),
    (302, b'', (('Location', idp.url + '/elsewhere'),), 'the server answers with status 302'),
    (200, lambda h: setattr(h, 'close_connection', True), (), ''),
    (200, lambda h: h.wfile.write(b'HTTP/9.9 what\r\n\r\n'), (), ''),
]:
    expire('elm', trouble='')
    idp.say('/token', status_code, body, headers=headers)
    before = len(idp.seen())
    verb, reason = get('elm')
    ok(verb == 'LATER' and text in reason and re.search(r'; next try in \d+ s$', reason),
       'fails for now: %s' % (text or 'a broken answer')) or diag(verb, reason)
    is_([get('elm')[0] for _ in range(20)] + [len(idp.seen()) - before], ['LATER'] * 20 + [1],
        '... and is not asked again at once')
    if headers and headers[0][0] == 'Retry-After':
        ok(6900 < int(re.search(r'in (\d+) s', reason).group(1)) <= 7000, 'Retry-After is obeyed') or diag(reason)
is_(idp.seen('/elsewhere'), [], 'a redirect is not followed')
refresh = db('SELECT refresh FROM grants WHERE account = "elm"')
idp.close()
expire('elm')
like(get('elm')[1], r'(?i)connect|refused', 'nobody listens there')
is_(db('SELECT refresh FROM grants WHERE account = "elm"'), refresh, 'the refresh token survives all that')
done()
