package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A registered is a user proxy as the configuration shall have it.
type registered struct {
	oldbox.Registration
	name     string
	path     string        // of the file that is there; empty: the name that vobox-proxy would give it
	pattern  string        // that env files take the newest file of, if it is this one's alone; for the configuration
	lifetime time.Duration // zero: the default
	note     string
}

// file is where the proxy is or will be.
func (r registered) file(vo *oldbox.VO) string {
	if r.path != "" {
		return r.path
	}
	return filepath.Join(vo.Repository, r.legacyName())
}

func (r registered) legacyName() string {
	voms := r.VO
	if r.Primary != "" {
		voms += ":" + r.Primary
	}
	return credfile.EscapeName(r.Identity, voms)
}

// jalienWants is what JAliEn's CE wants to be left of an attribute certificate: 165600 s, if CE_PROXYTHRESHOLD is not set.
const jalienWants = 46 * time.Hour

// chooseProxies says which user proxies the configuration keeps: those of the repository that are valid, or else the one
// that was valid last; or that of the flags, or of the login session.
func (i *initiator) chooseProxies() error {
	i.lookAround()
	regs := i.vo.Registrations()
	if len(regs) == 0 || i.f.dn != "" {
		extra, err := i.otherProxy()
		if err != nil {
			return err
		}
		if extra != nil {
			regs = slices.DeleteFunc(regs, func(r oldbox.Registration) bool {
				return sameDN(r.Identity, extra.Identity) && r.Primary == extra.Primary
			})
			regs = append([]oldbox.Registration{*extra}, regs...)
		}
	}
	valid := slices.ContainsFunc(regs, func(r oldbox.Registration) bool { return r.Best != nil || len(r.Files) == 0 })
	if !valid && len(regs) > 0 {
		slices.SortStableFunc(regs, func(a, b oldbox.Registration) int { return lastEnd(b).Compare(lastEnd(a)) })
	}
	taken := map[string]bool{plan.MachineName: true}
	var dead []string
	for n, r := range regs {
		if why := beyond(r); why != "" {
			i.tell("REPO-FILE", plan.Warning, i.vo.Repository, "has a proxy of "+r.Identity+" that no configuration can have: "+why, "look at it: vobox-reconcile inspect -r "+shellWord(i.vo.Repository), "VO-Box")
			continue
		}
		if r.Best == nil && len(r.Files) > 0 && (valid || n > 0) {
			dead = append(dead, fmt.Sprintf("%s (%s)", r.Identity, firstOf(r.Primary, "no attributes")))
			continue
		}
		i.stays = append(i.stays, i.registered(r, taken))
	}
	i.choosePatterns()
	if len(dead) > 0 {
		i.tell("REPO-EXPIRED", plan.Warning, i.vo.Repository, "has no valid proxy any more of "+strings.Join(dead, "; ")+": left out of the configuration",
			"log in with a fresh proxy and type: vobox-reconcile register", "VO-Box")
	}
	for _, e := range i.vo.Entries {
		if e.Err != nil || e.Report != nil && e.Identity() == "" {
			i.tell("REPO-FILE", plan.Warning, e.Path, "is in the repository, and it cannot be told whose proxy it is: "+whyNot(e), "look at it: vobox-reconcile inspect "+shellWord(e.Path), "VO-Box")
		}
	}
	return nil
}

// beyond says why a registration cannot be written into a configuration: names that other VOs' servers or CAs have made up.
func beyond(r oldbox.Registration) string {
	if r.Primary == "" {
		return ""
	}
	if _, err := attrcert.ParseFQAN(r.Primary); err != nil {
		return err.Error()
	}
	if !formOK(r.VO) {
		return fmt.Sprintf("%q is not the name of a VO in lower case", r.VO)
	}
	return ""
}

// choosePatterns has the configuration keep the best file of the pattern that an env file takes the newest of: then every
// pass tells when the two differ.
func (i *initiator) choosePatterns() {
	for _, f := range i.vo.EnvFiles {
		pattern, ok := f.NewestRule("X509_USER_PROXY")
		if !ok || filepath.Dir(pattern) != i.vo.Repository {
			continue
		}
		at, n := 0, 0
		for k, r := range i.stays {
			if match, err := filepath.Match(pattern, r.file(i.vo)); match && err == nil {
				at, n = k, n+1
			}
		}
		if n == 1 {
			i.stays[at].pattern = filepath.Base(pattern)
		}
	}
}

