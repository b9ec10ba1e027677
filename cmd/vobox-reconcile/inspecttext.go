package main

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// typeWords are those of grid-proxy-info.
func typeWords(t string, limited bool) string {
	kind := "impersonation"
	if limited {
		kind = "limited"
	}
	switch proxycert.Type(t) {
	case proxycert.RFC:
		return "RFC 3820 compliant " + kind + " proxy"
	case proxycert.Draft:
		return "Proxy draft (pre-RFC) compliant " + kind + " proxy"
	case proxycert.Legacy:
		if limited {
			return "limited legacy globus proxy"
		}
		return "full legacy globus proxy"
	case proxycert.EEC:
		return "end entity certificate"
	case proxycert.CA:
		return "CA certificate"
	}
	return "unknown"
}

// inspected prints what there is to know of a file, in the words and the order of voms-proxy-info -all, then the chain.
func (w *writer) inspected(d inspectDoc, now time.Time) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-9s : %s\n", name, fmt.Sprintf(format, args...))
	}
	verdict := w.paint(green, "yes")
	if !d.Verified {
		verdict = w.paint(red, "no: "+d.Fault)
	}
	if len(d.Chain) == 0 {
		line("path", "%s", d.File)
		line("verifies", "%s", verdict)
		return
	}
	line("subject", "%s", d.Subject)
	line("issuer", "%s", d.Issuer)
	line("identity", "%s", d.Identity)
	line("type", "%s", typeWords(d.Type, d.Limited))
	line("strength", "%d bits %s", d.KeyBits, d.KeyType)
	line("path", "%s", d.File)
	line("timeleft", "%s", hms(d.SecondsLeft))
	if len(d.keyUsage) > 0 {
		line("key usage", "%s", strings.Join(d.keyUsage, ", "))
	}
	for _, ac := range d.ACs {
		fmt.Fprintf(w, "%s\n", w.paint(bold, "=== VO "+ac.VO+" extension information ==="))
		line("VO", "%s", ac.VO)
		line("subject", "%s", d.Identity)
		line("issuer", "%s", ac.Issuer)
		for _, f := range ac.FQANs {
			line("attribute", "%s", f)
		}
		for _, t := range ac.Attributes {
			line("attribute", "%s = %s (%s)", t.Name, t.Value, t.Qualifier)
		}
		line("timeleft", "%s", hms(int64(max(0, ac.NotAfter.Sub(now))/time.Second)))
		line("uri", "%s", ac.URI)
		if !ac.Verified {
			line("verifies", "%s", w.paint(red, "no: "+ac.Fault))
		}
	}
	fmt.Fprintf(w, "%s\n", w.paint(bold, "=== chain ==="))
	for i, c := range d.Chain {
		fmt.Fprintf(w, "%2d %-6s %s\n", i, c.Type, c.Subject)
		fmt.Fprintf(w, "   %s … %s, %d bits %s, %s\n", plan.Clock(c.NotBefore), plan.Clock(c.NotAfter), c.KeyBits, c.KeyType, c.SignatureAlgorithm)
	}
	if d.EffectiveEnd != nil {
		line("ends", "%s, effectively in %s", plan.Clock(*d.EffectiveEnd), plan.Span(time.Duration(d.EffectiveSecondsLeft)*time.Second))
	}
	line("verifies", "%s", verdict)
}

// hms prints seconds as the old tools do, hours first.
func hms(s int64) string { return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60) }

// keyUsage names the bits of the extension as OpenSSL does.
func keyUsage(c *x509.Certificate) []string {
	var names []string
	for i, name := range []string{"Digital Signature", "Non Repudiation", "Key Encipherment", "Data Encipherment", "Key Agreement",
		"Certificate Sign", "CRL Sign", "Encipher Only", "Decipher Only"} {
		if c.KeyUsage&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
