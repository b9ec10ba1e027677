package cases

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"

	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"
)

// Why OpenSSL says something else, or nothing.
const (
	noKeys = "verify is shown the certificates, not the key"
	noFile = "verify takes certificates, and this is none that it could read"
)

// laidOut is a file of a proxy of Jane's, with a P-256 or RSA key.
func laidOut(layout func(w *world, p *cert) made) func(*world) made {
	return func(w *world) made { return layout(w, w.proxy(w.jane)) }
}

func laidOutRSA(layout func(w *world, p *cert) made) func(*world) made {
	return func(w *world) made { return layout(w, w.proxy(w.jane, holding(rsaTwo()))) }
}

// text is the usual file as a string that is changed.
func text(change func(string) string) func(*world) made {
	return laidOut(func(w *world, p *cert) made {
		return w.file([]byte(change(string(blocks(p, privateKey(p.key), w.jane)))))
	})
}

func fileCases() []entry {
	return slices.Concat(orderCases(), keyCases(), textCases(), containerCases(), diskCases())
}

func orderCases() []entry {
	return []entry{
		one("order-usual", "proxy, key, user certificate", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(p.key), w.jane)) }), yes("rfc"), agrees),
		one("order-key-first", "the key first", laidOut(func(w *world, p *cert) made { return w.file(blocks(privateKey(p.key), p, w.jane)) }), yes("rfc"), agrees),
		one("order-key-last", "the key last", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, w.jane, privateKey(p.key))) }), yes("rfc"), agrees),
		one("order-reversed", "the chain the other way round", laidOut(func(w *world, p *cert) made { return w.file(blocks(w.jane, p, privateKey(p.key))).from(1) }), yes("rfc"), agrees),
		one("order-shuffled", "three proxies in no order", func(w *world) made {
			c := w.below(w.jane, full, full, full)
			return w.file(blocks(c[2], c[0], privateKey(c[0].key), c[3], c[1])).from(1)
		}, yes("rfc"), agrees),
		one("order-cas", "the CAs behind", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(p.key), w.jane, w.sub, w.root)) }), yes("rfc"), agrees),
		one("order-cas-first", "the CAs in front", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(w.root, w.sub, p, privateKey(p.key), w.jane)).from(2)
		}), yes("rfc"), agrees),
		one("order-twice", "every certificate twice", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(p.key), w.jane, p, w.jane)) }), yes("rfc"), agrees),
		one("order-whole-twice", "the whole file twice", laidOut(func(w *world, p *cert) made {
			return w.file(bytes.Repeat(blocks(p, privateKey(p.key), w.jane), 2))
		}), yes("rfc"), agrees),
		one("order-stranger", "somebody else's certificate behind", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(p.key), w.jane, w.joe)) }), yes("rfc"), agrees),
		one("order-stranger-first", "somebody else's certificate in front", laidOut(func(w *world, p *cert) made { return w.file(blocks(w.joe, p, privateKey(p.key), w.jane)).from(1) }), yes("rfc"), agrees),
		one("order-stranger-proxy", "somebody else's proxy in front, and the key is Jane's proxy's", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(w.proxy(w.joe), w.joe, p, privateKey(p.key), w.jane)).from(2)
		}), yes("rfc"), agrees),
		one("order-stranger-good", "somebody else's good proxy in front of an expired one with the key", func(w *world) made {
			p := w.proxy(w.jane, valid(-day, -13*day/24))
			return w.file(blocks(w.proxy(w.joe), w.joe, p, privateKey(p.key), w.jane)).from(2)
		}, no("CHAIN-EXPIRED", janeName), agrees),
		one("order-stranger-bad", "somebody else's expired proxy in front of a good one with the key", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(w.proxy(w.joe, valid(-day, -13*day/24)), w.joe, p, privateKey(p.key), w.jane)).from(2)
		}), yes("rfc"), agrees),
		one("order-older", "an older proxy of Jane's in front of the one with the key", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(w.proxy(w.jane, limited), p, privateKey(p.key), w.jane)).from(1)
		}), yes("rfc"), agrees),
		one("order-bundle", "a bundle of a hundred CAs behind", laidOut(func(w *world, p *cert) made {
			var cas []*cert
			for range 100 {
				cas = append(cas, w.ca(nil, "/DC=org/CN=CA of many", bare))
			}
			return w.file(blocks(p, privateKey(p.key), w.jane, cas))
		}), yes("rfc"), agrees),
		one("order-broken-ca", "a CA certificate behind that cannot be read", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(p, privateKey(p.key), w.jane, w.ca(nil, "/CN=Negative CA", serial(0xff))))
		}), yes("rfc"), agrees),
	}
}

