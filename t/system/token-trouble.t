#!/usr/bin/env python3
"""Tokens in a whole house: mail collected with them, what becomes of it when they are refused, what postmaster reads and how
often, rotation and kill -9 at every step, who may ask whom, certificates, backup."""
import base64
import hashlib
import os
import pwd
import re
import ssl
import sys
import threading
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tokens import *
from imap_upstream import CAPABILITIES, ImapUpstream
from upstream import Upstream

idp = AuthServer()
idp.approve = True
MESSAGE = b'From: Jo <jo@else.example>\r\nTo: ann@idp.example\r\nSubject: %s\r\nMessage-ID: <%s@else.example>\r\n\r\nhello\r\n'
up = Upstream([MESSAGE % (b'one', b'1')], login='mail@idp.example', capa=('SASL XOAUTH2 PLAIN', 'UIDL', 'TOP'))
taken = []      # tokens that the mailbox was shown
fine = set()    # those it takes


def auth(conn, arg):
    """AUTH XOAUTH2, as Microsoft has it: the answer on a line of its own, if not on the first."""
    mechanism, _, initial = arg.partition(' ')
    if mechanism != 'XOAUTH2':
        return None
    if not initial:
        conn.send(b'+ \r\n')
        initial = conn.line()
    user, bearer = base64.b64decode(initial).decode().split('\x01')[:2]
    token = bearer[len('auth=Bearer '):]
    taken.append(token)
    if user == 'user=mail@idp.example' and token in fine:
        conn.send(b'+OK in\r\n')
    else:
        conn.send(b'+ ' + base64.b64encode(b'{"status":"400","schemes":"Bearer"}') + b'\r\n')
        conn.line()
        conn.send(b'-ERR [AUTH] Authentication failed.\r\n')
    return True


up.quirks['AUTH'] = auth
imap = ImapUpstream([MESSAGE % (b'by imap', b'imap1')], capa=CAPABILITIES + ('AUTH=OAUTHBEARER',))
bearers = []


def authenticate(conn, tag, arg):
    """RFC 7628: what is refused is said in a challenge, which the client answers with ^A."""
    mechanism, _, initial = arg.partition(' ')
    if not initial:
        conn.send(b'+ \r\n')
        initial = conn.line()
    words = base64.b64decode(initial).decode().split('\x01')
    bearers.append((mechanism, words[0], words[-3]))
    if words[-3] in ['auth=Bearer ' + t for t in fine]:
        conn.ok(tag, 'in')
    else:
        conn.send(b'+ ' + base64.b64encode(b'{"status":"invalid_token"}') + b'\r\n')
        conn.line()
        conn.no(tag, '[AUTHENTICATIONFAILED] no')
    return True


imap.quirks['AUTHENTICATE'] = authenticate
house = TokenHouse(idp, ['acme', 'bolt', 'crow', 'dove', 'elm', 'fern'], accounts=account('mail', port=up.port) +
                   account('imap', port=imap.port, extra='protocol=imap'))
for program in ('queued', 'local'):  # master would wait longer and longer with a program that is killed so often
    house.spawn(program)
wait_until(lambda: house.path('run', 'agents').exists() and house.path('run', 'submit').exists(), 20, 'queued is there')
house.start_tokend()
get, oauth, change = house.get, house.oauth, house.change


def notices(pattern, n=1, bound=10):
    """The subjects of ann's mail from tokend that match, once there are n of them."""
    def found():
        got = [dict(headers(m)).get(b'Subject', b'').decode() for m in house.mail('ann@example.org') if b'This is tokend at' in m]
        return [s for s in got if re.search(pattern, s)]
    wait_until(lambda: len(found()) >= n, bound)
    return found()


def told(name, cause):
    """The notice has gone, and tokend has noted that: killed in between it would tell it again."""
    return wait_until(lambda: house.db('SELECT told FROM grants WHERE account = ?', name) == [(cause,)], 10)


def collect():
    return house.ph('collect', 'now', 'mail', check=False)


# --- the whole path ---------------------------------------------------------

r = collect()
ok(r.returncode == 75 and 'no token: nobody has logged in: posthouse oauth login mail' in r.stdout,
   'without a login: deferred, and it is said what to do') or diag(r.stdout, r.stderr)
