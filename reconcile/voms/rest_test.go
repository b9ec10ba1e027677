package voms_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

var lcgadmin = voms.Request{VO: "alice", FQANs: []string{"/alice/Role=lcgadmin"}, Lifetime: 12 * time.Hour}

// ask asks servers, and returns the most telling error.
func ask(t testing.TB, r voms.Request, servers ...voms.Server) (*voms.Response, *voms.Error) {
	t.Helper()
	resp, err := theWorld().newClient().Request(t.Context(), servers, r)
	if err == nil {
		if !bytes.Equal(resp.AC, theWorld().ac) {
			t.Errorf("got an AC of %d octets that is not the one sent", len(resp.AC))
		}
		return resp, nil
	}
	return nil, theError(t, err)
}

func theError(t testing.TB, err error) *voms.Error {
	t.Helper()
	var e *voms.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a *voms.Error", err)
	}
	if e.ID == "" || e.Remedy == "" || e.Where == "" || e.Message == "" {
		t.Errorf("incomplete error %+v", e)
	}
	if strings.ContainsAny(err.Error(), "\n\r\x00") {
		t.Errorf("error of several lines: %q", err)
	}
	return e
}

func TestRESTRequest(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fqans []string
		life  time.Duration
		query string
	}{
		{"role", []string{"/alice/Role=lcgadmin"}, 12 * time.Hour, "fqans=/alice/Role=lcgadmin&lifetime=43200"},
		{"none", nil, time.Hour, "fqans=/alice&lifetime=3600"},
		{"several in order", []string{"/alice/b/Role=x", "/alice/a", "/alice"}, time.Hour, "fqans=/alice/b/Role=x,/alice/a,/alice&lifetime=3600"},
		{"long forms", []string{"/alice/Role=NULL/Capability=NULL", "/alice/Role=x/Capability=y", "/alice"}, time.Hour, "fqans=/alice,/alice/Role=x&lifetime=3600"},
		{"all", []string{"all"}, time.Hour, "fqans=all&lifetime=3600"},
		{"part of a second", nil, time.Second + 1, "fqans=/alice&lifetime=2"},
		{"beyond int", nil, 1<<63 - 1, "fqans=/alice&lifetime=2147483647"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *http.Request
			s := serveREST(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				io.WriteString(w, restAC(theWorld().ac))
			})
			resp, e := ask(t, voms.Request{VO: "alice", FQANs: tt.fqans, Lifetime: tt.life}, s)
			if e != nil {
				t.Fatal(e)
			}
			if resp.Protocol != voms.REST || resp.Server.Port != s.Port || len(resp.Warnings) != 0 {
				t.Errorf("got %+v", resp)
			}
			if want := "/generate-ac?" + tt.query; got.RequestURI != want {
				t.Errorf("got   %s\nwant  %s", got.RequestURI, want)
			}
			if got.Proto != "HTTP/1.1" || got.Method != "GET" || !got.Close {
				t.Errorf("got %s %s, close %v", got.Method, got.Proto, got.Close)
			}
			if ua := got.UserAgent(); ua != "vobox-reconcile" {
				t.Errorf("User-Agent %q", ua)
			}
			if got.TLS.NegotiatedProtocol != "" {
				t.Errorf("ALPN %q", got.TLS.NegotiatedProtocol)
			}
			if len(got.TLS.PeerCertificates) != 1 {
				t.Errorf("%d client certificates", len(got.TLS.PeerCertificates))
			}
		})
	}
}

// vomsd takes what one read gives it for the request.
func TestRESTRequestIsOneRecord(t *testing.T) {
	var fqans []string
	for i := range 200 {
		fqans = append(fqans, fmt.Sprintf("/alice/group-%03d/Role=production", i))
	}
	s := serveRaw(t, nil, func(_ string, conn *tls.Conn) {
		body := restAC(theWorld().ac)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	})
	if _, e := ask(t, voms.Request{VO: "alice", FQANs: fqans, Lifetime: time.Hour}, s.Server); e != nil {
		t.Fatal(e)
	}
	if h := s.requests()[0]; !strings.HasSuffix(h, "\r\n\r\n") || !strings.Contains(h, "group-199") {
		t.Errorf("the first read had only %d octets: …%q", len(h), h[max(0, len(h)-40):])
	}
}

func TestNoProxyFromEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("https_proxy", "http://127.0.0.1:1")
	s := serveREST(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, restAC(theWorld().ac)) })
	if _, e := ask(t, lcgadmin, s); e != nil {
		t.Fatal(e)
	}
}

