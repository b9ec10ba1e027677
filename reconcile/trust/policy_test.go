package trust_test

import (
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func TestSigningPolicy(t *testing.T) {
	const ca = "/C=XX/O=Grid/CN=CA"
	const me = "/C=XX/O=Grid/OU=People/CN=Me"
	block := func(subjects string) string {
		return "access_id_CA X509 '" + ca + "'\npos_rights globus CA:sign\ncond_subjects globus '" + subjects + "'\n"
	}
	tests := []struct {
		name, file, subject string
		permitted, found    bool
	}{
		{"quoted list", block(`"/C=YY/*" "/C=XX/O=Grid/*"`), me, true, true},
		{"outside", block(`"/C=YY/*"`), me, false, true},
		{"bare pattern", block(`/C=XX/*`), me, true, true},
		{"no wildcard", block(`"` + me + `"`), me, true, true},
		{"prefix is not enough", block(`"/C=XX/O=Grid"`), me, false, true},
		{"suffix of the value", block(`"/C=XX/O=Grid/OU=People/CN=M"`), me, false, true},
		{"several wildcards", block(`"/C=*/O=Grid/*/CN=Me"`), me, true, true},
		{"question mark is itself", block(`"/C=XX/O=Grid/OU=People/CN=M?"`), me, false, true},
		{"case", block(`"/c=xx/O=GRID/*"`), me, true, true},
		{"one line, comments", "# x\naccess_id_CA X509 '" + ca + "' pos_rights globus CA:sign #y\n cond_subjects globus '\"/C=XX/*\"' # z", me, true, true},
		{"CRLF and tabs", strings.ReplaceAll(strings.ReplaceAll(block(`"/C=XX/*"`), "\n", "\r\n"), " ", "\t"), me, true, true},
		{"double quotes", `access_id_CA X509 "` + ca + `" pos_rights globus CA:sign cond_subjects globus "/C=XX/O=Grid/*"`, me, true, true},
		{"two entries, union", block(`"/C=YY/*"`) + block(`"/C=XX/*"`), me, true, true},
		{"another CA's entry first", strings.ReplaceAll(block(`"/C=XX/*"`), ca, "/C=ZZ") + block(`"/C=YY/*"`), me, false, true},
		{"only another CA's", strings.ReplaceAll(block(`"/C=XX/*"`), ca, "/C=ZZ"), me, false, false},
		{"anybody", "access_id_ANYBODY pos_rights globus CA:sign cond_subjects globus '\"/C=XX/*\"'", me, true, true},
		{"two principals", "access_id_CA X509 '/C=ZZ' " + block(`"/C=XX/*"`), me, true, true},
		{"user principal", strings.ReplaceAll(block(`"/C=XX/*"`), "access_id_CA", "access_id_USER"), me, false, false},
		{"two condition lines, both hold", block(`"/C=XX/*"`) + `cond_subjects globus '"*/CN=Me"'`, me, true, true},
		{"two condition lines, one holds", block(`"/C=XX/*"`) + `cond_subjects globus '"*/CN=You"'`, me, false, true},
		{"banned subjects", block(`"/C=XX/*"`) + `cond_banned_subjects globus '"/C=YY/*"'`, me, false, true},
		{"right without condition", "access_id_CA X509 '" + ca + "' pos_rights globus CA:sign", me, false, true},
		{"another right", strings.ReplaceAll(block(`"/C=XX/*"`), "CA:sign", "CA:read"), me, false, true},
		{"negative right", block(`"/C=XX/*"`) + `neg_rights globus CA:sign cond_subjects globus '"*/CN=Me"'`, me, false, true},
		{"negative right for others", block(`"/C=XX/*"`) + `neg_rights globus CA:sign cond_subjects globus '"*/CN=You"'`, me, true, true},
		{"negative right for all", block(`"/C=XX/*"`) + `neg_rights globus CA:sign`, me, false, true},
		{"slash, new style", block(`"/C=XX/CN=host\\/a.b"`), `/C=XX/CN=host\/a.b`, true, true},
		{"slash, old style", block(`"/C=XX/CN=host/a.b"`), `/C=XX/CN=host\/a.b`, true, true},
		{"e-mail, old name", block(`"/C=XX/Email=me@x.org"`), "/C=XX/emailAddress=me@x.org", true, true},
		{"UID, old name", block(`"/C=XX/USERID=me"`), "/C=XX/UID=me", true, true},
		{"empty pattern beside another", "access_id_CA X509 '" + ca + "' pos_rights globus CA:sign cond_subjects globus '\"/C=XX/*\"'", me, true, true},
	}
	for _, tt := range tests {
		p, err := trust.ParseSigningPolicy([]byte(tt.file))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		permitted, found := p.Permits(parseDN(t, ca), parseDN(t, tt.subject))
		if permitted != tt.permitted || found != tt.found {
			t.Errorf("%s: permitted %v, found %v; want %v, %v", tt.name, permitted, found, tt.permitted, tt.found)
		}
	}
}

func TestSigningPolicyRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"empty":                        "",
		"comments only":                "# nothing\n",
		"garbage":                      "hello world",
		"unbalanced quote":             "access_id_CA X509 '/C=XX\npos_rights globus CA:sign",
		"unbalanced pattern":           `access_id_CA X509 '/C=XX' pos_rights globus CA:sign cond_subjects globus '"/C=XX/*'`,
		"text between patterns":        `access_id_CA X509 '/C=XX' pos_rights globus CA:sign cond_subjects globus '"/C=XX/*" or "/C=YY/*"'`,
		"empty pattern":                `access_id_CA X509 '/C=XX' pos_rights globus CA:sign cond_subjects globus ''`,
		"principal alone":              "access_id_CA X509 '/C=XX'",
		"principal cut":                "access_id_CA X509",
		"right cut":                    "access_id_CA X509 '/C=XX' pos_rights globus",
		"condition cut":                "access_id_CA X509 '/C=XX' pos_rights globus CA:sign cond_subjects globus",
		"rights first":                 "pos_rights globus CA:sign access_id_CA X509 '/C=XX'",
		"unknown principal":            "access_id_ROBOT X509 '/C=XX' pos_rights globus CA:sign",
		"more after a good entry":      policy("/C=XX", "/C=XX/*") + "nonsense",
		"second entry without a right": policy("/C=XX", "/C=XX/*") + "access_id_CA X509 '/C=YY'",
	} {
		if p, err := trust.ParseSigningPolicy([]byte(file)); err == nil {
			t.Errorf("%s: parsed to %+v", name, p)
		}
	}
}

