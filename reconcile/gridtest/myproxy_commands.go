package gridtest

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// minDelegation is the shortest lifetime that is handed out; shorter requests are raised to it.
const minDelegation = 300 * time.Second

// request parses a message and carries it out.
func (c *session) request(data []byte) {
	m, err := parseMessage(data)
	if err != nil {
		c.fail(err.Error())
		return
	}
	c.msg = m
	c.log.Command, c.log.Username, c.log.CredName = m.command.String(), m.username, value(m.credName)
	c.log.Lifetime, c.log.Passphrase = m.lifetime, m.passphrase != "" && m.command != cmdInfo && m.command != cmdDestroy
	if m.version != myProxyVersion {
		c.fail("Invalid version number received.")
		return
	}
	if m.username == "" && m.command != cmdTrustRoots {
		c.fail("Invalid username received.")
		return
	}
	switch m.command {
	case cmdGet, cmdRetrieve:
		c.get()
	case cmdPut:
		c.put(c.receiveDelegation)
	case cmdStore:
		c.put(c.receivePEM)
	case cmdInfo:
		c.info()
	case cmdDestroy:
		c.destroy()
	case cmdChange:
		c.change()
	case cmdTrustRoots:
		c.trustRoots()
	default:
		c.fail("UNKNOWN command in request.")
	}
}

// find returns the credential of the request, or nil.
func (c *session) find() *stored { return c.s.repo.get(c.msg.username, value(c.msg.credName)) }

func (c *session) missing() {
	if c.msg.credName == nil {
		c.fail(fmt.Sprintf("No credentials exist for username %q.", c.msg.username))
		return
	}
	c.fail(fmt.Sprintf("No credentials exist with username %q and credential name %q.", c.msg.username, *c.msg.credName))
}

// get is GET and RETRIEVE.
func (c *session) get() {
	st := c.find()
	if st == nil {
		c.missing()
		return
	}
	pol := c.s.policy()
	if c.msg.command == cmdRetrieve {
		if no := checkPolicy("authorized_key_retrievers", pol.AuthorizedKeyRetrievers, optional(st.KeyRetriever), pol.DefaultKeyRetrievers, c.peer); no != "" {
			c.fail(no)
			return
		}
	}
	limited, lines, ok := c.authorize(st, pol)
	switch {
	case !ok && lines == nil:
		return // the connection ended
	case !ok:
		c.fail(lines...)
	case st.Lock != "":
		c.fail("credential locked", st.Lock)
	case c.msg.command == cmdRetrieve:
		c.retrieve(st, limited)
	default:
		c.delegate(st, limited, pol)
	}
}

// authorize decides about GET. It returns whether a limited proxy authenticated, and on refusal the lines of the error;
// no lines mean that the connection ended.
func (c *session) authorize(st *stored, pol Policy) (limited bool, lines []string, ok bool) {
	limited = c.peer.limited
	self := c.peer.name == st.Owner && !pol.AllowSelfAuthz
	noTrust := checkPolicy("trusted_retrievers", pol.TrustedRetrievers, optional(st.TrustedRetriever), pol.DefaultTrustedRetrievers, c.peer)
	noGet := checkPolicy("authorized_retrievers", pol.AuthorizedRetrievers, optional(st.Retriever), pol.DefaultRetrievers, c.peer)
	noRenew := checkPolicy("authorized_renewers", pol.AuthorizedRenewers, optional(st.Renewer), pol.DefaultRenewers, c.peer)
	trusted := noTrust == "" && !self
	if noGet != "" && noRenew != "" && !trusted {
		lines = []string{noTrust, noGet, noRenew}
		return limited, slices.DeleteFunc(lines, func(s string) bool { return s == "" }), false
	}
	// An encrypted credential needs its passphrase, whoever asks.
	cred, open := st.open(c.msg.passphrase)
	if st.encrypted() {
		switch {
		case !open:
			return limited, []string{"Bad password", "invalid credential passphrase"}, false
		case noGet != "" && !trusted:
			return limited, []string{noGet}, false
		}
	}
	switch {
	case trusted, st.encrypted():
	case noRenew == "":
		old, lines, ok := c.challenge()
		if !ok {
			return limited, lines, false
		}
		if old.Identity().String() != st.Owner {
			return limited, []string{"certificate subject does not match credential to be renewed", "authentication failed"}, false
		}
		if self {
			return limited, []string{"self-authz detected", "self-authz not allowed for renewer"}, false
		}
		limited = limited || old.Limited()
	case c.msg.passphrase == "":
		return limited, []string{"no passphrase", "authentication failed"}, false
	default:
		return limited, []string{"authentication failed"}, false
	}
	if why := c.invalid(cred, st.end); why != "" {
		return limited, []string{why}, false
	}
	return limited, nil, true
}

