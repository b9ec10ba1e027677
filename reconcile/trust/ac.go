package trust

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// maxVOMSCerts is how many *.pem files of a vomsdir are tried for an AC that brings no certificates.
const maxVOMSCerts = 256

// An ACResult describes an AC that verified.
type ACResult struct {
	Signer       *x509.Certificate
	EffectiveEnd time.Time // the AC's own and its signer chain's
	EndsWith     string    // words for what ends then, for instance "the attribute certificate of alice"
}

// VerifyAC verifies an AC carried by (or fetched for) a chain, as of now, by LSC file or vomsdir certificate: time within
// five minutes at both ends, holder, FQANs of the VO, extensions, and the signer, whose own chain must verify against the
// trust anchors with its signing policy and CRL. It must be about holder, which is the chain's EEC or, where there is one,
// its independent proxy: the last certificate of [proxycert.Own]. A refusal is an *Error.
func (s *Store) VerifyAC(ac *attrcert.AC, holder *x509.Certificate, now time.Time) (*ACResult, error) {
	if ac == nil || holder == nil {
		return nil, &Error{ID: IDMalformed, Msg: "there is no attribute certificate, or no certificate that it could be about"}
	}
	about := subjectOf(holder)
	if err := checkACTime(ac, about, now); err != nil {
		return nil, err
	}
	if !heldBy(ac, holder, about) {
		return nil, refuse(IDACHolder, about, "the attribute certificate of %s is about %s, serial number %X, not about %s, serial number %X", ac.VO,
			ac.HolderName, ac.HolderSerial, about, holder.SerialNumber)
	}
	if err := checkFQANs(ac, about); err != nil {
		return nil, err
	}
	if err := s.checkACExtensions(ac, about); err != nil {
		return nil, err
	}
	signer, err := s.signerPath(ac, about, now)
	if err != nil {
		return nil, err
	}
	r := &ACResult{Signer: signer[0].cert, EffectiveEnd: ac.NotAfter, EndsWith: "the attribute certificate of " + ac.VO}
	if end, what := earliestEnd(signer); end.Before(r.EffectiveEnd) {
		r.EffectiveEnd, r.EndsWith = end, what+", which signed the attribute certificate"
		if end.Before(r.Signer.NotAfter) {
			r.EndsWith = what + ", above the signer of the attribute certificate"
		}
	}
	return r, nil
}

// heldBy wants an independent proxy named by its subject. Its issuer is the user, who chose its serial number: the form of
// RFC 5755, issuer and serial number, would take the user's own AC in vomsd's form for one about the proxy.
func heldBy(ac *attrcert.AC, holder *x509.Certificate, about dn.Name) bool {
	if info, _ := proxycert.Classify(holder); info.IsProxy() && !ac.HolderName.Equal(about) {
		return false
	}
	return ac.HeldBy(holder)
}

func checkACTime(ac *attrcert.AC, about dn.Name, now time.Time) error {
	switch {
	case now.After(ac.NotAfter.Add(Skew)):
		return refuse(IDACExpired, about, "the attribute certificate of %s for %s expired on %s", ac.VO, about, utc(ac.NotAfter))
	case now.Before(ac.NotBefore.Add(-Skew)):
		return refuse(IDACExpired, about, "the attribute certificate of %s for %s is not valid before %s, and it is %s", ac.VO, about, utc(ac.NotBefore), utc(now))
	case ac.NotAfter.Before(ac.NotBefore):
		return refuse(IDACExpired, about, "the attribute certificate of %s for %s ends before it begins", ac.VO, about)
	}
	return nil
}

// checkFQANs wants every FQAN to be of the VO of the policy authority: a VO's server must not speak for another VO. What comes
// behind the VO is the server's business, as for the VOMS libraries.
func checkFQANs(ac *attrcert.AC, about dn.Name) error {
	for _, fqan := range ac.RawFQANs {
		if rest, ok := strings.CutPrefix(fqan, "/"+ac.VO); !ok || rest != "" && rest[0] != '/' {
			return refuse(IDAC, about, "the attribute certificate of %s for %s has the attribute %.200q of another VO", ac.VO, about, fqan)
		}
	}
	return nil
}

