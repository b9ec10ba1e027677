package trust_test

import (
	"crypto/x509"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func FuzzParseSigningPolicy(f *testing.F) {
	f.Add(policy(subName, "/DC=org/*", `/CN=a\/b`), subName, janeName)
	f.Add("# c\naccess_id_ANYBODY pos_rights globus CA:sign cond_subjects globus \"/C=*\"\nneg_rights globus CA:sign", "/C=XX", "/C=XX/CN=a")
	f.Add("access_id_CA X509 'a\\'b' pos_rights x y cond_x globus z", "/C=XX", "/C=XX")
	f.Fuzz(func(t *testing.T, file, ca, subject string) {
		p, err := trust.ParseSigningPolicy([]byte(file))
		if err != nil {
			return
		}
		caName, err1 := dn.Parse(ca)
		subjectName, err2 := dn.Parse(subject)
		if err1 != nil || err2 != nil {
			return
		}
		permitted, found := p.Permits(caName, subjectName)
		if permitted && !found {
			t.Errorf("permits for a CA that it does not speak of")
		}
		// The same twice is the same; with one more entry that refuses everything, nothing is permitted.
		twice, err := trust.ParseSigningPolicy([]byte(file + "\n" + file))
		if err != nil {
			t.Fatalf("the file twice: %v", err)
		}
		if p2, f2 := twice.Permits(caName, subjectName); p2 != permitted || f2 != found {
			t.Errorf("once %v %v, twice %v %v", permitted, found, p2, f2)
		}
		denied, err := trust.ParseSigningPolicy([]byte(file + "\naccess_id_ANYBODY\nneg_rights globus CA:sign\n"))
		if err != nil {
			t.Fatalf("with one more entry: %v", err)
		}
		if p3, _ := denied.Permits(caName, subjectName); p3 {
			t.Error("a negative right for all does not refuse")
		}
	})
}

func FuzzParseNamespaces(f *testing.F) {
	f.Add("#NAMESPACES-VERSION: 1.0\nTO Issuer \"/CN=x\" \\\n  PERMIT Subject \"/CN=.*\"\n", "/CN=x", "/CN=y")
	f.Add("TO ISSUER SELF DENY SUBJECT \"/O=[a]\" # c", "/O=[a]", "/O=[a]")
	f.Fuzz(func(t *testing.T, file, ca, subject string) {
		ns, err := trust.ParseNamespaces([]byte(file))
		if err != nil {
			return
		}
		caName, err1 := dn.Parse(ca)
		subjectName, err2 := dn.Parse(subject)
		if err1 != nil || err2 != nil {
			return
		}
		permitted, found := ns.Permits(caName, caName, subjectName)
		if permitted && !found {
			t.Errorf("permits for a CA that it does not speak of")
		}
		denied, err := trust.ParseNamespaces([]byte(file + "\n\nTO Issuer SELF DENY Subject \"(?s).*\"\n"))
		if err != nil {
			t.Fatalf("with one more statement: %v", err)
		}
		if p2, f2 := denied.Permits(caName, caName, subjectName); p2 || !f2 {
			t.Error("a statement that denies all does not")
		}
	})
}

func FuzzParseLSC(f *testing.F) {
	f.Add(vomsName + "\n" + subName + "\n")
	f.Add("# x\n\"/CN=a/b\"\r\n/CN=c\n------ NEXT CHAIN ------\n/CN=d\n/CN=e\nodd")
	f.Fuzz(func(t *testing.T, file string) {
		chains, err := trust.ParseLSC([]byte(file))
		if err != nil {
			return
		}
		// What is read writes back to a file that reads the same.
		var b strings.Builder
		for i, chain := range chains {
			if len(chain) == 0 || len(chain)%2 != 0 {
				t.Errorf("chain of %d names", len(chain))
			}
			if i > 0 {
				b.WriteString("------ NEXT CHAIN ------\n")
			}
			for _, name := range chain {
				b.WriteString(name.String() + "\n")
			}
		}
		again, err := trust.ParseLSC([]byte(b.String()))
		if err != nil || len(again) != len(chains) {
			t.Fatalf("%q reads back as %v, %v", b.String(), again, err)
		}
		for i := range chains {
			for j := range chains[i] {
				if !again[i][j].Equal(chains[i][j]) {
					t.Errorf("%s reads back as %s", chains[i][j], again[i][j])
				}
			}
		}
	})
}

// FuzzParseCRL holds the CRL parser against that of crypto/x509: what both read, both read alike. Neither reads all that the
// other does: version 1 here, trailing bytes there.
func FuzzParseCRL(f *testing.F) {
	seed, err := os.ReadFile("testdata/ec.crl")
	if err != nil {
		f.Fatal(err)
	}
	if revoked := trust.RevokedForTest(seed); revoked == nil || !revoked(big.NewInt(5)) || revoked(big.NewInt(6)) {
		f.Fatal("the seed is not read")
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, der []byte) {
		got := trust.RevokedForTest(der)
		want, err := x509.ParseRevocationList(der)
		if err != nil || got == nil {
			return
		}
		for _, entry := range want.RevokedCertificateEntries {
			if !got(entry.SerialNumber) {
				t.Errorf("serial number %v is not on it", entry.SerialNumber)
			}
		}
	})
}