// invalid says why the stored chain does not verify any more; empty when it does.
func (c *session) invalid(cred *proxycert.Credential, end time.Time) string {
	now := c.s.now()
	if now.After(end) {
		return "X509_verify_cert() failed: certificate has expired"
	}
	if cred == nil {
		return "Unable to delegate credentials."
	}
	if _, err := c.s.o.Trust.VerifyChain(cred.Chain, now); err != nil {
		return "X509_verify_cert() failed: " + verifyText(err)
	}
	return ""
}

// granted is the lifetime that is handed out: the least of what was asked, stored and configured, zero meaning no limit,
// in whole minutes and not below five. The stored credential's end cuts it when signing.
func (c *session) granted(st *stored, pol Policy) time.Duration {
	d := c.msg.lifetime
	if d <= 0 {
		d = 0
	} else {
		d = max(d, minDelegation)
	}
	limits := []time.Duration{st.MaxLifetime, pol.MaxProxyLifetime}
	if c.fault.Kind == Shorten {
		limits = append(limits, c.fault.Lifetime)
	}
	for _, limit := range limits {
		if limit > 0 && (d == 0 || limit < d) {
			d = limit
		}
	}
	return d.Truncate(time.Minute)
}

// delegate signs the client's certification request with the stored credential.
func (c *session) delegate(st *stored, limited bool, pol Policy) {
	if !c.ok() {
		return
	}
	csr, err := readMessage(c.conn, c.deadline, isDER)
	if err != nil || c.misbehave(AtDelegate, c.out) {
		return
	}
	issuer, _ := st.open(c.msg.passphrase)
	if c.fault.Kind == WrongIdentity {
		if issuer, err = c.stranger(); err != nil {
			c.fail("Unable to delegate credentials.")
			return
		}
	}
	now := c.s.now()
	tmpl := proxycert.Template{Now: now, Lifetime: c.granted(st, pol), Limited: limited}
	if c.fault.Kind == ExpiredChain {
		tmpl.Now, tmpl.Lifetime = now.Add(-2*time.Hour), time.Hour
	}
	cert, err := c.certify(issuer, csr, tmpl)
	if err != nil {
		c.fail("Unable to delegate credentials.")
		return
	}
	c.log.Granted = cert.NotAfter.Sub(now).Round(time.Minute)
	answer := packCerts(append([]*x509.Certificate{cert}, issuer.Chain...))
	if c.fault.Kind == JoinedRecords {
		c.out.Write(append(answer, okReply...))
		return
	}
	if _, err := c.out.Write(answer); err == nil {
		c.ok()
	}
}

func (c *session) certify(issuer *proxycert.Credential, csr []byte, t proxycert.Template) (*x509.Certificate, error) {
	if c.fault.Kind == WrongKey {
		key, err := c.s.keys.Key(proxycert.RSA2048, "wrong key")
		if err != nil {
			return nil, err
		}
		return issuer.Sign(key.Public(), t)
	}
	return issuer.SignRequest(csr, t)
}

// stranger is a credential that has nothing to do with the one asked for.
func (c *session) stranger() (*proxycert.Credential, error) {
	ca := c.s.o.CA
	eec, err := ca.Issue(CertRequest{Subject: ca.Below("CN=Somebody Else")})
	if err != nil {
		return nil, err
	}
	return ca.Proxy(eec, 24*time.Hour)
}

func packCerts(certs []*x509.Certificate) []byte {
	b := []byte{byte(len(certs))}
	for _, cert := range certs {
		b = append(b, cert.Raw...)
	}
	return b
}