func whyNot(e oldbox.Entry) string {
	if e.Err != nil {
		return e.Err.Error()
	}
	if e.Report.Fault == "" && !e.Usable() {
		return "it carries no attributes"
	}
	return e.Report.Fault
}

func lastEnd(r oldbox.Registration) time.Time {
	if len(r.Files) == 0 {
		return time.Time{}
	}
	return r.Files[0].End()
}

// registered completes a registration with what the configuration says of it.
func (i *initiator) registered(r oldbox.Registration, taken map[string]bool) registered {
	out := registered{Registration: r, name: proxyName(r.Primary, r.Identity, taken)}
	best := r.Best
	if best == nil && len(r.Files) > 0 {
		best = r.Files[0]
		why := "cannot be used: " + whyNot(*best)
		if best.Report != nil && best.Report.State == inspect.Expired {
			why = "expired on " + plan.Clock(best.End())
		}
		out.note = why
		i.tell("PROXY-LOW", plan.Critical, out.name, "the newest proxy of "+r.Identity+" in the repository "+why, "log in with a fresh proxy and type: vobox-reconcile", "VO-Box")
	}
	if best == nil {
		return out
	}
	if filepath.Base(best.Path) != out.legacyName() {
		out.path = best.Path
	}
	if out.note == "" {
		out.note = "found, valid until " + plan.Clock(best.End())
	}
	i.lifetimeOf(&out, best)
	return out
}

// lifetimeOf keeps the lifetime that the proxies were renewed for; for JAliEn, which wants more, that is told.
func (i *initiator) lifetimeOf(r *registered, best *oldbox.Entry) {
	had := best.Lifetime()
	hours := wholeHours(had)
	if !best.Usable() || hours <= 0 || hours >= 47 && hours <= 48 {
		return
	}
	lasts := time.Duration(hours) * time.Hour
	if i.vo.Name != "alice" || lasts > jalienWants {
		r.lifetime = lasts
		return
	}
	i.tell("PROXY-SHORT", plan.Warning, r.name, fmt.Sprintf("was made for %s, and JAliEn's CE wants more than %s: the configuration asks for 48h", plan.Span(lasts), plan.Span(jalienWants)),
		plan.StoreCommand(plan.MyProxy{Server: i.server.Value}, 48*time.Hour), "LCG-UI")
}

// otherProxy is a registration that the repository does not have: of the flags, or of the proxy of the login session.
func (i *initiator) otherProxy() (*oldbox.Registration, error) {
	if i.f.dn != "" {
		if _, err := dn.Parse(i.f.dn); err != nil {
			return nil, usage("--dn: %v", err)
		}
		vo, fqan := oldbox.SplitVOMS(firstOf(i.f.voms, i.vo.Name))
		if _, err := attrcert.ParseFQAN(fqan); err != nil {
			return nil, usage("--voms takes VO or VO:FQAN, not %q: %v", i.f.voms, err)
		}
		return &oldbox.Registration{Identity: i.f.dn, VO: vo, Primary: fqan}, nil
	}
	login := i.getenv("X509_USER_PROXY")
	if login == "" || filepath.Dir(login) == i.vo.Repository || login == i.vo.Machine.Path {
		return nil, nil
	}
	in := &inspect.Inspector{Store: i.source.Trust, Now: i.now(), UID: -1}
	r := in.File(login)
	if r.State != inspect.OK || r.VO == "" {
		return nil, nil
	}
	return &oldbox.Registration{Identity: r.Identity, VO: r.VO, Primary: r.FQANs[0]}, nil
}

// proxyName is a name for a proxy: the role, else the last group, with the person's name where that is taken.
func proxyName(primary, identity string, taken map[string]bool) string {
	name := "plain"
	if f, err := attrcert.ParseFQAN(primary); err == nil && primary != "" {
		name = strings.ToLower(f.Role)
		if name == "" {
			name = f.Group[strings.LastIndex(f.Group, "/")+1:]
		}
	}
	name = slug(name)
	if taken[name] {
		person := ""
		if id, err := dn.Parse(identity); err == nil {
			person, _ = id.LastCN()
		}
		name = slug(name + "-" + person)
	}
	base := name
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	taken[name] = true
	return name
}

