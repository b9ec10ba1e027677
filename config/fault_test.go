package config_test

import (
	"slices"
	"strings"
	"testing"
)

// A faulty document and what is said about it. The messages come without "config.yaml:".
type faulty struct {
	name string
	doc  string
	want []string
	// schema tells that the JSON Schema can express the rule, so that an editor shows the fault too.
	schema bool
	vars   []string
}

const (
	proxy   = "proxies: [{name: a, dn: " + jane + "}]\n"
	envFile = "envFiles: [{path: /e, set: {}}]\n"
)

// inProxy is a proxy on line 4 with one more key, at column 42.
func inProxy(s string) string { return head + "proxies: [{name: a, dn: " + jane + ", " + s + "}]\n" }

// inEnv is an env file on line 5, with one more key at column 31.
func inEnv(s string) string { return head + proxy + "envFiles: [{path: /e, set: {}, " + s + "}]\n" }

// inService is a service on line 5, with one more key at column 33.
func inService(s string) string {
	return head + envFile + "services: [{name: s, unit: u, " + s + "}]\n"
}

var faulties = []faulty{
	// Keys.
	{"carriage returns for lines", "versi\r\r\r\r\r\r\ron: 1\n", []string{"1:1: (file): is not YAML: mapping values are not allowed in this context; indent keys of one mapping alike, and put text with a colon in quotes"}, false, nil},
	{"unknown key", head + "proxys: []\n", []string{`4:1: proxys: unknown key; did you mean "proxies"?`}, true, nil},
	{"unknown key inside", inProxy("attribute: []"), []string{`4:43: proxies[0].attribute: unknown key; did you mean "attributes"?`}, true, nil},
	{"unknown key in another case", head + "VO: alice\n", []string{`4:1: VO: unknown key; did you mean "vo"?`}, true, nil},
	{"unknown key like none", head + "metrics: {qqqqqqqq: 1}\n", []string{`4:11: metrics.qqqqqqqq: unknown key; write one of textfile`}, true, nil},
	{"unknown key that is no word", head + "\"a\\nb\": 1\n", []string{`4:1: ["a\nb"]: unknown key; write one of version, vo, user, root, repository, state, trust, machineProxy, myproxy, proxies, envFiles, services, alerts, metrics, watch`}, true, nil},
	{"duplicate key", head + "vo: atlas\n", []string{"4:1: vo: the same key is at config.yaml:2:1 already; keep one of the two"}, false, nil},
	{"duplicate variable", head + "envFiles: [{path: /e, set: {A: x, A: y}}]\n", []string{"4:35: envFiles[0].set.A: the same key is at config.yaml:4:29 already; keep one of the two"}, false, nil},
	{"key is no text", head + "1: x\n", []string{"4:1: 1: the key is the number 1, text is wanted; put it in quotes"}, false, nil},
	{"key is a list", head + "? [a]\n: x\n", []string{"4:3: [\"?\"]: the key is a list, text is wanted; write a name as the key"}, false, nil},
	{"merge key", head + "<<: {root: /x}\n", []string{`4:1: ["<<"]: merge keys are not read; write the keys themselves`}, false, nil},
	{"required at the top", "user: alicesgm\n", []string{"1:1: version: is missing; write version: 1", "1:1: vo: is missing; write vo: alice"}, true, nil},
	{"required in a proxy", head + "proxies:\n  - vo: alice\n", []string{
		"5:5: proxies[0].name: is missing; write name: lcgadmin",
		"5:5: proxies[0].dn: is missing; write dn: /DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe"}, true, nil},
	{"required in an env file", head + "envFiles: [{}]\n", []string{
		"4:12: envFiles[0].path: is missing; write path: ~alicesgm/.alien/config/CE.env",
		`4:12: envFiles[0].set: is missing; write set: {"X509_USER_PROXY":"${proxy.lcgadmin}"}`}, true, nil},
	{"required in a certificate source", inProxy("source: {certificate: {}}"), []string{
		"4:65: proxies[0].source.certificate.cert: is missing; write cert: /etc/grid-security/robotcert.pem",
		"4:65: proxies[0].source.certificate.key: is missing; write key: /etc/grid-security/robotkey.pem"}, true, nil},
	{"no server", "version: 1\nvo: alice\n" + proxy, []string{"1:1: myproxy.server: is missing, and $MYPROXY_SERVER is not set; write server: myproxy.cern.ch"}, false, nil},

	// Types.
	{"list for text", "version: 1\nvo: [alice]\n", []string{"2:5: vo: is a list, text is wanted; write alice, without the brackets"}, true, nil},
	{"mapping for text", "version: 1\nvo: {a: b}\n", []string{"2:5: vo: is a mapping, text is wanted; write alice"}, true, nil},
	{"number for text", "version: 1\nvo: 12\n", []string{`2:5: vo: is the number 12, text is wanted; write "12", in quotes`}, true, nil},
	{"truth for text", head + "envFiles: [{path: /e, set: {A: true}}]\n", []string{`4:32: envFiles[0].set.A: is true, text is wanted; write "true", in quotes`}, true, nil},
	{"date for text", head + "envFiles: [{path: /e, set: {A: 2026-01-02}}]\n", []string{`4:32: envFiles[0].set.A: is the date 2026-01-02, text is wanted; write "2026-01-02", in quotes`}, false, nil},
	{"nothing for text", "version: 1\nvo:\n", []string{"2:4: vo: is empty, text is wanted; write alice"}, true, nil},
	{"text for a list", inProxy("attributes: /alice"), []string{"4:55: proxies[0].attributes: is text, a list is wanted; write [/alice]"}, true, nil},
	{"shell string for a command", head + "services: [{name: s, restart: /bin/x restart}]\n", []string{"4:31: services[0].restart: is text, a list is wanted; write [/bin/x, restart]"}, true, nil},
	{"nothing for a list", head + "proxies:\n", []string{"4:9: proxies: is empty, a list is wanted; write a list such as [a, b]"}, true, nil},
	{"text for a mapping", head + "watch: on\n", []string{"4:8: watch: is text, a mapping is wanted; write its keys below it, indented, each as key: value"}, true, nil},
	{"list for variables", head + "envFiles: [{path: /e, set: [A]}]\n", []string{"4:28: envFiles[0].set: is a list, a mapping is wanted; write NAME: value below it, indented"}, true, nil},
	{"text for a truth", inProxy("limited: yes"), []string{"4:52: proxies[0].limited: is text, true or false is wanted; write true or false"}, true, nil},
	{"list at the top", "- a\n", []string{"1:1: (file): is a list, a mapping is wanted; write its keys below it, indented, each as key: value"}, true, nil},

	// What YAML has and this does not.
	{"alias", head + "root: &r /x\nstate: *r\n", []string{
		"4:7: root: has an anchor (&r), and anchors are not read; leave the anchor out",
		"5:8: state: is an alias (*r), and aliases are not read; write the value itself"}, false, nil},
	{"tag", head + "root: !!str /x\n", []string{"4:7: root: has a tag (!!str), and tags are not read; leave the tag out; text that looks like a number goes in quotes"}, false, nil},
	{"alias bomb", head + "proxies: &a [&b [x,x,x],*b,*b,*b]\nenvFiles: [*a,*a,*a,*a]\n", []string{
		"4:10: proxies: has an anchor (&a), and anchors are not read; leave the anchor out",
		"5:12: envFiles[0]: is an alias (*a), and aliases are not read; write the value itself",
		"5:15: envFiles[1]: is an alias (*a), and aliases are not read; write the value itself",
		"5:18: envFiles[2]: is an alias (*a), and aliases are not read; write the value itself",
		"5:21: envFiles[3]: is an alias (*a), and aliases are not read; write the value itself"}, true, nil},

	// Values of one key.
	{"version", "version: 2\nvo: alice\n", []string{"1:10: version: 2 is not supported by this program; write 1"}, true, nil},
	{"version as text", "version: \"1\"\nvo: alice\n", []string{"1:10: version: is text, a whole number is wanted; write 1"}, true, nil},
	{"vo in capitals", "version: 1\nvo: ALICE\n", []string{`2:5: vo: "ALICE" is not a VO name (lower case letters, digits, dots and dashes); write alice`}, true, nil},
	{"unknown user", head + "user: nobody9\n", []string{`4:7: user: there is no account "nobody9" on this host; write an existing account, such as alicesgm`}, false, nil},
	{"unknown user is one fault", head + "user: nobody9\nroot: ~/x\nstate: ~nobody9/y\n", []string{`4:7: user: there is no account "nobody9" on this host; write an existing account, such as alicesgm`}, false, nil},
	{"unknown user in a path", head + "root: ~nobody9/x\n", []string{`4:7: root: the home of "nobody9" is not known: no such account; write an existing account, or the path in full`}, false, nil},
	{"relative path", head + "root: vobox\n", []string{`4:7: root: "vobox" is a relative path; write an absolute path, which begins with / or ~`}, true, nil},
	{"variable in a path", head + "root: $HOME/x\n", []string{"4:7: root: variables are not expanded in paths; write an absolute path, ~/ or ~user/"}, true, nil},
	{"line break", head + "root: \"/x\\ny\"\n", []string{"4:7: root: has a line break or another control character in it; write one line of plain text"}, true, nil},
	{"terminal escape", head + "root: \"/x\\u009by\"\n", []string{"4:7: root: has a line break or another control character in it; write one line of plain text"}, true, nil},
	{"empty text", head + "root: ''\n", []string{"4:7: root: is empty; write /etc/grid-security/hostcert.pem"}, true, nil},
	{"crl", head + "trust: {crl: if_present}\n", []string{`4:14: trust.crl: "if_present" is not one of require, if-present, ignore; write if-present`}, true, nil},
	{"no vomses", head + "trust: {vomses: []}\n", []string{"4:17: trust.vomses: is an empty list; write at least one entry, or leave the key out"}, true, nil},
	{"DN without slash", head + "proxies: [{name: a, dn: 'CN=x,DC=ch'}]\n", []string{`4:25: proxies[0].dn: "CN=x,DC=ch" is not a DN in slash form; write /DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe`}, true, nil},
	{"DN of a proxy", head + "proxies: [{name: a, dn: /DC=ch/CN=x/CN=proxy}]\n", []string{`4:25: proxies[0].dn: is the subject of a proxy: it ends in CN=proxy; write the identity, "/DC=ch/CN=x"`}, false, nil},
	{"FQAN", inProxy("attributes: ['/alice/Role=']"), []string{`4:56: proxies[0].attributes[0]: "/alice/Role=" is not an FQAN: parsing FQAN "/alice/Role=": "Role=" is not allowed there; write it as /alice/Role=lcgadmin or /alice/group`}, false, nil},
	{"FQAN with its VO before it", inProxy("attributes: ['alice:/alice/Role=x']"), []string{`4:56: proxies[0].attributes[0]: "alice:/alice/Role=x" is not an FQAN; write /alice/Role=x`}, true, nil},
	{"FQAN outside its VO", inProxy("attributes: [/alice, /atlas/Role=x]"), []string{`4:64: proxies[0].attributes[1]: /atlas/Role=x is outside the VO alice; write an FQAN that begins with /alice, or set the proxy's vo`}, false, nil},
	{"FQAN twice", inProxy("attributes: [/alice, /alice/Role=NULL]"), []string{`4:64: proxies[0].attributes[1]: /alice is proxies[0].attributes[0] already; remove one of the two`}, false, nil},
	{"key type", inProxy("key: rsa1024"), []string{`4:48: proxies[0].key: "rsa1024" is not one of rsa2048, rsa3072, rsa4096, p256; write rsa2048`}, true, nil},
	{"name", head + "proxies: [{name: a b, dn: " + jane + "}]\n", []string{`4:18: proxies[0].name: "a b" is not a name (letters, digits, dots, dashes and underscores, 64 at most); write lcgadmin`}, true, nil},

	// Durations.
	{"duration", inProxy("lifetime: long"), []string{`4:53: proxies[0].lifetime: "long" is not a duration; write a duration such as 48h, 30m or 1d12h`}, true, nil},
	{"duration without unit", inProxy("lifetime: 48"), []string{`4:53: proxies[0].lifetime: is the number 48, a duration is wanted; write a unit after it, such as 48h`}, true, nil},
	{"duration in quotes without unit", inProxy("lifetime: '48'"), []string{`4:53: proxies[0].lifetime: "48" has no unit; write a duration such as 48h, 30m or 1d12h`}, true, nil},
	{"duration with an unknown unit", inProxy("lifetime: 2w"), []string{`4:53: proxies[0].lifetime: "2w" has the unknown unit "w"; write a duration such as 48h, 30m or 1d12h`}, true, nil},
	{"negative duration", inProxy("lifetime: -48h"), []string{`4:53: proxies[0].lifetime: "-48h" is negative; write a duration such as 48h, 30m or 1d12h`}, true, nil},
	{"no duration", head + "watch: {interval: 0s}\n", []string{`4:19: watch.interval: "0s" is less than a second; write 1s or more`}, false, nil},
	{"very long duration", head + "watch: {interval: 99999d}\n", []string{`4:19: watch.interval: "99999d" is longer than ten years; write a duration such as 48h, 30m or 1d12h`}, false, nil},
	{"overflowing duration", head + "watch: {interval: 9999999999d}\n", []string{`4:19: watch.interval: "9999999999d" is longer than 290 years; write a duration such as 48h, 30m or 1d12h`}, false, nil},
	{"renewBelow as long as lifetime", inProxy("lifetime: 1d, renewBelow: 24h"), []string{"4:69: proxies[0].renewBelow: 24h is not less than lifetime, which is 24h; write less than 24h"}, false, nil},
	{"renewBelow above the default lifetime", inProxy("renewBelow: 50h"), []string{"4:55: proxies[0].renewBelow: 50h is not less than lifetime, which is 48h; write less than 48h"}, false, nil},
	{"alertBelow as long as renewBelow", inProxy("renewBelow: 2h, alertBelow: 2h30m"), []string{"4:71: proxies[0].alertBelow: 2h30m is not less than renewBelow, which is 2h; write less than 2h"}, false, nil},
	{"machine renewBelow", head + "machineProxy: {renewBelow: 24h}\n", []string{"4:28: machineProxy.renewBelow: 24h is not less than lifetime, which is 24h; write less than 24h"}, false, nil},

	// Hosts and ports.
	{"host", "version: 1\nvo: alice\nmyproxy: {server: my_proxy}\n", []string{`3:19: myproxy.server: "my_proxy" is not host or host:port; write myproxy.cern.ch`}, true, nil},
	{"host with an empty label", "version: 1\nvo: alice\nmyproxy: {server: a..b}\n", []string{`3:19: myproxy.server: "a..b" is not a host name or address; write myproxy.cern.ch or myproxy.cern.ch:7512`}, false, nil},
	{"address", "version: 1\nvo: alice\nmyproxy: {server: 1.2.3.400}\n", []string{`3:19: myproxy.server: "1.2.3.400" is not a host name or address; write myproxy.cern.ch or myproxy.cern.ch:7512`}, false, nil},
	{"port", "version: 1\nvo: alice\nmyproxy: {server: 'a:70000'}\n", []string{`3:19: myproxy.server: "70000" is not a port; write a number from 1 to 65535`}, false, nil},
	{"port of the second server", "version: 1\nvo: alice\nmyproxy: {server: 'a, b:0'}\n", []string{`3:19: myproxy.server: "0" is not a port; write a number from 1 to 65535`}, false, nil},
	{"server from the environment", "version: 1\nvo: alice\n" + proxy, []string{`1:1: myproxy.server: $MYPROXY_SERVER: "a b" is not a host name or address; write myproxy.cern.ch or myproxy.cern.ch:7512`}, false, []string{"MYPROXY_SERVER=a b"}},
	{"directory from the environment", head, []string{`1:1: trust.certificates: $X509_CERT_DIR is "certs", which is not an absolute path; set it to an absolute path, or write the path here`}, false, []string{"X509_CERT_DIR=certs"}},
	{"server of a source", inProxy("source: {myproxy: {server: 'a:b'}}"), []string{`4:70: proxies[0].source.myproxy.server: "a:b" is not host or host:port; write myproxy.cern.ch`}, true, nil},
	{"listen", head + "watch: {listen: '9555'}\n", []string{`4:17: watch.listen: "9555" is not host:port; write 127.0.0.1:9555`}, true, nil},
	{"listen port", head + "watch: {listen: ':99999'}\n", []string{`4:17: watch.listen: "99999" is not a port; write a number from 1 to 65535`}, false, nil},

	// Sources, paths and names.
	{"source with neither", inProxy("source: {}"), []string{"4:51: proxies[0].source: has none of myproxy and certificate; write exactly one of them"}, true, nil},
	{"source with both", inProxy("source: {myproxy: {}, certificate: {cert: /c, key: /k}}"), []string{"4:78: proxies[0].source.certificate: myproxy and certificate exclude each other; keep one of them"}, true, nil},
	{"glob in a directory", inProxy("path: '/x*/y'"), []string{"4:49: proxies[0].path: has a glob in a directory's name; write the glob in the last element only"}, false, nil},
	{"malformed glob", inProxy("path: '/x/[a'"), []string{`4:49: proxies[0].path: "[a" is a malformed glob; close the bracket, or write a plain path`}, false, nil},
	{"malformed glob in the repository", inProxy("path: '*[x'"), []string{`4:49: proxies[0].path: "*[x" is a malformed glob; close the bracket, or write a plain path`}, false, nil},
	{"name twice", head + "proxies:\n- {name: a, dn: " + jane + "}\n- {name: a, dn: /CN=x}\n", []string{`6:10: proxies[1].name: "a" is proxies[0].name already, at config.yaml:5:10; write another name`}, false, nil},
	{"name of the machine proxy", head + "proxies: [{name: machine-proxy, dn: /CN=x}]\n", []string{`4:18: proxies[0].name: "machine-proxy" is the name of the machine proxy; write another name`}, false, nil},
	{"the same default path", head + "proxies:\n- {name: a, dn: /CN=x}\n- {name: b, dn: /CN=x}\n", []string{`6:3: proxies[1].path: "/var/lib/vobox/alice/proxy_repository/+2fCN+3dx-voms+20alice" is proxies[0].path already, at config.yaml:5:3; write another path`}, false, nil},
	{"link to itself", inProxy("path: /p, links: [/p]"), []string{`4:61: proxies[0].links[0]: "/p" is proxies[0].path already, at config.yaml:4:49; write another path`}, false, nil},
	{"service name twice", head + "services:\n- {name: s, unit: u}\n- {name: s, unit: v}\n", []string{`6:10: services[1].name: "s" is services[0].name already, at config.yaml:5:10; write another name`}, false, nil},
	{"env file twice", head + "user: alicesgm\nenvFiles:\n- {path: ~/e, set: {}}\n- {path: /home/alicesgm/x/../e, set: {}}\n", []string{`7:10: envFiles[1].path: "/home/alicesgm/e" is envFiles[0].path already, at config.yaml:6:10; write another path`}, false, nil},

	// Env files.
	{"variable name", head + "envFiles: [{path: /e, set: {A-B: x}}]\n", []string{`4:29: envFiles[0].set.A-B: "A-B" is not a variable name (letters, digits and underscores, no digit first); write X509_USER_PROXY`}, true, nil},
	{"variable name to unset", inEnv("unset: [1A]"), []string{`5:40: envFiles[0].unset[0]: "1A" is not a variable name (letters, digits and underscores, no digit first); write X509_USER_PROXY`}, true, nil},
	{"set and unset", head + "envFiles: [{path: /e, set: {A: x}, unset: [A]}]\n", []string{"4:44: envFiles[0].unset[0]: A is in envFiles[0].set.A already; keep one of the two"}, false, nil},
	{"set and expected", head + "envFiles: [{path: /e, set: {A: x}, expect: {A: y}}]\n", []string{"4:48: envFiles[0].expect.A: A is in envFiles[0].set.A already; keep one of the two"}, false, nil},
	{"unknown proxy", head + proxy + "envFiles: [{path: /e, set: {A: '${proxy.b}'}}]\n", []string{`5:32: envFiles[0].set.A: there is no proxy "b"; did you mean "a"?`}, false, nil},
	{"unknown proxy like none", head + proxy + "envFiles: [{path: /e, set: {A: '${proxy.lcgadmin}'}}]\n", []string{`5:32: envFiles[0].set.A: there is no proxy "lcgadmin"; write a`}, false, nil},
	{"unknown proxy of none", head + "envFiles: [{path: /e, set: {A: '${proxy.b}'}}]\n", []string{`4:32: envFiles[0].set.A: there is no proxy "b"; add it to proxies`}, false, nil},
	{"unknown reference", inEnv("expect: {A: 'x${HOME}'}"), []string{`5:44: envFiles[0].expect.A: ${HOME} is not a reference; write ${proxy.NAME} or ${env.NAME}, or $${ for the two characters themselves`}, false, nil},
	{"open reference", inEnv("expect: {A: '${env.HOME'}"), []string{"5:44: envFiles[0].expect.A: ${ is not closed; write ${proxy.NAME} or ${env.NAME}, or $${ for the two characters themselves"}, false, nil},
	{"unset environment variable", inEnv("expect: {A: '${env.NOPE}'}"), []string{"5:44: envFiles[0].expect.A: the environment variable NOPE is not set; set it for vobox-reconcile, or write the value here"}, false, nil},
	{"bad environment variable name", inEnv("expect: {A: '${env.a-b}'}"), []string{`5:44: envFiles[0].expect.A: "a-b" is not a variable name (letters, digits and underscores, no digit first); write ${env.NAME}`}, false, nil},
	{"environment variable of two lines", inEnv("expect: {A: '${env.TWO}'}"), []string{"5:44: envFiles[0].expect.A: the environment variable TWO has a line break or another control character in it; write the value here"}, false, []string{"TWO=a\nb"}},
	{"mode", inEnv("mode: '0888'"), []string{`5:38: envFiles[0].mode: "0888" is not a file mode (three octal digits); write "0644"`}, true, nil},
	{"decimal mode", inEnv("mode: 644"), []string{"5:38: envFiles[0].mode: 644 is a decimal number, not a file mode; write three octal digits after a zero, such as 0644"}, true, nil},
	{"setuid mode", inEnv("mode: 04755"), []string{`5:38: envFiles[0].mode: "04755" is not a file mode (three octal digits); write "0644"`}, true, nil},
	{"mode for everybody", inEnv("mode: 0666"), []string{`5:38: envFiles[0].mode: with 0666 everybody could write it; write "0644"`}, false, nil},
	{"mode for nobody", inEnv("mode: 0044"), []string{`5:38: envFiles[0].mode: with 0044 its owner could not read and write it; write "0644"`}, false, nil},

	// Services.
	{"unit and restart", head + "services: [{name: s, unit: u, restart: [/x]}]\n", []string{"4:28: services[0].unit: restart and unit exclude each other; keep one of them"}, true, nil},
	{"neither unit nor restart", head + "services: [{name: s}]\n", []string{"4:12: services[0]: has none of restart and unit; write exactly one of them"}, true, nil},
	{"empty command", head + "services: [{name: s, restart: []}]\n", []string{"4:31: services[0].restart: is an empty list; write at least one entry, or leave the key out"}, true, nil},
	{"command in one word", head + "services: [{name: s, restart: [/x restart]}]\n", []string{`4:32: services[0].restart[0]: "/x restart" has spaces in it, and no shell splits it; write [/x, restart]`}, false, nil},
	{"relative command", inService("verify: [bin/x, y]"), []string{`5:40: services[0].verify[0]: "bin/x" is a relative path; write an absolute path, or a name to be found in PATH`}, false, nil},
	{"command without a name", inService("preflight: [['', y]]"), []string{"5:44: services[0].preflight[0][0]: the program's name is empty; write its path"}, false, nil},
	{"commands that are one", inService("preflight: [/x]"), []string{"5:43: services[0].preflight[0]: is text, a list is wanted; write [/x]"}, true, nil},
	{"unit", head + "services: [{name: s, unit: 'a b'}]\n", []string{`4:28: services[0].unit: "a b" is not the name of a systemd unit; write jalien.service`}, true, nil},
	{"unit like an option", head + "services: [{name: s, unit: -H}]\n", []string{`4:28: services[0].unit: "-H" looks like an option; write jalien.service`}, false, nil},
	{"unit template", head + "services: [{name: s, unit: 'a@.service'}]\n", []string{`4:28: services[0].unit: "a@.service" is a template; write one instance of it, such as jalien@alice.service`}, false, nil},
	{"atMost", inService("atMost: 4 a day"), []string{`5:39: services[0].atMost: "4 a day" is not N per DURATION; write 4 per 24h`}, true, nil},
	{"atMost none", inService("atMost: 0 per 1d"), []string{`5:39: services[0].atMost: "0 per 1d" is not N per DURATION; write 4 per 24h`}, true, nil},
	{"onChange", inService("onChange: [/e]"), []string{`5:42: services[0].onChange[0]: "/e" is not envFile:PATH or proxy:NAME; write proxy:lcgadmin`}, true, nil},
	{"onChange of an unknown env file", inService("onChange: ['envFile:/d/f']"), []string{`5:42: services[0].onChange[0]: there is no env file "/d/f"; write /e`}, false, nil},
	{"onChange of an unknown proxy", inService("onChange: ['proxy:b']"), []string{`5:42: services[0].onChange[0]: there is no proxy "b"; add it to proxies`}, false, nil},

	// Alerts and the rest.
	{"alert with none", head + "alerts: [{atMostEvery: 1h}]\n", []string{"4:10: alerts[0]: has none of email, webhook and command; write exactly one of them"}, true, nil},
	{"alert with two", head + "alerts: [{command: [/x], webhook: {url: 'https://h/x'}}]\n", []string{"4:20: alerts[0].command: webhook and command exclude each other; keep one of them"}, true, nil},
	{"recipient", head + "alerts: [{email: {to: [me]}}]\n", []string{`4:24: alerts[0].email.to[0]: "me" is not a mail address; write vobox-admin@example.org`}, true, nil},
	{"no recipient", head + "alerts: [{email: {to: []}}]\n", []string{"4:23: alerts[0].email.to: is an empty list; write at least one entry, or leave the key out"}, true, nil},
	{"smtp", head + "alerts: [{email: {to: a@b, smtp: 'h:99999'}}]\n", []string{`4:34: alerts[0].email.smtp: "99999" is not a port; write a number from 1 to 65535`}, false, nil},
	{"user without password", head + "alerts: [{email: {to: a@b, username: u}}]\n", []string{"4:38: alerts[0].email.username: is given without passwordFile; write passwordFile: and the path of a file with the password"}, false, nil},
	{"password without user", head + "alerts: [{email: {to: a@b, passwordFile: /p}}]\n", []string{"4:42: alerts[0].email.passwordFile: is given without username; write username: and the account's name"}, false, nil},
	{"password in clear", head + "alerts: [{email: {to: a@b, username: u, passwordFile: /p, tls: none}}]\n", []string{"4:64: alerts[0].email.tls: with none the password could go over the network in clear; write starttls or tls"}, false, nil},
	{"webhook", head + "alerts: [{webhook: {url: 'ftp://h'}}]\n", []string{`4:26: alerts[0].webhook.url: "ftp://h" is not a URL that begins with https:// or http://; write https://chat.example.org/hooks/vobox`}, true, nil},
	{"webhook with a password", head + "alerts: [{webhook: {url: 'https://u:secret@h/'}}]\n", []string{"4:26: alerts[0].webhook.url: the URL has a user name or password in it; put an Authorization header into headersFile"}, false, nil},
	{"webhook without host", head + "alerts: [{webhook: {url: 'https:///x'}}]\n", []string{"4:26: alerts[0].webhook.url: the URL cannot be parsed, or has no host; write https://chat.example.org/hooks/vobox"}, false, nil},
	{"textfile", head + "metrics: {textfile: /x/vobox.txt}\n", []string{`4:21: metrics.textfile: "/x/vobox.txt" is not an absolute path that ends in .prom, which is all that node_exporter reads; write /var/lib/node_exporter/textfile_collector/vobox.prom`}, true, nil},

	// Several at once come in the order of the lines.
	{"several", "version: 3\nvo: Alice\nproxies:\n- name: x\n  dn: nobody\n  lifetime: 1x\nqq: 1\nwatch: {interval: 5}\n", []string{
		"1:1: myproxy.server: is missing, and $MYPROXY_SERVER is not set; write server: myproxy.cern.ch",
		"1:10: version: 3 is not supported by this program; write 1",
		`2:5: vo: "Alice" is not a VO name (lower case letters, digits, dots and dashes); write alice`,
		`5:7: proxies[0].dn: "nobody" is not a DN in slash form; write /DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe`,
		`6:13: proxies[0].lifetime: "1x" has the unknown unit "x"; write a duration such as 48h, 30m or 1d12h`,
		"7:1: qq: unknown key; write one of version, vo, user, root, repository, state, trust, machineProxy, myproxy, proxies, envFiles, services, alerts, metrics, watch",
		"8:19: watch.interval: is the number 5, a duration is wanted; write a unit after it, such as 5h"}, true, nil},
}

func TestFaults(t *testing.T) {
	for _, f := range faulties {
		t.Run(f.name, func(t *testing.T) {
			got := faultsOf(t, write(t, f.doc), testEnv(f.vars...))
			want := make([]string, len(f.want))
			for i, w := range f.want {
				want[i] = "config.yaml:" + w
			}
			if !slices.Equal(got, want) {
				t.Errorf("of\n%s\ngot\n\t%s\nwant\n\t%s", f.doc, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
}
