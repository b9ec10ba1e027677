package enroll

import (
	"context"
	"errors"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// Advice is what an error means to a user, and what to do about it.
type Advice struct {
	ID            string // of the catalogue of faults; empty: not in it
	Cause         string // may be empty
	Remedy, Where string // what to type, and where
}

// remedies are what to do about certificates that do not verify, by id.
var remedies = map[string]struct{ what, where string }{
	trust.IDNoAnchor:   {"install or update the CA package (ca-policy-egi-core), or name the directory: --certdir DIR", atAdmin},
	trust.IDCRLStale:   {"run fetch-crl, and see that its timer or cron job runs", atAdmin},
	trust.IDCRLInvalid: {"run fetch-crl, and see that its timer or cron job runs", atAdmin},
	trust.IDCRLMissing: {"run fetch-crl", atAdmin},
	trust.IDRevoked:    {"ask your CA for a new certificate", ""},
	trust.IDWeakKey:    {"ask your CA for a certificate with an RSA key of 2048 bits or more", ""},
	trust.IDNotYet:     {"set the clock of this host: timedatectl status", atAdmin},
	trust.IDLSC:        {"install the VO's LSC files (wlcg-iam-lsc-VO), or name the directory: --vomsdir DIR", atAdmin},
	trust.IDACExpired:  {"compare the clock of this host with the server's: timedatectl status", atAdmin},
}

// Explain says what to do about an error of this package. The remedies of packages myproxy and voms are for the manager of a
// VO box with a configuration; here they are put into the words of a user interface host.
func Explain(err error) Advice {
	var (
		own *Error
		mp  *myproxy.Error
		vo  *voms.Error
		tr  *trust.Error
	)
	switch {
	case errors.As(err, &own):
		return Advice{ID: own.ID, Remedy: own.Remedy, Where: own.Where}
	case errors.As(err, &mp):
		return ofMyProxy(mp)
	case errors.As(err, &vo):
		return ofVOMS(vo)
	case errors.As(err, &tr):
		r := remedies[tr.ID]
		return Advice{ID: tr.ID, Remedy: r.what, Where: r.where}
	case errors.Is(err, credfile.ErrPassphrase):
		return Advice{ID: "USER-PASS", Remedy: "type it again; if it is lost, ask your CA for a new certificate: nobody can recover it"}
	case errors.Is(err, context.DeadlineExceeded):
		return Advice{ID: "TIMEOUT", Remedy: "try again, or give it longer: --timeout 60"}
	}
	return Advice{}
}

func ofVOMS(e *voms.Error) Advice {
	a := Advice{ID: e.ID, Cause: e.Cause, Remedy: e.Remedy, Where: here(e.Where)}
	switch e.ID {
	case voms.NoServer:
		if e.Server == "" {
			a.Remedy, a.Where = "install the VO's vomses file (wlcg-iam-vomses-VO), or name one: --vomses FILE", atAdmin
		}
	case voms.Nested:
		a.Remedy, a.Where = "leave --noregen out, so that the attributes are asked for with the user certificate", ""
	}
	return a
}

// ours are the commands that stand for the grid's, with the same flags.
var ours = strings.NewReplacer("myproxy-init ", "vobox-reconcile store ", "myproxy-destroy ", "vobox-reconcile stored --destroy ")

func ofMyProxy(e *myproxy.Error) Advice {
	a := Advice{ID: e.ID, Remedy: ours.Replace(e.Remedy), Where: here(e.Where)}
	switch e.ID {
	case "MP-NOCRED":
		a.Remedy, a.Where = "vobox-reconcile store -s "+e.Server, atUI
	case "MP-BADPASS":
		a.Remedy, a.Where = "type the passphrase that it was stored with, or store it again: vobox-reconcile store -s "+e.Server, ""
	case "MP-REQUEST":
		a.Remedy, a.Where = "", ""
	case "MP-PUT":
		a.Remedy, a.Where = "store for a shorter time than the server's maximum, with -c HOURS", ""
	case "MP-CERTEXPIRED", "MP-CERTREVOKED", "MP-CERTCA", "MP-CERTBAD", "HOST-EKU":
		if e.Op != "GET" { // the user certificate was shown, not a host's
			a.Remedy, a.Where = "openssl x509 -noout -subject -issuer -dates -purpose -in ~/.globus/usercert.pem", atUI
		}
	case "MP-SRVDN":
		a.Remedy, a.Where = "if that is as it should be, name the server's subject: MYPROXY_SERVER_DN=…", ""
	}
	return a
}

// here is the place that a box's is on a user interface host.
func here(where string) string {
	if strings.EqualFold(where, "VO-Box") {
		return atUI
	}
	return where
}