// slug makes text a name that the configuration takes.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ', r == '/':
			return '-'
		}
		return -1
	}, s)
	s = strings.Trim(s, "-._")
	if s == "" {
		return "proxy"
	}
	return strings.Trim(s[:min(len(s), 56)], "-._")
}

func sameDN(a, b string) bool {
	x, err1 := dn.Parse(a)
	y, err2 := dn.Parse(b)
	return err1 == nil && err2 == nil && x.Equal(y)
}

// lookAround tells what is not as it should be, besides the user proxies.
func (i *initiator) lookAround() {
	i.lookAtHost()
	i.lookAtVOMS()
	if i.vo.Name == "alice" && i.vo.InitScript == "" && len(i.vo.EnvFiles) > 0 {
		i.tell("JALIEN-CHECK", plan.Warning, i.below("/etc/init.d/alice-box-proxyrenewal"), "does not exist: without it JAliEn's CE skips its hourly look at the proxy, and says nothing",
			"vobox-reconcile init --print init-script > /etc/init.d/alice-box-proxyrenewal; chmod 755 /etc/init.d/alice-box-proxyrenewal", "site admin")
	}
	for _, job := range i.box.Jobs {
		if job.VO == "" {
			i.tell("CRON-OTHER", plan.Warning, fmt.Sprintf("%s:%d", job.File, job.Line), "makes or renews proxies as well: "+job.Text, "look whether it is still needed", "site admin")
		}
	}
}

func (i *initiator) lookAtHost() {
	host, machine := i.box.Host, i.vo.Machine
	now := i.now()
	switch {
	case host.Subject == "":
		i.tell("HOST-CERT", plan.Warning, host.Path, fmt.Sprintf("is not there or cannot be read: %v", host.Err), "install the host certificate and its key in /etc/grid-security", "site admin")
	case !now.Before(host.NotAfter):
		i.tell("HOST-CERT", plan.Critical, host.Path, "the host certificate expired on "+plan.Clock(host.NotAfter), "ask your CA for a new host certificate", "site admin")
	}
	if machine.Exists && !machine.Usable() {
		i.tell("HOST-PROXY", plan.Critical, machine.Path, "the machine proxy cannot be used: "+firstOf(whyNotMachine(machine), "it expired"), "run vobox-reconcile as root", "site admin")
	}
}

func whyNotMachine(e oldbox.Entry) string {
	if e.Report != nil && e.Report.State == inspect.Expired {
		return "it expired on " + plan.Clock(e.Report.EffectiveEnd)
	}
	return whyNot(e)
}

func (i *initiator) lookAtVOMS() {
	servers, _ := voms.Load(i.vomses())
	if len(voms.ForVO(servers, strings.ToLower(i.vo.Name))) == 0 {
		i.tell("VO-VOMSES", plan.Warning, strings.Join(i.vomses(), ", "), "names no VOMS server of "+i.vo.Name, "install the VO's vomses file (wlcg-iam-vomses-"+strings.ToLower(i.vo.Name)+")", "site admin")
	}
	lsc, _ := filepath.Glob(filepath.Join(i.vomsdir(), strings.ToLower(i.vo.Name), "*.lsc"))
	if len(lsc) == 0 {
		i.tell("VO-LSC", plan.Warning, filepath.Join(i.vomsdir(), strings.ToLower(i.vo.Name)), "holds no LSC file", "install the VO's LSC files (wlcg-iam-lsc-"+strings.ToLower(i.vo.Name)+")", "site admin")
	}
}

// vomses are the files or directories of vomses lines.
func (i *initiator) vomses() []string {
	var out []string
	for _, name := range []string{"X509_VOMSES", "X509_VOMS_FILE"} {
		if v := i.getenv(name); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, path := range []string{"/etc/vomses", "/etc/grid-security/vomses", "/opt/glite/etc/vomses"} {
		servers, _ := voms.Load([]string{i.below(path)})
		if len(voms.ForVO(servers, strings.ToLower(i.vo.Name))) > 0 {
			return []string{i.below(path)}
		}
	}
	return []string{i.below("/etc/vomses")}
}