func TestNamespaces(t *testing.T) {
	const root, sub, me = "/C=ch/O=CERN/CN=Root", "/DC=ch/DC=cern/CN=Grid CA", "/DC=ch/DC=cern/OU=Users/CN=me"
	to := func(issuer, verb, subject string) string {
		return "TO Issuer " + issuer + " " + verb + ` Subject "` + subject + "\"\n"
	}
	tests := []struct {
		name, file             string
		owner, issuer, subject string
		permitted, found       bool
	}{
		{"self", to("SELF", "PERMIT", "/DC=ch/DC=cern/.*"), sub, sub, me, true, true},
		{"self of another", to("SELF", "PERMIT", "/DC=ch/.*"), root, sub, me, false, false},
		{"named", to(`"`+sub+`"`, "PERMIT", "/DC=ch/.*"), root, sub, me, true, true},
		{"outside", to("SELF", "PERMIT", "/DC=org/.*"), sub, sub, me, false, true},
		{"whole name must match", to("SELF", "PERMIT", "/DC=ch/DC=cern"), sub, sub, me, false, true},
		{"beginning must match", to("SELF", "PERMIT", "/OU=Users/.*"), sub, sub, me, false, true},
		{"star is not a wildcard", to("SELF", "PERMIT", "/DC=ch/*"), sub, sub, me, false, true},
		{"case", strings.ToLower(to("SELF", "PERMIT", "/dc=CH/.*")), sub, sub, me, true, true},
		{"deny wins", to("SELF", "PERMIT", "/DC=ch/.*") + to("self", "deny", ".*/CN=me"), sub, sub, me, false, true},
		{"deny of others", to("SELF", "DENY", ".*/CN=you") + to("SELF", "PERMIT", ".*"), sub, sub, me, true, true},
		{"continued, commented, CRLF", "#NAMESPACES-VERSION: 1.0\r\n# x\r\nTO Issuer SELF \\\r\n  PERMIT Subject \"/DC=ch/.*\" # y\r\n", sub, sub, me, true, true},
		{"brackets as they are", to("SELF", "PERMIT", "/O=A [b] (Pty) Ltd."), sub, sub, "/O=A [b] (Pty) Ltd.", true, true},
		{"alternatives are anchored as a whole", to("SELF", "PERMIT", "/DC=org|/DC=ch"), sub, sub, me, false, true},
	}
	for _, tt := range tests {
		ns, err := trust.ParseNamespaces([]byte(tt.file))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		permitted, found := ns.Permits(parseDN(t, tt.owner), parseDN(t, tt.issuer), parseDN(t, tt.subject))
		if permitted != tt.permitted || found != tt.found {
			t.Errorf("%s: permitted %v, found %v; want %v, %v", tt.name, permitted, found, tt.permitted, tt.found)
		}
	}
	for name, file := range map[string]string{
		"empty": "", "version": "#NAMESPACES-VERSION: 2.0\n" + to("SELF", "PERMIT", ".*"), "no quotes": "TO Issuer SELF PERMIT Subject /DC=ch",
		"unbalanced": `TO Issuer "/DC=ch PERMIT Subject ".*"`, "verb": to("SELF", "ALLOW", ".*"), "expression": to("SELF", "PERMIT", "(("),
		"more words": strings.TrimSpace(to("SELF", "PERMIT", ".*")) + " and more", "other line": to("SELF", "PERMIT", ".*") + "hello",
		"quoted SELF only": `TO Issuer "" PERMIT Subject ".*"`, "empty subject": to("SELF", "PERMIT", ""),
	} {
		if _, err := trust.ParseNamespaces([]byte(file)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestPolicyFiles has what is in the directory for the sub-CA, and the verdict on a user of it.
func TestPolicyFiles(t *testing.T) {
	good, bad := policy(subName, "/DC=org/*"), policy(subName, "/DC=com/*")
	ns := func(issuer, subject string) string {
		return "TO Issuer " + issuer + ` PERMIT Subject "` + subject + "\"\n"
	}
	tests := []struct {
		name, policy, namespaces, rootNamespaces string // "-" leaves the file out
		id, words                                string
	}{
		{"both permit", good, ns("SELF", "/DC=org/.*"), "-", "", ""},
		{"policy only", good, "-", "-", "", ""},
		{"namespaces only", "-", ns("SELF", "/DC=org/.*"), "-", "", ""},
		{"the root's namespaces only", "-", "-", ns(`"`+rootName+`"`, ".*") + ns(`"`+subName+`"`, "/DC=org/.*"), "", ""},
		{"neither", "-", "-", "-", trust.IDPolicy, "has no signing policy"},
		{"policy forbids", bad, ns("SELF", "/DC=org/.*"), "-", trust.IDPolicy, "does not let " + subName + " sign " + janeName},
		{"namespaces forbid", good, ns("SELF", "/DC=com/.*"), "-", trust.IDPolicy, "namespaces"},
		{"the root's namespaces forbid", good, "-", ns(`"`+rootName+`"`, ".*") + ns(`"`+subName+`"`, "/DC=com/.*"), trust.IDPolicy, "namespaces"},
		{"own namespaces before the root's", good, ns("SELF", "/DC=org/.*"), ns(`"`+rootName+`"`, ".*") + ns(`"`+subName+`"`, "/DC=com/.*"), "", ""},
		{"namespaces of others only", good, ns(`"/O=Other"`, "/O=Other/.*"), "-", "", ""},
		{"policy of others only", policy("/O=Other", "/DC=org/*"), "-", "-", trust.IDPolicy, "does not speak of"},
		{"policy broken", good + "nonsense", "-", "-", trust.IDPolicy, "cannot be used"},
		{"namespaces broken", good, "nonsense", "-", trust.IDPolicy, "cannot be used"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGrid(t)
			jane := newEEC(t, janeName, g.sub)
			set := func(ca *entity, suffix, content string) {
				if content == "-" {
					content = ""
				}
				g.file(ca, suffix, content)
			}
			set(g.sub, ".signing_policy", tt.policy)
			set(g.sub, ".namespaces", tt.namespaces)
			set(g.root, ".namespaces", tt.rootNamespaces)
			_, err := g.store.VerifyChain(certs(newProxy(t, jane, proxyKind{}), jane), now)
			if tt.id != "" {
				wantError(t, err, tt.id, tt.words)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNamespacesRepetitions takes expressions with repetitions, but not those that become huge when written out.
func TestNamespacesRepetitions(t *testing.T) {
	ca := parseDN(t, "/DC=org/CN=CA")
	for pattern, want := range map[string]bool{
		"/DC=org/CN=[0-9]{6}": true, "/DC=org/CN=a{1,500}": true, "/DC=org/CN=((a{9}){9}){9}": true, "/DC=org/CN=[a-z]{2,}": true,
		strings.Repeat("((a{9}){9}){9}", 30): false, strings.Repeat("(a{1000})", 20): false,
	} {
		ns, err := trust.ParseNamespaces([]byte("TO Issuer SELF PERMIT Subject \"" + pattern + "\"\n"))
		if (err == nil) != want {
			t.Errorf("%.40s: %v", pattern, err)
		}
		if err != nil && !strings.Contains(err.Error(), "repetitions") {
			t.Errorf("%.40s: the error does not say why: %v", pattern, err)
		}
		if err == nil {
			if _, found := ns.Permits(ca, ca, ca); !found {
				t.Errorf("%.40s: it does not speak of the CA", pattern)
			}
		}
	}
}
