"""certificates: an authority of our own, and what it signs, made with openssl(1) in a directory that goes with the test.

    ca = Authority()
    ctx = ca.server('mx.test')       # an SSLContext for a server of this name
    ca.pem                           # the file to trust
"""
import atexit
import pathlib
import shutil
import ssl
import subprocess
import tempfile

EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']


class Authority:
    def __init__(self, name='Test CA'):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='posthouse-ca-'))
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        self.dir.chmod(0o755)
        self.pem, self.serial = self.dir / 'ca.pem', 0
        self._openssl('req', '-x509', *EC, '-days', '30', '-subj', '/CN=' + name, '-keyout', self.dir / 'ca.key', '-out', self.pem)

    def _openssl(self, *args):
        subprocess.run(['openssl', *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pair(self, *names, days=30):
        """Key and certificate for these host names or IP addresses: two files."""
        self.serial += 1
        key, req, pem, ext = (self.dir / ('%d.%s' % (self.serial, end)) for end in ('key', 'req', 'pem', 'ext'))
        ext.write_text('subjectAltName=' + ','.join(('IP:' if n.replace('.', '').isdigit() or ':' in n else 'DNS:') + n
                                                    for n in names))
        self._openssl('req', *EC, '-subj', '/CN=' + names[0], '-keyout', key, '-out', req)
        self._openssl('x509', '-req', '-in', req, '-CA', self.pem, '-CAkey', self.dir / 'ca.key', '-set_serial', self.serial + 1,
                      '-days', days, '-extfile', ext, '-out', pem)
        return key, pem

    def server(self, *names, **kw):
        key, pem = self.pair(*names, **kw)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        return context
