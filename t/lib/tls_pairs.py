"""tls_pairs: pairs for tlsd, and TLS on a Line.

    from tls_pairs import *
    pairs = Certificates(house)
    pairs.make('mail', ['mail.example.org']); pairs.install('mail')
"""
import os
import pwd
import ssl
import subprocess

from posthouse import *


def serial(der):
    """As openssl prints it: "serial=...". """
    p = subprocess.run(['openssl', 'x509', '-inform', 'DER', '-noout', '-serial'], input=der, stdout=subprocess.PIPE)
    return p.stdout.decode().strip()


class Certificates:
    kinds = {'ec': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'], 'rsa': ['-newkey', 'rsa:2048']}

    def __init__(self, house):
        self.dir, self.work, self.serials = house.path('etc', 'tls'), house.path('certs'), {}
        self.work.mkdir(exist_ok=True)

    def make(self, name, hosts, kind='ec', days=30):
        """A self-signed pair below work; its certificate's serial number."""
        self.openssl('req', '-x509', '-nodes', '-days', days, '-subj', '/CN=' + hosts[0], '-addext',
                     'subjectAltName=' + ','.join('DNS:' + h for h in hosts), *self.kinds[kind],
                     '-keyout', name + '.key', '-out', name + '.pem')
        self.serials[name] = serial(ssl.PEM_cert_to_DER_cert((self.work / (name + '.pem')).read_text()))
        return self.serials[name]

    def over(self, name, new):
        """A certificate for the names and the key of a pair, which has expired."""
        (self.work / 'over.cnf').write_text('[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nnew_certs_dir=.\nserial=over.srl\npolicy=p\n'
                                            'default_md=sha256\ncopy_extensions=copy\n[p]\ncommonName=supplied\n' % 'over.txt')
        (self.work / 'over.txt').write_text('')
        self.openssl('x509', '-x509toreq', '-in', name + '.pem', '-signkey', name + '.key', '-copy_extensions', 'copy', '-out', 'over.csr')
        self.openssl('ca', '-batch', '-notext', '-config', 'over.cnf', '-selfsign', '-create_serial', '-keyfile', name + '.key', '-in',
                     'over.csr', '-startdate', '20200101000000Z', '-enddate', '20200201000000Z', '-out', new + '.pem')

    def openssl(self, *argv, check=True, input=None):
        p = subprocess.run(['openssl', *[str(a) for a in argv]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.work,
                           **({'stdin': subprocess.DEVNULL} if input is None else {'input': input}))
        out = p.stdout.decode('utf-8', 'replace')
        if check and p.returncode:
            raise RuntimeError('openssl %s: %s' % (' '.join(map(str, argv)), out))
        return out

    def put(self, name, as_name):
        """A file of work into tlsd's directory, whole at once, readable by tlsd only."""
        new = self.dir / ('.new-' + as_name)
        new.write_bytes((self.work / name).read_bytes())
        give(new)
        new.rename(self.dir / as_name)

    def install(self, name, as_name=None, key=None):
        for end, source in (('.key', key or name), ('.pem', name)):
            self.put(source + end, (as_name or name) + end)


def give(path):
    """To the user that tlsd is."""
    if ROOT:
        u = pwd.getpwnam('phtls')
        os.chown(path, u.pw_uid, u.pw_gid)
    os.chmod(path, 0o600)


def context(ca=None, **kw):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = ca is not None
    c.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        c.load_verify_locations(ca)
    for name, value in kw.items():
        setattr(c, name, value)
    return c


def wrap(line, name='mail.example.org', c=None, session=None):
    """TLS from here on, on a Line."""
    line.sock = (c or context()).wrap_socket(line.sock, server_hostname=name, session=session)
    line.sock.settimeout(15 * PATIENCE)
    return line


def tls(port, cls=Line, **kw):
    return wrap(cls(port), **kw)


def shown(port, **kw):
    """The serial number of the certificate that is served."""
    with tls(port, **kw) as l:
        return serial(l.sock.getpeercert(binary_form=True))


__all__ = [n for n in dir() if not n.startswith('_')]
