package trust

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Values of Error.ID.
const (
	IDMalformed  = "CHAIN-MALFORMED"  // no certificates, too many, or an extension that cannot be read
	IDIncomplete = "CHAIN-INCOMPLETE" // the certificate that signed a proxy is missing
	IDSignature  = "CHAIN-SIGNATURE"
	IDExpired    = "CHAIN-EXPIRED"
	IDNotYet     = "CLOCK"         // not yet valid
	IDProxy      = "CHAIN-PROXY"   // a rule for proxies is broken
	IDMixed      = "CHAIN-MIXED"   // proxies of different forms
	IDLimited    = "CHAIN-LIMITED" // a full proxy below a limited one
	IDPathLength = "CHAIN-PATHLEN"
	IDCritical   = "CHAIN-CRITICAL" // a critical extension that cannot be honoured
	IDNotCA      = "CHAIN-NOTCA"    // an issuer that is no CA, or a CA where none may be
	IDWeakKey    = "PROXY-BITS"     // an RSA key below 2048 bits
	IDWeakHash   = "CA-SHA1"        // a signature by SHA-1 or MD5
	IDNoAnchor   = "CA-MISSING"
	IDPolicy     = "CHAIN-POLICY" // signing policy or namespaces
	IDNames      = "CHAIN-NAMES"  // name constraints
	IDRevoked    = "CHAIN-REVOKED"
	IDCRLStale   = "CRL-STALE"
	IDCRLInvalid = "CRL-INVALID"
	IDCRLMissing = "CRL-MISSING"
	IDPeerName   = "PEER-NAME"
	IDPeerNone   = "PEER-NONE"  // the peer showed no certificate
	IDAC         = "VO-AC"      // an attribute certificate that is not what it must be
	IDACExpired  = "VO-EXPIRED" // an attribute certificate outside its validity
	IDACHolder   = "VO-HOLDER"  // an attribute certificate about somebody else
	IDLSC        = "VO-LSC"
	IDACSigner   = "VO-SIGNER" // the certificate of the VOMS server does not verify
)

// An Error says why something does not verify.
type Error struct {
	ID      string // one of the constants above
	Subject string // the certificate it is about, slash form
	Msg     string // one line, naming the certificate and the reason, dates in UTC
	Err     error
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.Err }

// FaultID lets packages that do not import this one take the id over into their own errors.
func (e *Error) FaultID() string { return e.ID }

// refuse makes an Error about a certificate. The format is that of fmt.Errorf; an error wrapped by it becomes Err.
func refuse(id string, subject dn.Name, format string, args ...any) *Error {
	e := &Error{ID: id, Subject: subject.String(), Msg: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			e.Err = err
		}
	}
	return e
}

// utc is how dates are written in messages.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// subjectOf never fails, because crypto/x509 has parsed the name already.
func subjectOf(cert *x509.Certificate) dn.Name { return dn.MustFromDER(cert.RawSubject) }