is_((up.sessions, up.deleted, taken), (up.sessions, [], []), 'nothing is deleted, no token was shown')
is_(oauth('login', 'mail', '--no-secret').returncode, 0, 'somebody logs in')
mail_token = idp.access[-1]
fine.add(mail_token)
r = collect()
is_((r.returncode, taken), (0, idp.access[-1:]), 'collect logs in with the token of tokend (XOAUTH2)') or diag(r.stdout)
is_((len(house.wait_mail('ann@example.org', 1)), up.deleted), (1, ['uid0001']), 'the message is here, and deleted there')
before = len(idp.seen())
for _ in range(3):
    collect()
is_(len(idp.seen()) - before, 0, 'further runs need no request to the provider')

oauth('login', 'imap', '--no-secret')
idp.say('/token', 200, {'access_token': 'for-imap', 'token_type': 'Bearer', 'expires_in': 3600})
fine.add('for-imap')
r = house.ph('collect', 'now', 'imap', check=False)
is_((r.returncode, bearers), (0, [('OAUTHBEARER', 'n,a=imap@idp.example,', 'auth=Bearer ' + idp.access[-1]),
                                  ('OAUTHBEARER', 'n,a=imap@idp.example,', 'auth=Bearer for-imap')]),
    'by IMAP (OAUTHBEARER), the first token refused, the next taken') or diag(r.stdout)
is_((len(house.wait_mail('ann@example.org', 2)), len(imap.folders['INBOX'].messages)), (2, 0), 'that message, too')
for file in house.mail_files('ann@example.org')[1:]:
    file.unlink()

# The mailbox does not take the token before its time.
up.messages['uid0002'] = MESSAGE % (b'two', b'2')
fine.clear()
idp.say('/token', 200, {'access_token': 'the-new-one', 'token_type': 'Bearer', 'expires_in': 3600})
fine.add('the-new-one')
r = collect()
is_((r.returncode, taken[-2:]), (0, [mail_token, 'the-new-one']), 'a token that is refused is replaced, in the same run')
is_(len(house.wait_mail('ann@example.org', 2)), 2, 'and the message is here')
fine.clear()
up.messages['uid0003'] = MESSAGE % (b'three', b'3')
before = len(idp.seen()), len(taken)
r = [collect(), collect(), collect()]
is_([x.returncode for x in r], [75, 75, 75], 'a mailbox that takes no token: deferred')
ok('Authentication failed' in r[0].stdout, 'and it is said why') or diag(r[0].stdout)
is_(len(idp.seen()) - before[0], 0, 'the provider is not asked for one token after the other')
is_(list(up.messages), ['uid0003'], 'the message waits there')

# --- a grant that is refused ------------------------------------------------

idp.valid.clear()
change('mail', access_expires_s=1)
r = collect()
want = 'Google app is in Testing status: tokens end after 7 days (invalid_grant: Token has been expired or revoked.); ' \
    'then: posthouse oauth login mail'
ok(r.returncode == 75 and want in r.stdout, 'invalid_grant soon after the login: the 7 days of apps in testing') or diag(r.stdout)
is_(get('mail'), ('NO', want), 'tokend says so to whoever asks')
is_(house.token_status('mail')['state'], 'refused', 'and so does the status')
like(oauth('status', 'mail').stdout, r'^mail: refused: Google app is in Testing status', '... in words')
is_(oauth('status').returncode, 1, '... and by its exit code')
is_(notices('mail'), ['No token for mail: mail waits at the provider'], 'postmaster is told')
m = [m for m in house.mail('ann@example.org') if b'This is tokend at' in m][0]
ok(want.encode() in m.replace(b'\n', b' ') and b'\nAuto-Submitted: auto-generated\n' in m and b'\nReturn-Path: <>' in b'\n' + m,
   'with the reason, as no bounce would bounce')
told('mail', 'invalid_grant')
before = len(idp.seen())
for _ in range(10):
    get('mail')
change('mail')
get('mail')
time.sleep(0.3)  # a second notice would be on its way
is_(len(notices('mail')), 1, 'once')
is_(len(idp.seen()) - before, 1, 'and the provider is asked again after a restart only')
is_((list(up.messages), [m for m in house.mail('ann@example.org') if b'multipart/report' in m]), (['uid0003'], []),
    'nothing was bounced or dropped')
is_([m for m in house.mail('ann@example.org') if b'This is collect at' in m and b'login is refused' not in m], [],
    'collect leaves it to tokend to tell of tokens')
