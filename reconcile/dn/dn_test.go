package dn_test

import (
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

func TestParseString(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"slash", "/DC=ch/DC=cern/OU=Organic Units/CN=Jane Doe", "/DC=ch/DC=cern/OU=Organic Units/CN=Jane Doe"},
		{"any case", "/dc=ch/Cn=x", "/DC=ch/CN=x"},
		{"email", "/C=IT/Email=a@b/E=c@d/EMAILADDRESS=e@f", "/C=IT/emailAddress=a@b/emailAddress=c@d/emailAddress=e@f"},
		{"uid", "/USERID=joe/userId=joe/UID=joe", "/UID=joe/UID=joe/UID=joe"},
		{"state", "/S=Geneva/ST=Geneva", "/ST=Geneva/ST=Geneva"},
		{"serial", "/SN=Doe/serialNumber=12/SERIALNUMBER=13", "/SN=Doe/serialNumber=12/serialNumber=13"},
		{"oid", "/2.5.4.3=x/OID.2.5.4.11=y/1.2.3.4=z", "/CN=x/OU=y/1.2.3.4=z"},
		{"escaped slash", `/DC=org/CN=host\/foo.example.org`, `/DC=org/CN=host\/foo.example.org`},
		{"plain slash", `/DC=org/CN=host/foo.example.org`, `/DC=org/CN=host\/foo.example.org`},
		{"url", `/OU=http://x/y/CN=z`, `/OU=http:\/\/x\/y/CN=z`},
		{"multi", `/CN=x+UID=joe`, `/CN=x+UID=joe`},
		{"plus in value", `/CN=a+b`, `/CN=a\+b`},
		{"escaped plus", `/CN=a\+UID=b`, `/CN=a\+UID=b`},
		{"hex", `/CN=Andr\xC3\xA9`, `/CN=Andr\xC3\xA9`},
		{"utf-8", `/CN=André`, `/CN=Andr\xC3\xA9`},
		{"latin-1", `/CN=Andr\xE9`, `/CN=Andr\xE9`},
		{"backslash", `/CN=a\b`, `/CN=a\b`},
		{"equals sign", `/CN=a=b`, `/CN=a=b`},
		{"blanks around the type", "/DC=ch/ CN =x", "/DC=ch/CN=x"},
		{"rfc2253", "CN=Jane Doe,OU=Users,DC=cern,DC=ch", "/DC=ch/DC=cern/OU=Users/CN=Jane Doe"},
		{"rfc2253 blanks", "CN = Jane Doe , OU=Users ;DC=ch", "/DC=ch/OU=Users/CN=Jane Doe"},
		{"rfc2253 escapes", `CN=Doe\, Jane\20,DC=ch`, "/DC=ch/CN=Doe, Jane "},
		{"rfc2253 quoted", `CN="Doe, Jane",DC=ch`, "/DC=ch/CN=Doe, Jane"},
		{"rfc2253 multi", `CN=x+UID=joe,DC=ch`, "/DC=ch/CN=x+UID=joe"},
		{"rfc2253 hex", `1.2.3.4=#0C0161,DC=ch`, "/DC=ch/1.2.3.4=a"},
		{"rfc2253 slash in value", `CN=host/x.org,DC=ch`, `/DC=ch/CN=host\/x.org`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := dn.Parse(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := n.String(); got != tc.want {
				t.Errorf("Parse(%q).String() = %q, want %q", tc.in, got, tc.want)
			}
			again, err := dn.Parse(n.String())
			if err != nil || !again.Equal(n) {
				t.Errorf("Parse(%q) = %v, %v, not equal to the name printed", n, again, err)
			}
			if again, err = dn.Parse(n.RFC2253()); err != nil || !again.Equal(n) {
				t.Errorf("Parse(%q) = %v, %v, not equal to the name printed", n.RFC2253(), again, err)
			}
		})
	}
}
