package credfile_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

// text is n bytes, or nearly so, of what is repeated.
func text(n int, what string) string { return strings.Repeat(what, max(1, n/len(what))) }

// TestParseBounds reads files that were made to keep us busy.
func TestParseBounds(t *testing.T) {
	key := string(pkcs8Block(ecKey()))
	made := func(name string, make func(n int) string) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte { return []byte(make(n)) }}
	}
	cert := func(serial int, issuer, subject string) string {
		der := bound.Certificate(uint32(serial), bound.Name(issuer), bound.Name(subject), nil)
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	many := func(n int, one func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			b.WriteString(one(i))
		}
		return b.String()
	}
	bound.Linear(t, 1<<13, 64, func(data []byte) {
		file, err := credfile.ParseAll(data)
		if err == nil {
			_, err = file.Credential()
		}
		if err != nil {
			_ = err.Error()
		}
	},
		bound.Repeat("tiny blocks", "", "-----BEGIN A-----\nAA==\n-----END A-----\n", ""),
		bound.Repeat("tiny blocks without line ends", "", "-----BEGIN A-----AA==-----END A-----", ""),
		bound.Repeat("ends that begin no line", "", "-----BEGIN A-----\nAA==-----END A-----\n", ""),
		bound.Repeat("begins that begin no line", "", "-----BEGIN A-----\nAA==\n-----END A----- ", ""),
		bound.Repeat("blocks with CR", "", "-----BEGIN A-----\rAA==\r-----END A-----\r", ""),
		bound.Repeat("blocks with headers", "", "-----BEGIN A-----\na: b\n\nAA==\n-----END A-----\n", ""),
		bound.Repeat("many headers", "-----BEGIN A-----\n", "a: b\n", "\nAA==\n-----END A-----\n"),
		bound.Repeat("a long header", "-----BEGIN A-----\na: ", "b", "\n\nAA==\n-----END A-----\n"),
		bound.Repeat("headers in a key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "DEK-Info: a\n", "\nAA==\n-----END RSA PRIVATE KEY-----\n"),
		bound.Repeat("begin lines", "", "-----BEGIN A-----\n", ""),
		bound.Repeat("begins in text", "", "x-----BEGIN A-----\n", ""),
		bound.Repeat("ends in text", "-----BEGIN A-----\n", "x-----END A-----\n", ""),
		bound.Repeat("begins without type", "", "-----BEGIN \n", ""),
		bound.Repeat("text in front", "", "text\n", "-----BEGIN A-----\nAA==\n-----END A-----\n"),
		bound.Repeat("a long line", "", "text", ""),
		bound.Repeat("hyphens", "", "-", ""),
		bound.Repeat("white space", "", " \n", ""),
		bound.Repeat("white space in a block", "-----BEGIN A-----\nAA==", " \n", "-----END A-----\n"),
		bound.Repeat("short lines in a block", "-----BEGIN A-----\n", "AAAA\n", "-----END A-----\n"),
		bound.Repeat("empty certificates", "", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", ""),
		bound.Repeat("one key over and over", "", key, ""),
		bound.Repeat("damaged key", "-----BEGIN PRIVATE KEY-----\n", "AAAA\n", "-----END PRIVATE KEY-----\n"),
		made("deep key", func(n int) string {
			return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bound.Deep(0x30, n*3/4)}))
		}),
		made("deep certificate", func(n int) string {
			return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bound.Deep(0x30, n*3/4)}))
		}),
		made("certificates of one name", func(n int) string { return key + many(n, func(i int) string { return cert(i, "CA", "Jane") }) }),
		made("self-signed certificates", func(n int) string { return key + many(n, func(i int) string { return cert(i, "Jane", "Jane") }) }),
		made("one certificate over and over", func(n int) string { return many(n, func(int) string { return cert(1, "CA", "Jane") }) }),
		made("proxies of one user", func(n int) string {
			f := theFixture()
			return string(certBlocks(f.ec.Chain...)) + string(pkcs8Block(f.ec.Key)) + many(n, func(i int) string { return cert(i, "Jane Doe", "proxy") })
		}),
		bound.Input{Name: "deep DER", Make: func(n int) []byte { return bound.Deep(0x30, n) }},
		bound.Input{Name: "wide DER", Make: func(n int) []byte { return bound.DER(0x30, bytes.Repeat([]byte{0x30, 0}, n/2)) }},
		bound.Input{Name: "a large number in a key", Make: func(n int) []byte {
			return bound.DER(0x30, append([]byte{2, 1, 0}, bound.DER(2, append([]byte{1}, make([]byte, n)...))...))
		}},
	)
}