func keyCases() []entry {
	mismatch := broken("the private key belongs to none of the certificates")
	unable := cannot(noKeys)
	block := func(label string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}) }
	return []entry{
		one("key-pkcs1", "an RSA key in PKCS#1", laidOutRSA(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(p.key), w.jane)) }), yes("rfc"), agrees),
		one("key-pkcs8", "an RSA key in PKCS#8", laidOutRSA(func(w *world, p *cert) made { return w.file(blocks(p, pkcs8Key(p.key), w.jane)) }), yes("rfc"), agrees),
		one("key-pkcs8-ec", "an EC key in PKCS#8", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, pkcs8Key(p.key), w.jane)) }), yes("rfc"), agrees),
		one("key-sec1", "an EC key as OpenSSL once wrote it", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, sec1Key(p.key), w.jane)) }), yes("rfc"), agrees),
		one("key-sec1-parameters", "the same with EC PARAMETERS in front", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(p, block("EC PARAMETERS", oid(1, 2, 840, 10045, 3, 1, 7)), sec1Key(p.key), w.jane))
		}), yes("rfc"), agrees),
		one("key-label", "PKCS#8 under the label of PKCS#1", laidOutRSA(func(w *world, p *cert) made {
			return w.file(blocks(p, bytes.ReplaceAll(pkcs8Key(p.key), []byte(" PRIVATE"), []byte(" RSA PRIVATE")), w.jane))
		}), yes("rfc"), agrees),
		one("key-twice", "the key twice", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(p.key), sec1Key(p.key), w.jane)) }), yes("rfc"), agrees),
		one("key-other", "another key", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(rsaOne()), w.jane)) }), mismatch, unable),
		one("key-above", "the user certificate's key in place of the proxy's", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, privateKey(w.jane.key), w.jane)) }), broken("is not that of the proxy"), unable),
		one("key-between", "the key of a proxy further up", func(w *world) made {
			c := w.below(w.jane, full, full)
			return w.file(blocks(c[0], privateKey(c[1].key), c[1], c[2]))
		}, broken("is not that of the proxy"), unable),
		one("key-two", "two different keys", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(p, privateKey(p.key), privateKey(w.jane.key), w.jane))
		}), broken("two different private keys"), unable),
		one("key-none", "a proxy without its key", laidOut(func(w *world, p *cert) made { return w.file(blocks(p, w.jane)) }), broken("no private key"), unable),
		one("key-none-eec", "a user certificate without its key is a certificate file", func(w *world) made { return w.file(blocks(w.jane)) }, yes("eec"), agrees),
		one("key-only", "a key alone", laidOut(func(w *world, p *cert) made { return w.file(privateKey(p.key)).from(-1) }), broken("no certificate"), cannot(noFile)),
		one("key-encrypted", "a key encrypted as PKCS#8", laidOutRSA(func(w *world, p *cert) made {
			return w.file(blocks(p, block("ENCRYPTED PRIVATE KEY", must(pkcs8.MarshalPrivateKey(p.key.signer, []byte("secret"), pkcs8.DefaultOpts))), w.jane))
		}), broken("the private key is encrypted"), unable),
		one("key-encrypted-old", "a key encrypted as OpenSSL once did", laidOutRSA(func(w *world, p *cert) made {
			plain, _ := pem.Decode(privateKey(p.key))
			//lint:ignore SA1019 weak as it is, users' keys are encrypted so
			b := must(x509.EncryptPEMBlock(rand.Reader, plain.Type, plain.Bytes, []byte("secret"), x509.PEMCipherAES128))
			return w.file(blocks(p, pem.EncodeToMemory(b), w.jane))
		}), broken("the private key is encrypted"), unable),
		one("key-ed25519", "an Ed25519 key", func(w *world) made { return w.chain(w.proxy(w.jane, holding(ed())), w.jane) }, broken("an Ed25519 key, which no grid software accepts"), unable),
		one("key-dsa", "a DSA key", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(p, block("DSA PRIVATE KEY", sequence(integer(0))), w.jane))
		}), broken("a DSA key"), unable),
		one("key-openssh", "an OpenSSH key", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(p, block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00")), w.jane))
		}),
			broken("an OpenSSH key"), unable),
		one("key-damaged", "a key that is none", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(p, block("PRIVATE KEY", sequence(integer(0))), w.jane))
		}), broken("damaged or of an unknown kind"), unable),
	}
}

