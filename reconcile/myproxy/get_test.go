package myproxy_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

var dayTemplate = proxycert.Template{Now: testTime, Lifetime: 24 * time.Hour}

// TestGetFraming gets a proxy from servers that cut their bytes up differently.
func TestGetFraming(t *testing.T) {
	for _, version := range versions {
		for name, deliver := range map[string]func(p *peer, chain []byte) error{
			"a record each":              func(p *peer, chain []byte) error { return p.send(chain, okMessage) },
			"chain and OK in one record": func(p *peer, chain []byte) error { return p.send(join(chain, okMessage)) },
			"small pieces":               func(p *peer, chain []byte) error { return p.send(pieces(join(chain, okMessage), 7)...) },
			"the count alone":            func(p *peer, chain []byte) error { return p.send(chain[:1], chain[1:], okMessage) },
			"no OK at the end":           func(p *peer, chain []byte) error { return p.send(chain) },
			"half an OK at the end":      func(p *peer, chain []byte) error { return p.send(chain, okMessage[:12]) },
			"garbage at the end":         func(p *peer, chain []byte) error { return p.send(chain, []byte("garbage")) },
		} {
			t.Run(tls.VersionName(version)+"/"+name, func(t *testing.T) {
				c := serve(t, version, signs(stored(), dayTemplate, func(p *peer, chain []*x509.Certificate) error {
					return deliver(p, mustMarshalChain(t, chain))
				}))
				cred, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256})
				if err != nil {
					t.Fatal(err)
				}
				if len(cred.Chain) != 3 || !cred.EEC().Equal(jane().Leaf()) {
					t.Errorf("got a chain of %d", len(cred.Chain))
				}
				if !cred.Leaf().PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(cred.Key.Public()) {
					t.Errorf("the key does not fit the certificate")
				}
				if left := cred.NotAfter().Sub(testTime); left != 24*time.Hour {
					t.Errorf("got %v, want 24 h", left)
				}
			})
		}
	}
}

// TestGetWithoutNUL is a server under TLS 1.3 that sends session tickets instead.
func TestGetWithoutNUL(t *testing.T) {
	c := serve(t, tls.VersionTLS12, say(join([]byte{0}, okMessage)))
	if err := c.Destroy(t.Context(), "jdoe", ""); err != nil {
		t.Errorf("one leading NUL: %v", err)
	}
	c = serve(t, tls.VersionTLS12, say(join([]byte{0, 0}, okMessage)))
	if err := c.Destroy(t.Context(), "jdoe", ""); errID(err) != "MP-PROTO" {
		t.Errorf("two leading NULs: %v, want MP-PROTO", err)
	}
}

