package proxycert_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The values with a comment were taken from proxies that the tool named had made.
var certInfos = []struct {
	name, hex string
	draft     bool
	info      proxycert.CertInfo
}{
	{"inherit all", "300c 300a 0608 2b06010505071501", false, proxycert.CertInfo{Language: proxycert.LanguageInheritAll}},                            // grid-proxy-init
	{"independent", "300c 300a 0608 2b06010505071502", false, proxycert.CertInfo{Language: proxycert.LanguageIndependent}},                           // grid-proxy-init -independent
	{"limited", "300f 300d 060b 2b060104019b5001010109", false, proxycert.CertInfo{Language: proxycert.LanguageLimited}},                             // grid-proxy-init -limited
	{"path length 2", "300f 020102 300a 0608 2b06010505071501", false, proxycert.CertInfo{Language: proxycert.LanguageInheritAll, PathLen: intp(2)}}, // grid-proxy-init -path-length 2
	{"path length 0", "300f 020100 300a 0608 2b06010505071501", false, proxycert.CertInfo{Language: proxycert.LanguageInheritAll, PathLen: intp(0)}},
	{"largest path length", "3012 02047fffffff 300a 0608 2b06010505071501", false, proxycert.CertInfo{Language: proxycert.LanguageInheritAll, PathLen: intp(1<<31 - 1)}},
	{"policy", "300a 3008 0603 2a0304 0401 78", false, proxycert.CertInfo{Language: asn1.ObjectIdentifier{1, 2, 3, 4}, Policy: []byte("x")}},
	{"draft, inherit all", "300c 300a 0608 2b06010505071501", true, proxycert.CertInfo{Language: proxycert.LanguageInheritAll}}, // grid-proxy-init -draft
	{"draft, path length 2", "3011 300a 0608 2b06010505071501 a103 020102", true, proxycert.CertInfo{Language: proxycert.LanguageInheritAll, PathLen: intp(2)}},
	{"draft, path length 0", "3011 300a 0608 2b06010505071501 a103 020100", true, proxycert.CertInfo{Language: proxycert.LanguageInheritAll, PathLen: intp(0)}},
}

func parser(draft bool) func([]byte) (*proxycert.CertInfo, error) {
	if draft {
		return proxycert.ParseDraftCertInfo
	}
	return proxycert.ParseCertInfo
}

func writer(ci *proxycert.CertInfo, draft bool) func() (pkix.Extension, error) {
	if draft {
		return ci.DraftExtension
	}
	return ci.Extension
}

func TestCertInfo(t *testing.T) {
	for _, tc := range certInfos {
		t.Run(tc.name, func(t *testing.T) {
			want := unhex(t, tc.hex)
			ext, err := writer(&tc.info, tc.draft)()
			if err != nil {
				t.Fatal(err)
			}
			if string(ext.Value) != string(want) || !ext.Critical {
				t.Errorf("written as %x, critical %v, want %x, critical", ext.Value, ext.Critical, want)
			}
			ci, err := parser(tc.draft)(want)
			if err != nil {
				t.Fatal(err)
			}
			if !ci.Language.Equal(tc.info.Language) || string(ci.Policy) != string(tc.info.Policy) || (ci.Policy == nil) != (tc.info.Policy == nil) {
				t.Errorf("read as %+v, want %+v", ci, tc.info)
			}
			switch {
			case (ci.PathLen == nil) != (tc.info.PathLen == nil):
				t.Errorf("path length %v, want %v", ci.PathLen, tc.info.PathLen)
			case ci.PathLen != nil && *ci.PathLen != *tc.info.PathLen:
				t.Errorf("path length %d, want %d", *ci.PathLen, *tc.info.PathLen)
			}
		})
	}
}

func TestCertInfoErrors(t *testing.T) {
	for _, tc := range []struct {
		name, hex string
		draft     bool
	}{
		{"empty", "", false},
		{"no policy", "3003 020102", false},
		{"negative path length", "300f 0201ff 300a 0608 2b06010505071501", false},
		{"huge path length", "3013 02050080000000 300a 0608 2b06010505071501", false},
		{"octets after it", "300c 300a 0608 2b06010505071501 00", false},
		{"element after the policy", "300e 300a 0608 2b06010505071501 0500", false},
		{"policy beside inherit-all", "300f 300d 0608 2b06010505071501 040178", false},
		{"policy beside independent", "300e 300c 0608 2b06010505071502 0400", false},
		{"draft order", "3011 300a 0608 2b06010505071501 a103 020102", false},
		{"RFC order", "300f 020102 300a 0608 2b06010505071501", true},
		{"draft, negative path length", "3011 300a 0608 2b06010505071501 a103 0201ff", true},
		{"draft, two path lengths", "3014 300a 0608 2b06010505071501 a106 020102 020102", true},
	} {
		if ci, err := parser(tc.draft)(unhex(t, tc.hex)); err == nil {
			t.Errorf("%s: read as %+v, want an error", tc.name, ci)
		}
	}
	ci := proxycert.CertInfo{Language: proxycert.LanguageInheritAll, PathLen: intp(1 << 31)}
	if _, err := ci.Extension(); err == nil {
		t.Error("a path length of 2^31 was written")
	}
}