is_(oauth('login', 'mail', '--no-secret').returncode, 0, 'somebody logs in again')
is_(notices('fine again'), ['Tokens for mail are fine again'], 'postmaster is told that it is over')
fine.add(idp.access[-1])
is_(collect().returncode, 0, 'and mail comes')
ok(wait_until(lambda: not up.messages), 'all of it')

oauth('login', 'bolt', '--no-secret')
idp.valid.clear()
change('bolt', access_expires_s=1, login_s=int(time.time()) - 9 * 86400)
is_(get('bolt'), ('NO', 'invalid_grant: Token has been expired or revoked.; then: posthouse oauth login bolt'),
    'invalid_grant nine days after the login: what the server says')
ok(told('bolt', 'invalid_grant'), 'postmaster is told')
oauth('app', 'crow', '--secret-file', house.file('old\n'))
idp.secret = 'new'
change('crow', access_expires_s=1)
is_(get('crow'), ('NO', 'invalid_client: the secret is wrong; a new client secret or application may be needed, then: posthouse '
                  'oauth app crow'), 'invalid_client')
is_((notices('for bolt'), notices('for crow')), (['No token for bolt: mail waits at the provider'],
                                                 ['No token for crow: mail waits at the provider']), 'postmaster is told of both')
told('crow', 'invalid_client')
idp.secret = 'old'
change('crow', access_expires_s=1)
is_(get('crow')[0], 'TOKEN', 'the server takes the secret again')
is_(notices('crow are fine again'), ['Tokens for crow are fine again'], 'that, too, is told')
idp.secret = None

# --- ends to come -----------------------------------------------------------

day = time.strftime('%Y-%m-%d', time.gmtime(time.time() + 5 * 86400))
oauth('app', 'crow', '--secret-file', house.file('old\n'), '--secret-expires', day)
is_(notices('client secret'), ['The client secret of crow ends on ' + day], 'a secret that ends in 5 days is spoken of')
idp.refresh_life = 604799
oauth('login', 'dove', '--no-secret')
idp.refresh_life = None
is_([s[:29] for s in notices('refresh token')], ['The refresh token of dove end'], 'a refresh token with 7 days, too')
ok(any(b'refresh token of the account dove' in m and b'Google app is in Testing status' in m
       for m in house.mail('ann@example.org')), 'and why')
change('crow')
time.sleep(0.3)
is_(len(notices('ends on', 2)), 2, 'each once')
is_(len(house.events('token.ends')), 2, 'in the log as well')

# --- rotation ---------------------------------------------------------------

idp.rotate = True
oauth('login', 'elm', '--no-secret')
for _ in range(3):
    change('elm', access_expires_s=1)
    get('elm')
used = [p['refresh_token'] for p in idp.seen(grant_type='refresh_token', client_id='client-elm')]
is_((len(used), len(set(used)), get('elm')), (3, 3, ('TOKEN', idp.access[-1])), 'a server that rotates: each refresh token once')
newest = house.db("SELECT refresh, refresh_before FROM grants WHERE account = 'elm'")[0]
is_(newest[1], used[-1], 'the one before is kept')
idp.valid.update({newest[0]: False, newest[1]: True})
change('elm', access_expires_s=1)
is_(get('elm'), ('TOKEN', idp.access[-1]), 'and tried when the server does not know the newest')
is_(notices('for elm', n=0), [], 'without alarming anybody')

# The disk is full when a rotated token comes.

if have('strace'):
    house.expire('elm')
    before = house.db("SELECT refresh FROM grants WHERE account = 'elm'")
    tracer = spawn(['strace', '-f', '-o', '/dev/null', '-e', 'trace=pwrite64', '-e', 'inject=pwrite64:error=ENOSPC', '-p',
                    house.tokend.pid], stderr=subprocess.PIPE)
    while b'attached' not in (line := tracer.stderr.readline()) and line:
        pass
    is_((get('elm'), house.db("SELECT refresh FROM grants WHERE account = 'elm'")), (('TOKEN', idp.access[-1]), before),
        'the disk is full: the token is handed out all the same')
    end(tracer)
    wait_until(lambda: 'TracerPid:\t0\n' in open('/proc/%d/status' % house.tokend.pid).read(), 10)
    get('elm')
    is_(house.db("SELECT access FROM grants WHERE account = 'elm'"), [(idp.access[-1],)], 'and what was renewed is written later')
    ok(house.events('program.warning', account='elm'), 'the log tells')