// TestGetReply looks at what the server hands out.
func TestGetReply(t *testing.T) {
	reverse := func(chain []*x509.Certificate) []*x509.Certificate {
		chain = slices.Clone(chain)
		slices.Reverse(chain)
		return chain
	}
	foreign := func(chain []*x509.Certificate) []*x509.Certificate {
		other := mustDelegate(stored(), ecKey(), dayTemplate)
		return append([]*x509.Certificate{other.Leaf()}, chain[1:]...)
	}
	forged := func(chain []*x509.Certificate) []*x509.Certificate {
		// The same names, another key: only the signature tells.
		issuer := &x509.Certificate{RawSubject: chain[0].RawIssuer}
		cert := mustIssue(&x509.Certificate{
			RawSubject: chain[0].RawSubject, SerialNumber: chain[0].SerialNumber, NotBefore: chain[0].NotBefore,
			NotAfter: chain[0].NotAfter, ExtraExtensions: chain[0].Extensions,
		}, issuer, chain[0].PublicKey, ecKey())
		return append([]*x509.Certificate{cert}, chain[1:]...)
	}
	past := proxycert.Template{Now: testTime.Add(-48 * time.Hour), Lifetime: time.Hour}
	future := proxycert.Template{Now: testTime.Add(48 * time.Hour), Lifetime: time.Hour}
	staleStore := func() *proxycert.Credential { return mustDelegate(jane(), ecKey(), past) }
	for _, tt := range []struct {
		name   string
		stored *proxycert.Credential
		tmpl   proxycert.Template
		change func([]*x509.Certificate) []*x509.Certificate
		want   dn.Name
		id     string
	}{
		{name: "as it should be", want: jane().Identity(), id: "ok"},
		{name: "reversed", change: reverse, id: "ok"},
		{name: "with the CA", change: func(c []*x509.Certificate) []*x509.Certificate { return append(c, ca().cert) }, id: "ok"},
		{name: "86 certificates, whose count is a V", change: func(c []*x509.Certificate) []*x509.Certificate {
			for len(c) < 'V' {
				c = append(c, ca().cert)
			}
			return c
		}, id: "ok"},
		{name: "of another", want: box().Identity(), id: "MP-IDENTITY"},
		{name: "for another key", change: foreign, id: "MP-PROTO"},
		{name: "by another key", change: forged, id: "MP-PROTO"},
		{name: "without the EEC", change: func(c []*x509.Certificate) []*x509.Certificate { return c[:len(c)-1] }, id: "MP-NOEEC"},
		{name: "without a link", change: func(c []*x509.Certificate) []*x509.Certificate { return []*x509.Certificate{c[0], c[2]} }, id: "MP-NOEEC"},
		{name: "the new proxy is over", tmpl: past, id: "MP-STALE"},
		{name: "the stored proxy is over", stored: staleStore(), tmpl: past, id: "MP-STALE"},
		{name: "not yet valid", tmpl: future, id: "CLOCK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.stored == nil {
				tt.stored = stored()
			}
			if tt.tmpl.Now.IsZero() {
				tt.tmpl = dayTemplate
			}
			c := serve(t, tls.VersionTLS13, signs(tt.stored, tt.tmpl, func(p *peer, chain []*x509.Certificate) error {
				if tt.change != nil {
					chain = tt.change(chain)
				}
				return p.send(mustMarshalChain(t, chain), okMessage)
			}))
			cred, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256, Identity: tt.want})
			if got := errID(err); got != tt.id {
				t.Fatalf("got %s, want %s (%v)", got, tt.id, err)
			}
			if err == nil && (len(cred.Chain) != 3 || !cred.EEC().Equal(jane().Leaf())) {
				t.Errorf("got a chain of %d", len(cred.Chain))
			}
		})
	}
}

// TestGetBadChain sends no chain at all.
func TestGetBadChain(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes []byte
		id    string
	}{
		"a refusal":            {refusal("Unable to delegate credentials."), "MP-DELEG"},
		"OK":                   {okMessage, "MP-PROTO"},
		"no certificates":      {[]byte{0, 0x30, 0x80}, "MP-PROTO"},
		"101 certificates":     {[]byte{101, 0x30, 0x80}, "MP-PROTO"},
		"a huge certificate":   {[]byte{1, 0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3}, "MP-PROTO"},
		"an indefinite length": {[]byte{1, 0x30, 0x80, 0, 0}, "MP-PROTO"},
		"no certificate in it": {[]byte{1, 0x30, 2, 5, 0}, "MP-PROTO"},
		"not DER":              {[]byte("\x02hello, world"), "MP-PROTO"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, tls.VersionTLS13, signs(stored(), dayTemplate, func(p *peer, _ []*x509.Certificate) error {
				return p.send(tt.bytes)
			}))
			_, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256})
			if got := errID(err); got != tt.id {
				t.Errorf("got %s, want %s (%v)", got, tt.id, err)
			}
		})
	}
}

// TestGetLongKey has a server that puts a key into its chain with which a client could compute for hours.
func TestGetLongKey(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 20000)
	long := mustIssue(&x509.Certificate{RawSubject: stored().Leaf().RawSubject, SerialNumber: big.NewInt(5), NotBefore: testTime,
		NotAfter: testTime.AddDate(1, 0, 0)}, ca().cert, &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 1<<31 - 1}, ca().key)
	c := serve(t, tls.VersionTLS13, signs(stored(), dayTemplate, func(p *peer, chain []*x509.Certificate) error {
		return p.send(mustMarshalChain(t, []*x509.Certificate{chain[0], long}), okMessage)
	}))
	_, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256})
	if errID(err) != "MP-PROTO" || !strings.Contains(err.Error(), "more than 16384") {
		t.Errorf("got %v, want a fault about the length of a key", err)
	}
}