func TestBadRequests(t *testing.T) {
	asked := 0
	s := serveREST(t, func(http.ResponseWriter, *http.Request) { asked++ })
	for _, f := range []string{
		"", "alice", "/", "/alice with space", "/alice,/alice/Role=x", "/alice&lifetime=1", "/alice%2Fx", "/alice#", "/alice?",
		"/alice/<x>", "/alice/é", "/alice\r\nX: y", "/alice:x", "/alice/Role=", "/alice//x", "/" + strings.Repeat("x", 10000),
	} {
		_, e := ask(t, voms.Request{VO: "alice", FQANs: []string{f}, Lifetime: time.Hour}, s, s)
		if e.ID != voms.FQANRefused || e.Temporary {
			t.Errorf("%q: got %v", f, e)
		}
		if n := strings.Count(e.Error(), "cannot be asked for"); n != 1 {
			t.Errorf("%q: every server was tried: %v", f, e)
		}
	}
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("/alice/%d", i))
	}
	if _, e := ask(t, voms.Request{VO: "alice", FQANs: many, Lifetime: time.Hour}, s); e.ID != voms.FQANRefused {
		t.Errorf("2000 FQANs: got %v", e)
	}
	for _, life := range []time.Duration{0, -1} {
		_, err := theWorld().newClient().Request(t.Context(), []voms.Server{s}, voms.Request{VO: "alice", Lifetime: life})
		if err == nil || !strings.Contains(err.Error(), "must be positive") {
			t.Errorf("lifetime %v: got %v", life, err)
		}
	}
	if _, err := new(voms.Client).Request(t.Context(), []voms.Server{s}, lcgadmin); err == nil {
		t.Error("a client without TLS")
	}
	if asked > 0 {
		t.Errorf("the server was asked %d times", asked)
	}
}

const vomsdShort = "localhost:15000: The validity of this VOMS AC in your proxy is shortened to 86400 seconds!"