else:
    skip('the disk is full: the token is handed out all the same', 'no strace')

# kill -9 at each system call that writes, of a server that lets an old refresh token go when the new one is used.

oauth('login', 'fern', '--no-secret')
issued = []


def strict(handler):
    """Rotates; the old token stays good until the new one has been seen."""
    given = idp.requests[-1][1].get('refresh_token')
    with idp.lock:
        known = issued.index(given) if given in issued else -1
        if issued and known == -1 or not issued and given != first:
            status_code, got = 400, {'error': 'invalid_grant'}
        else:
            del issued[:known]      # those before it are dead
            got = idp.tokens()
            issued.append(got['refresh_token'])
            status_code = 200
    octets = json.dumps(got).encode()
    handler.send_response(status_code)
    handler.send_header('Content-Length', str(len(octets)))
    handler.end_headers()
    handler.wfile.write(octets)
    handler.close_connection = True


first = house.db("SELECT refresh FROM grants WHERE account = 'fern'")[0][0]
issued.append(first)
if have('strace'):
    lost, killed, finished = [], 0, []
    for call in ('pwrite64', 'fdatasync', 'fsync', 'recvmsg', 'sendmsg'):
        for n in range(1, 12):
            house.expire('fern')
            idp.scripts['/token'] = [(200, strict, ())] * 4
            tracer = spawn(['strace', '-f', '-o', '/dev/null', '-e', 'trace=' + call, '-e',
                            'inject=%s:signal=KILL:when=%d' % (call, n), '-p', house.tokend.pid], stderr=subprocess.PIPE)
            while b'attached' not in (line := tracer.stderr.readline()) and line:
                pass
            try:
                answer = get('fern', bound=10)
            except (OSError, ValueError):
                answer = None
            time.sleep(0)
            alive_still = answer is not None and house.tokend.poll() is None
            end(tracer)
            if not alive_still:
                killed += 1
                house.tokend.wait()
            house.kill_tokend()
            house.start_tokend()
            if (get('fern') or ('',))[0] != 'TOKEN':
                lost.append((call, n, get('fern')))
            if alive_still:
                finished.append(call)
                break
    is_(lost, [], 'killed at each write, sync and packet of a renewal: the grant is never lost')
    ok(killed >= 5, '(%d kills)' % killed)
    is_(finished, ['pwrite64', 'fdatasync', 'fsync', 'recvmsg', 'sendmsg'], 'until there was nothing left to be killed at')
else:
    skip('killed at each write, sync and packet of a renewal: the grant is never lost', 'no strace')
idp.scripts.clear()

# --- who may ask ------------------------------------------------------------


