package gridtest

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A want is what a request asks for, whichever protocol it came by.
type want struct {
	vo       string
	fqans    []string // short form, or as written where that is no FQAN
	all      bool     // every group and role
	order    []string
	targets  []string
	lifetime time.Duration // below 0: as long as possible
	warnings []notice
}

// A notice is an error or a warning. Numbers below 1000 are warnings.
type notice struct {
	number int
	word   string // vomsd's REST code
	text   string
}

// Numbers and words of vomsd, and IAM's numbers where they differ.
var (
	noUser      = notice{1001, "NoSuchUser", ""}
	cannot      = notice{1001, "BadRequest", ""}
	empty       = notice{1002, "BadRequest", ""}
	suspended   = notice{1004, "SuspendedUser", ""}
	badRequest  = notice{1006, "BadRequest", ""}
	noAttribute = notice{1007, "BadRequest", ""}
)

func (n notice) says(format string, args ...any) *notice {
	n.text = fmt.Sprintf(format, args...)
	return &n
}

// A grant is an AC and what is said with it.
type grant struct {
	ac       []byte
	warnings []notice
}

// answer decides about a request.
func (c *vomsSession) answer(w want) (*grant, *notice) {
	vo, ok := c.s.vo(w.vo)
	c.log.FQANs, c.log.Lifetime = w.fqans, w.lifetime
	if !ok {
		vo, _ = c.s.vo("")
		return nil, c.unsatisfied(vo, w.fqans[0])
	}
	if c.fault.Kind == ErrorReply {
		n := notice{1006, "InternalError", "as told"}
		if len(c.fault.Lines) > 0 {
			n.word = c.fault.Lines[0]
			fmt.Sscanf(n.word, "%d", &n.number)
		}
		if len(c.fault.Lines) > 1 {
			n.text = strings.Join(c.fault.Lines[1:], "\n")
		}
		return nil, &n
	}
	m, no := c.member(vo)
	if no != nil {
		return nil, no
	}
	fqans, no := c.choose(vo, m, &w)
	if no != nil {
		return nil, no
	}
	return c.issue(vo, m, fqans, w)
}

// member finds the client in the VO.
func (c *vomsSession) member(vo VO) (*Member, *notice) {
	m := vo.find(c.peer.name)
	iam := c.s.o.Style == IAM
	switch {
	case m == nil || c.fault.Kind == UnknownVO:
		if iam {
			issuer := c.peer.chain[len(c.peer.chain)-1].Issuer.String()
			return nil, noUser.says("User unknown to this VO: '%s' (issued by '%s')", c.peer.name, issuer)
		}
		return nil, noUser.says("%s: User unknown to this VO.", vo.Name)
	case m.Suspended != "" && iam:
		return nil, suspended.says("User '%s' is not active.", c.peer.name)
	case m.Suspended != "":
		return nil, suspended.says("%s: User is currently suspended! Reason: %s", vo.Name, m.Suspended)
	case m.AUP && iam:
		return nil, suspended.says("User %s needs to sign AUP for organization %s", c.peer.name, vo.Name)
	}
	return m, nil
}

// unsatisfied words the refusal of one FQAN.
func (c *vomsSession) unsatisfied(vo VO, fqan string) *notice {
	if c.s.o.Style == IAM {
		return noAttribute.says("User is not authorized to request attribute '%s' or attribute does not exist.", fqan)
	}
	group, role, ok := strings.Cut(fqan, "/Role=")
	switch {
	case ok:
		fqan = "B" + group + ":" + role
	case strings.HasPrefix(fqan, "/"):
		fqan = "G" + fqan
	}
	return cannot.says("%s: Unable to satisfy %s request!", vo.Name, fqan)
}