func textCases() []entry {
	unread := cannot(noFile)
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	return []entry{
		one("text-crlf", "CRLF", text(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }), yes("rfc"), agrees),
		one("text-cr", "CR alone, of old Macs", text(func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }), yes("rfc"), unread),
		one("text-around", "text in front, between and behind", text(func(s string) string {
			return "Jane's proxy\n" + strings.ReplaceAll(s, end+"\n", end+"\nand more: 1, 2\n") + "the end"
		}), yes("rfc"), agrees),
		one("text-bag", "bag attributes as openssl pkcs12 writes them", text(func(s string) string {
			return strings.ReplaceAll(s, begin, "Bag Attributes\n    localKeyID: 01 02 \nsubject=DC = org\n\n"+begin)
		}), yes("rfc"), agrees),
		one("text-no-end", "no line end at the end", text(func(s string) string { return strings.TrimSuffix(s, "\n") }), yes("rfc"), agrees),
		one("text-spaces", "spaces at line ends", text(func(s string) string { return strings.ReplaceAll(s, "\n", "  \n") }), yes("rfc"), agrees),
		one("text-blank-lines", "blank lines between the blocks", text(func(s string) string { return strings.ReplaceAll(s, end+"\n", end+"\n\n\n") }), yes("rfc"), agrees),
		one("text-glued", "blocks without a line end between them", text(func(s string) string { return strings.ReplaceAll(s, end+"\n-----BEGIN", end+"-----BEGIN") }), yes("rfc"), unread),
		one("text-label", "blocks called X509 CERTIFICATE", text(func(s string) string { return strings.ReplaceAll(s, " CERTIFICATE", " X509 CERTIFICATE") }), yes("rfc"), agrees),
		one("text-crl", "a CRL among the certificates", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(p, privateKey(p.key), w.revoking(w.sub).pem(), w.jane))
		}), yes("rfc"), agrees),
		one("text-long-lines", "the content of a certificate on one line", text(func(s string) string {
			first, rest, _ := strings.Cut(s, end)
			return begin + "\n" + strings.ReplaceAll(strings.TrimPrefix(first, begin), "\n", "") + "\n" + end + rest
		}), yes("rfc"), agrees),
		one("text-bom", "a byte order mark in front, as Windows editors write it", text(func(s string) string { return "\ufeff" + s }), yes("rfc"), agrees),
		one("text-bom-crlf", "a byte order mark and CRLF", text(func(s string) string { return "\ufeff" + strings.ReplaceAll(s, "\n", "\r\n") }), yes("rfc"), agrees),
		one("text-utf16", "UTF-16, as Windows editors write it, too", text(wide), broken("UTF-16"), unread),
		one("text-headers", "headers of RFC 1421 in a certificate", text(func(s string) string { return strings.Replace(s, begin+"\n", begin+"\nX-Comment: Jane's\n\n", 1) }), yes("rfc"), agrees),
		one("text-odd-lines", "lines of seven letters", text(func(s string) string { return folded(s, 7) }), yes("rfc"), agrees),
		one("text-one-letter", "lines of one letter", text(func(s string) string { return folded(s, 1) }), yes("rfc"), agrees),
		one("text-lines-76", "lines of 76 letters, as in mail", text(func(s string) string { return folded(s, 76) }), yes("rfc"), agrees),
		one("text-indented", "indented content", text(func(s string) string { return strings.ReplaceAll(s, "\nM", "\n    M") }), yes("rfc"), agrees),
		one("text-tabs", "tabs at line ends", text(func(s string) string { return strings.ReplaceAll(s, "\n", "\t\n") }), yes("rfc"), agrees),
		one("text-blank-first", "an empty line in front of the content", text(func(s string) string { return strings.Replace(s, begin+"\n", begin+"\n\n", 1) }), yes("rfc"), agrees),
		one("text-blank-inside", "an empty line within the content, beyond which OpenSSL does not read", text(func(s string) string { return s[:200] + strings.Replace(s[200:], "\n", "\n\n", 1) }),
			broken("an empty line in the content"), unread),
		one("text-blank-last", "an empty line behind the content", text(func(s string) string { return strings.Replace(s, "\n"+end, "\n\n"+end, 1) }), broken("an empty line in the content"), unread),
		one("text-marker-space", "a space behind the BEGIN line", text(func(s string) string { return strings.ReplaceAll(s, begin+"\n", begin+" \n") }), yes("rfc"), agrees),
		one("text-trailing", "octets behind a certificate within its block", laidOut(func(w *world, _ *cert) made {
			return w.chain(w.proxy(w.jane, func(s *spec) { s.behind = []byte{0, 1, 2, 3} }), w.jane)
		}), yes("rfc"), agrees),
		one("text-trailing-newline", "a line end behind a certificate within its block", laidOut(func(w *world, _ *cert) made {
			return w.chain(w.proxy(w.jane, func(s *spec) { s.behind = []byte("\n") }), w.jane)
		}), yes("rfc"), agrees),
		one("text-four-hyphens", "markers of four hyphens are none", text(func(s string) string { return strings.ReplaceAll(s, "-----", "----") }), broken("no PEM block"), unread),
		one("text-lower-case", "markers in lower case are none", text(func(s string) string { return strings.NewReplacer("BEGIN", "begin", "END", "end").Replace(s) }), broken("no PEM block"), unread),
		one("text-quoted", "a file quoted in a mail", text(func(s string) string { return "> " + strings.ReplaceAll(s, "\n", "\n> ") }), broken("no PEM block"), unread),
		one("text-letter-missing", "base64 without its last letter, or without its padding", text(func(s string) string {
			end := strings.Index(s, "\n-----END")
			return s[:end-1] + s[end:]
		}), broken("is damaged (not base64)"), unread),
		one("text-comment-inside", "a comment within the content", text(func(s string) string { return strings.Replace(s, "\nMII", "\n# Jane's\nMII", 1) }), broken("is damaged (not base64)"), unread),
		one("text-cut-off", "a file that was cut off", text(func(s string) string { return s[:len(s)-100] }), broken("the file was cut off or damaged"), unread),
		one("text-cut-off-first", "a file whose beginning is missing", text(func(s string) string { return s[100:] }), broken("an END line without BEGIN"), unread),
		one("text-damaged", "a certificate that is not base64", text(func(s string) string { return strings.Replace(s, "\nMII", "\nM!I", 1) }), broken("is damaged (not base64)"), unread),
		one("text-damaged-der", "a certificate that is not DER", text(func(s string) string { return strings.Replace(s, "\nMII", "\nMAA", 1) }), broken("certificate 1"), unread),
		one("text-empty", "an empty file", func(w *world) made { return w.file(nil).from(-1) }, broken("the file is empty"), unread),
		one("text-blank", "white space only", func(w *world) made { return w.file([]byte(" \n\n\t")).from(-1) }, broken("the file is empty"), unread),
		one("text-other", "a text file", func(w *world) made { return w.file([]byte("There is no proxy here.\n")).from(-1) }, broken("neither a certificate nor a private key"), unread),
		one("text-binary", "a binary file", func(w *world) made { return w.file([]byte("\x7fELF\x02\x01\x01\x00\x00")).from(-1) }, broken("a binary file"), unread),
		one("text-der", "a user certificate in DER", func(w *world) made { return w.file(w.jane.der) }, yes("eec"), unread),
		one("text-der-proxy", "a proxy in DER, which has no room for key and chain", laidOut(func(w *world, p *cert) made { return w.file(p.der) }), broken("no private key"), unread),
		one("text-der-cut-off", "DER that was cut off", func(w *world) made { return w.file(w.jane.der[:300]) }, broken("cut off"), unread),
	}
}

