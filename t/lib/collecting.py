"""collecting: a house that collects from Upstream servers, and what came of it.

    c = Collecting(users=['ann:secret'])
    up = c.office([c.message(1)], capa=['UIDL'])     # an Upstream, and the one account that fetches from it
    c.collect()
    is_(c.taken('ann'), ...)
"""
from posthouse import *
from upstream import Upstream

DOMAIN = 'kind=domain tls=none login=office domain=example.org fallback=carol trusted=.isp.example'


def message(n, to='ann@example.org', body=b'text\r\n', more=b''):
    return b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%d@sender.example>\r\n%sSubject: no. %d\r\n\r\n%s' % (
        to.encode(), n, more, n, body)


def lf(octets):
    return octets.replace(b'\r\n', b'\n')


class Collecting:
    def __init__(self, users=('ann:secret', 'bob:secret', 'carol:secret'), conf='collect_timeout = 3s\n', postmaster=None):
        self.users = [u.split(':')[0] for u in users]
        self.house = House(users=list(users), conf=conf, postmaster='chief').start()
        self.house.map('secrets', 'office password=secret\nwrong password=s3cr3t-of-nobody\n')

    def accounts(self, **entries):
        """name=(upstream, words)"""
        self.house.set_map('upstreams', ''.join('%s host=127.0.0.1 port=%d %s\n' % (n, up.port, words)
                                               for n, (up, words) in entries.items()))

    def office(self, messages=(), words='secret=office', **options):
        up = Upstream(messages, **options)
        self.use(up, words)
        return up

    def use(self, up, words='secret=office'):
        self.accounts(office=(up, DOMAIN + ' ' + words))

    def collect(self, *names, check=False, bound=60):
        return self.house.ph('collect', *names, check=check, bound=bound)

    def taken(self, user):
        """What is in the mailbox, without what collect puts above each message; emptied."""
        found = []
        for p in self.house.mail_files(user):
            head, line, rest = p.read_bytes().partition(b'\nX-Posthouse-Sorted: ')
            found.append(rest.partition(b'\n')[2])
            p.unlink()
        return found

    def all_taken(self):
        return sorted(m for u in self.users for m in self.taken(u))
