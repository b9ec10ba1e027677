package config

// This file is the one description of the configuration: every key with its type, default and meaning.

func (c *Config) fields() []field {
	return []field{
		{key: "version", required: true, example: 1, value: number{into: &c.Version, only: 1},
			doc: "Version of this file's schema."},
		{key: "vo", required: true, example: formVO.example, value: text{into: &c.VO, form: formVO},
			doc: "Name of the virtual organisation, in lower case."},
		{key: "user", defDoc: "the invoking user", example: formAccount.example, value: text{into: &c.User, form: formAccount},
			doc: "Account that owns the user proxies and env files, and as which services are restarted."},
		{key: "root", defDoc: "/var/lib/vobox/<vo>", value: pathTo(&c.Root),
			doc: "The VO's directory on the box."},
		{key: "repository", defDoc: "<root>/proxy_repository", value: pathTo(&c.Repository),
			doc: "Directory of the user proxies."},
		{key: "state", defDoc: "<root>/reconcile", value: pathTo(&c.State),
			doc: "Directory of the lock, the journal and the last good copies."},
		{key: "trust", value: object{c.Trust.fields()},
			doc: "Where this host's trust anchors and VO descriptions are."},
		{key: "machineProxy", value: object{c.MachineProxy.fields()},
			doc: "The proxy of the host certificate, with which MyProxy renewals are authorised."},
		{key: "myproxy", value: object{c.MyProxy.fields()},
			doc: "The MyProxy server that user proxies come from."},
		{key: "proxies", value: objects(&c.Proxies, (*Proxy).fields),
			doc: "The user proxies to keep valid."},
		{key: "envFiles", value: objects(&c.EnvFiles, (*EnvFile).fields),
			doc: "Environment files in which some variables are kept at the values given here. Other lines stay as they are."},
		{key: "services", value: objects(&c.Services, (*Service).fields),
			doc: "What is restarted when an env file or a proxy has changed."},
		{key: "alerts", value: objects(&c.Alerts, (*Alert).fields),
			doc: "Channels to tell people through. Each entry has exactly one of email, webhook and command."},
		{key: "metrics", value: object{c.Metrics.fields()},
			doc: "Metrics for Prometheus."},
		{key: "watch", value: object{c.Watch.fields()},
			doc: "What --watch does besides watching."},
	}
}

func (t *Trust) fields() []field {
	return []field{
		{key: "certificates", defDoc: "$X509_CERT_DIR, else /etc/grid-security/certificates", value: pathTo(&t.Certificates),
			doc: "Directory of IGTF trust anchors with their signing policies and CRLs."},
		{key: "vomsdir", defDoc: "$X509_VOMS_DIR, else /etc/grid-security/vomsdir", value: pathTo(&t.VOMSDir),
			doc: "Directory of LSC files."},
		{key: "vomses", defDoc: "$X509_VOMSES and $X509_VOMS_FILE, else /etc/vomses", value: list[string]{&t.VOMSES, pathTo, 1},
			doc: "Files, or directories of files, that say where VOMS servers are."},
		{key: "crl", def: CRLIfPresent, value: text{into: &t.CRL, enum: []string{CRLRequire, CRLIfPresent, CRLIgnore}},
			doc: "Use of certificate revocation lists: require one of every CA; if-present rejects a CA whose list has expired and lets a missing one pass, as Globus does; ignore."},
	}
}

func (m *MachineProxy) fields() []field {
	return []field{
		{key: "path", defDoc: "<root>/renewal-proxy.pem", value: pathTo(&m.Path),
			doc: "Where the machine proxy lives."},
		{key: "cert", def: "/etc/grid-security/hostcert.pem", value: pathTo(&m.Cert),
			doc: "The host certificate."},
		{key: "key", def: "/etc/grid-security/hostkey.pem", value: pathTo(&m.Key),
			doc: "The host key."},
		{key: "lifetime", def: "24h", value: duration{&m.Lifetime},
			doc: "Lifetime of a new machine proxy."},
		{key: "renewBelow", defDoc: "12h, or half of another lifetime", value: duration{&m.RenewBelow},
			doc: "Renew when less than this is left."},
		{key: "manage", defDoc: "true when the host key is readable", value: truth{&m.Manage},
			doc: "false: another program, such as root's cron job, keeps the machine proxy, and it is only observed."},
	}
}

