#!/usr/bin/env python3
"""tokend and posthouse oauth against an authorization server of our own: every way to log in, every error body, renewal
and its limits, rotation, kills, hostile answers, who may ask, and what postmaster gets to read."""
import os
import pty
import re
import sqlite3
import sys
import threading
import urllib.request
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from oauth_server import AuthServer
from wire import Wire
import json
import hashlib

idp = AuthServer()
house = House(users=['ann:secret'])


def account(name, provider='idp', extra=''):
    return '%s kind=single host=127.0.0.1 port=1 tls=none login=%s@idp.example users=ann auth=oauth provider=%s ' \
        'client_id=client-%s %s\n' % (name, name, provider, name, extra)


house.map('providers', idp.provider('idp', 'young=8d young_hint="Google app is in Testing status: tokens end after 7 days"')
          + idp.provider('browser', 'extra=access_type=offline&prompt=consent', device=False)
          + idp.provider('fixed', 'redirect=https://127.0.0.1', device=False)
          + idp.provider('basic', 'client_auth=basic'), compile=False)
house.map('upstreams', ''.join(account(n) for n in ('acme', 'bolt', 'crow', 'dove', 'elm', 'fern', 'gull', 'hare'))
          + account('web', 'browser') + account('paste', 'fixed') + account('basic', 'basic', 'scope="mail x"'))
tokend = None


def start():
    global tokend
    try:
        house.path('run', 'token').unlink()
    except FileNotFoundError:
        pass
    tokend = house.spawn('tokend')
    wait_until(answers, 10, 'tokend answers')


def answers():
    try:
        Wire(house.path('run', 'token')).close()
    except OSError:
        return False
    return True


def kill():
    tokend.kill()
    tokend.wait()


def get(name, refused='', bound=40):
    w = Wire(house.path('run', 'token'))
    w.say('GET', name, refused)
    p = w.hear(bound=bound)
    w.close()
    return (p.verb, p.words[0]) if p else None


def oauth(*args, **kw):
    return house.ph('oauth', *args, check=False, **kw)


def status(name):
    return json.loads(oauth('status', name, '--json').stdout)[0]


def file(text):
    path = house.path('secret-%d' % len(os.listdir(house.dir)))
    path.write_text(text)
    return path


start()

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
done()