func mustExtension(t testing.TB, ci proxycert.CertInfo, draft bool) pkix.Extension {
	t.Helper()
	e, err := writer(&ci, draft)()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestClassify(t *testing.T) {
	inherit := proxycert.CertInfo{Language: proxycert.LanguageInheritAll}
	limited := proxycert.CertInfo{Language: proxycert.LanguageLimited}
	rfc, draft := mustExtension(t, inherit, false), mustExtension(t, inherit, true)
	rfcLimited, draftLimited := mustExtension(t, limited, false), mustExtension(t, limited, true)
	loose := rfc
	loose.Critical = false
	broken := pkix.Extension{Id: proxycert.OIDCertInfo, Critical: true, Value: []byte{0x30, 0}}
	eec := newEEC(t, ecKey())
	ca := x509.Certificate{BasicConstraintsValid: true, IsCA: true, ExtraExtensions: []pkix.Extension{rfc}}
	notCA := x509.Certificate{BasicConstraintsValid: true}

	for _, tc := range []struct {
		name    string
		tmpl    x509.Certificate
		subject string
		want    proxycert.Type
		limited bool
		err     string
	}{
		{"EEC", x509.Certificate{}, janeDN, proxycert.EEC, false, ""},
		{"EEC with basic constraints", notCA, janeDN, proxycert.EEC, false, ""},
		{"RFC", x509.Certificate{ExtraExtensions: []pkix.Extension{rfc}}, janeDN + "/CN=1", proxycert.RFC, false, ""},
		{"RFC limited", x509.Certificate{ExtraExtensions: []pkix.Extension{rfcLimited}}, janeDN + "/CN=1", proxycert.RFC, true, ""},
		{"draft", x509.Certificate{ExtraExtensions: []pkix.Extension{draft}}, janeDN + "/CN=1", proxycert.Draft, false, ""},
		{"draft limited", x509.Certificate{ExtraExtensions: []pkix.Extension{draftLimited}}, janeDN + "/CN=1", proxycert.Draft, true, ""},
		{"legacy", x509.Certificate{}, janeDN + "/CN=proxy", proxycert.Legacy, false, ""},
		{"legacy limited", x509.Certificate{}, janeDN + "/CN=limited proxy", proxycert.Legacy, true, ""},
		{"legacy names are exact", x509.Certificate{}, janeDN + "/CN=Proxy", proxycert.EEC, false, ""},
		{"legacy name is the last", x509.Certificate{}, "/CN=proxy/CN=x", proxycert.EEC, false, ""},
		{"legacy name of another type", x509.Certificate{}, "/CN=x/OU=proxy", proxycert.EEC, false, ""},
		{"CA before all", ca, janeDN + "/CN=proxy", proxycert.CA, false, ""},
		{"ProxyCertInfo before the name", x509.Certificate{ExtraExtensions: []pkix.Extension{rfcLimited}}, janeDN + "/CN=proxy", proxycert.RFC, true, ""},
		{"not critical: an EEC", x509.Certificate{ExtraExtensions: []pkix.Extension{loose}}, janeDN + "/CN=1", proxycert.EEC, false, ""},
		{"not critical: by name", x509.Certificate{ExtraExtensions: []pkix.Extension{loose}}, janeDN + "/CN=proxy", proxycert.Legacy, false, ""},
		{"both forms", x509.Certificate{ExtraExtensions: []pkix.Extension{rfc, draft}}, janeDN + "/CN=1", proxycert.RFC, false, "two of them"},
		{"malformed", x509.Certificate{ExtraExtensions: []pkix.Extension{broken}}, janeDN + "/CN=1", proxycert.RFC, false, "malformed policy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cert := issue(t, tc.tmpl, tc.subject, ecKey(), eec.Leaf(), eec.Key)
			info, err := proxycert.Classify(cert)
			if info.Type != tc.want || info.Limited != tc.limited {
				t.Errorf("Classify = %+v, want %s, limited %v", info, tc.want, tc.limited)
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want one about %q", err, tc.err)
			}
			if isProxy := tc.want != proxycert.EEC && tc.want != proxycert.CA; info.IsProxy() != isProxy {
				t.Errorf("IsProxy = %v", info.IsProxy())
			}
		})
	}
}

func TestCheckSubject(t *testing.T) {
	eec := newEEC(t, ecKey())
	for subject, ok := range map[string]bool{
		janeDN + "/CN=1":                  true,
		janeDN + "/CN=proxy":              true,
		strings.ToUpper(janeDN) + "/CN=1": true, // names are compared, not their spelling
		janeDN:                            false,
		janeDN + "/CN=1/CN=2":             false,
		janeDN + "/OU=1":                  false,
		janeDN + "/CN=1+UID=2":            false,
		"/CN=1":                           false,
		"/DC=org/CN=Joe/CN=1":             false,
	} {
		cert := issue(t, x509.Certificate{}, subject, ecKey(), eec.Leaf(), eec.Key)
		if err := proxycert.CheckSubject(cert); (err == nil) != ok {
			t.Errorf("%s: error %v, want none: %v", subject, err, ok)
		}
	}
}

func FuzzCertInfo(f *testing.F) {
	for _, tc := range certInfos {
		f.Add(unhex(f, tc.hex))
	}
	// What is read is written as the same octets.
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, draft := range []bool{false, true} {
			ci, err := parser(draft)(value)
			if err != nil {
				continue
			}
			if ext, err := writer(ci, draft)(); err != nil || string(ext.Value) != string(value) {
				t.Errorf("%x is written as %x, %v (draft %v)", value, ext.Value, err, draft)
			}
		}
	})
}