def as_user(name, verb, *words):
    """What a process of that user hears: a verb, or None when it is hung up on."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            who = pwd.getpwnam(name)
            os.initgroups(name, who.pw_gid)
            os.setgid(who.pw_gid)
            os.setuid(who.pw_uid)
            c = Wire(house.path('run', 'token'))
            c.say(verb, *words)
            p = c.hear()
            os.write(w, p.verb.encode() if p else b'-')
        except OSError:
            os.write(w, b'-')
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    got = os.read(r, 100).decode()
    os.close(r)
    os.close(w)
    return got


house.oauth('login', 'acme', '--no-secret')
if ROOT:
    is_({u: as_user(u, 'GET', 'acme', '') for u in ('phcollect', 'phremote', 'phtoken', 'phmail', 'phsmtpd', 'nobody')},
        {'phcollect': 'TOKEN', 'phremote': 'TOKEN', 'phtoken': 'TOKEN', 'phmail': '-', 'phsmtpd': '-', 'nobody': '-'},
        'collect and remote get tokens, others do not')
    is_({v: as_user('phcollect', v, *w) for v, w in (('LIST', ['']), ('FORGET', ['acme']), ('LOGIN', ['acme', 'login', '', '', '']))},
        {'LIST': '-', 'FORGET': '-', 'LOGIN': '-'}, 'they may do nothing else')
    ok(house.events('program.warning', text='refused: not an administrator', verb='FORGET'), 'and the log knows who tried')
    who = pwd.getpwnam('phtoken')
    is_([(os.stat(p).st_uid, mode(p)) for p in (house.path('state', 'token'), house.path('state', 'token', 'token.db'))],
        [(who.pw_uid, 0o700), (who.pw_uid, 0o600)], 'the store is for its own user')
else:
    skip('collect and remote get tokens, others do not', 'needs root')
w = Wire(house.path('run', 'token'))
w.say('ANSWER', 'code=x')
is_(w.hear(), None, 'what has no place in the dialogue ends it')
w = Wire(house.path('run', 'token'))
w.say('GET', 'a' * 300, '')
is_(w.hear(), None, 'nor has a name of 300 octets')
many = [Wire(house.path('run', 'token')) for _ in range(300)]
is_(get('acme')[0], 'TOKEN', 'with 300 idle connections the next is served')
for w in many:
    w.close()

# --- certificates -----------------------------------------------------------

if have('openssl'):
    pem, key = house.path('etc', 'tls.pem'), house.path('tls.key')
    house.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
               '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', pem])
    os.chmod(pem, 0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    safe = AuthServer(tls=context)
    safe.approve = True
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(pem, key)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers('ALL:@SECLEVEL=0')
    weak = AuthServer(tls=old)
    house.map('providers', safe.provider('safe', 'ca=%s' % pem) + safe.provider('unknown') + weak.provider('weak', 'ca=%s' % pem) +
              safe.provider('other', 'ca=%s' % pem).replace('localhost', '127.0.0.1'), compile=False)
    house.map('upstreams', ''.join(account('at-' + n, n) for n in ('safe', 'unknown', 'weak', 'other')))
    is_(oauth('login', 'at-safe', '--no-secret').returncode, 0, 'https, with the certificate of ca=')
    is_(get('at-safe'), ('TOKEN', safe.access[-1]), 'gives a token')
    seen = len(safe.requests)
    for name, text in (('unknown', 'certificate'), ('other', "(?i)host|subject|certificate"), ('weak', '(?i)ssl|tls')):
        r = oauth('login', 'at-' + name, '--no-secret')
        ok(r.returncode == 69 and re.search(text, r.stderr), 'not taken: ' + name) or diag(r.returncode, r.stderr)
    is_((len(safe.requests) - seen, weak.requests), (0, []), 'and nothing was sent there')
    house.kill_tokend()
    os.environ.update(https_proxy='http://127.0.0.1:1', http_proxy='http://127.0.0.1:1', all_proxy='http://127.0.0.1:1')
    house.start_tokend()
    house.expire('at-safe')
    is_(get('at-safe')[0], 'TOKEN', 'the environment names no proxy that counts')
else:
    skip('https', 'no openssl')

# --- settings that change, backup, the end ----------------------------------

text = house.path('etc', 'upstreams').read_text()
house.set_map('upstreams', text.replace('client_id=client-elm', 'client_id=another'))
house.expire('elm')
is_(get('elm'), ('LATER', 'client_id= has changed since the login: posthouse oauth login elm'), 'another client_id= needs a login')
house.set_map('upstreams', '\n'.join(x for x in text.split('\n') if not x.startswith('elm ')))
is_(get('elm'), ('LATER', 'there is no account elm in the map upstreams'), 'an account that is gone')
house.set_map('upstreams', text)
is_(get('elm')[0], 'TOKEN', 'and there again')
house.ph('backup', house.path('copy'))
copy = house.path('copy', 'state', 'token', 'token.db')
c = sqlite3.connect(copy)
is_(c.execute('SELECT account, refresh FROM grants').fetchall(), house.db('SELECT account, refresh FROM grants'),
    'the backup has the grants')
c.close()
is_((mode(copy), mode(copy.parent), os.stat(copy).st_uid), (0o600, 0o700, os.stat(house.path('state', 'token', 'token.db')).st_uid),
    'as private as they were')
is_(oauth('forget', 'acme').returncode, 0, 'forget')
is_((get('acme')[0], oauth('forget', 'acme').returncode), ('NO', 67), 'is forgotten')
log = house.log()
secrets = [t for t in idp.access + list(idp.valid) + ['the-new-one', 's&cret'] if t in log]
is_(secrets, [], 'no token stands in the log')
store = b''.join(p.read_bytes() for p in house.path('state', 'token').iterdir())
status_code = end(house.tokend)
is_(status_code, 0, 'tokend ends with exit code 0')
done()
