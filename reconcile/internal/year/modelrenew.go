package year

import (
	"errors"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// renew is the engine's way to a new credential.
func (m *model) renew(c plan.Credential) error {
	if m.hook() {
		return errKilled
	}
	if c.Kind == plan.Machine {
		return m.renewMachine(c)
	}
	if p := m.proxies[plan.MachineName]; p == nil || !m.BoxNow().Before(p.end) {
		return errors.New("there is no machine proxy")
	}
	var fresh proxy
	var g plan.Grant
	var err error
	for try := range 3 {
		if try > 0 {
			m.Sleep(time.Duration(try+1) * time.Second)
		}
		fresh, g, err = m.issue(c)
		var r *Refusal
		if err == nil || errors.As(err, &r) && !r.Temporary {
			break
		}
	}
	if err != nil {
		return err
	}
	if m.hook() {
		return errKilled
	}
	return m.take(c, fresh, g)
}

// take applies the never-worse rule, and keeps what was granted.
func (m *model) take(c plan.Credential, fresh proxy, g plan.Grant) error {
	now := m.BoxNow()
	old, st := m.state(c), judged(plan.CredentialState{}, fresh, now)
	var worse error
	switch {
	case st.Fault != "":
		worse = errors.New(st.Fault)
	case !now.Before(fresh.end):
		worse = errors.New("it has ended already")
	case old.Usable(now) && !fresh.end.After(old.EffectiveEnd):
		worse = errors.New("the one in place lasts longer")
	}
	if st.Fault == "" {
		g.Time, g.Granted, g.Taken = now, fresh.end.Sub(now), worse == nil
		if g.AC.Limit == plan.LimitNone && fresh.end.Before(fresh.own.Add(-plan.Slack(g.Asked))) {
			g.AC = plan.Share{Granted: g.Granted, Limit: plan.LimitSigner}
		}
		g.Stale = g.Stale && !m.booted && g.Proxy.Limit == plan.LimitNone && g.AC.Limit == plan.LimitNone
		m.grant = &g
	}
	if worse != nil {
		return worse
	}
	if m.hook() {
		return errKilled
	}
	m.put(c.Name, fresh)
	if m.hook() {
		return errKilled
	}
	return nil
}

func (m *model) put(name string, p proxy) {
	m.proxies[name] = &p
	m.changed = m.Now()
	m.Log.place(m.Now(), name, p.end)
}

func (m *model) renewMachine(c plan.Credential) error {
	now := m.BoxNow().Truncate(time.Second)
	_, end := m.Host()
	if !now.Before(end) {
		return &Refusal{"the box", "HOST-CERT", false}
	}
	fresh := proxy{begin: now.Add(-skew), end: earlier(now.Add(c.Lifetime), end)}
	if old := m.state(c); old.Usable(m.BoxNow()) && !fresh.end.After(old.EffectiveEnd) {
		return errors.New("the one in place lasts longer")
	}
	if m.hook() {
		return errKilled
	}
	m.put(c.Name, fresh)
	return nil
}

// issue is package issue without cryptography.
func (m *model) issue(c plan.Credential) (proxy, plan.Grant, error) {
	asked := m.BoxNow()
	d, err := m.Delegate(c.Lifetime)
	if err != nil {
		return proxy{}, plan.Grant{}, err
	}
	g := grantOf(d, c.Lifetime, asked)
	g.Source = c.Source.String()
	p := proxy{begin: d.Begin, end: d.End}
	asked = m.BoxNow()
	lifetime := min(c.Lifetime, d.End.Sub(asked)).Truncate(time.Second)
	if lifetime <= 0 {
		return proxy{}, plan.Grant{}, errors.New("the credential to sign with has ended")
	}
	a, err := m.Attest(lifetime)
	if err != nil {
		return proxy{}, plan.Grant{}, err
	}
	g.AC.Granted = a.End.Sub(asked)
	if g.AC.Granted < lifetime-plan.Slack(lifetime) {
		if a.End.Sub(a.Begin) < min(c.Lifetime, g.Proxy.Granted)-plan.Slack(lifetime) {
			g.AC.Limit = plan.LimitAC
		} else {
			g.Stale = true
		}
	}
	if g.Proxy.Limit == plan.LimitStored && d.End.Sub(d.Begin) >= c.Lifetime {
		g.Proxy.Limit, g.Stale = plan.LimitNone, true // all of it, by the clock of the server
	}
	p.begin = later(p.begin, m.BoxNow().Truncate(time.Second).Add(-skew))
	p.acBegin = a.Begin
	p.own = earlier(p.end, a.End)
	p.end = earlier(p.own, a.SignerEnd)
	return p, g, nil
}

// grantOf says how long a delegated proxy lasts and what kept it shorter than asked, as package issue does from its chain.
func grantOf(d Delegation, asked time.Duration, now time.Time) plan.Grant {
	g := plan.Grant{Time: now, Asked: asked, Proxy: plan.Share{Granted: d.End.Sub(now)}, StoredEnd: d.StoredEnd}
	switch {
	case g.Proxy.Granted >= asked-plan.Slack(asked):
	case d.StoredEnd.Sub(d.End) > time.Minute:
		g.Proxy.Limit = plan.LimitStored
	case d.CertEnd.Sub(d.StoredEnd).Abs() <= time.Minute:
		g.Proxy.Limit = plan.LimitCert
	default:
		g.Proxy.Limit = plan.LimitEnd
	}
	return g
}
