package attrcert_test

import (
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
)

func TestParseFQAN(t *testing.T) {
	tests := []struct {
		in        string
		want      attrcert.FQAN
		short, vo string
	}{
		{"/alice", attrcert.FQAN{Group: "/alice"}, "/alice", "alice"},
		{"/alice/Role=NULL/Capability=NULL", attrcert.FQAN{Group: "/alice"}, "/alice", "alice"},
		{"/alice/Role=lcgadmin/Capability=NULL", attrcert.FQAN{Group: "/alice", Role: "lcgadmin"}, "/alice/Role=lcgadmin", "alice"},
		{"/alice/Role=lcgadmin", attrcert.FQAN{Group: "/alice", Role: "lcgadmin"}, "/alice/Role=lcgadmin", "alice"},
		{"/alice/Capability=x", attrcert.FQAN{Group: "/alice", Capability: "x"}, "/alice", "alice"},
		{"/vo.cta.in2p3.fr/a-b/c_d/Role=VO-Admin", attrcert.FQAN{Group: "/vo.cta.in2p3.fr/a-b/c_d", Role: "VO-Admin"}, "/vo.cta.in2p3.fr/a-b/c_d/Role=VO-Admin", "vo.cta.in2p3.fr"},
		{"/alice/NULL", attrcert.FQAN{Group: "/alice/NULL"}, "/alice/NULL", "alice"},
		{"/alice/role=x", attrcert.FQAN{}, "", ""},
	}
	for _, tt := range tests {
		got, err := attrcert.ParseFQAN(tt.in)
		if tt.short == "" {
			if err == nil {
				t.Errorf("ParseFQAN(%q) = %+v, want an error", tt.in, got)
			}
			continue
		}
		if err != nil || got != tt.want || got.String() != tt.short || got.VO() != tt.vo {
			t.Errorf("ParseFQAN(%q) = %+v (%q, VO %q), %v; want %+v (%q, VO %q)", tt.in, got, got, got.VO(), err, tt.want, tt.short, tt.vo)
		}
		if n := attrcert.Normalize(tt.in); n != tt.short {
			t.Errorf("Normalize(%q) = %q, want %q", tt.in, n, tt.short)
		}
	}
}

func TestParseFQANRefuses(t *testing.T) {
	for _, in := range []string{
		"", "/", "alice", "alice/Role=x", "//alice", "/alice/", "/alice//x", "/Role=x", "/Capability=x", "/alice/Role=", "/alice/Role",
		"/alice/Role=a/Role=b", "/alice/Role=a/sub", "/alice/Capability=a/Role=b", "/alice/Capability=a/Capability=b", "/al ice",
		"/alice/Role=a b", "/alice/Role=a=b", "/alice\n", "/alice\x00", "/älice", "/alice,/dteam", "/" + strings.Repeat("a", 5000),
	} {
		got, err := attrcert.ParseFQAN(in)
		// "/alice/Role" is a group of that name, odd but well-formed.
		if in == "/alice/Role" {
			if err != nil || got.Group != in {
				t.Errorf("ParseFQAN(%q) = %+v, %v; want the group", in, got, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("ParseFQAN(%q) = %+v, want an error", in, got)
		}
		if n := attrcert.Normalize(in); n != in {
			t.Errorf("Normalize(%q) = %q, want it unchanged", in, n)
		}
	}
}

func FuzzParseFQAN(f *testing.F) {
	for _, s := range []string{"/alice", "/alice/Role=NULL/Capability=NULL", "/a/b/Role=c/Capability=d", "/alice/", "//", "/Role=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fqan, err := attrcert.ParseFQAN(s)
		if err != nil {
			return
		}
		// Written back in full, it is s but for the NULLs.
		long := fqan.String()
		if fqan.Capability != "" {
			long += "/Capability=" + fqan.Capability
		}
		bare := strings.TrimSuffix(s, "/Capability=NULL")
		capability := ""
		if i := strings.Index(bare, "/Capability="); i >= 0 {
			bare, capability = bare[:i], bare[i:]
		}
		if bare = strings.TrimSuffix(bare, "/Role=NULL") + capability; bare != long {
			t.Errorf("ParseFQAN(%q) writes back as %q, want %q", s, long, bare)
		}
		again, err := attrcert.ParseFQAN(fqan.String())
		if fqan.Capability = ""; err != nil || again != fqan {
			t.Errorf("ParseFQAN(%q) = %+v, %v; want %+v", fqan.String(), again, err, fqan)
		}
		if fqan.VO() == "" || !strings.HasPrefix(s, "/"+fqan.VO()) {
			t.Errorf("VO of %q is %q", s, fqan.VO())
		}
	})
}