// TestRESTAnswers has the rows of what vomsd and IAM answer: the body counts, not the status.
func TestRESTAnswers(t *testing.T) {
	ac := theWorld().ac
	for _, tt := range []struct {
		name    string
		status  int
		body    string
		id      string // empty: an AC
		code    string
		warning string
		remedy  string // part of it
	}{
		{name: "vomsd AC", status: 200, body: restAC(ac)},
		{name: "vomsd AC and warning", status: 500, body: restAC(ac, vomsdShort), warning: vomsdShort},
		{name: "IAM AC and warning", status: 200,
			body:    restAC(ac, "WARNING: alice : The validity of this VOMS AC in your proxy is shortened to 43200 seconds, which is the maximum validity"),
			warning: "WARNING: alice : The validity of this VOMS AC in your proxy is shortened to 43200 seconds, which is the maximum validity"},
		{name: "AC on one line", status: 200, body: strings.ReplaceAll(restAC(ac), "\n", "")},
		{name: "AC with carriage returns", status: 200, body: strings.ReplaceAll(restAC(ac), "\n", "&#13;\n")},
		{name: "AC without padding", status: 200, body: strings.ReplaceAll(restAC(ac), "=</", "</")},
		{name: "byte order mark, other namespace, attributes", status: 200,
			body: "\ufeff<!-- x --><v:voms xmlns:v='urn:x' y=1><v:ac><![CDATA[" + lines64(ac) + "]]></v:ac></v:voms>\x00"},
		{name: "numeric warning with an AC", status: 200,
			body:    "<voms><error><code>2</code><message>shortened to 5 seconds</message></error><ac>" + lines64(ac) + "</ac></voms>",
			warning: "shortened to 5 seconds"},

		{name: "vomsd unknown", status: 403, body: restError("NoSuchUser", "alice: User unknown to this VO."),
			id: "VO-UNKNOWN", code: "NoSuchUser", remedy: "openssl x509 -noout -subject -issuer"},
		{name: "vomsd suspended", status: 403, body: restError("SuspendedUser", "alice: You have been suspended: no reason"),
			id: "VO-SUSP", code: "SuspendedUser", remedy: "administrators of VO alice"},
		{name: "vomsd role not held", status: 400, body: restError("BadRequest", "alice: Unable to satisfy B/alice:pilot request!"),
			id: "VO-FQAN", code: "BadRequest", remedy: "correct the attributes"},
		{name: "vomsd bad parameter", status: 400, body: restError("BadRequest", "Wrong lifetime"), id: "VO-PROTO", code: "BadRequest", remedy: "vomses"},
		{name: "vomsd internal", status: 500, body: restError("InternalError", "Internal Server Error"), id: "VO-SERVER", code: "InternalError", remedy: "next pass"},
		{name: "root is error", status: 403, body: "<error><code>NoSuchUser</code><message>x</message></error>", id: "VO-UNKNOWN", code: "NoSuchUser", remedy: "link"},
		{name: "message before code", status: 403, body: "<voms><error><message>x</message><code>SuspendedUser</code></error></voms>",
			id: "VO-SUSP", code: "SuspendedUser", remedy: "restore"},
		{name: "no code", status: 403, body: "<voms><error><message>User unknown to this VO</message></error></voms>", id: "VO-UNKNOWN", remedy: "link"},
		{name: "bare ampersand and Latin-1", status: 403, body: restError("1001", "User unknown to this VO: '/O=A&B/CN=J\xfcrgen'"),
			id: "VO-UNKNOWN", code: "1001", remedy: "link"},

		{name: "IAM unknown", status: 200, body: restError("1001", "User unknown to this VO: 'CN=x' (issued by 'CN=ca')"), id: "VO-UNKNOWN", code: "1001", remedy: "link"},
		{name: "IAM no account", status: 403, body: restError("1001", "User unknown to this VO: 'CN=x' (issued by 'CN=ca')"), id: "VO-UNKNOWN", code: "1001", remedy: "link"},
		{name: "IAM suspended certificate", status: 403, body: restError("1001", "The user certificate is suspended."), id: "VO-SUSP", code: "1001", remedy: "restore"},
		{name: "IAM not active", status: 200, body: restError("1004", "User 'CN=x, CN=ca' is not active."), id: "VO-SUSP", code: "1004", remedy: "restore"},
		{name: "IAM AUP", status: 200, body: restError("1004", "User jdoe needs to sign AUP for this organization in order to proceed."), id: "VO-AUP", code: "1004", remedy: "sign the acceptable use policy"},
		{name: "IAM attribute", status: 200, body: restError("1007", "User is not authorized to request attribute '/alice/x' or attribute does not exist."), id: "VO-FQAN", code: "1007", remedy: "correct"},
		{name: "IAM bad parameter", status: 200, body: restError("1006", "must be a positive integer"), id: "VO-PROTO", code: "1006", remedy: "vomses"},
		{name: "IAM no certificate", status: 400, body: restError("1006", "Client is not authenticated."), id: "VO-CERT", code: "1006", remedy: "voms-proxy-info"},
		{name: "IAM legacy form", status: 200, body: vomsans("QQ==\n", "1004", "User 'x' is not active."), id: "VO-SUSP", code: "1004", remedy: "restore"},
		{name: "attributes in the proxy", status: 200, body: restError("1002", "alice : no valid VOMS attributes found for your request."), id: "VO-NESTED", code: "1002", remedy: "plain"},

		{name: "AC that is none", status: 200, body: restAC([]byte("A")), id: "VO-PROTO", remedy: "vomses"},
		{name: "AC that is cut", status: 200, body: restAC(ac[:len(ac)-10]), id: "VO-PROTO", remedy: "vomses"},
		{name: "nothing in it", status: 200, body: "<voms></voms>", id: "VO-PROTO", remedy: "vomses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			requests := 0
			s := serveREST(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			resp, e := ask(t, lcgadmin, s)
			if requests != 1 {
				t.Errorf("the server was asked %d times", requests)
			}
			if tt.id == "" {
				if e != nil {
					t.Fatal(e)
				}
				if got := strings.Join(resp.Warnings, "|"); got != tt.warning {
					t.Errorf("got warnings %q, want %q", got, tt.warning)
				}
				return
			}
			if e == nil {
				t.Fatalf("got an AC, want %s", tt.id)
			}
			if e.ID != tt.id || e.Code != tt.code || e.Temporary || e.Server != s.Address() || e.Protocol != voms.REST {
				t.Errorf("got %+v\nwant %s, code %q", e, tt.id, tt.code)
			}
			if !strings.Contains(e.Remedy, tt.remedy) {
				t.Errorf("got remedy %q, want %q in it", e.Remedy, tt.remedy)
			}
		})
	}
}

