package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// complete applies the defaults that the table can only describe in words, and checks what needs more than one value.
func (r *reader) complete(c *Config) {
	object{c.fields()}.finish(r, "")
	r.directories(c)
	r.trust(&c.Trust)
	r.machineProxy(c)
	r.myproxy(c)
	for i := range c.Proxies {
		r.proxy(c, &c.Proxies[i], index("proxies", i))
	}
	r.names(c)
	r.written(c)
	for i := range c.EnvFiles {
		r.envFile(c, &c.EnvFiles[i], index("envFiles", i))
	}
	for i := range c.Services {
		r.service(c, &c.Services[i], index("services", i))
	}
	for i := range c.Alerts {
		if e := c.Alerts[i].Email; e != nil {
			r.email(c, e, index("alerts", i)+".email")
		}
	}
}

func (r *reader) directories(c *Config) {
	c.Root = c.rootDir()
	c.Repository = orElse(c.Repository, filepath.Join(c.Root, "proxy_repository"))
	c.State = c.stateDir()
}

// rootDir and stateDir are those directories as they were given, or their defaults.
func (c *Config) rootDir() string { return orElse(c.Root, "/var/lib/vobox/"+c.VO) }

func (c *Config) stateDir() string { return orElse(c.State, filepath.Join(c.rootDir(), "reconcile")) }

// trust takes the places that the other grid tools take: those in the environment first.
func (r *reader) trust(t *Trust) {
	if !r.given("trust.certificates") {
		t.Certificates = r.fromEnv("trust.certificates", "X509_CERT_DIR", "/etc/grid-security/certificates")
	}
	if !r.given("trust.vomsdir") {
		t.VOMSDir = r.fromEnv("trust.vomsdir", "X509_VOMS_DIR", "/etc/grid-security/vomsdir")
	}
	if r.given("trust.vomses") {
		return
	}
	for _, name := range []string{"X509_VOMSES", "X509_VOMS_FILE"} {
		if p := r.fromEnv("trust.vomses", name, ""); p != "" && !slices.Contains(t.VOMSES, p) {
			t.VOMSES = append(t.VOMSES, p)
		}
	}
	if len(t.VOMSES) == 0 {
		t.VOMSES = []string{"/etc/vomses"}
	}
}

// fromEnv is a path from an environment variable.
func (r *reader) fromEnv(path, name, otherwise string) string {
	v := r.env.getenv(name)
	switch {
	case v == "":
		return otherwise
	case !filepath.IsAbs(v) || strings.ContainsFunc(v, isControl):
		r.faultAt(path, fmt.Sprintf("$%s is %s, which is not an absolute path", name, shown(v)), "set it to an absolute path, or write the path here")
		return otherwise
	}
	return filepath.Clean(v)
}

func (r *reader) machineProxy(c *Config) {
	m := &c.MachineProxy
	m.Path = orElse(m.Path, filepath.Join(c.Root, "renewal-proxy.pem"))
	if !r.given("machineProxy.renewBelow") {
		m.RenewBelow = m.Lifetime / 2
	}
	if !r.given("machineProxy.manage") {
		m.Manage = r.env.readable(m.Key)
	}
	r.below("machineProxy", "renewBelow", m.RenewBelow, "lifetime", m.Lifetime)
}

// below checks that one duration is less than another beside it.
func (r *reader) below(path, key string, d time.Duration, than string, limit time.Duration) {
	if !r.sound(join(path, key), join(path, than)) || d < limit {
		return
	}
	r.faultAt(join(path, key), fmt.Sprintf("%s is not less than %s, which is %s", FormatDuration(d), than, FormatDuration(limit)),
		"write less than "+FormatDuration(limit))
}

// alertDefault keeps short-lived proxies, for which an hour is long, from alerting all the time.
func alertDefault(renewBelow time.Duration) time.Duration { return min(time.Hour, renewBelow/2) }

func (r *reader) myproxy(c *Config) {
	m := &c.MyProxy
	from := ""
	if !r.given("myproxy.server") {
		if !slices.ContainsFunc(c.Proxies, usesTopServer) {
			return
		}
		m.Server = r.env.getenv("MYPROXY_SERVER")
		if m.Server == "" {
			if !r.torn {
				r.faultAt("myproxy.server", "is missing, and $MYPROXY_SERVER is not set", "write server: "+exampleHost)
			}
			return
		}
		from = "$MYPROXY_SERVER: "
	}
	if !r.sound("myproxy.server") {
		return
	}
	var problem, instead string
	if m.Servers, problem, instead = parseServers(m.Server); problem != "" {
		r.faultAt("myproxy.server", from+problem, instead)
	}
}

// usesTopServer reports whether a proxy needs the server of the top-level myproxy.
func usesTopServer(p Proxy) bool {
	return p.Source.Certificate == nil && (p.Source.MyProxy == nil || p.Source.MyProxy.Server == "")
}

func (r *reader) proxy(c *Config, p *Proxy, path string) {
	if !r.given(path + ".vo") {
		p.VO = c.VO
	}
	r.attributes(p, path)
	if !r.given(path + ".renewBelow") {
		p.RenewBelow = p.Lifetime - p.Lifetime/24
	}
	if !r.given(path + ".alertBelow") {
		p.AlertBelow = alertDefault(p.RenewBelow)
	}
	r.below(path, "renewBelow", p.RenewBelow, "lifetime", p.Lifetime)
	if r.sound(path + ".lifetime") {
		r.below(path, "alertBelow", p.AlertBelow, "renewBelow", p.RenewBelow)
	}
	r.source(c, p)
	r.proxyPath(c, p, path)
}

