package enroll

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// DefaultMaxLifetime is what a VO box asks for at each renewal, and so the least that should be handed out. myproxy-init's
// own default of 12 h is too short for the jobs of ALICE.
const DefaultMaxLifetime = 48 * time.Hour

// A Repository is a MyProxy server, or several of which the first that answers is used.
type Repository struct {
	Servers []string // "host" or "host:port"
	DN      dn.Name  // accept only this subject; empty: the host name
}

// ParseRepository reads "host", "host:port" or a list of them with commas, as in $MYPROXY_SERVER. The port is for those
// without one; 0 means MyProxy's own. An IPv6 address with a port is in brackets.
func ParseRepository(servers string, port int) (Repository, error) {
	if port < 0 || port > 65535 {
		return Repository{}, fmt.Errorf("%d is not a port; it takes a number from 1 to 65535", port)
	}
	var r Repository
	for s := range strings.SplitSeq(servers, ",") {
		s = strings.TrimSpace(s)
		host, own, err := myproxy.SplitServer(s)
		if err != nil {
			return Repository{}, fmt.Errorf("%w; write HOST or HOST:PORT", err)
		}
		if hasPort := host != strings.Trim(s, "[]"); !hasPort && port != 0 {
			s = net.JoinHostPort(host, strconv.Itoa(port))
		} else if hasPort {
			s = net.JoinHostPort(host, strconv.Itoa(own))
		}
		r.Servers = append(r.Servers, s)
	}
	return r, nil
}

// each calls f with a client for one server after the other, until one answers.
func (e *Enroller) each(r Repository, show *proxycert.Credential, f func(*myproxy.Client) error) error {
	var failed []error
	for _, s := range r.Servers {
		host, _, err := myproxy.SplitServer(s)
		if err != nil {
			return err
		}
		c := &myproxy.Client{Server: s, Timeout: e.Timeout, Now: e.now, TLS: e.tls(show, host, r.DN)}
		if err = f(c); err == nil {
			return nil
		}
		failed = append(failed, err)
		var mp *myproxy.Error
		if !errors.As(err, &mp) || !mp.Temporary {
			break
		}
	}
	err := failed[0]
	for _, next := range failed[1:] {
		err = fmt.Errorf("%w; %w", err, next)
	}
	return err
}

// A StoreRequest says what to store, and who may have it.
type StoreRequest struct {
	Repository
	Credential *proxycert.Credential // the user certificate: it signs what is stored
	Username   string                // empty: the certificate's DN (-d)
	CredName   string
	Describe   string
	Passphrase []byte // nil: none (-n); then nobody but renewers and trusted retrievers gets anything

	MaxLifetime time.Duration // of what the server hands out (-t); 0: as long as it likes
	Lifetime    time.Duration // of what is stored (-c); 0: as long as certificate and server allow

	Retriever, TrustedRetriever, Renewer string // policies: -r, -Z, -R; empty: the server's own
}

// A Deposit is what was stored, as the server shows it.
type Deposit struct {
	Server   string
	Username string
	Stored   myproxy.Stored // the new one
	Warnings []Warning
}