// folded is a file with the content of its blocks in lines of another length.
func folded(s string, length int) string {
	var out strings.Builder
	for data := []byte(s); ; {
		block, rest := pem.Decode(data)
		if block == nil {
			return out.String()
		}
		out.WriteString("-----BEGIN " + block.Type + "-----\n")
		for text := base64.StdEncoding.EncodeToString(block.Bytes); text != ""; text = text[min(length, len(text)):] {
			out.WriteString(text[:min(length, len(text))] + "\n")
		}
		out.WriteString("-----END " + block.Type + "-----\n")
		data = rest
	}
}

// wide is UTF-16 with a byte order mark.
func wide(s string) string {
	out := []byte{0xff, 0xfe}
	for _, c := range []byte(s) {
		out = append(out, c, 0)
	}
	return string(out)
}

// contained is Jane's certificate in a PKCS#12 file.
func contained(enc *pkcs12.Encoder, pass string, change ...func([]byte) []byte) func(*world) made {
	return func(w *world) made {
		der := must(enc.WithIterations(8).Encode(w.jane.key.signer, w.jane.parsed(), []*x509.Certificate{w.sub.parsed()}, pass))
		for _, c := range change {
			der = c(der)
		}
		return w.container(der)
	}
}

// container is a PKCS#12 file.
func (w *world) container(der []byte) made {
	m := w.file(der)
	m.container = true
	return m
}