func (s *Store) checkACExtensions(ac *attrcert.AC, about dn.Name) error {
	if len(ac.UnhandledCritical) > 0 {
		return refuse(IDAC, about, "the attribute certificate of %s for %s has the critical extension %s, which nothing here can honour", ac.VO, about,
			ac.UnhandledCritical[0])
	}
	if !ac.NoRevAvail || len(ac.AuthorityKeyID) == 0 {
		return refuse(IDAC, about, "the attribute certificate of %s for %s lacks noRevAvail or authorityKeyIdentifier", ac.VO, about)
	}
	if len(ac.Targets) == 0 {
		return nil
	}
	host := s.Host
	if host == "" {
		host, _ = os.Hostname()
	}
	for _, target := range ac.Targets {
		if host != "" && strings.EqualFold(target, host) {
			return nil
		}
	}
	return refuse(IDAC, about, "the attribute certificate of %s for %s is for %s, not for this host %s", ac.VO, about, strings.Join(ac.Targets, ", "), host)
}

// signerPath finds who signed the AC and returns that certificate and its path to a root.
func (s *Store) signerPath(ac *attrcert.AC, about dn.Name, now time.Time) ([]*node, error) {
	if isWeakHash(ac.SignatureAlgorithm) && !s.AllowWeak {
		return nil, refuse(IDWeakHash, about, "the attribute certificate of %s for %s is signed with %s, which is refused%s", ac.VO, about,
			ac.SignatureAlgorithm, whyWeak(ac))
	}
	if strings.ContainsAny(ac.VO+ac.Host, "/\x00") || ac.VO == "" || ac.Host == "" || ac.VO[0] == '.' {
		return nil, refuse(IDAC, about, "the attribute certificate for %s has the impossible policy authority %q", about, ac.PolicyAuthority)
	}
	file := filepath.Join(s.VOMSDir, ac.VO, ac.Host+".lsc")
	if len(ac.Certificates) > 0 {
		lsc, err := load(s, file, maxFile, parseLSCFile)
		switch {
		case err == nil:
			return s.signerByLSC(ac, about, now, file, lsc)
		case !isMissing(err):
			return nil, refuse(IDLSC, about, "the LSC file for the VO %s cannot be used: %v", ac.VO, err)
		}
	}
	local, err := s.signerByCertificate(ac, about, now)
	if err != nil || local != nil {
		return local, err
	}
	return nil, refuse(IDLSC, about, "nothing says who may sign for the VO %s: there is no %s", ac.VO, file)
}

// whyWeak explains what vomsd 2.1 does: it takes the hash of its own certificate's signature, and SHA-1 where OpenSSL does not
// tell it that hash, as for ECDSA.
func whyWeak(ac *attrcert.AC) string {
	for _, cert := range ac.Certificates {
		if !subjectOf(cert).Equal(ac.Issuer) {
			continue
		}
		switch cert.SignatureAlgorithm {
		case ac.SignatureAlgorithm:
			return " (vomsd takes what its own certificate is signed with)"
		case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
			if ac.SignatureAlgorithm == x509.SHA1WithRSA || ac.SignatureAlgorithm == x509.ECDSAWithSHA1 {
				return " (vomsd does this when the CA of its certificate has an EC key)"
			}
		}
	}
	return ""
}

// signerByLSC takes the signer from the AC, and the LSC file's word for who it may be.
func (s *Store) signerByLSC(ac *attrcert.AC, about dn.Name, now time.Time, file string, lsc [][]writtenName) ([]*node, error) {
	p, err := s.signerPool(ac.Certificates)
	if err != nil {
		return nil, err
	}
	signer, err := s.findSigner(ac, p, about)
	if err != nil {
		return nil, err
	}
	chain, err := s.verifySigner(p, signer, ac, about, now)
	if err != nil {
		return nil, err
	}
	if !matchesLSC(lsc, chain) {
		return nil, refuse(IDLSC, about, "the attribute certificate of %s for %s is signed by %s, issued by %s, which is not what %s says", ac.VO, about,
			signer.subject, signer.issuer, file)
	}
	return chain, nil
}

// signerPool is newPool. While the directories stand still, a certificate that comes with one attribute certificate after the
// other, parsed once, is looked at once.
func (s *Store) signerPool(certs []*x509.Certificate) (pool, error) {
	if !s.Still || len(certs) != 1 {
		return newPool(certs)
	}
	s.mu.Lock()
	n := s.signers[certs[0]]
	s.mu.Unlock()
	if n == nil {
		n = newSharedNode(certs[0])
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.signers == nil || len(s.signers) >= maxSigners {
			s.signers = make(map[*x509.Certificate]*node)
		}
		s.signers[certs[0]] = n
	}
	return pool{n}, nil
}

// maxSigners bounds the memory of them; a site sees the servers of a few VOs.
const maxSigners = 64

