package cases

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// Judge gives our verdict on a case below dir: the file's, then the chain's, then that of its attribute certificates. Reason
// is the whole refusal, EndsWith all the words for what ends first.
func Judge(dir string, c Case) (Want, error) {
	data, err := os.ReadFile(filepath.Join(dir, c.File))
	if err != nil {
		return Want{}, err
	}
	store := &trust.Store{
		Certificates: filepath.Join(dir, c.Certificates), VOMSDir: filepath.Join(dir, c.VOMSDir), Host: c.Host,
		CRL: trust.CRLMode(c.CRL), AllowWeak: c.AllowWeak,
	}
	certs, held, err := read(data, c.Passphrase)
	if err != nil {
		return Want{Verdict: Refuse, Stage: StageFile, Reason: err.Error()}, nil
	}
	verify := store.VerifyChain
	if held {
		verify = store.VerifyPeer
	}
	result, err := verify(certs, c.At)
	if err != nil {
		return refusal(StageChain, err)
	}
	w := Want{
		Verdict: Accept, Identity: result.Identity.String(), Type: string(result.Type), Limited: result.Limited, EndsWith: result.EndsWith,
	}
	return judgeACs(store, c, result, w)
}

// read returns a file's certificates. If there is a key its certificate is the first of them, and held is true.
func read(data []byte, passphrase *string) (certs []*x509.Certificate, held bool, err error) {
	file, err := credfile.ParseAll(data)
	if err == nil && file.PKCS12() {
		var ask func() ([]byte, error)
		if passphrase != nil {
			ask = func() ([]byte, error) { return []byte(*passphrase), nil }
		}
		err = file.Open(ask)
	}
	switch {
	case err != nil:
		return nil, false, err
	case file.Key != nil || file.Encrypted && !file.PKCS12():
		cred, err := file.Credential()
		if err != nil {
			return nil, false, err
		}
		return append([]*x509.Certificate{cred.Leaf()}, file.Certificates...), true, nil
	case len(file.Certificates) > 0:
		if err := file.Headless(); err != nil {
			return nil, false, err
		}
		// A proxy is of no use without its key; a user or CA certificate is a certificate file.
		if chain, err := proxycert.SortChain(file.Certificates, nil); err == nil {
			if info, _ := proxycert.Classify(chain[0]); info.IsProxy() {
				return nil, false, credfile.ErrNoKey
			}
		}
		return file.Certificates, false, nil
	}
	return nil, false, errors.Join(append(file.Faults, credfile.ErrNoCertificate)...)
}

func judgeACs(store *trust.Store, c Case, result *trust.Result, w Want) (Want, error) {
	own := proxycert.Own(result.Chain)
	acs, err := attrcert.FromChain(own)
	if err != nil {
		w.Verdict, w.Stage, w.Reason = Refuse, StageAC, err.Error()
		return w, nil
	}
	for _, ac := range acs {
		if _, err := store.VerifyAC(ac, own[len(own)-1], c.At); err != nil {
			r, err := refusal(StageAC, err)
			if err != nil {
				return Want{}, err
			}
			if w.Verdict == Accept {
				w.Verdict, w.Stage, w.ID, w.Reason = r.Verdict, r.Stage, r.ID, r.Reason
			}
			continue
		}
		w.VOs = append(w.VOs, ac.VO)
		w.FQANs = append(w.FQANs, ac.FQANs...)
		for _, a := range ac.Attributes {
			w.Attributes = append(w.Attributes, [3]string{a.Name, a.Value, a.Qualifier})
		}
	}
	return w, nil
}

// refusal wants an *trust.Error of one line.
func refusal(stage string, err error) (Want, error) {
	var e *trust.Error
	if !errors.As(err, &e) {
		return Want{}, fmt.Errorf("the refusal is no *trust.Error: %w", err)
	}
	if e.ID == "" || e.Msg == "" || strings.ContainsAny(e.Msg, "\r\n") {
		return Want{}, fmt.Errorf("the refusal has the id %q and the message %q, which is not one line", e.ID, e.Msg)
	}
	return Want{Verdict: Refuse, Stage: stage, ID: e.ID, Reason: e.Msg}, nil
}

// Compare says how a verdict differs from the one a case deserves, or nothing.
func (w Want) Compare(got Want) error {
	switch {
	case got.Verdict != w.Verdict:
		return fmt.Errorf("the verdict is %s, want %s (%s)", got.Verdict, w.Verdict, got.why())
	case got.Stage != w.Stage || got.ID != w.ID:
		return fmt.Errorf("refused as %s %s, want %s %s (%s)", got.Stage, got.ID, w.Stage, w.ID, got.why())
	case !strings.Contains(got.Reason, w.Reason):
		return fmt.Errorf("the reason is %q, which lacks %q", got.Reason, w.Reason)
	case got.Identity != w.Identity || got.Type != w.Type || got.Limited != w.Limited:
		return fmt.Errorf("it is %q, %s, limited %v, want %q, %s, limited %v", got.Identity, got.Type, got.Limited, w.Identity, w.Type, w.Limited)
	case w.EndsWith != "" && !strings.HasPrefix(got.EndsWith, "the "+w.EndsWith+" "):
		return fmt.Errorf("what ends first is %q, want the %s", got.EndsWith, w.EndsWith)
	case !slices.Equal(got.VOs, w.VOs) || !slices.Equal(got.FQANs, w.FQANs):
		return fmt.Errorf("the VOs are %q and the FQANs %q, want %q and %q", got.VOs, got.FQANs, w.VOs, w.FQANs)
	case !slices.Equal(got.Attributes, w.Attributes):
		return fmt.Errorf("the generic attributes are %q, want %q", got.Attributes, w.Attributes)
	}
	return nil
}

func (w Want) why() string {
	if w.Verdict == Accept {
		return fmt.Sprintf("%s, %s", w.Identity, w.Type)
	}
	return w.Stage + " " + w.ID + ": " + w.Reason
}