func (c *cert) parsed() *x509.Certificate { return must(x509.ParseCertificate(c.der)) }

func containerCases() []entry {
	unread := cannot(noFile)
	last := func(der []byte) []byte { der[len(der)-40] ^= 1; return der }
	return []entry{
		one("p12-empty", "a PKCS#12 file under the empty passphrase", contained(pkcs12.Modern2023, ""), yes("eec"), unread),
		one("p12-none", "a PKCS#12 file without encryption", contained(pkcs12.Passwordless, ""), yes("eec"), unread),
		one("p12-legacy", "a PKCS#12 file with RC2 and 3DES, as browsers wrote", contained(pkcs12.LegacyRC2, ""), yes("eec"), unread),
		one("p12-passphrase", "a PKCS#12 file under a passphrase", contained(pkcs12.Modern2023, "secret"), yes("eec"), unread, opensWith("secret")),
		one("p12-passphrase-legacy", "the same with RC2 and 3DES", contained(pkcs12.LegacyRC2, "geheim ключ"), yes("eec"), unread, opensWith("geheim ключ")),
		one("p12-passphrase-pbmac1", "the same with the MAC of RFC 9579", contained(pkcs12.Modern2026, "secret"), yes("eec"), unread, opensWith("secret")),
		one("p12-passphrase-wrong", "another passphrase", contained(pkcs12.Modern2023, "secret"), broken("wrong passphrase"), unread, opensWith("secrets")),
		one("p12-passphrase-none", "no passphrase where there is one", contained(pkcs12.Modern2023, "secret"), broken("encrypted"), unread),
		one("p12-mac", "a wrong MAC is a wrong passphrase", contained(pkcs12.Modern2023, "secret", last), broken("passphrase"), unread, opensWith("secret")),
		one("p12-cut-off", "a PKCS#12 file that was cut off", contained(pkcs12.Passwordless, "", func(der []byte) []byte { return der[:len(der)-7] }), broken("cut off"), unread),
		one("p12-proxy", "a proxy and its chain in a PKCS#12 file", func(w *world) made {
			p := w.proxy(w.jane)
			return w.container(must(pkcs12.Passwordless.Encode(p.key.signer, p.parsed(), []*x509.Certificate{w.jane.parsed()}, "")))
		}, yes("rfc"), unread),
		one("p12-trust", "a PKCS#12 file of certificates alone", func(w *world) made {
			return w.container(must(pkcs12.Passwordless.EncodeTrustStore([]*x509.Certificate{w.jane.parsed()}, "")))
		}, yes("eec"), unread),
		one("p12-expired", "an expired certificate in a PKCS#12 file", func(w *world) made {
			jane := w.eec(w.sub, janeName, valid(0, -301*day))
			return w.container(must(pkcs12.Passwordless.Encode(jane.key.signer, jane.parsed(), nil, "")))
		}, no("CHAIN-EXPIRED", "the user certificate"), unread),
		one("p12-label", "a PKCS#12 file in PEM, which is no form of it", func(w *world) made {
			der := must(pkcs12.Passwordless.Encode(w.jane.key.signer, w.jane.parsed(), nil, ""))
			return w.file(pem.EncodeToMemory(&pem.Block{Type: "PKCS12", Bytes: der}))
		}, broken("neither a certificate nor a private key"), unread),
	}
}