// TestPKCS12Bounds opens containers, with the passphrase that there is none of. What the derivation of a key costs is bounded
// apart from the size, see TestHostilePKCS12.
func TestPKCS12Bounds(t *testing.T) {
	data := func(oid string, content []byte) []byte {
		return bound.DER(0x30, append(bound.DER(6, []byte(oid)), bound.DER(0xa0, content)...))
	}
	const idData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	const idBag = "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01"
	// container is a file without MAC whose content is bags.
	container := func(name string, bags func(n int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			part := data(idData, bound.DER(4, bound.DER(0x30, bags(n-200))))
			return bound.DER(0x30, append([]byte{2, 1, 3}, data(idData, bound.DER(4, bound.DER(0x30, part)))...))
		}}
	}
	times := func(n int, one []byte) []byte { return bytes.Repeat(one, n/len(one)) }
	bound.Linear(t, 1<<13, 128, func(data []byte) {
		file, err := credfile.ParseAll(data)
		if err == nil && !file.PKCS12() {
			t.Fatal("it is no PKCS#12 file")
		}
		if err == nil {
			err = file.Open(nil)
		}
		if err != nil {
			_ = err.Error()
		}
	},
		container("empty bags", func(n int) []byte {
			return times(n, bound.DER(0x30, append(bound.DER(6, []byte(idBag+"\x03")), 0xa0, 0)))
		}),
		container("unknown bags", func(n int) []byte { return times(n, bound.DER(0x30, []byte{6, 2, 0x2a, 3, 0xa0, 0})) }),
		container("bags in bags", func(n int) []byte {
			inner := []byte{}
			for len(inner) < n {
				inner = bound.DER(0x30, append(bound.DER(6, []byte(idBag+"\x06")), bound.DER(0xa0, bound.DER(0x30, inner))...))
			}
			return inner
		}),
		container("broken certificates", func(n int) []byte {
			certificate := bound.DER(0x30, append(bound.DER(6, []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01")), bound.DER(0xa0, []byte{4, 2, 0x30, 0})...))
			return times(n, bound.DER(0x30, append(bound.DER(6, []byte(idBag+"\x03")), bound.DER(0xa0, certificate)...)))
		}),
		bound.Input{Name: "an octet string in pieces", Make: func(n int) []byte {
			pieces := append(times(n-100, []byte{4, 1, 'x'}), 0, 0)
			inner := append(append(bound.DER(6, []byte(idData)), 0xa0, 0x80, 0x24, 0x80), pieces...)
			return append([]byte{0x30, 0x80, 2, 1, 3, 0x30, 0x80}, append(inner, 0, 0, 0, 0, 0, 0)...)
		}},
		bound.Input{Name: "open lengths", Make: func(n int) []byte {
			head := append([]byte{0x30, 0x80, 2, 1, 3, 0x30, 0x80}, bound.DER(6, []byte(idData))...)
			return append(head, times(n, []byte{0x30, 0x80})...)
		}},
	)
}

// TestNameBounds reads the names of files.
func TestNameBounds(t *testing.T) {
	bound.Linear(t, 1<<10, 64, func(data []byte) {
		identity, voms, ok := credfile.UnescapeName(string(data))
		if ok {
			credfile.EscapeName(identity, voms)
		}
		credfile.EscapeName(string(data), string(data))
	},
		bound.Repeat("escapes", "", "+2f", "-voms+20alice"),
		bound.Repeat("pluses", "", "+", ""),
		bound.Repeat("ends of names", "a", "-voms+20", "a"),
		bound.Repeat("wide characters", "", "é", ""),
	)
}

// TestBase64Bounds has a block whose content is long and wrong at its very end.
func TestBase64Bounds(t *testing.T) {
	bound.Linear(t, 1<<13, 16, func(data []byte) {
		if _, err := credfile.Parse(data); err == nil {
			t.Fatal("it reads")
		}
	},
		bound.Input{Name: "wrong at the end", Make: func(n int) []byte {
			body := base64.StdEncoding.EncodeToString([]byte(text(n*3/4, "x")))
			return []byte("-----BEGIN CERTIFICATE-----\n" + body + "!\n-----END CERTIFICATE-----\n")
		}},
		bound.Repeat("a line for each letter", "-----BEGIN CERTIFICATE-----\n", "A\n", "-----END CERTIFICATE-----\n"),
		bound.Repeat("padding", "-----BEGIN CERTIFICATE-----\n", "====\n", "-----END CERTIFICATE-----\n"),
	)
}
