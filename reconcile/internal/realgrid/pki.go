package realgrid

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// CADN is the DN of the grid's certification authority, in slash form.
const CADN = "/DC=org/DC=gridtest/CN=Grid Test CA"

// The identities that every grid has. Each is made when first asked for.
const (
	VOBox  = "vobox"  // host; authorized renewer under the site policy
	Portal = "portal" // host; trusted retriever under the site policy
	Rogue  = "rogue"  // host with a good certificate and no rights anywhere

	Jane      = "jdoe"      // member of both VOs, lcgadmin in both, attribute nickname=jdoe in alice
	Stranger  = "stranger"  // in no VO
	Suspended = "suspended" // member of dteam, suspended there
	Revoked   = "revoked"   // member of both VOs; the certificate is on the CRL
	Expired   = "expired"   // member of both VOs; the certificate ended yesterday
	Ending    = "ending"    // member of both VOs, lcgadmin; the certificate ends in 30 hours
	BigKey    = "rsa4096"   // member of both VOs, lcgadmin; RSA key of 4096 bits
	Elliptic  = "ecp256"    // member of both VOs, lcgadmin; EC key on P-256

	myproxyHost = "myproxy"
	vomsHost    = "voms"
)

// A Key says what kind of key a certificate is for.
type Key int

const (
	RSA2048 Key = iota
	RSA4096
	P256
)

// A Spec describes a certificate to be issued with [Grid.Issue].
type Spec struct {
	Name      string    // names the directory of its files; unique in the grid
	DN        string    // slash form, attributes DC, C, O, OU and CN
	Key       Key       // the zero value is RSA2048
	Host      bool      // for servers too: EKU serverAuth, and the names below
	Names     []string  // subjectAltName: host names and IP addresses
	NotBefore time.Time // zero: an hour ago
	NotAfter  time.Time // zero: in 400 days
	serial    int64     // zero: the next one
}

// An Identity is a certificate, its key and a home directory.
type Identity struct {
	Name     string
	DN       string // of the certificate, slash form
	CertFile string // PEM, mode 0644
	KeyFile  string // PEM, PKCS#8 without passphrase, mode 0400
	Home     string // HOME of clients; its own, empty at first
	Proxy    string // X509_USER_PROXY of [Grid.Env]: where clients leave a proxy
	Cert     *x509.Certificate
	Signer   crypto.Signer
}

const (
	hostBase      = "/DC=org/DC=gridtest/OU=computers/CN="
	userBase      = "/DC=org/DC=gridtest/OU=Organic Units/OU=Users"
	revokedSerial = 0x42
)

// userDN has the shape of CERN's: the last CN but one is a number, which
// software that strips "/CN=<number>" as a proxy's would trip over.
func userDN(login string, number int, name string) string {
	return fmt.Sprintf("%s/CN=%s/CN=%d/CN=%s", userBase, login, number, name)
}

func builtin(name string, now time.Time) (Spec, bool) {
	host := func(names ...string) Spec {
		fqdn := name + ".example.org"
		return Spec{DN: hostBase + fqdn, Host: true, Names: append([]string{fqdn}, names...)}
	}
	var s Spec
	switch name {
	case VOBox, Portal, Rogue:
		s = host()
	case myproxyHost, vomsHost:
		s = host("localhost", "127.0.0.1", "::1")
	case Jane:
		s = Spec{DN: userDN("jdoe", 100001, "Jane Doe")}
	case Stranger:
		s = Spec{DN: userDN("stranger", 100002, "Sam Stranger")}
	case Suspended:
		s = Spec{DN: userDN("suspended", 100003, "Sue Spended")}
	case Revoked:
		s = Spec{DN: userDN("revoked", 100004, "Rae Voked"), serial: revokedSerial}
	case Expired:
		s = Spec{DN: userDN("expired", 100005, "Ex Pired"), NotBefore: now.AddDate(0, 0, -30), NotAfter: now.AddDate(0, 0, -1)}
	case Ending:
		s = Spec{DN: userDN("ending", 100006, "Enda Ding"), NotAfter: now.Add(30 * time.Hour)}
	case BigKey:
		s = Spec{DN: userDN("rsa4096", 100007, "Big Key"), Key: RSA4096}
	case Elliptic:
		s = Spec{DN: userDN("ecp256", 100008, "Ellie Curve"), Key: P256}
	default:
		return Spec{}, false
	}
	s.Name = name
	return s, true
}

// DN returns the DN of one of the built-in identities without making it.
func DN(name string) string {
	s, _ := builtin(name, time.Now())
	return s.DN
}

