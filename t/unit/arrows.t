#!/usr/bin/env python3
"""The arrows of DESIGN: which folder may stand on which, in #include lines and in what is linked; and that each
foreign library is spoken to by the modules that wrap it only."""
import collections
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

LAYERS = {  # folder → the folders it may use, besides itself
    'lib/base': set(),
    'lib/sys': {'lib/base'},
    'lib/mail': {'lib/base'},
    'lib/net': {'lib/base', 'lib/sys', 'lib/mail'},
    'lib/store': {'lib/base', 'lib/sys', 'lib/mail'},
    'lib/wire': {'lib/base', 'lib/sys', 'lib/mail', 'lib/net', 'lib/store'},
}
LIB = set(LAYERS)
LAYERS['router'] = set(LIB)
ROUTED = {'smtpd', 'collector', 'queue', 'deliver', 'auth', 'pop3d', 'master'}
PROGRAMS = ROUTED
for program in PROGRAMS:
    LAYERS[program] = LIB | {'router'}

FOREIGN = {  # header → the modules that may include it (folder/name without suffix; folder/ is all of it)
    'cdb.h': ['lib/store/map'],
    'ares.h': ['lib/net/dns', 'lib/net/dns_loop'],
    'gsasl.h': ['lib/net/sasl'],
    'idn2.h': ['lib/mail/domain'],
    'seccomp.h': ['lib/sys/sandbox'],
    'linux/landlock.h': ['lib/sys/sandbox'],
    'openssl/': ['lib/net/tls', 'lib/mail/digest', 'lib/store/state', 'master/selfsigned'],
    'sqlite3.h': ['lib/store/'],
    'curl/': ['auth/http'],
    'crypt.h': ['lib/store/hash'],
    'security/': ['auth/pam'],
    'argon2.h': ['lib/store/hash_argon2'],
    'zlib.h': ['lib/mail/inflate'],
    'pcre2.h': ['lib/store/regex'],
}


def sources():
    for folder in LAYERS:
        for path in sorted((SRCDIR / folder).glob('*.[ch]')):
            yield folder, path


wrong, foreign = [], []
for folder, path in sources():
    module = '%s/%s' % (folder, path.stem)
    for number, line in enumerate(path.read_text().split('\n'), 1):
        m = re.match(r'#\s*include "((?:lib/)?[a-z0-9]+)/', line)
        if m and m.group(1) != folder and m.group(1) not in LAYERS[folder]:
            wrong.append('%s:%d: %s' % (path.relative_to(SRCDIR), number, line))
        m = re.match(r'#\s*include <(.*)>', line)
        for header, modules in FOREIGN.items() if m else ():
            if m.group(1).startswith(header) and not any(
                    module.startswith(x) if x.endswith('/') else module == x for x in modules):
                foreign.append('%s:%d: %s' % (path.relative_to(SRCDIR), number, line))
is_(wrong, [], 'no #include against the arrows')
is_(foreign, [], 'foreign libraries are included by the modules that wrap them')


def symbols(archive):
    """(defined, {undefined: object}) of an archive."""
    r = House.run(None, ['nm', '-P', '-g', '-A', archive], check=False)
    defined, undefined = set(), {}
    for line in r.stdout.split('\n'):
        m = re.match(r'\S*\[(.*?)\]: (\S+) ([A-Za-z])', line)
        if m and m.group(3) in 'Uw':
            undefined.setdefault(m.group(2), m.group(1))
        elif m:
            defined.add(m.group(2))
    return defined, undefined


if not have('nm'):
    skip('no symbol against the arrows', 'no nm')
else:
    archives = {folder: next((BUILDDIR / folder).glob('*.a')) for folder in list(LIB) + ['router']}
    table = {folder: symbols(archive) for folder, archive in archives.items()}
    homes = collections.defaultdict(set)
    for folder, (defined, _) in table.items():
        for name in defined:
            homes[name].add(folder)
    wrong = []
    for folder, (defined, undefined) in sorted(table.items()):
        for name, where in sorted(undefined.items()):
            if name not in defined and homes[name] and not homes[name] & LAYERS[folder]:
                wrong.append('%s (%s) needs %s of %s' % (folder, where, name, ', '.join(homes[name])))
    is_(wrong, [], 'no symbol against the arrows')
    ok(all(len(defined) > 3 for defined, _ in table.values()), 'every layer has symbols (nm was understood)')
    is_(sorted('%s: %s' % (n, sorted(f)) for n, f in homes.items() if len(f) > 1), [], 'no symbol has two homes')
done()