// TestGetErrorBehindChain: a refusal in the last message counts.
func TestGetErrorBehindChain(t *testing.T) {
	c := serve(t, tls.VersionTLS13, signs(stored(), dayTemplate, func(p *peer, chain []*x509.Certificate) error {
		return p.send(mustMarshalChain(t, chain), refusal("Unable to delegate credentials."))
	}))
	if _, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256}); errID(err) != "MP-DELEG" {
		t.Errorf("got %v, want MP-DELEG", err)
	}
}

// TestGetCutOff ends the connection after so many bytes.
func TestGetCutOff(t *testing.T) {
	ok := len(okMessage)
	for _, at := range []int{0, 1, 8, 18, 28, ok, ok + 1, ok + 2, ok + 3, ok + 4, ok + 5, ok + 300, ok + 900} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			c := serve(t, versions[at%2], func(p *peer) error {
				if at <= ok {
					return say(okMessage[:at])(p)
				}
				return signs(stored(), dayTemplate, func(p *peer, chain []*x509.Certificate) error {
					return p.send(mustMarshalChain(t, chain)[:at-ok])
				})(p)
			})
			_, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256})
			want := "MP-PROTO"
			if at == 0 || at == ok {
				want = "MP-NET" // nothing came of the message that was due
			}
			var e *myproxy.Error
			if !errors.As(err, &e) || e.ID != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			if !e.Temporary {
				t.Errorf("%v should be worth another try", err)
			}
		})
	}
}

// challenges are those of a real server, each with its own data.
var challenges = []myproxy.Challenge{
	{Method: "X509_certificate", Data: "5a04463addf8d90c5e18c13a85676770"},
	{Method: "X509_certificate_SHA256", Data: "adb09260d1b0b30f5e0f4b0678c3c616"},
}

// challenged plays GET by renewal: the challenge, a look at the answer, then the rest.
func challenged(offer []myproxy.Challenge, look func(*myproxy.Answer) error, then script) script {
	return func(p *peer) error {
		if err := p.send((&myproxy.Response{Type: myproxy.ResponseChallenge, Challenges: offer}).Marshal()); err != nil {
			return err
		}
		msg, err := p.record()
		if err != nil || len(msg) == 0 {
			return nil // the client has gone, as it should
		}
		answer, err := myproxy.ParseAnswer(msg)
		if err != nil {
			return err
		}
		if err := look(answer); err != nil {
			return err
		}
		return then(p)
	}
}

func TestGetRenewal(t *testing.T) {
	deliver := signs(stored(), dayTemplate, func(p *peer, chain []*x509.Certificate) error {
		return p.send(mustMarshalChain(t, chain), okMessage)
	})
	for _, tt := range []struct {
		name   string
		offer  []myproxy.Challenge
		method myproxy.Method
		data   string
	}{
		{"both methods", challenges, 4, challenges[1].Data},
		{"in the other order", []myproxy.Challenge{challenges[1], challenges[0]}, 4, challenges[1].Data},
		{"SHA-1 only", challenges[:1], 2, challenges[0].Data},
		{"with others", append([]myproxy.Challenge{{Method: "SASL", Data: "x"}, {Method: "password"}}, challenges[0]), 2, challenges[0].Data},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, tls.VersionTLS13, challenged(tt.offer, func(a *myproxy.Answer) error {
				if a.Method != tt.method {
					return fmt.Errorf("answered by %v, want %v", a.Method, tt.method)
				}
				if n := len(a.Chain); n != 2 || !a.Chain[0].Equal(old().Leaf()) || !a.Chain[1].Equal(jane().Leaf()) {
					return fmt.Errorf("the answer has a chain of %d", n)
				}
				return a.Verify(tt.data)
			}, deliver))
			_, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256, Renew: old()})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGetByPasswordChallenge is for servers that ask for the passphrase once more.
func TestGetByPasswordChallenge(t *testing.T) {
	c := serve(t, tls.VersionTLS13, challenged([]myproxy.Challenge{{Method: "password"}}, func(a *myproxy.Answer) error {
		if a.Method != myproxy.MethodPassword || string(a.Passphrase) != "sesame7" {
			return fmt.Errorf("answered by %v with %q", a.Method, a.Passphrase)
		}
		return nil
	}, say(refusal("authentication failed"))))
	_, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256, Passphrase: []byte("sesame7")})
	if errID(err) != "MP-BADPASS" {
		t.Errorf("got %v, want MP-BADPASS", err)
	}
}

