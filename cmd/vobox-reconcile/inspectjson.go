package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// An inspectDoc is what inspect prints of one file.
type inspectDoc struct {
	status.Credential
	File     string       `json:"file"`
	Verified bool         `json:"verified"`
	Fault    string       `json:"fault"`
	Chain    []chainDoc   `json:"chain"`
	ACs      []acDoc      `json:"acs"`
	Findings []findingDoc `json:"findings"`
}

type chainDoc struct {
	Subject            string    `json:"subject"`
	Issuer             string    `json:"issuer"`
	Serial             string    `json:"serial"`
	NotBefore          time.Time `json:"notBefore"`
	NotAfter           time.Time `json:"notAfter"`
	Type               string    `json:"type"`
	KeyType            string    `json:"keyType"`
	KeyBits            int       `json:"keyBits"`
	SignatureAlgorithm string    `json:"signatureAlgorithm"`
	PathLen            *int      `json:"pathLen"`
	Policy             string    `json:"policy"`
}

type acDoc struct {
	VO         string         `json:"vo"`
	Issuer     string         `json:"issuer"`
	Serial     string         `json:"serial"`
	NotBefore  time.Time      `json:"notBefore"`
	NotAfter   time.Time      `json:"notAfter"`
	FQANs      []string       `json:"fqans"`
	Attributes []attributeDoc `json:"attributes"`
	Verified   bool           `json:"verified"`
	Fault      string         `json:"fault"`
	URI        string         `json:"uri"`
}

type attributeDoc struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Qualifier string `json:"qualifier"`
}

type findingDoc struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// inspectJSON prints the array element by element, laid out as if it were printed whole.
func (a *app) inspectJSON(ctx context.Context, in *inspection, files []string) error {
	in.show = func(r *inspect.Report) shown {
		data, err := inspectElement(inspectDocOf(r, in.Now))
		if err != nil { // strings, numbers and times of four-digit years: there is none
			panic(err)
		}
		return shown{out: data, bad: !r.Verified()}
	}
	code, open := exitOK, "[\n"
	out := bufio.NewWriterSize(a.stdout, 32<<10)
	err := in.each(ctx, files, func(s shown) error {
		if s.bad {
			code = exitFailed
		}
		out.WriteString(open)
		out.Write(s.out)
		open = ",\n"
		return a.unhurried(out)
	})
	if err != nil {
		_ = out.Flush() // what there is
		return err
	}
	if open == "[\n" {
		open = "["
	} else {
		open = "\n"
	}
	out.WriteString(open + "]\n")
	if err := out.Flush(); err != nil {
		return err
	}
	return exit(code)
}

func inspectElement(d inspectDoc) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("  ")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("  ", "  ")
	err := enc.Encode(d)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func inspectDocOf(r *inspect.Report, now time.Time) inspectDoc {
	d := inspectDoc{File: r.Path, Verified: r.Verified(), Fault: r.Fault, Chain: []chainDoc{}, ACs: []acDoc{}, Findings: []findingDoc{}}
	d.Path, d.Kind, d.State, d.Reason = r.Path, string(plan.User), string(r.State), r.Fault
	d.FQANs = append([]string{}, r.FQANs...)
	for _, f := range r.Findings {
		d.Findings = append(d.Findings, findingDoc{ID: f.ID, Message: findingText(r.Path, f), Remedy: f.Remedy})
	}
	leaf := r.Leaf()
	if leaf == nil {
		return d
	}
	d.Identity, d.Subject, d.Issuer, d.VO = r.Identity, leaf.Subject, leaf.Issuer, r.VO
	d.Type, d.Limited, d.KeyType, d.KeyBits = string(leaf.Type), r.Limited, leaf.KeyType, leaf.KeyBits
	d.SetTimes(fourDigits(r.NotAfter), fourDigits(r.ACNotAfter), fourDigits(r.EffectiveEnd), now)
	for i := range r.Chain {
		d.Chain = append(d.Chain, chainDocOf(&r.Chain[i]))
	}
	for i := range r.ACs {
		d.ACs = append(d.ACs, acDocOf(&r.ACs[i]))
	}
	return d
}

func chainDocOf(c *inspect.Certificate) chainDoc {
	return chainDoc{Subject: c.Subject, Issuer: c.Issuer, Serial: fmt.Sprintf("%x", c.SerialNumber), NotBefore: fourDigits(c.NotBefore),
		NotAfter: fourDigits(c.NotAfter), Type: string(c.Type), KeyType: c.KeyType, KeyBits: c.KeyBits,
		SignatureAlgorithm: proxycert.SignatureName(c.Certificate), PathLen: c.PathLen, Policy: firstOf(c.Malformed, c.Policy)}
}

func acDocOf(ac *inspect.AC) acDoc {
	d := acDoc{VO: ac.VO, Issuer: ac.Issuer.String(), Serial: fmt.Sprintf("%x", ac.SerialNumber), NotBefore: fourDigits(ac.NotBefore),
		NotAfter: fourDigits(ac.NotAfter), FQANs: append([]string{}, ac.RawFQANs...), Attributes: []attributeDoc{},
		Verified: ac.Fault == "", Fault: ac.Fault, URI: uriOf(ac)}
	for _, t := range ac.Attributes {
		d.Attributes = append(d.Attributes, attributeDoc(t))
	}
	return d
}

// uriOf is the host and port of an AC's policy authority, as voms-proxy-info prints it.
func uriOf(ac *inspect.AC) string { return strings.TrimPrefix(ac.PolicyAuthority, ac.VO+"://") }

// fourDigits is a moment in UTC that JSON can have. The last hours of the year 9999 somewhere else are in the year 10000
// there, and a certificate may say so.
func fourDigits(t time.Time) time.Time {
	t = t.UTC()
	switch first, last := time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); {
	case t.IsZero():
		return t
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}
