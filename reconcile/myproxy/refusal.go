package myproxy

import "strings"

// refusals maps the words of myproxy-server to ids. The first that matches
// counts, so what is special comes before what is general: the last line of a
// refusal is often no more than "authentication failed". Case does not matter.
//
// The words are those of gridcf/gct, myproxy_server.c, myproxy_creds.c,
// myproxy_authorization.c and ssl_utils.c; all that can be provoked were seen
// from myproxy-server 6.2.14.
var refusals = []struct{ words, id string }{
	{`"<anonymous>"`, "MP-ANON"},
	{`not authorized by server's default`, "MP-DEFPOL"},
	{`not authorized by credential's`, "MP-CREDPOL"},
	{`not authorized by server's`, "MP-RENEWER"},
	{`not authorized to retrieve credentials`, "MP-RENEWER"},
	{`accepted_credentials policy`, "MP-ACCEPT"},
	{`no mapping found for`, "MP-ACCEPT"},
	{`accepted credentials failure`, "MP-ACCEPT"},
	{`self-authz`, "MP-SELF"},
	{`crl has expired`, "CRL-STALE"},
	{`does not match credential to be renewed`, "MP-OLDOTHER"},
	{`certificate chain verification failed`, "MP-OLDBAD"},
	{`certificate verification failed`, "MP-OLDBAD"},
	{`ssl_creds_from_buffer() failed`, "MP-OLDBAD"},
	{`limited proxy`, "MP-LIMITED"},
	{`credential locked`, "MP-LOCKED"},
	{`already stored for user`, "MP-OWNER"},
	{`credentials not owned by`, "MP-OWNER"},
	{`does not own the credentials`, "MP-OWNER"},
	{`no credentials exist`, "MP-NOCRED"},
	{`no credentials found`, "MP-NOCRED"},
	{`credentials do not exist`, "MP-NOCRED"},
	{`unknown username`, "MP-NOCRED"},
	{`credential expired!`, "MP-PUT"},
	{`credential lifetime (`, "MP-PUT"},
	{`credentials are not valid`, "MP-PUT"},
	{`failed to accept credentials`, "MP-PUT"},
	{`x509_verify_cert() failed`, "MP-REVOKED"},
	{`ocsp says`, "MP-REVOKED"},
	{`pass phrase too short`, "MP-WEAKPASS"},
	{`bad password`, "MP-BADPASS"},
	{`invalid credential passphrase`, "MP-BADPASS"},
	{`invalid pass phrase`, "MP-BADPASS"},
	{`no passphrase`, "MP-PASS"},
	{`unable to delegate credentials`, "MP-DELEG"},
	{`unable to store credentials`, "MP-STORE"},
	{`unable to change pass phrase`, "MP-STORE"},
	{`unable to retrieve credential`, "MP-STORE"},
	{`error checking`, "MP-STORE"},
	{`internal error`, "MP-STORE"},
	{`malloc() failed`, "MP-STORE"},
	{`error parsing request`, "MP-PROTO"},
	{`invalid version number`, "MP-PROTO"},
	{`invalid username received`, "MP-PROTO"},
	{`unknown command`, "MP-PROTO"},
	{`error in myproxy_recv_ex`, "MP-PROTO"},
	{`authentication failed`, "MP-PASS"},
}

// refused makes an Error of the server's ERROR lines.
func (x *exchange) refused(lines []string) *Error {
	messages := cleanAll(lines)
	e := x.fail(x.classify(strings.ToLower(strings.Join(messages, "\n"))), nil)
	e.Messages = messages
	return e
}

// classify finds the id for a refusal in lower case. Some words mean different
// things according to what we had sent.
func (x *exchange) classify(said string) string {
	id := "MP-REFUSED"
	for _, r := range refusals {
		if strings.Contains(said, r.words) {
			id = r.id
			break
		}
	}
	get := x.request.Command == CommandGet
	switch {
	case id == "MP-OLDBAD" && strings.Contains(said, "expired"):
		return "MP-OLDEXPIRED"
	case id == "MP-OLDBAD" && strings.Contains(said, "revoked"):
		return "MP-REVOKED"
	case id == "MP-BADPASS" && get && len(x.request.Passphrase) == 0:
		x.protected = true
		return "MP-PASS"
	case id == "MP-PASS" && x.answered:
		return "MP-OLDBAD"
	case id == "MP-PASS" && x.shown == nil:
		return "MP-ANON"
	case id == "MP-PASS" && len(x.request.Passphrase) > 0:
		return "MP-BADPASS"
	}
	return id
}