func (m *MyProxy) fields() []field {
	return []field{
		{key: "server", defDoc: "$MYPROXY_SERVER", example: formServer.example, value: text{into: &m.Server, form: formServer, check: (*reader).servers},
			doc: "host or host:port (7512 when not given); several separated by commas are tried in turn."},
		{key: "serverDN", defDoc: "the server is checked by its host name", example: "/DC=ch/DC=cern/OU=computers/CN=px501.cern.ch", value: dnOf(&m.ServerDN),
			doc: "Accept only the server with this DN, in slash form."},
		{key: "alertBelow", def: "240h", value: duration{&m.AlertBelow},
			doc: "Alert when the stored credential has less than this left (vobox-proxy's --myproxy-safe)."},
		{key: "timeout", def: "30s", value: duration{&m.Timeout},
			doc: "Longest time for one exchange with the server."},
	}
}

func (p *Proxy) fields() []field {
	return []field{
		{key: "name", required: true, example: "lcgadmin", value: text{into: &p.Name, form: formName},
			doc: "Name of this proxy in references, messages and on the command line."},
		{key: "dn", required: true, example: formDN.example, value: dnOf(&p.DN),
			doc: "Identity: the DN of the end-entity certificate, in slash form, without the /CN=... that proxies add."},
		{key: "vo", defDoc: "the top-level vo", value: text{into: &p.VO, form: formVO},
			doc: "VO that the attributes are asked from."},
		{key: "attributes", defDoc: "none: a plain proxy", example: []string{formFQAN.example}, value: list[string]{&p.Attributes, fqan, 0},
			doc: "Wanted FQANs in order; the first becomes the primary one."},
		{key: "lifetime", def: "48h", value: duration{&p.Lifetime},
			doc: "Lifetime asked of MyProxy and of VOMS."},
		{key: "renewBelow", defDoc: "23/24 of lifetime (46h of 48h)", value: duration{&p.RenewBelow},
			doc: "Renew when the effective time left, attribute certificates included, is below this."},
		{key: "alertBelow", defDoc: "1h, or half of renewBelow if that is shorter", value: duration{&p.AlertBelow},
			doc: "Alert when less than this is left (vobox-proxy's --proxy-safe)."},
		{key: "path", defDoc: "<repository>/ and the escaped DN and VO string, the name vobox-proxy gives it", example: "/var/lib/vobox/alice/proxy_repository/*lcgadmin", value: text{into: &p.Path, form: formProxy, check: (*reader).globPath},
			doc: "Where the proxy lives. A glob in the last element, such as *lcgadmin, means the matching file with this identity and these attributes that lasts longest; without a directory it is looked for in the repository."},
		{key: "links", defDoc: "none", value: list[string]{&p.Links, pathTo, 0},
			doc: "Further paths kept as symbolic links to the proxy."},
		{key: "source", defDoc: "the top-level myproxy, with the DN as user name", value: object{p.Source.fields()},
			doc: "Where the proxy comes from: exactly one of myproxy and certificate."},
		{key: "key", def: "rsa2048", value: text{into: &p.Key, enum: []string{"rsa2048", "rsa3072", "rsa4096", "p256"}},
			doc: "Type of the proxy's new key."},
		{key: "limited", def: "false", value: truth{&p.Limited},
			doc: "true: make the last proxy a limited one, which cannot submit jobs."},
	}
}

func (s *Source) fields() []field {
	return []field{
		{key: "myproxy", choice: true, value: optional[MyProxySource]{&s.MyProxy, (*MyProxySource).fields},
			doc: "A credential stored on a MyProxy server."},
		{key: "certificate", choice: true, value: optional[CertificateSource]{&s.Certificate, (*CertificateSource).fields},
			doc: "An end-entity certificate kept on this box, of a robot for instance."},
	}
}