// retrieve hands out the stored key and all.
func (c *session) retrieve(st *stored, limited bool) {
	switch {
	case limited:
		c.fail("Client with limited proxy may not retrieve full credentials.")
	case st.pem == nil:
		c.fail("Unable to retrieve credentials.")
	case c.ok():
		c.out.Write(st.pem)
	}
}

// put is what PUT and STORE have in common; receive reads the credential after the first OK.
func (c *session) put(receive func() (*stored, []string)) {
	pol := c.s.policy()
	if !matchList(pol.AcceptedCredentials, c.peer) {
		c.fail(fmt.Sprintf("\"%s\" not authorized to store credentials on this server (accepted_credentials policy)", c.peer.name))
		return
	}
	if old := c.find(); old != nil && old.Owner != c.peer.name {
		lines := []string{"Credentials are already stored for user " + c.msg.username}
		if c.msg.credName != nil {
			lines = append(lines, fmt.Sprintf("and credential name %q", *c.msg.credName))
		}
		c.fail(append(lines, "and they are not owned by", fmt.Sprintf("%q,", c.peer.name), "so you may not overwrite them.",
			"Please choose a different username or credential name or", "contact your myproxy-server administrator.")...)
		return
	}
	if n := len(c.msg.passphrase); n > 0 && n < 6 {
		c.fail("Pass phrase must be at least 6 characters long.")
		return
	}
	if !c.ok() {
		return
	}
	st, lines := receive()
	if lines != nil {
		c.fail(lines...)
		return
	}
	left := st.end.Sub(c.s.now())
	if pol.MaxCredLifetime > 0 && left > pol.MaxCredLifetime+3599*time.Second {
		c.fail(fmt.Sprintf("Credential lifetime (%d hours) exceeds maximum allowed by server (%d hours).",
			int(left.Hours()), int(pol.MaxCredLifetime.Hours())))
		return
	}
	m := c.msg
	st.username = m.username
	st.StoreOptions = StoreOptions{
		Name: value(m.credName), Description: value(m.credDesc), Owner: c.peer.name, Passphrase: m.passphrase, MaxLifetime: m.lifetime,
		Retriever: value(m.retriever), Renewer: value(m.renewer), KeyRetriever: value(m.keyRetriever), TrustedRetriever: value(m.trustedRetriever),
	}
	c.s.repo.put(st)
	c.ok()
}

// receiveDelegation makes a key, sends a request for it and takes the chain that comes back.
func (c *session) receiveDelegation() (*stored, []string) {
	c.s.mu.Lock()
	c.s.puts++
	label := fmt.Sprintf("stored %d", c.s.puts)
	c.s.mu.Unlock()
	key, err := c.s.keys.Key(proxycert.RSA2048, label)
	if err != nil {
		return nil, []string{"Failed to accept credentials."}
	}
	csr, err := proxycert.NewRequest(key)
	if err != nil {
		return nil, []string{"Failed to accept credentials."}
	}
	if _, err = c.out.Write(csr); err != nil {
		return nil, []string{"Failed to accept credentials."}
	}
	msg, err := readMessage(c.conn, c.deadline, isCertList)
	if err != nil {
		return nil, []string{"Failed to accept credentials."}
	}
	certs, err := parseCerts(msg)
	if err != nil {
		return nil, []string{"Failed to accept credentials."}
	}
	chain, err := proxycert.SortChain(certs, key.Public())
	if err != nil {
		return nil, []string{"Failed to accept credentials."}
	}
	cred := &proxycert.Credential{Chain: chain, Key: key}
	if _, err := c.s.o.Trust.VerifyChain(chain, c.s.now()); err != nil {
		return nil, []string{"Credentials are not valid."}
	}
	return &stored{credential: cred, start: cred.NotBefore(), end: cred.NotAfter()}, nil
}

func parseCerts(msg []byte) ([]*x509.Certificate, error) {
	ders, _, err := splitCerts(msg)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificates(bytes.Join(ders, nil))
}