// diskCases are files that lie on disk in a certain way. None of it changes the verdict on what is in them.
func diskCases() []entry {
	proxy := under(full)
	user := func(w *world) made { return w.file(blocks(w.jane)) }
	whole := func(w *world) made { return w.chain(w.jane) }
	mode := func(octal string, findings ...string) option { return lies(Disk{Mode: octal}, findings...) }
	perm, link, owner := "FILE-PERM", "FILE-HARDLINK", "FILE-OWNER"
	return []entry{
		one("disk-0600", "a proxy of mode 0600", proxy, yes("rfc"), agrees, mode("0600")),
		one("disk-0400", "a proxy of mode 0400, as the machine proxy has it", proxy, yes("rfc"), agrees, mode("0400")),
		one("disk-0644", "a proxy that everybody can read", proxy, yes("rfc"), agrees, mode("0644", perm)),
		one("disk-0640", "a proxy that its group can read", proxy, yes("rfc"), agrees, mode("0640", perm)),
		one("disk-0604", "a proxy that others than its group can read", proxy, yes("rfc"), agrees, mode("0604", perm)),
		one("disk-0660", "a proxy that its group can write", proxy, yes("rfc"), agrees, mode("0660", perm)),
		one("disk-0622", "a proxy that others can write and not read", proxy, yes("rfc"), agrees, mode("0622", perm)),
		one("disk-0700", "a proxy marked as a program", proxy, yes("rfc"), agrees, mode("0700", perm)),
		one("disk-0777", "a proxy that everybody can do everything with", proxy, yes("rfc"), agrees, mode("0777", perm)),
		one("disk-hard-link", "a proxy with two names", proxy, yes("rfc"), agrees, lies(Disk{Mode: "0600", HardLink: true}, link)),
		one("disk-hard-link-mode", "a proxy with two names that everybody can read", proxy, yes("rfc"), agrees, lies(Disk{Mode: "0644", HardLink: true}, perm, link)),
		one("disk-soft-link", "a proxy named by a symbolic link", proxy, yes("rfc"), agrees, lies(Disk{Mode: "0600", SoftLink: true})),
		one("disk-owner", "a proxy of another account's", proxy, yes("rfc"), agrees, lies(Disk{Mode: "0600", OtherOwner: true}, owner)),
		one("disk-owner-mode", "a proxy of another account's that everybody can read", proxy, yes("rfc"), agrees, lies(Disk{Mode: "0644", OtherOwner: true}, owner, perm)),
		one("disk-certificate", "a certificate that everybody can read", user, yes("eec"), agrees, mode("0644")),
		one("disk-certificate-0444", "a certificate that nobody can write", user, yes("eec"), agrees, mode("0444")),
		one("disk-certificate-0664", "a certificate that its group can write", user, yes("eec"), agrees, mode("0664", perm)),
		one("disk-certificate-link", "a certificate with two names", user, yes("eec"), agrees, lies(Disk{Mode: "0644", HardLink: true})),
		one("disk-key-0644", "a certificate with its key that everybody can read", whole, yes("eec"), agrees, mode("0644", perm)),
		one("disk-key-0400", "a certificate with its key that only its owner can read", whole, yes("eec"), agrees, mode("0400")),
		one("disk-expired-0644", "an expired proxy that everybody can read", under(valid(-day, -13*day/24)), no("CHAIN-EXPIRED", janeName), agrees, mode("0644", perm)),
	}
}
