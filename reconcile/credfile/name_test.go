package credfile_test

import (
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
)

// The first three names were seen in public logs of VO-boxes; the others follow the rule found in them.
var names = []struct{ name, identity, voms string }{
	{
		"+2fDC+3dch+2fDC+3dcern+2fOU+3dOrganic+20Units+2fOU+3dUsers+2fCN+3dcbeiraod+2fCN+3d719371+2fCN+3dCristovao+20Beirao+20Da+20Cruz+20E+20Silva+2fCN+3dproxy-voms+20cms",
		"/DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=cbeiraod/CN=719371/CN=Cristovao Beirao Da Cruz E Silva/CN=proxy", "cms",
	},
	{
		"+2fC+3dPT+2fO+3dLIPCA+2fO+3dLIP+2fOU+3dLisboa+2fCN+3dPietro+20Vischia+2fCN+3dproxy-voms+20cms",
		"/C=PT/O=LIPCA/O=LIP/OU=Lisboa/CN=Pietro Vischia/CN=proxy", "cms",
	},
	{
		"+2fC+3dDE+2fO+3dGermanGrid+2fOU+3dDESY+2fCN+3dEngin+20Eren+2fCN+3dproxy-voms+20cms",
		"/C=DE/O=GermanGrid/OU=DESY/CN=Engin Eren/CN=proxy", "cms",
	},
	{"+2fDC+3dch+2fCN+3dJane+20Doe-voms+20alice+3a+2falice+2fRole+3dlcgadmin", "/DC=ch/CN=Jane Doe", "alice:/alice/Role=lcgadmin"},
	{"+2fCN+3dhost+5c+2ffoo_bar.org+2b1-voms+20x.y", `/CN=host\/foo_bar.org+1`, "x.y"},
	{"+2fCN+3dAndr+c3+a9-voms+20cms", "/CN=André", "cms"},
	{"+2fCN+3da-voms+20b-voms+20cms", "/CN=a-voms b", "cms"},
}

func TestEscapeName(t *testing.T) {
	for _, tc := range names {
		if got := credfile.EscapeName(tc.identity, tc.voms); got != tc.name {
			t.Errorf("EscapeName(%q, %q) = %q, want %q", tc.identity, tc.voms, got, tc.name)
		}
		identity, voms, ok := credfile.UnescapeName(tc.name)
		if !ok || identity != tc.identity || voms != tc.voms {
			t.Errorf("UnescapeName(%q) = %q, %q, %v, want %q, %q", tc.name, identity, voms, ok, tc.identity, tc.voms)
		}
	}
	if got := credfile.EscapeName("/CN=x", ""); got != "+2fCN+3dx" {
		t.Errorf("without a VO string: %q", got)
	}
}

func TestUnescapeName(t *testing.T) {
	for _, tc := range []struct {
		in, identity, voms string
		ok                 bool
	}{
		{"+2Fa-voms+20b", "/a", "b", true}, // upper case
		{"+zz+2-voms+20b+", "+zz+2", "b+", true},
		{"renewal-proxy.pem", "", "", false},
		{"+2fa-voms", "", "", false},
		{"", "", "", false},
	} {
		identity, voms, ok := credfile.UnescapeName(tc.in)
		if identity != tc.identity || voms != tc.voms || ok != tc.ok {
			t.Errorf("UnescapeName(%q) = %q, %q, %v, want %q, %q, %v", tc.in, identity, voms, ok, tc.identity, tc.voms, tc.ok)
		}
	}
}

func TestFileName(t *testing.T) {
	// "-voms+20cms" has 11 bytes.
	if name, err := credfile.FileName(strings.Repeat("x", 244), "cms"); err != nil || len(name) != credfile.MaxName {
		t.Errorf("FileName = %d bytes, %v, want 255", len(name), err)
	}
	if name, err := credfile.FileName(strings.Repeat("x", 245), "cms"); err == nil {
		t.Errorf("FileName = %d bytes, want an error", len(name))
	}
	if _, err := credfile.FileName(strings.Repeat("/", 82), "cms"); err == nil {
		t.Error("82 slashes are 246 bytes when escaped; want an error")
	}
}

func FuzzEscapeName(f *testing.F) {
	for _, n := range names {
		f.Add(n.identity, n.voms)
	}
	f.Fuzz(func(t *testing.T, identity, voms string) {
		name := credfile.EscapeName(identity, voms)
		if strings.ContainsAny(name, "/\x00 ") {
			t.Fatalf("%q is no file name", name)
		}
		if voms == "" || strings.Contains(voms, "-voms ") || strings.HasSuffix(identity+"-voms "+voms, "-voms ") {
			return // not told apart, and no VO is called so
		}
		gotID, gotVOMS, ok := credfile.UnescapeName(name)
		if !ok || gotID != identity || gotVOMS != voms {
			t.Errorf("UnescapeName(%q) = %q, %q, %v, want %q, %q", name, gotID, gotVOMS, ok, identity, voms)
		}
	})
}