// Behind an HTTPS front the answer comes in chunks, however small.
func TestRESTChunked(t *testing.T) {
	s := serveREST(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml;charset=utf-8")
		for part := range strings.SplitSeq(restAC(theWorld().ac), "\n") {
			io.WriteString(w, part+"\n")
			w.(http.Flusher).Flush()
		}
	})
	if _, e := ask(t, lcgadmin, s); e != nil {
		t.Fatal(e)
	}
}

// vomsd ends a connection without close_notify; at HTTP/1.0 without a length, that is the end of the body.
func TestRESTWithoutLength(t *testing.T) {
	reply := "HTTP/1.0 500 Internal Server Error\r\n\r\n" + restAC(theWorld().ac, vomsdShort)
	s := serveRaw(t, nil, func(_ string, conn *tls.Conn) { io.WriteString(conn, reply) })
	resp, e := ask(t, lcgadmin, s.Server)
	if e != nil {
		t.Fatal(e)
	}
	if granted, ok := voms.Shortened(resp.Warnings); !ok || granted != 24*time.Hour {
		t.Errorf("got %v, %v", granted, ok)
	}

	s = serveRaw(t, nil, func(_ string, conn *tls.Conn) { io.WriteString(conn, reply[:len(reply)/2]) })
	if _, e := ask(t, lcgadmin, s.Server); e.ID != voms.Unreachable && e.ID != voms.NotVOMS {
		t.Errorf("half an answer: got %v", e)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	followed := false
	s := serveREST(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/generate-ac" {
			followed = true
		}
		http.Redirect(w, r, "/login", http.StatusFound)
	})
	_, e := ask(t, lcgadmin, s)
	if followed || e.ID != voms.NotVOMS || !strings.Contains(e.Error(), "HTTP 302") {
		t.Errorf("followed %v, got %v", followed, e)
	}
}

func TestStatusWithoutAnswer(t *testing.T) {
	for _, tt := range []struct {
		status    int
		body      string
		id        string
		temporary bool
		text      string
	}{
		{404, "", "VO-PROTO", false, "HTTP 404 Not Found, empty body"},
		{200, "", "VO-PROTO", false, "HTTP 200 OK, empty body"},
		{403, "<html><body>no</body></html>", "VO-PROTO", false, "HTTP 403 Forbidden, 28 octets of text/html"},
		{502, "<html><body>Bad Gateway</body></html>", "VO-NET", true, "HTTP 502 Bad Gateway, 37 octets of text/html"},
		{503, "", "VO-NET", true, "HTTP 503 Service Unavailable, empty body"},
	} {
		s := serveREST(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		_, e := ask(t, lcgadmin, s)
		if e.ID != tt.id || e.Temporary != tt.temporary || !strings.Contains(e.Error(), tt.text) {
			t.Errorf("%d: got %s, temporary %v: %v", tt.status, e.ID, e.Temporary, e)
		}
		if !strings.Contains(e.Error(), "then the XML protocol") {
			t.Errorf("%d: the XML protocol was not tried: %v", tt.status, e)
		}
		if strings.Contains(e.Error(), "<body>") {
			t.Errorf("%d: the body is repeated: %v", tt.status, e)
		}
	}
}

// nginx judges the client's certificate itself, and IAM behind it never hears of the request.
func TestFrontRefusesCertificate(t *testing.T) {
	for _, text := range []string{"The SSL certificate error", "No required SSL certificate was sent"} {
		requests := 0
		s := serveREST(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(400)
			fmt.Fprintf(w, "<html>\r\n<head><title>400 %s</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>%[1]s</center>\r\n", text)
		})
		_, e := ask(t, lcgadmin, s)
		if e.ID != voms.CertificateRefused || e.Temporary || requests != 1 {
			t.Errorf("%s: got %+v after %d requests", text, e, requests)
		}
	}
}

func TestHugeBody(t *testing.T) {
	s := serveREST(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<voms><ac>")
		chunk := strings.Repeat("A", 1<<16)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	_, e := ask(t, lcgadmin, s)
	if e.ID != voms.NotVOMS || !strings.Contains(e.Error(), "more than 1048576 octets") {
		t.Errorf("got %v", e)
	}
}

func TestCancel(t *testing.T) {
	started := make(chan struct{}, 2)
	s := serveRaw(t, nil, func(r string, conn *tls.Conn) {
		started <- struct{}{}
		hang(r, conn)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	_, err := theWorld().newClient().Request(ctx, []voms.Server{s.Server, s.Server}, lcgadmin)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d servers asked", n)
	}
}