// receivePEM takes certificate, key (encrypted or not) and chain as text.
func (c *session) receivePEM() (*stored, []string) {
	msg, err := readMessage(c.conn, c.deadline, func([]byte) bool { return false })
	if err != nil {
		return nil, []string{"Failed to accept credentials."}
	}
	msg = bytes.TrimRight(msg, "\x00")
	st := &stored{pem: msg}
	for block, rest := pem.Decode(msg); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, []string{"Credentials are not valid."}
		}
		if st.end.IsZero() || cert.NotAfter.Before(st.end) {
			st.end = cert.NotAfter
		}
		if cert.NotBefore.After(st.start) {
			st.start = cert.NotBefore
		}
	}
	if st.end.Before(c.s.now()) {
		return nil, []string{"Credentials are not valid."}
	}
	return st, nil
}

// info lists what the client owns.
func (c *session) info() {
	list := c.s.repo.of(c.msg.username, c.peer.name)
	if c.msg.credName != nil {
		list = slices.DeleteFunc(list, func(st *stored) bool { return st.Name != *c.msg.credName })
	}
	if len(list) == 0 {
		c.fail(fmt.Sprintf("no credentials found for user %s, owner %q ", c.msg.username, c.peer.name))
		return
	}
	var b strings.Builder
	b.WriteString("VERSION=" + myProxyVersion + "\nRESPONSE=0\n")
	var more []string
	for i, st := range list {
		prefix := "CRED_"
		switch {
		case i > 0:
			prefix = "CRED_" + st.Name + "_"
			more = append(more, st.Name)
		case st.Name != "":
			fmt.Fprintf(&b, "CRED_NAME=%s\n", st.Name)
		}
		st.writeInfo(&b, prefix)
	}
	if more != nil {
		fmt.Fprintf(&b, "ADDL_CREDS=%s\n", strings.Join(more, ","))
	}
	b.WriteByte(0)
	c.out.Write([]byte(b.String()))
}

func (st *stored) writeInfo(b *strings.Builder, prefix string) {
	text := func(name, v string) {
		if v != "" {
			fmt.Fprintf(b, "%s%s=%s\n", prefix, name, v)
		}
	}
	text("DESC", st.Description)
	fmt.Fprintf(b, "%sSTART_TIME=%d\n%sEND_TIME=%d\n", prefix, st.start.Unix(), prefix, st.end.Unix())
	text("OWNER", st.Owner)
	text("RETRIEVER", st.Retriever)
	text("KEYRETRIEVERS", st.KeyRetriever)
	text("RETRIEVER_TRUSTED", st.TrustedRetriever)
	text("RENEWER", st.Renewer)
	text("LOCKMSG", st.Lock)
}

func (c *session) destroy() {
	st := c.find()
	switch {
	case !matchList(c.s.policy().AcceptedCredentials, c.peer):
		c.fail(fmt.Sprintf("\"%s\" not authorized to store credentials on this server (accepted_credentials policy)", c.peer.name))
	case st == nil:
		c.missing()
	case st.Owner != c.peer.name:
		c.fail(fmt.Sprintf("Credentials not owned by %q.", c.peer.name))
	default:
		c.s.repo.remove(st.username, st.Name)
		c.ok()
	}
}

func opens(st *stored, passphrase string) bool {
	_, ok := st.open(passphrase)
	return ok
}

func (c *session) change() {
	st := c.find()
	switch {
	case st == nil || st.Owner != c.peer.name:
		c.fail(fmt.Sprintf("'%s' does not own the credentials", c.peer.name))
	case !opens(st, c.msg.passphrase):
		c.fail("Bad password", "invalid credential passphrase", "invalid pass phrase")
	case c.msg.newPhrase == nil:
		c.fail(errParse.Error())
	default:
		c.s.repo.change(st.username, st.Name, func(o *StoreOptions) { o.Passphrase = *c.msg.newPhrase })
		c.ok()
	}
}

// trustRoots sends the trust anchor files.
func (c *session) trustRoots() {
	files := c.s.o.TrustRootsPEM
	if len(files) == 0 {
		c.ok()
		return
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	fmt.Fprintf(&b, "VERSION=%s\nRESPONSE=0\nTRUSTED_CERTS=%s\n", myProxyVersion, strings.Join(names, ","))
	for _, name := range names {
		fmt.Fprintf(&b, "FILEDATA_%s=%s\n", name, base64.StdEncoding.EncodeToString(files[name]))
	}
	b.WriteByte(0)
	c.out.Write([]byte(b.String()))
}
