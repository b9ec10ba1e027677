package inspect

import (
	"crypto/sha256"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// maxRemembered is how many verdicts are kept. Files come from anywhere, and must not make memory grow.
const maxRemembered = 1024

// An acKey is an attribute certificate and whom it is to be about, by their digests. All proxies of a login carry the same
// one, and so do the copies of a proxy that lie about on a box.
type acKey struct{ ac, eec [sha256.Size]byte }

type acVerdict struct {
	result *trust.ACResult
	err    error
}

// verifyACOf verifies an AC once, however many files it is in.
func (in *Inspector) verifyACOf(ac *attrcert.AC, eec *x509.Certificate) (*trust.ACResult, error) {
	key := acKey{sha256.Sum256(ac.Raw), sha256.Sum256(eec.Raw)}
	in.mu.Lock()
	v, known := in.acs[key]
	in.mu.Unlock()
	if known {
		return v.result, v.err
	}
	v.result, v.err = in.Store.VerifyAC(ac, eec, in.Now)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.acs == nil || len(in.acs) >= maxRemembered {
		in.acs = make(map[acKey]acVerdict)
	}
	in.acs[key] = v
	return v.result, v.err
}

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