// findSigner returns the certificate that signed the AC. It is the first one, but vomsd writes the rest of its chain in
// front when it is configured with one.
func (s *Store) findSigner(ac *attrcert.AC, p pool, about dn.Name) (*node, error) {
	var bad error
	for _, n := range p {
		if !n.subject.Equal(ac.Issuer) {
			continue
		}
		switch {
		case s.AllowWeak && isWeakly(ac.SignatureAlgorithm, n.cert):
			bad = verifyWeak(n.cert, ac.SignatureAlgorithm, ac.RawInfo, ac.Signature)
		case isTiny(n.cert):
			return nil, signerRefused(ac, n, s.checkStrength(n))
		default:
			bad = ac.CheckSignature(n.cert)
		}
		if bad == nil {
			return n, nil
		}
	}
	if bad == nil {
		bad = errors.New("there is no certificate of that name with it")
	}
	return nil, refuse(IDAC, about, "the attribute certificate of %s for %s is not signed by %s: %v", ac.VO, about, ac.Issuer, bad)
}

// verifySigner verifies the signer's own chain and that the AC's key identifier is the signer's.
func (s *Store) verifySigner(p pool, signer *node, ac *attrcert.AC, about dn.Name, now time.Time) ([]*node, error) {
	switch {
	case signer.info.IsProxy() || signer.cert.IsCA:
		// RFC 5755 section 4.5 forbids the CA; a proxy's holder is not the VO's server.
		return nil, refuse(IDACSigner, signer.subject, "the attribute certificate of %s is signed by %s, which is a %s", ac.VO, signer.subject, signer.kind())
	case lacksUsage(signer.cert, x509.KeyUsageDigitalSignature):
		return nil, refuse(IDACSigner, signer.subject, "the certificate %s may not sign attribute certificates: its key usage lacks digitalSignature", signer.subject)
	case !bytes.Equal(ac.AuthorityKeyID, keyHash(signer.cert)) && !bytes.Equal(ac.AuthorityKeyID, signer.cert.SubjectKeyId):
		return nil, refuse(IDAC, about, "the attribute certificate of %s for %s names another key than that of its signer %s", ac.VO, about, signer.subject)
	}
	path := &path{store: s, pool: p, now: now}
	if err := path.build(signer); err != nil {
		return nil, signerRefused(ac, signer, err)
	}
	return append([]*node{signer}, path.anchors...), nil
}

func signerRefused(ac *attrcert.AC, signer *node, why error) error {
	msg := fmt.Sprintf("the signer of the attribute certificate of %s does not verify: %v", ac.VO, why)
	return &Error{ID: IDACSigner, Subject: signer.subject.String(), Msg: msg, Err: why}
}

// keyHash is what the C++ library compares the key identifier with: SHA-1 over the bits of the public key. Java's compares
// with the signer certificate's own identifier, which need not be the same.
func keyHash(cert *x509.Certificate) []byte {
	spki := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var body cryptobyte.String
	var bits []byte
	if !spki.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&bits) {
		return nil
	}
	sum := sha1.Sum(bits)
	return sum[:]
}

// signerByCertificate looks for the signer among the *.pem files of <vomsdir>/<vo> and <vomsdir>, the way before LSC
// files. It returns nil without error if there is none of that name.
func (s *Store) signerByCertificate(ac *attrcert.AC, about dn.Name, now time.Time) ([]*node, error) {
	var bad error
	tried := 0
	for _, dir := range [...]string{filepath.Join(s.VOMSDir, ac.VO), s.VOMSDir} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), ".pem") || entry.IsDir() {
				continue
			}
			if tried++; tried > maxVOMSCerts {
				return nil, refuse(IDLSC, about, "there are more than %d certificates in %s", maxVOMSCerts, s.VOMSDir)
			}
			nodes, err := load(s, filepath.Join(dir, entry.Name()), maxFile, parseVOMSCertificate)
			if err != nil {
				continue // somebody else's; the message will be that none was found
			}
			signer, err := s.findSigner(ac, nodes, about)
			if err != nil {
				continue
			}
			chain, err := s.verifySigner(nodes, signer, ac, about, now)
			if err == nil {
				return chain, nil
			}
			bad = err
		}
	}
	return nil, bad
}

func parseVOMSCertificate(data []byte) (pool, error) {
	var out pool
	add := func(der []byte) error {
		cert, err := dn.ParseCertificate(der)
		if err != nil {
			return err
		}
		out = append(out, newSharedNode(cert))
		return nil
	}
	err := pemBlocks(data, map[string]func([]byte) error{"CERTIFICATE": add, "X509 CERTIFICATE": add}, add)
	return out, err
}
