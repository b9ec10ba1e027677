package inspect

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// What is remembered is bounded: files come from anywhere, and must not make memory grow.
const (
	maxRemembered = 256
	maxNoted      = 1024
	maxKept       = 16 << 10 // of an extension with attribute certificates, in bytes
)

// certificates parses those that it sees again once: of most files the user's, and the VOMS server's. The zero value is ready.
type certificates struct {
	mu    sync.Mutex
	seed  maphash.Seed
	seen  map[uint64]bool // once, by hash
	known map[string]*x509.Certificate
}

// parse is dn.ParseCertificate; a certificate may be returned to several callers. What it was not given before is not kept,
// so that ten thousand proxies leave nothing but their hashes.
func (c *certificates) parse(der []byte) (*x509.Certificate, error) {
	c.mu.Lock()
	cert, again := c.known[string(der)], false
	if cert == nil {
		again = c.note(der)
	}
	c.mu.Unlock()
	if cert != nil {
		return cert, nil
	}
	cert, err := dn.ParseCertificate(der)
	if err == nil && again && len(der) <= maxKept {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.known == nil || len(c.known) >= maxRemembered {
			c.known = make(map[string]*x509.Certificate)
		}
		c.known[string(der)] = cert
	}
	return cert, err
}

// note reports whether it was given the same before, or something of the same hash.
func (c *certificates) note(der []byte) bool {
	if c.seen == nil {
		c.seed = maphash.MakeSeed()
	}
	if c.seen == nil || len(c.seen) >= maxNoted {
		c.seen = make(map[uint64]bool)
	}
	hash := maphash.Bytes(c.seed, der)
	again := c.seen[hash]
	c.seen[hash] = true
	return again
}

// An acKey is the extension that holds attribute certificates and the certificate they are to be about, by their digests.
// All proxies of a login carry the same ones, and so do the copies of a proxy that lie about on a box.
type acKey struct{ extension, holder [sha256.Size]byte }

type acVerdict struct {
	ac     *attrcert.AC
	result *trust.ACResult
	err    error
}

// acsOf reads and verifies the attribute certificates of the chain, as attrcert.FromChain finds them: once, however many
// files they are in.
func (in *Inspector) acsOf(chain []Certificate, holder *x509.Certificate) ([]acVerdict, error) {
	for i := range chain {
		value := vomsExtension(chain[i].Certificate)
		if value == nil {
			continue
		}
		key := acKey{extension: sha256.Sum256(value)}
		if holder != nil {
			key.holder = sha256.Sum256(holder.Raw)
		}
		in.mu.Lock()
		verdicts, known := in.acs[key]
		in.mu.Unlock()
		if !known {
			acs, err := attrcert.Reader{ParseCertificate: in.certs.parse}.FromCertificate(chain[i].Certificate)
			if err != nil {
				return nil, err
			}
			verdicts = in.verifyACs(acs, holder)
			if len(value) <= maxKept {
				in.keep(key, verdicts)
			}
		}
		if len(verdicts) > 0 {
			return verdicts, nil
		}
	}
	return nil, nil
}

func (in *Inspector) verifyACs(acs []*attrcert.AC, holder *x509.Certificate) []acVerdict {
	var out []acVerdict
	for _, ac := range acs {
		v := acVerdict{ac: ac, err: errNoHolder}
		if holder != nil {
			v.result, v.err = in.Store.VerifyAC(ac, holder, in.Now)
		}
		out = append(out, v)
	}
	return out
}

var errNoHolder = errors.New("the end-entity certificate it is about is not in the file")

func (in *Inspector) keep(key acKey, verdicts []acVerdict) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.acs == nil || len(in.acs) >= maxRemembered {
		in.acs = make(map[acKey][]acVerdict)
	}
	in.acs[key] = verdicts
}

func vomsExtension(c *x509.Certificate) []byte {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidVOMS) {
			return e.Value
		}
	}
	return nil
}

var oidVOMS = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 5}

// A location is what a verdict on the directories above a file depends on.
type location struct {
	dir      string
	uid, gid uint32
}

// findings are those of credfile.CheckFile, which looks at every directory up to the root. Where it found nothing before, a
// file that is itself as it must be needs no second look: most files of a directory are.
func (in *Inspector) findings(path string, kind credfile.Kind, opened fs.FileInfo) []credfile.Finding {
	st, ok := opened.Sys().(*syscall.Stat_t)
	if !ok {
		return credfile.CheckFile(path, kind, in.UID)
	}
	at := location{filepath.Dir(path), st.Uid, st.Gid}
	in.mu.Lock()
	tidied := in.tidied[at]
	in.mu.Unlock()
	if tidied && in.tidy(path, kind, opened, st) {
		return nil
	}
	found := credfile.CheckFile(path, kind, in.UID)
	if len(found) == 0 {
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.tidied == nil || len(in.tidied) >= maxRemembered {
			in.tidied = make(map[location]bool)
		}
		in.tidied[at] = true
	}
	return found
}

// tidy reports whether there is nothing about the file alone that could be found wrong: less than CheckFile asks for, never
// more.
func (in *Inspector) tidy(path string, kind credfile.Kind, opened fs.FileInfo, st *syscall.Stat_t) bool {
	perm := opened.Mode().Perm()
	good := perm == 0o600 || perm == 0o400
	if kind == credfile.Public {
		good = good || perm == 0o644
	}
	if !good || st.Nlink != 1 || in.UID >= 0 && int(st.Uid) != in.UID {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && os.SameFile(info, opened) // and so it is no link
}