func (m *MyProxySource) fields() []field {
	return []field{
		{key: "server", defDoc: "the top-level myproxy.server", value: text{into: &m.Server, form: formServer, check: (*reader).servers},
			doc: "host or host:port of the server that has this credential."},
		{key: "username", defDoc: "the proxy's dn", value: text{into: &m.Username, form: formLine},
			doc: "User name it is stored under (myproxy-init -l; with -d it is the DN)."},
		{key: "credentialName", defDoc: "the user's default credential", value: text{into: &m.CredentialName, form: formLine},
			doc: "Name it is stored under (myproxy-init -k)."},
		{key: "passphraseFile", defDoc: "none: the server must allow renewal without", value: pathTo(&m.PassphraseFile),
			doc: "File with the passphrase it is stored with."},
	}
}

func (c *CertificateSource) fields() []field {
	return []field{
		{key: "cert", required: true, example: "/etc/grid-security/robotcert.pem", value: pathTo(&c.Cert),
			doc: "Certificate file, PEM, with its intermediate certificates if there are any."},
		{key: "key", required: true, example: "/etc/grid-security/robotkey.pem", value: pathTo(&c.Key),
			doc: "Key file, PEM."},
		{key: "passphraseFile", defDoc: "none: the key is not encrypted", value: pathTo(&c.PassphraseFile),
			doc: "File with the key's passphrase."},
	}
}

func (e *EnvFile) fields() []field {
	return []field{
		{key: "path", required: true, example: "~alicesgm/.alien/config/CE.env", value: pathTo(&e.Path),
			doc: "The file to keep; ~user/ is expanded."},
		{key: "set", required: true, example: map[string]string{"X509_USER_PROXY": "${proxy.lcgadmin}"}, value: variables{&e.Set},
			doc: "Variables to keep at these values. ${proxy.NAME} is that proxy's path, ${env.NAME} an environment variable, and $${ stands for ${. No shell expands anything."},
		{key: "unset", defDoc: "none", value: list[string]{&e.Unset, variableName, 0},
			doc: "Variables to remove."},
		{key: "expect", defDoc: "none", value: variables{&e.Expect},
			doc: "Variables that must have this value already, else there is an alert and no restart. When the value changes here, and in the file, the services are restarted."},
		{key: "export", def: "true", value: truth{&e.Export},
			doc: "Write export NAME=value instead of NAME=value."},
		{key: "format", defDoc: "shell; auto for a file named Environment, properties for *.properties", value: text{into: &e.Format, enum: []string{"shell", "plain", "systemd", "properties", "auto"}},
			doc: "Dialect of the file: shell; plain is NAME=value, each character for itself (docker --env-file); systemd is for EnvironmentFile=; properties is Java's; auto is shell or plain, whichever the file is, and leaves existing variables with their export or without."},
		{key: "mode", def: "0644", value: fileMode{&e.Mode},
			doc: "File mode of a new file, in octal."},
	}
}

func (s *Service) fields() []field {
	return []field{
		{key: "name", required: true, example: "jalien", value: text{into: &s.Name, form: formName},
			doc: "Name of this service in messages and on the command line."},
		{key: "restart", choice: true, example: []string{"/cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh", "restart"}, value: command(&s.Restart),
			doc: "The command that restarts it, as an argument list. No shell is involved. Either this or unit is required."},
		{key: "unit", choice: true, example: formUnit.example, value: text{into: &s.Unit, form: formUnit, check: (*reader).unit},
			doc: "A systemd unit to restart, instead of a command."},
		{key: "onChange", defDoc: "all env files", example: []string{"envFile:~alicesgm/.alien/config/CE.env"}, value: list[string]{&s.OnChange, change, 0},
			doc: "Whose change restarts it: envFile:PATH and proxy:NAME. Services read proxies anew by themselves, so a proxy is rarely needed here."},
		{key: "preflight", defDoc: "none", value: list[[]string]{&s.Preflight, command, 0},
			doc: "Argument lists of commands that must succeed before a restart."},
		{key: "verify", defDoc: "none", value: command(&s.Verify),
			doc: "Argument list of a command that must succeed within timeout after a restart."},
		{key: "timeout", def: "5m", value: duration{&s.Timeout},
			doc: "Longest time for each of these commands."},
		{key: "atMost", def: "4 per 24h", value: rate{&s.AtMost},
			doc: "Most restarts in a time. Further ones wait, and there is an alert."},
	}
}