// attributes checks that the FQANs are of the proxy's VO, and not twice the same.
func (r *reader) attributes(p *Proxy, path string) {
	for i, s := range p.Attributes {
		at := index(path+".attributes", i)
		if !r.sound(at) {
			continue
		}
		f, err := attrcert.ParseFQAN(s)
		if err == nil && p.VO != "" && r.sound("vo", path+".vo") && f.VO() != p.VO {
			r.faultAt(at, fmt.Sprintf("%s is outside the VO %s", s, p.VO), fmt.Sprintf("write an FQAN that begins with /%s, or set the proxy's vo", p.VO))
		}
		if first := slices.Index(p.Attributes, s); first < i {
			r.faultAt(at, fmt.Sprintf("%s is %s.attributes[%d] already", s, path, first), "remove one of the two")
		}
	}
}

// source fills in where the proxy comes from.
func (r *reader) source(c *Config, p *Proxy) {
	if p.Source.Certificate != nil {
		return
	}
	if p.Source.MyProxy == nil {
		p.Source.MyProxy = &MyProxySource{}
	}
	m := p.Source.MyProxy
	if m.Server == "" {
		m.Server, m.Servers, m.ServerDN = c.MyProxy.Server, c.MyProxy.Servers, c.MyProxy.ServerDN
	} else {
		m.Servers, _, _ = parseServers(m.Server) // a fault was reported by the check of the key
		if slices.Equal(m.Servers, c.MyProxy.Servers) {
			m.ServerDN = c.MyProxy.ServerDN
		}
	}
	m.Username = orElse(m.Username, p.DN)
}

// proxyPath applies the legacy name, and puts a glob without a directory into the repository.
func (r *reader) proxyPath(c *Config, p *Proxy, path string) {
	if !r.sound(path+".path", path+".dn", "vo", path+".vo") {
		return
	}
	switch {
	case p.Path == "":
		p.Path = filepath.Join(c.Repository, p.legacyName())
	case !strings.Contains(p.Path, "/"):
		p.Path = filepath.Join(c.Repository, p.Path)
	}
}

// legacyName is the file name that vobox-proxy gives the proxy.
func (p *Proxy) legacyName() string {
	voms := p.VO
	if len(p.Attributes) > 0 {
		voms += ":" + p.Attributes[0]
	}
	return credfile.EscapeName(p.DN, voms)
}

// names checks that a name is used once.
func (r *reader) names(c *Config) {
	proxies, services := map[string]string{}, map[string]string{}
	for i, p := range c.Proxies {
		at := index("proxies", i) + ".name"
		if p.Name == plan.MachineName {
			r.faultAt(at, fmt.Sprintf("%q is the name of the machine proxy", p.Name), "write another name")
		}
		r.once(proxies, p.Name, at, "write another name")
	}
	for i, s := range c.Services {
		r.once(services, s.Name, index("services", i)+".name", "write another name")
	}
}

// written checks that no file is written for two reasons.
func (r *reader) written(c *Config) {
	const instead = "write another path"
	seen := map[string]string{}
	r.once(seen, c.MachineProxy.Path, "machineProxy.path", instead)
	for i, p := range c.Proxies {
		at := index("proxies", i)
		r.once(seen, p.Path, at+".path", instead)
		for j, link := range p.Links {
			r.once(seen, link, index(at+".links", j), instead)
		}
	}
	for i, e := range c.EnvFiles {
		r.once(seen, e.Path, index("envFiles", i)+".path", instead)
	}
	r.once(seen, c.Metrics.Textfile, "metrics.textfile", instead)
}

// once reports a value that was seen before; seen maps values to paths.
func (r *reader) once(seen map[string]string, value, path, instead string) {
	if value == "" || !r.sound(path) {
		return
	}
	first, ok := seen[value]
	if !ok {
		seen[value] = path
		return
	}
	p := nearest(r.places, first)
	r.faultAt(path, fmt.Sprintf("%s is %s already, at %s:%d:%d", shown(value), first, p.file, p.line, p.col), instead)
}

func (r *reader) email(c *Config, e *Email, path string) {
	if !r.given(path + ".from") {
		e.From = orElse(c.User, "vobox-reconcile") + "@" + r.env.hostname()
	}
	if !r.given(path + ".tls") {
		if e.TLS = TLSAuto; e.Username != "" {
			e.TLS = TLSStartTLS
		}
	}
	port := map[string]string{TLSStartTLS: "587", TLSImplicit: "465"}[e.TLS]
	if !r.given(path + ".smtp") {
		e.SMTP = "localhost"
	}
	e.SMTP, _, _ = hostPort(e.SMTP, orElse(port, "25"), "localhost") // a fault was reported by the check of the key
	switch {
	case e.Username != "" && !r.given(path+".passwordFile"):
		r.faultAt(path+".username", "is given without passwordFile", "write passwordFile: and the path of a file with the password")
	case e.Username == "" && r.given(path+".passwordFile"):
		r.faultAt(path+".passwordFile", "is given without username", "write username: and the account's name")
	case e.Username != "" && (e.TLS == TLSAuto || e.TLS == TLSNone):
		r.faultAt(path+".tls", fmt.Sprintf("with %s the password could go over the network in clear", e.TLS), "write starttls or tls")
	}
}
