package voms

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A verdict is what a refusal means and what to do about it. In cause and remedy, {membership} is replaced by where
// the VO's members manage their membership, and {vo} by the VO.
type verdict struct{ id, cause, remedy, where string }

var (
	unknown = verdict{UserUnknown,
		"this certificate, by subject and issuing CA together, belongs to no member of the VO",
		"compare \"openssl x509 -noout -subject -issuer -in ~/.globus/usercert.pem\" with the certificates listed at {membership}, and link a new one there",
		LCGUI}
	suspended = verdict{UserSuspended,
		"the membership of this user, or this certificate of theirs, is suspended or has expired",
		"ask the administrators of VO {vo} to restore it, at {membership}",
		VOAdmin}
	aup = verdict{AUPUnsigned,
		"the VO's acceptable use policy has to be signed (again)",
		"sign in at {membership} and sign the acceptable use policy",
		LCGUI}
	fqan = verdict{FQANRefused,
		"the user does not hold this group or role, or it does not exist",
		"correct the attributes in the configuration, or have the group or role granted at {membership}; \"voms-proxy-init -voms {vo}\" and \"voms-proxy-info -fqan\" show what is held",
		VOBox}
	nested = verdict{Nested,
		"the credential shown carries VOMS attributes, and only those can be had with it",
		"store a plain one: \"grid-proxy-destroy; myproxy-init -d -n -t 48 -c 3000\" with the certificate itself, not from a VOMS proxy",
		LCGUI}
	noIdentity = verdict{CertificateRefused,
		"the server's front end did not pass a certificate on: none was shown, or it did not verify there",
		"check that the proxy is an RFC 3820 one and not expired: \"voms-proxy-info -all\"; then that the server knows its CA",
		VOBox}
	fault = verdict{ServerFault,
		"the VOMS server has a problem of its own, such as its database",
		"wait for the next pass; if it lasts, tell the administrators of VO {vo}",
		VOAdmin}
	misunderstood = verdict{NotVOMS,
		"the server did not understand the request",
		"check host and port in the vomses line; if they are right, report the message above",
		VOBox}
)

// meaning tells what a server's error means. vomsd's REST codes are words and its XML codes numbers; IAM's voms-aa
// sends the same numbers in REST, 1004 for an unsigned AUP too, 1001 also for a suspended certificate, and adds 1007.
// vomsd says 1001 and BadRequest for an FQAN that is not held. So the text decides before the code does.
func meaning(r refusal) verdict {
	text := strings.ToLower(r.message)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("aup") && has("sign"):
		return aup
	case has("database error", "problems in db"):
		return fault
	case has("unable to satisfy", "not authorized to request attribute", "cannot issue a user requested"):
		return fqan
	case has("already contains attributes"):
		return nested
	case has("suspended", "is not active"):
		return suspended
	case has("user unknown", "no such user", "not a member"):
		return unknown
	case has("client is not authenticated"):
		return noIdentity
	}
	switch r.code {
	case "NoSuchUser", "1001":
		return unknown
	case "SuspendedUser", "1004":
		return suspended
	case "NoSuchAttribute", "1007":
		return fqan
	case "1002":
		return nested
	case "InternalError", "1003":
		return fault
	}
	return misunderstood
}

// refused makes the error for a server's refusal.
func refused(s Server, protocol string, r refusal) *Error {
	v := meaning(r)
	fill := strings.NewReplacer("{membership}", s.membership(), "{vo}", s.VO)
	return &Error{
		ID: v.id, Server: s.Address(), Protocol: protocol, Code: r.code, Message: r.message,
		Cause: v.cause, Remedy: fill.Replace(v.remedy), Where: v.where,
	}
}

// mostTelling chooses among the refusals of one answer.
func mostTelling(s Server, protocol string, refusals []refusal) *Error {
	var best *Error
	for _, r := range refusals {
		if e := refused(s, protocol, r); best == nil || e.weight() > best.weight() {
			best = e
		}
	}
	return best
}

// membership returns where members of the server's VO look after their membership. IAM is at the host its certificate
// names; the voms-admin beside a vomsd is at port 8443.
func (s Server) membership() string {
	if s.Port != 443 {
		return "https://" + s.Host + ":8443/voms/" + s.VO
	}
	if cn, ok := s.DN.LastCN(); ok {
		_, host, found := strings.Cut(cn, "/") // host/NAME
		if !found {
			host = cn
		}
		if validHost(host) && strings.Contains(host, ".") {
			return "https://" + host + "/"
		}
	}
	return "https://" + s.Host + "/"
}

// shortened matches the warning of vomsd and of IAM.
var shortened = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)shortened to (\d{1,10}) seconds`)
})

// Shortened returns the lifetime that a server says it granted instead of the longer one asked for, and whether any of
// the warnings says so. vomsd writes "HOST:PORT: The validity of this VOMS AC in your proxy is shortened to 86400
// seconds!", INDIGO IAM "WARNING: VO : The validity … is shortened to 43200 seconds, which is the maximum …".
func Shortened(warnings []string) (time.Duration, bool) {
	for _, w := range warnings {
		if m := shortened().FindStringSubmatch(w); m != nil {
			n, err := strconv.ParseInt(m[1], 10, 64)
			if err == nil {
				return time.Duration(n) * time.Second, true
			}
		}
	}
	return 0, false
}

// Notices returns the warnings of r that have a name, as errors to be shown and not to be failed on: ACShortened when
// less lifetime was granted than asked, Nested when attributes were left out. The remedies are for a VO-box manager.
func (r *Response) Notices() []*Error {
	var found []*Error
	for _, w := range r.Warnings {
		e := &Error{Server: r.Server.Address(), Protocol: r.Protocol, Message: w}
		switch granted, short := Shortened([]string{w}); {
		case short:
			e.ID = ACShortened
			e.Cause = fmt.Sprintf("the server's maximum for VO %s is %v", r.Server.VO, granted)
			e.Remedy = fmt.Sprintf("ask the administrators of VO %s to raise it (IAM: voms.aa.max-ac-lifetime, vomsd: --timeout), or set the lifetime to %v",
				r.Server.VO, granted)
			e.Where = VOAdmin
		case meaning(refusal{message: w}).id == Nested:
			e.ID, e.Cause, e.Remedy, e.Where = nested.id, nested.cause, nested.remedy, nested.where
		default:
			continue
		}
		found = append(found, e)
	}
	return found
}