// Identity returns one of the built-in identities, making it if need be.
func (g *Grid) Identity(name string) *Identity {
	g.t.Helper()
	id, err := g.identity(name)
	if err != nil {
		g.t.Fatalf("realgrid: identity %q: %v", name, err)
	}
	return id
}

// Issue makes a further identity, signed by the grid's CA.
func (g *Grid) Issue(s Spec) *Identity {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := builtin(s.Name, time.Now()); ok || g.identities[s.Name] != nil {
		g.t.Fatalf("realgrid: there is an identity %q already", s.Name)
	}
	id, err := g.issue(s)
	if err != nil {
		g.t.Fatalf("realgrid: issuing for %q: %v", s.DN, err)
	}
	return id
}

func (w *world) identity(name string) (*Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := w.identities[name]; id != nil {
		return id, nil
	}
	s, ok := builtin(name, time.Now())
	if !ok {
		return nil, fmt.Errorf("no such identity")
	}
	return w.issue(s)
}

// issue is called with w.mu held.
func (w *world) issue(s Spec) (*Identity, error) {
	dir := filepath.Join(w.Dir, "identities", s.Name)
	id := &Identity{
		Name:     s.Name,
		DN:       s.DN,
		CertFile: filepath.Join(dir, "cert.pem"),
		KeyFile:  filepath.Join(dir, "key.pem"),
		Home:     filepath.Join(dir, "home"),
		Proxy:    filepath.Join(dir, "proxy.pem"),
	}
	if err := os.MkdirAll(id.Home, 0o755); err != nil {
		return nil, err
	}
	var err error
	if id.Signer, err = newKey(s.Key); err != nil {
		return nil, err
	}
	if id.Cert, err = w.authority.sign(s, id.Signer.Public()); err != nil {
		return nil, err
	}
	if err := writePEM(id.CertFile, 0o644, "CERTIFICATE", id.Cert.Raw); err != nil {
		return nil, err
	}
	if err := writeKey(id.KeyFile, id.Signer); err != nil {
		return nil, err
	}
	w.identities[s.Name] = id
	return id, nil
}

func newKey(kind Key) (crypto.Signer, error) {
	switch kind {
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	default:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
}

func writePEM(path string, mode os.FileMode, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, 0o400, "PRIVATE KEY", der)
}

// An authority is the grid's CA: key, certificate, and what openssl needs to
// make its CRL.
type authority struct {
	cert   *x509.Certificate
	key    crypto.Signer
	serial atomic.Int64
}

// newAuthority makes the CA below dir and fills the trust directory as an IGTF
// bundle does: every file under the new and under the old subject hash, because
// voms-clients-java knows only the old one.
func newAuthority(dir, certDir string) (*authority, error) {
	key, err := newKey(RSA2048)
	if err != nil {
		return nil, err
	}
	subject, err := rawDN(CADN)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		RawSubject:            subject,
		NotBefore:             now.AddDate(0, -2, 0),
		NotAfter:              now.AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          keyID(key.Public()),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key}
	a.serial.Store(1000)
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	caDir := filepath.Join(dir, "ca")
	if err := os.Mkdir(caDir, 0o700); err != nil {
		return nil, err
	}
	if err := writePEM(filepath.Join(caDir, "ca.pem"), 0o644, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(caDir, "key.pem"), key); err != nil {
		return nil, err
	}
	if err := makeCRL(caDir, now); err != nil {
		return nil, fmt.Errorf("making the CRL: %w", err)
	}
	return a, fillTrustDir(caDir, certDir)
}