func (a *Alert) fields() []field {
	return []field{
		{key: "email", choice: true, value: optional[Email]{&a.Email, (*Email).fields},
			doc: "Send mail."},
		{key: "webhook", choice: true, value: optional[Webhook]{&a.Webhook, (*Webhook).fields},
			doc: "Post JSON to a URL."},
		{key: "command", choice: true, value: command(&a.Command),
			doc: "Run a command, given as an argument list, with the alert as JSON on its standard input."},
		{key: "atMostEvery", def: "24h", value: duration{&a.AtMostEvery},
			doc: "The same alert is not repeated sooner than this."},
	}
}

func (e *Email) fields() []field {
	return []field{
		{key: "to", required: true, example: formMail.example, value: addresses{&e.To},
			doc: "Recipient, or a list of them."},
		{key: "from", defDoc: "<user>@<host name>", value: text{into: &e.From, form: formMail},
			doc: "Sender."},
		{key: "smtp", def: "localhost:25", value: text{into: &e.SMTP, form: formSMTP, check: (*reader).smtp},
			doc: "host or host:port of the mail server. The port follows from tls when not given: 25, with starttls 587, with tls 465."},
		{key: "tls", defDoc: "auto, with username starttls", value: text{into: &e.TLS, enum: []string{TLSAuto, TLSStartTLS, TLSImplicit, TLSNone}},
			doc: "auto uses STARTTLS when the server offers it, starttls insists on it, tls speaks TLS from the first byte, none never does."},
		{key: "username", defDoc: "none: no authentication", value: text{into: &e.Username, form: formLine},
			doc: "User name for the mail server; needs passwordFile, and starttls or tls."},
		{key: "passwordFile", defDoc: "none", value: pathTo(&e.PasswordFile),
			doc: "File with the password."},
	}
}

func (w *Webhook) fields() []field {
	return []field{
		{key: "url", required: true, example: formURL.example, value: text{into: &w.URL, form: formURL, check: (*reader).url},
			doc: "Where to post."},
		{key: "headersFile", defDoc: "none", value: pathTo(&w.HeadersFile),
			doc: "File with further header lines, such as Authorization: Bearer ..."},
	}
}

func (m *Metrics) fields() []field {
	return []field{
		{key: "textfile", defDoc: "none", example: formTextfile.example, value: text{into: &m.Textfile, form: formTextfile, check: (*reader).path},
			doc: "File for the textfile collector of node_exporter, which reads only names that end in .prom."},
	}
}

func (w *Watch) fields() []field {
	return []field{
		{key: "listen", defDoc: "none", example: formListen.example, value: text{into: &w.Listen, form: formListen, check: (*reader).listen},
			doc: "host:port for /metrics, /healthz, /readyz, /status.json and the page /."},
		{key: "interval", def: "1h", value: duration{&w.Interval},
			doc: "The longest time between two looks."},
	}
}

// The values that several keys share.

func pathTo(s *string) value { return text{into: s, form: formPath, check: (*reader).path} }

func dnOf(s *string) value { return text{into: s, form: formDN, check: (*reader).dn} }

func fqan(s *string) value { return text{into: s, form: formFQAN, check: (*reader).fqan} }

func variableName(s *string) value { return text{into: s, form: formVariable} }

func change(s *string) value { return text{into: s, form: formChange} }

// objects is a list of mappings.
func objects[T any](into *[]T, fields func(*T) []field) value {
	return list[T]{into: into, elem: func(e *T) value { return object{fields(e)} }}
}
