"""tokens: a house whose tokend runs, alone or with the rest, and accounts at an authorization server of the test's own.

    from tokens import *
    idp = AuthServer()
    house = TokenHouse(idp, ['acme', 'bolt'])       # accounts with auth=oauth provider=idp
    house.start_tokend()
    house.oauth('login', 'acme', '--no-secret')
    house.get('acme')                               # ('TOKEN', 'access-...'), ('LATER', why), ('NO', why)
"""
import json
import sqlite3

from oauth_server import AuthServer
from posthouse import *
from wire import Wire

HINT = 'young=8d young_hint="Google app is in Testing status: tokens end after 7 days"'


def account(name, provider='idp', extra='', port=1):
    return '%s kind=single host=127.0.0.1 port=%d tls=none login=%s@idp.example users=ann auth=oauth provider=%s ' \
        'client_id=client-%s %s\n' % (name, port, name, provider, name, extra)


class TokenHouse(House):
    def __init__(self, idp, names, providers='', accounts='', **kw):
        House.__init__(self, users=['ann:secret', 'bob:secret'], **kw)
        self.map('providers', idp.provider('idp', HINT) + providers, compile=False)
        self.map('upstreams', ''.join(account(n) for n in names) + accounts)
        self.secrets = 0

    def start_tokend(self):
        try:
            self.path('run', 'token').unlink()
        except FileNotFoundError:
            pass
        self.tokend = self.spawn('tokend')
        wait_until(self._token_answers, 10, 'tokend answers')

    def _token_answers(self):
        try:
            return self.get('-')  # it listens before it is ready
        except OSError:
            return False

    def kill_tokend(self):
        self.tokend.kill()
        self.tokend.wait()

    def get(self, name, refused='', bound=40):
        w = Wire(self.path('run', 'token'))
        w.say('GET', name, refused)
        p = w.hear(bound=bound)
        w.close()
        return (p.verb, p.words[0]) if p else None

    def oauth(self, *args, **kw):
        return self.ph('oauth', *args, check=False, **kw)

    def token_status(self, name):
        return json.loads(self.oauth('status', name, '--json').stdout)[0]

    def file(self, text):
        self.secrets += 1
        path = self.path('secret-%d' % self.secrets)
        path.write_text(text)
        return path

    def db(self, sql, *args):
        """tokend's memory; to be changed by hand only while tokend does not run."""
        c = sqlite3.connect(self.path('state', 'token', 'token.db'))
        got = c.execute(sql, args).fetchall()
        c.commit()
        c.close()
        return got

    def change(self, name, **columns):
        """kill -9, a grant changed in the store, started anew."""
        self.kill_tokend()
        for column, value in columns.items():
            self.db('UPDATE grants SET %s = ? WHERE account = ?' % column, value, name)
        self.start_tokend()

    def expire(self, name, **columns):
        self.change(name, access_expires_s=1, **columns)


__all__ = [n for n in dir() if not n.startswith('_')]
