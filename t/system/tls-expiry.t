#!/usr/bin/env python3
"""Certificates that end: the postmaster hears of it 14, 7 and 1 days before, once each; status --tls says what is served."""
import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tls_pairs import *

if not have('openssl'):
    skip_all('no openssl to make certificates with')

smtps = free_port()
house = House(options=['--submissions-port', smtps, '--pop3s-port', free_port()], conf='hostname = mail.example.org', postmaster='postmaster')
pairs = Certificates(house)
pairs.make('mail', ['mail.example.org', 'example.org'], days=20)
pairs.install('mail')
house.start()


def letters(n):
    """The subjects of n letters, awaited."""
    return [dict(headers(m))[b'Subject'].decode() for m in house.wait_mail('postmaster@example.org', n)]


def until_served(name):
    return wait_until(lambda: shown(smtps) == pairs.serials[name], 20)


def turn(days):
    pairs.make('mail', ['mail.example.org', 'example.org'], days=days)
    pairs.install('mail')
    return until_served('mail')


ok(until_served('mail'), 'a certificate for 20 days')
is_((house.events('tls.expires'), house.mail_files('postmaster@example.org')), ([], []), '... is nothing to write about')
for n, (days, within) in enumerate(((13, 14), (6, 7), (1, 1)), 1):
    ok(turn(days), 'one for %d days' % days)
    e = house.wait_event('tls.expires', n=n)
    is_((e['pair'], e['hosts'], e['within_days']), ('mail.pem', 'mail.example.org,example.org', str(within)), '... is told of')
    is_(letters(n)[-1], 'The certificate mail.pem expires within %d day%s' % (within, '' if within == 1 else 's'), '... in a letter, too')
like(house.mail('postmaster@example.org')[0], r'(?s)mail\.example\.org,example\.org\nis good until \d{4}-\d\d-\d\d .*posthouse status --tls.*'
     r'This is tlsd at mail\.example\.org\. Such a letter comes', 'it says which, until when, and what to do')
house.stop()
house.start()
ok(until_served('mail'), 'after a restart')
pairs.make('second', ['second.example.org'], days=5)
pairs.install('second')
is_(letters(4)[3], 'The certificate second.pem expires within 7 days', 'of another one a letter comes')
is_(len(letters(4)), 4, 'of the one that was told of, none')
is_(len([e for e in house.events('tls.expires') if e['pair'] == 'mail.pem']), 3, '... and no event')
is_(house.path('state', 'tls', 'told').read_text().count('\n'), 4, 'it is written down')

ok(turn(40), 'a good one')
is_(len(house.mail_files('postmaster@example.org')), 4, '... needs no letter')

# --- what is served ---------------------------------------------------------------------------

facts = json.loads(house.ph('status', '--tls', '--json').stdout)
der = ssl.PEM_cert_to_DER_cert((pairs.work / 'mail.pem').read_text())
import hashlib
served = {c['name']: c for c in facts['certificates']}
is_(sorted(served), ['mail.pem', 'second.pem'], 'status --tls --json: the pairs that are served')
ok(wait_until(lambda: json.loads(house.ph('status', '--tls', '--json').stdout)['connections'] == 0, what='no connection'),
   'who asks is not counted as a connection')
mail = served['mail.pem']
is_((mail['sha256'], mail['kind'], mail['hosts'], mail['usual'], mail['ocsp_from']),
    (hashlib.sha256(der).hexdigest(), 'EC', 'mail.example.org,example.org', True, 0), 'fingerprint, key, names')
ok(39 * 86400 < mail['until'] - time.time() <= 40 * 86400, '... and its end')
ok(served['second.pem']['usual'] is False, 'which serves those who name no host')
ok(abs(facts['tickets'] - time.time()) < 60 * PATIENCE, 'how old the key for tickets is')
with tls(smtps, Smtp) as s:
    s.reply()
    now = json.loads(house.ph('status', '--tls', '--json').stdout)
    ok(now['connections'] > facts['connections'] and now['processes'] >= 4, 'how many connections there are')
pairs.make('wrong', ['mail.example.org'])
pairs.install('mail', key='wrong')
ok(house.wait_event('tls.reload_rejected'), 'a wrong key is put on the disk')
text = house.ph('status', '--tls').stdout
like(text, r'(?m)^  mail\.pem, EC, also for clients that name no host of ours\n    names   mail\.example\.org,example\.org\n'
     r'    until   \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(39 days\)\n    SHA-256 %s\n    OCSP    nothing is stapled$' % mail['sha256'],
     'status --tls shows what is served, not what is there')
if ROOT:
    p = subprocess.run([BIN / 'posthouse', '-C', house.dir, 'status', '--tls'], user=pwd.getpwnam('phmail').pw_uid, group=0,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    is_((p.returncode, p.stdout), (69, b''), 'not for everybody')
else:
    skip('not for everybody', 'needs root')
is_(house.ph('status', '--tls', '--watch', check=False).returncode, 64, 'it is not looked at again each second')
house.stop()
p = house.ph('status', '--tls', check=False)
is_(p.returncode, 69, 'without tlsd: exit code 69')
like(p.stderr, 'cannot ask tlsd', '... and why')
done()
