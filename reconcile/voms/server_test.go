package voms_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A world is a CA, a server and a client, and an AC that the server could give.
type world struct {
	ca             *x509.Certificate
	caKey          *ecdsa.PrivateKey
	pool           *x509.CertPool
	server, client tls.Certificate
	ac             []byte
}

var theWorld = sync.OnceValue(func() *world {
	w := &world{pool: x509.NewCertPool()}
	caCert, caKey := issue(nil, nil, "CA", time.Hour)
	w.ca, w.caKey = caCert, caKey
	w.pool.AddCert(caCert)
	cert, key := issue(caCert, caKey, "voms.example.org", time.Hour)
	w.server = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	ac, err := attrcert.Issue(attrcert.Template{
		VO: "alice", Host: "voms.example.org", Port: 15000, FQANs: []string{"/alice/Role=lcgadmin", "/alice"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}, cert, []*x509.Certificate{cert}, key)
	if err != nil {
		panic(err)
	}
	w.ac = ac
	cert, key = issue(caCert, caKey, "Jane Doe", time.Hour)
	w.client = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	return w
})

func issue(ca *x509.Certificate, caKey *ecdsa.PrivateKey, cn string, life time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		panic(err)
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"x"}, CommonName: cn},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca == nil {
		t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
		ca, caKey = t, key
	} else {
		t.DNSNames, t.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, &key.PublicKey, caKey)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert, key
}

func (w *world) serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{w.server}, ClientAuth: tls.RequireAnyClientCert}
}

// clientConfig is how a caller makes one: the chain is always sent, the server judged by the caller.
func (w *world) clientConfig(voms.Server) *tls.Config {
	return &tls.Config{
		RootCAs:    w.pool,
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &w.client, nil
		},
	}
}

func (w *world) newClient() *voms.Client { return &voms.Client{TLS: w.clientConfig} }

// at returns the vomses line of a server at a loopback address.
func (w *world) at(t testing.TB, addr net.Addr) voms.Server {
	t.Helper()
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return voms.Server{
		Alias: "alice", Host: host, Port: n, VO: "alice", DN: dn.MustFromDER(w.server.Leaf.RawSubject),
		File: "/etc/vomses/alice", Line: 1,
	}
}

// serveREST starts an HTTPS server with what it would say to GET /generate-ac.
func serveREST(t testing.TB, h http.HandlerFunc) voms.Server {
	t.Helper()
	w := theWorld()
	s := httptest.NewUnstartedServer(h)
	s.TLS = w.serverConfig()
	s.EnableHTTP2 = true // a client that speaks it would be seen in the request
	s.StartTLS()
	t.Cleanup(s.Close)
	return w.at(t, s.Listener.Addr())
}

// A raw is a TLS server of which each connection is handled by a function.
type raw struct {
	voms.Server
	mu    sync.Mutex
	heard []string // the first read of each connection
}

func (r *raw) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.heard...)
}

// serveRaw starts a TLS server that reads once, as vomsd does, and gives what it read to answer. The connection is cut
// without close_notify when answer returns.
func serveRaw(t testing.TB, config *tls.Config, answer func(request string, conn *tls.Conn)) *raw {
	t.Helper()
	w := theWorld()
	if config == nil {
		config = w.serverConfig()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{Server: w.at(t, l.Addr())}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				conn := tls.Server(c, config)
				if conn.Handshake() != nil {
					return
				}
				buf := make([]byte, 32<<10)
				n, _ := conn.Read(buf)
				r.mu.Lock()
				r.heard = append(r.heard, string(buf[:n]))
				r.mu.Unlock()
				answer(string(buf[:n]), conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return r
}

// xmlOnly is Debian's vomsd: a GET is answered by closing the connection, anything else with the document.
func xmlOnly(document string) func(string, *tls.Conn) {
	return func(request string, conn *tls.Conn) {
		if !strings.HasPrefix(request, "GET") {
			io.WriteString(conn, document)
		}
	}
}

// hang waits for the client to give up.
func hang(_ string, conn *tls.Conn) { io.Copy(io.Discard, bufio.NewReader(conn)) }

// lines64 is base64 as the servers write it.
func lines64(der []byte) string {
	text := base64.StdEncoding.EncodeToString(der)
	var b strings.Builder
	for len(text) > 64 {
		b.WriteString(text[:64] + "\n")
		text = text[64:]
	}
	return b.String() + text + "\n"
}

const xmlHead = `<?xml version="1.0" encoding = "US-ASCII"?>`

// vomsans is an answer of the XML protocol.
func vomsans(ac string, items ...string) string {
	s := xmlHead + "<vomsans><version>3</version>"
	if len(items) > 0 {
		s += "<error>"
		for i := 0; i < len(items); i += 2 {
			s += "<item><number>" + items[i] + "</number><message>" + items[i+1] + "</message></item>"
		}
		s += "</error>"
	}
	return s + "<ac>" + ac + "</ac></vomsans>"
}

const restHead = `<?xml version="1.0" encoding="UTF-8"?>`

func restAC(der []byte, warnings ...string) string {
	s := restHead + "<voms><ac>" + lines64(der) + "</ac>"
	for _, w := range warnings {
		s += "<warning>" + w + "</warning>"
	}
	return s + "</voms>"
}

func restError(code, message string) string {
	return restHead + "<voms><error><code>" + code + "</code><message>" + message + "</message></error></voms>"
}