// makeCRL has openssl write caDir/crl.pem with the revoked identity on it.
func makeCRL(caDir string, now time.Time) error {
	const short = "060102150405Z"
	index := strings.Join([]string{"R", now.AddDate(1, 0, 0).UTC().Format(short), now.AddDate(0, 0, -1).UTC().Format(short),
		fmt.Sprintf("%X", revokedSerial), "unknown", DN(Revoked)}, "\t") + "\n"
	config := "[ca]\ndefault_ca=grid\n[grid]\ndatabase=index.txt\ncertificate=ca.pem\nprivate_key=key.pem\n" +
		"default_md=sha256\ndefault_crl_days=30\n"
	for name, text := range map[string]string{"index.txt": index, "openssl.cnf": config} {
		if err := os.WriteFile(filepath.Join(caDir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err := openssl(caDir, "ca", "-config", "openssl.cnf", "-gencrl", "-out", "crl.pem")
	return err
}

// Revoke puts a certificate on the CRL, as of now. Use it on a grid of the
// test's own ([Start]).
func (g *Grid) Revoke(id *Identity) {
	g.t.Helper()
	if err := g.revoke(id.Cert); err != nil {
		g.t.Fatalf("realgrid: revoking %s: %v", id.DN, err)
	}
}

func (w *world) revoke(cert *x509.Certificate) error {
	caDir := filepath.Join(w.Dir, "ca")
	index, err := os.OpenFile(filepath.Join(caDir, "index.txt"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	const short = "060102150405Z"
	_, err = fmt.Fprintf(index, "R\t%s\t%s\t%X\tunknown\t/CN=revoked\n", cert.NotAfter.UTC().Format(short),
		time.Now().UTC().Format(short), cert.SerialNumber.Bytes())
	if closeErr := index.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if _, err := openssl(caDir, "ca", "-config", "openssl.cnf", "-gencrl", "-out", "crl.pem"); err != nil {
		return err
	}
	crl, err := os.ReadFile(filepath.Join(caDir, "crl.pem"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.CertDir, "GridTestCA.crl"), crl, 0o644)
}

func fillTrustDir(caDir, certDir string) error {
	policy := "access_id_CA  X509    '" + CADN + "'\n" +
		"pos_rights    globus  CA:sign\n" +
		"cond_subjects globus  '\"/DC=org/DC=gridtest/*\"'\n"
	namespaces := "#NAMESPACES-VERSION: 1.0\n" +
		"TO Issuer \"" + CADN + "\" \\\n  PERMIT Subject \"/DC=org/DC=gridtest/.*\"\n"
	ca, err := os.ReadFile(filepath.Join(caDir, "ca.pem"))
	if err != nil {
		return err
	}
	crl, err := os.ReadFile(filepath.Join(caDir, "crl.pem"))
	if err != nil {
		return err
	}
	files := map[string]string{
		"GridTestCA.pem":            string(ca),
		"GridTestCA.signing_policy": policy,
		"GridTestCA.namespaces":     namespaces,
		"GridTestCA.crl":            string(crl),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(certDir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, kind := range []string{"-subject_hash", "-subject_hash_old"} {
		out, err := openssl(caDir, "x509", "-in", "ca.pem", "-noout", kind)
		if err != nil {
			return err
		}
		hash := strings.TrimSpace(out)
		for ext, file := range map[string]string{".0": ".pem", ".r0": ".crl", ".signing_policy": ".signing_policy", ".namespaces": ".namespaces"} {
			if err := os.Symlink("GridTestCA"+file, filepath.Join(certDir, hash+ext)); err != nil {
				return err
			}
		}
	}
	return nil
}

func openssl(dir string, args ...string) (string, error) {
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("openssl %s: %w: %s", args[0], err, diag.String())
	}
	return out.String(), nil
}

// sign issues an end-entity certificate.
func (a *authority) sign(s Spec, public crypto.PublicKey) (*x509.Certificate, error) {
	subject, err := rawDN(s.DN)
	if err != nil {
		return nil, err
	}
	serial := s.serial
	if serial == 0 {
		serial = a.serial.Add(1)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		RawSubject:            subject,
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(0, 0, 400),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		SubjectKeyId:          keyID(public),
	}
	if !s.NotBefore.IsZero() {
		template.NotBefore = s.NotBefore
	}
	if !s.NotAfter.IsZero() {
		template.NotAfter = s.NotAfter
	}
	if s.Key != P256 {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	if s.Host {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, name := range s.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// keyID is the SHA-1 of the subjectPublicKey bits, RFC 5280 section 4.2.1.2
// method 1, which is what openssl writes and the C++ VOMS client compares with.
func keyID(public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil
	}
	sum := sha1.Sum(spki.Key.Bytes)
	return sum[:]
}

var attributeTypes = map[string]asn1.ObjectIdentifier{
	"C":  {2, 5, 4, 6},
	"O":  {2, 5, 4, 10},
	"OU": {2, 5, 4, 11},
	"CN": {2, 5, 4, 3},
	"DC": {0, 9, 2342, 19200300, 100, 1, 25},
}

// rawDN encodes a DN in slash form, in its order. crypto/x509/pkix.Name has an
// order of its own, and no DC.
func rawDN(slash string) ([]byte, error) {
	var rdns pkix.RDNSequence
	for part := range strings.SplitSeq(strings.TrimPrefix(slash, "/"), "/") {
		name, value, ok := strings.Cut(part, "=")
		oid, known := attributeTypes[name]
		if !ok || !known {
			return nil, fmt.Errorf("DN %q: cannot read %q", slash, part)
		}
		var v any = value
		if name == "DC" {
			v = asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(value)}
		}
		rdns = append(rdns, pkix.RelativeDistinguishedNameSET{{Type: oid, Value: v}})
	}
	return asn1.Marshal(rdns)
}