// choose lists the FQANs of the AC: those asked for, then the other groups the member is in; roles only on request.
func (c *vomsSession) choose(vo VO, m *Member, w *want) ([]string, *notice) {
	main := "/" + vo.Name
	held := []string{main}
	for _, f := range m.FQANs {
		if !slices.Contains(held, f) {
			held = append(held, f)
		}
	}
	var list []string
	add := func(f string) {
		if !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	for _, f := range w.order {
		if slices.Contains(w.fqans, f) {
			add(f)
		}
	}
	for _, f := range w.fqans {
		if !slices.Contains(held, f) {
			return nil, c.unsatisfied(vo, f)
		}
		add(f)
	}
	for _, f := range held {
		if w.all || !strings.Contains(f, "/Role=") {
			add(f)
		}
	}
	return c.limit(vo, list, w)
}

// limit drops what is not also in an AC that the client already carries, as vomsd does.
func (c *vomsSession) limit(vo VO, list []string, w *want) ([]string, *notice) {
	acs, err := attrcert.FromChain(c.peer.chain)
	if err != nil || len(acs) == 0 || c.s.o.Style == IAM {
		return list, nil
	}
	var old []string
	for _, ac := range acs {
		for _, f := range ac.FQANs {
			old = append(old, attrcert.Normalize(f))
		}
	}
	n := len(list)
	list = slices.DeleteFunc(list, func(f string) bool { return !slices.Contains(old, f) })
	switch {
	case len(list) == 0:
		return nil, empty.says("%s: Your certificate already contains attributes, only a subset of them can be issued.", vo.Name)
	case len(list) < n:
		w.warnings = append(w.warnings, notice{3, "", fmt.Sprintf("%s: Your certificate already contains attributes, only a subset of them can be issued.", c.s.Addr())})
	}
	return list, nil
}

// lifetime cuts what was asked to what is given.
func (c *vomsSession) lifetime(vo VO, w *want) time.Duration {
	most := c.s.maxLifetime(vo)
	if c.fault.Kind == Shorten && c.fault.Lifetime < most {
		most = c.fault.Lifetime
	}
	switch d := w.lifetime; {
	case d < 0:
		return most
	case d > most:
		text := fmt.Sprintf("%s: The validity of this VOMS AC in your proxy is shortened to %d seconds!", c.s.Addr(), int(most.Seconds()))
		if c.s.o.Style == IAM {
			text = fmt.Sprintf("WARNING: %s : The validity of this VOMS AC in your proxy is shortened to %d seconds, which is the maximum allowed by this server's configuration.", vo.Name, int(most.Seconds()))
		}
		w.warnings = append(w.warnings, notice{2, "", text})
		return most
	default:
		return d
	}
}

// issue makes the AC.
func (c *vomsSession) issue(vo VO, m *Member, fqans []string, w want) (*grant, *notice) {
	d := c.lifetime(vo, &w)
	if c.fault.Kind == ZeroLifetime {
		d = 0
	}
	now := c.s.now().Truncate(time.Second)
	t := attrcert.Template{VO: vo.Name, Host: "localhost", Port: c.s.Port(), Attributes: m.Attributes, NotBefore: now, NotAfter: now.Add(d),
		IssuerHolder: vo.IssuerHolder, Targets: w.targets}
	if c.fault.Kind == WrongVO {
		t.VO = "other" + vo.Name
	}
	for _, f := range fqans {
		if c.fault.Kind == WrongVO {
			f = "/other" + strings.TrimPrefix(f, "/")
		}
		t.FQANs = append(t.FQANs, longFQAN(f, vo.ShortFQANs || c.s.o.Style == IAM))
	}
	holder, err := c.holder()
	if err != nil {
		return nil, badRequest.says("%s: %v", vo.Name, err)
	}
	ac, err := attrcert.Issue(t, holder, c.s.o.Host.Chain, c.s.o.Host.Key)
	if err != nil {
		return nil, badRequest.says("%s: %v", vo.Name, err)
	}
	if c.fault.Kind == WrongSignature {
		ac[len(ac)-1] ^= 1 // the signature stands last
	}
	c.log.Granted, c.log.Given = d, t.FQANs
	return &grant{ac: ac, warnings: w.warnings}, nil
}

// holder is whom the AC is about; a fault makes it somebody else.
func (c *vomsSession) holder() (*x509.Certificate, error) {
	if c.fault.Kind != WrongIdentity {
		return c.eec(), nil
	}
	other, err := c.s.o.CA.Issue(CertRequest{Subject: c.s.o.CA.Below("CN=Somebody Else")})
	if err != nil {
		return nil, err
	}
	return other.Leaf(), nil
}

// longFQAN writes a short FQAN the way vomsd does unless told otherwise.
func longFQAN(f string, short bool) string {
	if short {
		return f
	}
	if !strings.Contains(f, "/Role=") {
		f += "/Role=NULL"
	}
	return f + "/Capability=NULL"
}

// Attest issues an AC about c's end-entity certificate without the protocol and without asking who is a member. The
// FQANs are given in short form and written as the VO does.
func (s *VOMS) Attest(vo string, c *proxycert.Credential, lifetime time.Duration, fqans ...string) ([]byte, error) {
	v, ok := s.vo(vo)
	if !ok {
		return nil, fmt.Errorf("issuing an AC: no VO %q", vo)
	}
	now := s.now().Truncate(time.Second)
	t := attrcert.Template{VO: v.Name, Host: "localhost", Port: s.Port(), NotBefore: now, NotAfter: now.Add(lifetime), IssuerHolder: v.IssuerHolder}
	for _, f := range fqans {
		t.FQANs = append(t.FQANs, longFQAN(f, v.ShortFQANs || s.o.Style == IAM))
	}
	if m := v.find(c.Identity().String()); m != nil {
		t.Attributes = m.Attributes
	}
	return attrcert.Issue(t, c.Chain[len(c.Chain)-1], s.o.Host.Chain, s.o.Host.Key)
}