// TestGetChallengeRefused is about challenges that cannot be met, or are met in vain.
func TestGetChallengeRefused(t *testing.T) {
	ecOld := mustDelegate(jane(), ecKey(), dayTemplate)
	noEEC := &proxycert.Credential{Chain: old().Chain[:1], Key: old().Key}
	accept := func(*myproxy.Answer) error { return nil }
	decline := func(*myproxy.Answer) error { return errors.New("there should be no answer") }
	offer := func(method, data string) []myproxy.Challenge {
		return []myproxy.Challenge{{Method: method, Data: data}}
	}
	for _, tt := range []struct {
		name  string
		offer []myproxy.Challenge
		look  func(*myproxy.Answer) error
		then  script
		renew *proxycert.Credential
		want  string
	}{
		{"no old proxy", challenges, decline, nil, nil, "MP-NOOLD"},
		{"old proxy with an EC key", challenges, decline, nil, ecOld, "MP-OLDKEY"},
		{"old proxy without its EEC", challenges, decline, nil, noEEC, "MP-OLDBAD"},
		{"SASL only", offer("SASL", "x"), decline, nil, old(), "MP-METHOD"},
		{"no method", nil, decline, nil, old(), "MP-METHOD"},
		{"not a number", offer("X509_certificate", "To whom it may concern: I owe you"), decline, nil, old(), "MP-PROTO"},
		{"too short a number", offer("X509_certificate", "5a04463a"), decline, nil, old(), "MP-PROTO"},
		{"too long a number", offer("X509_certificate", strings.Repeat("5a", 100)), decline, nil, old(), "MP-PROTO"},
		{"another challenge", challenges, accept, say((&myproxy.Response{Type: myproxy.ResponseChallenge, Challenges: challenges}).Marshal()), old(), "MP-PROTO"},
		{"connection ends", challenges, accept, (*peer).finish, old(), "MP-NET"},
		{"other identity", challenges, accept, say(refusal("certificate subject does not match credential to be renewed", "authentication failed")), old(), "MP-OLDOTHER"},
		{"expired", challenges, accept, say(refusal("certificate chain verification failed", "X509_verify_cert() failed: certificate has expired", "authentication failed")), old(), "MP-OLDEXPIRED"},
		{"revoked", challenges, accept, say(refusal("certificate chain verification failed", "X509_verify_cert() failed: certificate revoked", "authentication failed")), old(), "MP-REVOKED"},
		{"unknown CA", challenges, accept, say(refusal("certificate chain verification failed", "X509_verify_cert() failed: unable to get local issuer certificate", "authentication failed")), old(), "MP-OLDBAD"},
		{"bad signature", challenges, accept, say(refusal("certificate verification failed", "authentication failed")), old(), "MP-OLDBAD"},
		{"no reason", challenges, accept, say(refusal("authentication failed")), old(), "MP-OLDBAD"},
		{"stored credential expired", challenges, accept, say(refusal("X509_verify_cert() failed: certificate has expired")), old(), "MP-REVOKED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, tls.VersionTLS13, challenged(tt.offer, tt.look, tt.then))
			_, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256, Renew: tt.renew})
			if got := errID(err); got != tt.want {
				t.Errorf("got %s, want %s (%v)", got, tt.want, err)
			}
		})
	}
}

// TestGetRequest looks at the bytes of the request.
func TestGetRequest(t *testing.T) {
	var got *myproxy.Request
	c := serve(t, tls.VersionTLS13, func(p *peer) error {
		got = p.request
		return say(refusal("authentication failed"))(p)
	})
	_, err := c.Get(t.Context(), myproxy.GetRequest{
		Username: "/CN=Jane Doe", CredName: "name", Passphrase: []byte("sesame7"), Lifetime: 90*time.Second + 1, Key: proxycert.P256,
	})
	if errID(err) != "MP-BADPASS" {
		t.Fatal(err)
	}
	want, err := (&myproxy.Request{
		Command: myproxy.CommandGet, Username: "/CN=Jane Doe", CredName: "name", Passphrase: []byte("sesame7"), Lifetime: 91 * time.Second,
	}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := got.Marshal(); err != nil || !bytes.Equal(b, want) {
		t.Errorf("the request was %q, want %q", b, want)
	}
}
