package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// certificate is what openssl x509 -text shows; fingerprints stand for the modulus and the signature.
func (s *sheet) certificate(i int, c *inspect.Certificate) {
	fmt.Fprintf(s, "%2d %-6s %s\n", i, c.Type, escaped(c.Subject))
	s.detail("", plan.Clock(c.NotBefore)+" … "+plan.Clock(c.NotAfter)+", "+strength(c)+parameters(c.Certificate)+", "+proxycert.SignatureName(c.Certificate))
	s.detail("issuer ", c.Issuer)
	s.detail("version ", fmt.Sprintf("%d, serial %x", c.Version, c.SerialNumber))
	if c.Type == proxycert.Legacy {
		s.detail("policy ", c.Policy+", by its name")
	}
	for _, e := range c.Extensions {
		oid := e.Id.String()
		s.detail(firstOf(extensionNames[oid], oid), critical(e)+extensionValue(c, oid, e))
	}
	s.fingerprint("SHA-256 ", c.Raw)
	s.fingerprint("SHA-256 of the key ", c.RawSubjectPublicKeyInfo)
}

func (s *sheet) detail(what, value string) {
	s.WriteString("   ")
	s.WriteString(what)
	s.WriteString(escaped(value))
	s.WriteByte('\n')
}

func (s *sheet) fingerprint(what string, der []byte) {
	sum := sha256.Sum256(der)
	s.detail(what, hex.EncodeToString(sum[:]))
}

func parameters(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if k.E != 65537 {
			return fmt.Sprintf(" with exponent %d", k.E)
		}
	case *ecdsa.PublicKey:
		return " " + k.Curve.Params().Name
	}
	return ""
}

func policyWords(c *inspect.Certificate) string {
	switch {
	case c.Malformed != "":
		return "malformed: " + c.Malformed
	case c.PathLen != nil:
		return fmt.Sprintf("%s, path length %d", c.Policy, *c.PathLen)
	case c.Policy != "":
		return c.Policy + ", path length unlimited"
	}
	return ""
}

// extensionNames are OpenSSL's long names.
var extensionNames = map[string]string{
	"2.5.29.14": "Subject Key Identifier", "2.5.29.15": "Key Usage", "2.5.29.17": "Subject Alternative Name",
	"2.5.29.18": "Issuer Alternative Name", "2.5.29.19": "Basic Constraints", "2.5.29.30": "Name Constraints",
	"2.5.29.31": "CRL Distribution Points", "2.5.29.32": "Certificate Policies", "2.5.29.35": "Authority Key Identifier",
	"2.5.29.37": "Extended Key Usage", "1.3.6.1.5.5.7.1.1": "Authority Information Access",
	"1.3.6.1.5.5.7.1.14": "Proxy Certificate Information", "1.3.6.1.4.1.3536.1.222": "Proxy Certificate Information (draft)",
	"1.3.6.1.4.1.8005.100.100.5": "VOMS attribute certificates", "2.16.840.1.113730.1.1": "Netscape Cert Type",
	"2.16.840.1.113730.1.13": "Netscape Comment",
}

func critical(e pkix.Extension) string {
	if e.Critical {
		return " (critical)"
	}
	return ""
}

// extensionValue says what is in an extension, where crypto/x509 knows; of others how long they are.
func extensionValue(c *inspect.Certificate, oid string, e pkix.Extension) string {
	value := ""
	switch oid {
	case "2.5.29.14":
		value = upperHex(c.SubjectKeyId)
	case "2.5.29.15":
		value = keyUsage(c.KeyUsage)
	case "2.5.29.17":
		value = alternativeNames(c.Certificate)
	case "2.5.29.19":
		value = basicConstraints(c.Certificate)
	case "2.5.29.31":
		value = strings.Join(c.CRLDistributionPoints, ", ")
	case "2.5.29.32":
		value = oids(c.PolicyIdentifiers)
	case "2.5.29.35":
		value = upperHex(c.AuthorityKeyId)
	case "2.5.29.37":
		value = extendedKeyUsage(c.Certificate)
	case "1.3.6.1.5.5.7.1.14", "1.3.6.1.4.1.3536.1.222":
		value = policyWords(c)
	case "1.3.6.1.4.1.8005.100.100.5":
		return ""
	case "1.3.6.1.5.5.7.1.1":
		value = strings.Join(append(c.OCSPServer[:len(c.OCSPServer):len(c.OCSPServer)], c.IssuingCertificateURL...), ", ")
	}
	if value == "" {
		return fmt.Sprintf(", %d bytes", len(e.Value))
	}
	return " " + value
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

func alternativeNames(c *x509.Certificate) string {
	var names []string
	for _, n := range c.DNSNames {
		names = append(names, "DNS:"+n)
	}
	for _, n := range c.EmailAddresses {
		names = append(names, "email:"+n)
	}
	for _, n := range c.IPAddresses {
		names = append(names, "IP:"+n.String())
	}
	for _, n := range c.URIs {
		names = append(names, "URI:"+n.String())
	}
	return strings.Join(names, ", ")
}

func basicConstraints(c *x509.Certificate) string {
	switch {
	case !c.IsCA:
		return "no CA"
	case c.MaxPathLen > 0 || c.MaxPathLenZero:
		return fmt.Sprintf("CA, path length %d", c.MaxPathLen)
	}
	return "CA"
}

func oids(list []asn1.ObjectIdentifier) string {
	var names []string
	for _, oid := range list {
		names = append(names, oid.String())
	}
	return strings.Join(names, ", ")
}

var extendedKeyUsages = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageAny: "Any", x509.ExtKeyUsageServerAuth: "TLS Web Server Authentication",
	x509.ExtKeyUsageClientAuth: "TLS Web Client Authentication", x509.ExtKeyUsageCodeSigning: "Code Signing",
	x509.ExtKeyUsageEmailProtection: "E-mail Protection", x509.ExtKeyUsageTimeStamping: "Time Stamping",
	x509.ExtKeyUsageOCSPSigning: "OCSP Signing",
}

func extendedKeyUsage(c *x509.Certificate) string {
	var names []string
	for _, u := range c.ExtKeyUsage {
		name := extendedKeyUsages[u]
		if name == "" {
			name = fmt.Sprintf("usage %d of crypto/x509", u)
		}
		names = append(names, name)
	}
	if more := oids(c.UnknownExtKeyUsage); more != "" {
		names = append(names, more)
	}
	return strings.Join(names, ", ")
}

var keyUsages = []string{"Digital Signature", "Non Repudiation", "Key Encipherment", "Data Encipherment", "Key Agreement",
	"Certificate Sign", "CRL Sign", "Encipher Only", "Decipher Only"}

// keyUsage names the bits of the extension as OpenSSL does.
func keyUsage(usage x509.KeyUsage) string {
	var names []string
	for i, name := range keyUsages {
		if usage&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