// Store stores a proxy of a user certificate, and asks the server what it has then.
//
// The server's own request is signed with the user certificate itself, one proxy less in each chain than myproxy-init
// makes.
func (e *Enroller) Store(ctx context.Context, r StoreRequest) (*Deposit, error) {
	if err := e.usable(r.Credential); err != nil {
		return nil, err
	}
	out := &Deposit{Username: firstOf(r.Username, r.Credential.Identity().String())}
	left := r.Credential.NotAfter().Sub(e.now())
	if r.Lifetime > left {
		out.warn(Warning{ID: "USER-CERT", Where: atUI, Remedy: "ask your CA for a new certificate, and store again when you have it",
			Text: fmt.Sprintf("your certificate ends on %s, before the %d hours of -c are over: what is stored ends with it, in %s",
				plan.Clock(r.Credential.NotAfter()), int(r.Lifetime.Hours()), plan.Span(left))})
	}
	err := e.each(r.Repository, r.Credential, func(c *myproxy.Client) error {
		out.Server = c.Server
		if err := e.put(ctx, c, r, out); err != nil {
			return err
		}
		entry, err := e.look(ctx, c, out.Username, r.CredName)
		if err != nil {
			return &afterwards{err}
		}
		out.Stored = *entry
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.compare(r, e.now())
	return out, nil
}

func (d *Deposit) warn(w Warning) { d.Warnings = append(d.Warnings, w) }

// afterwards is a failure behind the one thing that counts. It hides whether another try is worth while, since that would
// be a second store, on another server.
type afterwards struct{ err error }

func (a *afterwards) Error() string {
	return "it is stored, but the server does not show it: " + a.err.Error()
}

// put stores, and once more for as long as the server allows, if it was left to that.
func (e *Enroller) put(ctx context.Context, c *myproxy.Client, r StoreRequest, out *Deposit) error {
	req := myproxy.PutRequest{
		Username: out.Username, CredName: r.CredName, Description: r.Describe, Passphrase: r.Passphrase,
		MaxLifetime: r.MaxLifetime, Lifetime: r.Lifetime,
		Retriever: r.Retriever, TrustedRetriever: r.TrustedRetriever, Renewer: r.Renewer, Credential: r.Credential,
	}
	err := c.Put(ctx, req)
	if most, ok := serverMaximum(err); ok && r.Lifetime == 0 {
		out.warn(Warning{ID: "MP-PUT", Text: fmt.Sprintf("%s stores nothing for longer than %d hours: stored for that, not until the end of your certificate", c.Server, int(most.Hours()))})
		req.Lifetime = most
		return c.Put(ctx, req)
	}
	return err
}

// maximum is in the words of myproxy-server 6.2 for a credential that lasts too long.
var maximum = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`exceeds maximum allowed by server \((\d{1,6}) hours\)`)
})

// serverMaximum finds the longest lifetime that a server stores in its refusal of a longer one.
func serverMaximum(err error) (time.Duration, bool) {
	var mp *myproxy.Error
	if !errors.As(err, &mp) || mp.ID != "MP-PUT" {
		return 0, false
	}
	m := maximum().FindStringSubmatch(strings.Join(mp.Messages, "\n"))
	if m == nil {
		return 0, false
	}
	hours, err := strconv.Atoi(m[1])
	return time.Duration(hours) * time.Hour, err == nil && hours > 0
}

// look finds one credential in what INFO shows.
func (e *Enroller) look(ctx context.Context, c *myproxy.Client, username, name string) (*myproxy.Stored, error) {
	list, err := c.Info(ctx, username, name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(s myproxy.Stored) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no credential named %q among those of %q", name, username)
	}
	return &list[i], nil
}

// compare looks whether the server has what it was given.
func (d *Deposit) compare(r StoreRequest, now time.Time) {
	wanted := r.Credential.NotAfter()
	if r.Lifetime > 0 && now.Add(r.Lifetime).Before(wanted) {
		wanted = now.Add(r.Lifetime)
	}
	if end := d.Stored.End; wanted.Sub(end) > time.Hour && len(d.Warnings) == 0 {
		d.warn(Warning{ID: "MP-SHORT", Text: fmt.Sprintf("the server shows an end on %s, earlier than the %s it was given", plan.Clock(end), plan.Clock(wanted))})
	}
	if d.Stored.LockMessage != "" {
		d.warn(Warning{ID: "MP-LOCKED", Text: "the server's administrator has locked it: " + d.Stored.LockMessage})
	}
}

// Stored lists what a server has of the owner that is shown to it: the credentials under a user name (empty: the owner's
// DN), or the one of a name.
func (e *Enroller) Stored(ctx context.Context, r Repository, show *proxycert.Credential, username, name string) (list []myproxy.Stored, server string, err error) {
	username = firstOf(username, show.Identity().String())
	err = e.each(r, show, func(c *myproxy.Client) error {
		server = c.Server
		list, err = c.Info(ctx, username, name)
		return err
	})
	return list, server, err
}

// Destroy removes a stored credential.
func (e *Enroller) Destroy(ctx context.Context, r Repository, show *proxycert.Credential, username, name string) error {
	return e.each(r, show, func(c *myproxy.Client) error {
		return c.Destroy(ctx, firstOf(username, show.Identity().String()), name)
	})
}

// ChangePassphrase changes the passphrase of a stored credential.
func (e *Enroller) ChangePassphrase(ctx context.Context, r Repository, show *proxycert.Credential, username, name string, old, new []byte) error {
	return e.each(r, show, func(c *myproxy.Client) error {
		return c.ChangePassphrase(ctx, firstOf(username, show.Identity().String()), name, old, new)
	})
}
