package cases

import (
	"slices"
	"strings"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func policyCases() []entry {
	return slices.Concat(signingPolicyCases(), patternCases(), namespaceCases())
}

// The CA of these cases, a root.
const soloName = "/DC=org/DC=corpus/CN=Solo CA"

// solo is a proxy of a user whose CA, a root, has the files put into the directory: suffixes and contents.
func solo(user []byte, files ...string) func(*world) made {
	return in(func(w *world) (*dir, []*cert) {
		ca := w.ca(nil, soloName)
		d := knows().anchor(ca)
		for i := 0; i < len(files); i += 2 {
			d.text(hash(ca)+files[i], files[i+1])
		}
		return d, w.below(w.eec(ca, janeName, subject(user)), full)
	})
}

// lines is a policy file.
func lines(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

const (
	accessLine = "access_id_CA X509 '" + soloName + "'"
	posLine    = "pos_rights globus CA:sign"
	condLine   = `cond_subjects globus '"/DC=org/DC=corpus/*"'`
)

// ruled is a signing policy about Jane.
func ruled(text ...string) func(*world) made {
	return solo(name(janeName), ".signing_policy", lines(text...))
}

func signingPolicyCases() []entry {
	lets := yes("rfc")
	forbids := no("CHAIN-POLICY", "does not let "+soloName+" sign "+janeName)
	silent := no("CHAIN-POLICY", "does not speak of the CA "+soloName)
	unusable := func(why string) Want { return no("CHAIN-POLICY", "cannot be used: reading "+why) }
	const other = "access_id_CA X509 '/DC=org/CN=Other CA'"
	return []entry{
		one("signing-permits", "a signing policy that lets the CA sign", ruled(accessLine, posLine, condLine), lets, agrees),
		one("signing-missing", "no signing policy", solo(name(janeName)), no("CHAIN-POLICY", "has no signing policy"), differs(noPolicies)),
		one("signing-forbids", "a signing policy for other names", ruled(accessLine, posLine, `cond_subjects globus '"/DC=org/DC=elsewhere/*"'`), forbids, differs(noPolicies)),
		one("signing-other-ca", "a signing policy that speaks of another CA only", ruled(other, posLine, condLine), silent, differs(noPolicies)),
		one("signing-two-cas", "several CAs in one file, this one second", ruled(other, posLine, `cond_subjects globus '"/DC=x/*"'`, "", accessLine, posLine, condLine), lets, agrees),
		one("signing-two-cas-other", "the names of another CA in the same file", ruled(other, posLine, condLine, accessLine, posLine, `cond_subjects globus '"/DC=x/*"'`), forbids, differs(noPolicies)),
		one("signing-two-blocks", "two blocks for one CA, the second permits", ruled(accessLine, posLine, `cond_subjects globus '"/DC=x/*"'`, accessLine, posLine, condLine), lets, agrees),
		one("signing-two-principals", "two CAs in front of the same rights", ruled(other, accessLine, posLine, condLine), lets, agrees),
		one("signing-anybody", "access_id_ANYBODY", ruled("access_id_ANYBODY", posLine, condLine), lets, agrees),
		one("signing-comments", "comments, blank lines and spaces", ruled("# EACL", "", "  "+accessLine+"   # the CA", "\t"+posLine, "", condLine, "#end"), lets, agrees),
		one("signing-crlf", "a file with CRLF", solo(name(janeName), ".signing_policy", strings.ReplaceAll(lines(accessLine, posLine, condLine), "\n", "\r\n")), lets, agrees),
		one("signing-one-line", "everything on one line", ruled(accessLine+" "+posLine+" "+condLine), lets, agrees),
		one("signing-case", "names in another case", ruled(strings.Replace(accessLine, "Solo CA", "SOLO ca", 1), posLine, `cond_subjects globus '"/dc=ORG/dc=Corpus/*"'`), lets, agrees),
		one("signing-double-quotes", "a name in double quotes", ruled(`access_id_CA X509 "`+soloName+`"`, posLine, condLine), lets, agrees),
		one("signing-bare", "one bare pattern", ruled(accessLine, posLine, "cond_subjects globus '/DC=org/DC=corpus/*'"), lets, agrees),
		one("signing-bare-unquoted", "one bare pattern without any quotes", ruled(accessLine, posLine, "cond_subjects globus /DC=org/DC=corpus/*"), lets, agrees),
		one("signing-several-patterns", "several patterns, the last matches", ruled(accessLine, posLine, `cond_subjects globus '"/C=CH/*" "/DC=x/*" "/DC=org/DC=corpus/*"'`), lets, agrees),
		one("signing-two-conditions", "two conditions must both hold, and do", ruled(accessLine, posLine, condLine, `cond_subjects globus '"/DC=org/*"'`), lets, agrees),
		one("signing-two-conditions-one", "two conditions, and only one holds", ruled(accessLine, posLine, condLine, `cond_subjects globus '"/DC=x/*"'`), forbids, differs(noPolicies)),
		one("signing-no-condition", "rights without a condition give none", ruled(accessLine, posLine), forbids, differs(noPolicies)),
		one("signing-negative", "negative rights that match", ruled(accessLine, posLine, condLine, "neg_rights globus CA:sign", `cond_subjects globus '"/DC=org/DC=corpus/OU=people/*"'`), forbids, differs(noPolicies)),
		one("signing-negative-others", "negative rights that do not match", ruled(accessLine, posLine, condLine, "neg_rights globus CA:sign", `cond_subjects globus '"/DC=org/DC=corpus/OU=robots/*"'`), lets, agrees),
		one("signing-banned", "cond_banned_subjects, with which a right never holds", ruled(accessLine, posLine, condLine, `cond_banned_subjects globus '"/DC=x/*"'`), forbids, differs(noPolicies)),
		one("signing-other-right", "another right than to sign", ruled(accessLine, "pos_rights globus CA:admire", condLine), forbids, differs(noPolicies)),
		one("signing-other-authority", "a right of another authority", ruled(accessLine, "pos_rights other CA:sign", condLine), forbids, differs(noPolicies)),
		one("signing-other-kind", "a principal of another authority than X509", ruled(strings.Replace(accessLine, "X509", "X609", 1), posLine, condLine), silent, differs(noPolicies)),
		one("signing-open-quote", "a quote that is not closed", ruled(accessLine, posLine, `cond_subjects globus '"/DC=org/DC=corpus/*"`), unusable(""), differs(noPolicies)),
		one("signing-open-pattern", "a pattern whose quote is not closed", ruled(accessLine, posLine, `cond_subjects globus '"/DC=org/DC=corpus/*'`), unusable(""), differs(noPolicies)),
		one("signing-no-rights", "a CA without rights", ruled(accessLine), unusable(""), differs(noPolicies)),
		one("signing-garbage-behind", "rubbish behind a good entry", ruled(accessLine, posLine, condLine, "rubbish"), unusable(""), differs(noPolicies)),
		one("signing-empty", "an empty signing policy", ruled(""), unusable(""), differs(noPolicies)),
		one("signing-broken-elsewhere", "a broken signing policy of another CA does no harm", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.jane).in(w.trust.and().text("00000000.signing_policy", "rubbish\n"))
		}, lets, agrees),
		one("signing-old-hash", "a signing policy under the old hash only", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName)
			return knows().anchor(ca).text(oldHash(ca)+".signing_policy", lines(accessLine, posLine, condLine)), w.below(w.eec(ca, janeName), full)
		}), lets, agrees),
		one("signing-sub", "a root that may not sign the sub-CA", in(func(w *world) (*dir, []*cert) {
			return knows().anchor(w.root, "/DC=org/DC=corpus/OU=people/*").anchor(w.sub, inside), w.below(w.jane, full)
		}), no("CHAIN-POLICY", "does not let "+rootName+" sign "+subName), differs(noPolicies)),
		one("signing-in-root-file", "the root's file speaks for the sub-CA, which has none of its own", in(func(w *world) (*dir, []*cert) {
			return knows().anchor(w.root).anchor(w.sub).text(hash(w.root)+".signing_policy", policy(rootName, inside)+policy(subName, inside)), w.below(w.jane, full)
		}), no("CHAIN-POLICY", "the CA "+subName+" has no signing policy"), differs(noPolicies)),
		one("signing-not-proxies", "proxies are not asked about", in(func(w *world) (*dir, []*cert) {
			return knows().anchor(w.root, inside).anchor(w.sub, janeName), w.below(w.jane, full, full)
		}), lets, agrees),
	}
}

func patternCases() []entry {
	forbids := no("CHAIN-POLICY", "does not let "+soloName+" sign")
	pattern := func(user []byte, patterns ...string) func(*world) made {
		return solo(user, ".signing_policy", policy(soloName, patterns...))
	}
	jane := name(janeName)
	slashed := rawName(name("/DC=org/DC=corpus"), cn(cbasn1.UTF8String, "host/a.example.org"))
	const slashedName = `/DC=org/DC=corpus/CN=host\/a.example.org`
	mail := rawName(name("/DC=org/DC=corpus"), oneRDN(part{idEmail, cbasn1.IA5String, "jane@example.org"}))
	return []entry{
		one("pattern-exact", "a pattern without wildcard", pattern(jane, janeName), yes("rfc"), agrees),
		one("pattern-prefix", "a pattern without wildcard that is a prefix", pattern(jane, "/DC=org/DC=corpus"), forbids, differs(noPolicies)),
		one("pattern-middle", "a wildcard in the middle", pattern(jane, "/DC=org/*/CN=Jane Doe"), yes("rfc"), agrees),
		one("pattern-middle-wrong", "a wildcard in the middle, and another end", pattern(jane, "/DC=org/*/CN=Joe*"), forbids, differs(noPolicies)),
		one("pattern-two", "two wildcards", pattern(jane, "/DC=*/OU=*/CN=Jane Doe"), yes("rfc"), agrees),
		one("pattern-all", "a wildcard alone", pattern(jane, "*"), yes("rfc"), agrees),
		one("pattern-question", "a question mark stands for itself", pattern(jane, "/DC=org/DC=corpus/OU=people/CN=Jane?Doe"), forbids, differs(noPolicies)),
		one("pattern-brackets", "brackets and dots stand for themselves", pattern(rawName(name("/DC=org"), cn(cbasn1.UTF8String, "a.b [c] (d)")), "/DC=org/CN=a.b [c] (d)"), yes("rfc").of("/DC=org/CN=a.b [c] (d)"), agrees),
		one("pattern-dot", "a dot is no wildcard", pattern(jane, "/DC=org/DC=corpus/OU=people/CN=Jane.Doe"), forbids, differs(noPolicies)),
		one("pattern-inside", "the pattern's text inside another name does not match", pattern(rawName(name("/DC=evil"), cn(cbasn1.UTF8String, "/DC=org/DC=corpus/CN=x")), inside), forbids, differs(noPolicies)),
		one("pattern-slash-new", "a slash within a value, written as OpenSSL 3 does", pattern(slashed, `/DC=org/DC=corpus/CN=host\\/*`), yes("rfc").of(slashedName), agrees),
		one("pattern-slash-old", "a slash within a value, written as OpenSSL 1 did", pattern(slashed, "/DC=org/DC=corpus/CN=host/*"), yes("rfc").of(slashedName), agrees),
		one("pattern-email", "emailAddress written as Email", pattern(mail, "/DC=org/DC=corpus/Email=jane@example.org"), yes("rfc").of("/DC=org/DC=corpus/emailAddress=jane@example.org"), agrees),
		one("pattern-e", "emailAddress written as E", pattern(mail, "/DC=org/DC=corpus/E=*@example.org"), yes("rfc").of("/DC=org/DC=corpus/emailAddress=jane@example.org"), agrees),
		one("pattern-userid", "UID written as USERID", pattern(rawName(name("/DC=org"), oneRDN(part{idUID, cbasn1.UTF8String, "jane"})), "/DC=org/USERID=jane"), yes("rfc").of("/DC=org/UID=jane"), agrees),
		one("pattern-utf8", "octets of UTF-8 in the pattern", pattern(rawName(name("/DC=org"), cn(cbasn1.UTF8String, "Zoë")), `/DC=org/CN=Zo\\xC3\\xAB`), yes("rfc").of(`/DC=org/CN=Zo\xC3\xAB`), agrees),
		one("pattern-quote", "an apostrophe escaped in the file", pattern(rawName(name("/DC=org"), cn(cbasn1.UTF8String, "Sean O'Hara")), `/DC=org/CN=Sean O\'Hara`), yes("rfc").of("/DC=org/CN=Sean O'Hara"), agrees),
		one("pattern-many-stars", "many wildcards that nearly match cost no time", pattern(rawName(name("/DC=org"), cn(cbasn1.UTF8String, strings.Repeat("a", 2000))), "/DC=org/CN="+strings.Repeat("*a", 200)+"*b"), forbids, differs(noPolicies)),
		one("pattern-empty-subject", "a user certificate with an empty subject", solo(sequence(), ".signing_policy", policy(soloName, inside)), no("CHAIN-PROXY", "by a certificate without a name"), agrees),
	}
}

func namespaceCases() []entry {
	const head = "#NAMESPACES-VERSION: 1.0"
	const permit = `TO Issuer "` + soloName + `" PERMIT Subject "/DC=org/DC=corpus/.*"`
	both := func(text ...string) func(*world) made {
		return solo(name(janeName), ".signing_policy", policy(soloName, inside), ".namespaces", lines(text...))
	}
	forbids := no("CHAIN-POLICY", "the namespaces in")
	unusable := no("CHAIN-POLICY", "the namespaces of the CA "+soloName+" cannot be used")
	return []entry{
		one("namespace-both", "namespaces and signing policy permit", both(head, permit), yes("rfc"), agrees),
		one("namespace-alone", "namespaces without a signing policy", solo(name(janeName), ".namespaces", lines(head, permit)), yes("rfc"), agrees),
		one("namespace-self", "SELF is the CA of the file", both(head, `TO Issuer SELF PERMIT Subject "/DC=org/.*"`), yes("rfc"), agrees),
		one("namespace-continued", "a statement over two lines, in other case", both(head, `to issuer "`+soloName+`" \`, `  permit subject "/dc=ORG/.*"`), yes("rfc"), agrees),
		one("namespace-continued-word", "a line end within a word", both(head, `TO Issuer "`+soloName+`" PER\`, `MIT Subject "/DC=org/.*"`), yes("rfc"), agrees),
		one("namespace-continued-comment", "a backslash at the end of a comment continues nothing", both(head, `# a comment \`, permit), yes("rfc"), agrees),
		one("namespace-single-quotes", "single quotes around double ones, as in one file of the IGTF", both(head, `TO Issuer "`+soloName+`" PERMIT Subject '"/DC=org/DC=corpus/.*"'`), yes("rfc"), agrees),
		one("namespace-repetitions", "repetitions that make an expression huge", both(head, `TO Issuer SELF PERMIT Subject "/DC=org/`+strings.Repeat("((a{9}){9}){9}", 30)+`"`), unusable, differs(noPolicies)),
		one("namespace-forbids", "namespaces forbid what the signing policy permits", both(head, `TO Issuer SELF PERMIT Subject "/DC=org/DC=elsewhere/.*"`), forbids, differs(noPolicies)),
		one("namespace-policy-forbids", "the signing policy forbids what namespaces permit", solo(name(janeName), ".signing_policy", policy(soloName, "/DC=x/*"), ".namespaces", lines(head, permit)),
			no("CHAIN-POLICY", "the signing policy"), differs(noPolicies)),
		one("namespace-deny", "DENY counts more than PERMIT", both(head, permit, `TO Issuer SELF DENY Subject "/DC=org/DC=corpus/OU=people/.*"`), forbids, differs(noPolicies)),
		one("namespace-deny-others", "a DENY of others", both(head, `TO Issuer SELF DENY Subject "/DC=org/DC=corpus/OU=robots/.*"`, permit), yes("rfc"), agrees),
		one("namespace-anchored", "the expression must match the whole name", both(head, `TO Issuer SELF PERMIT Subject "/DC=org/DC=corpus"`), forbids, differs(noPolicies)),
		one("namespace-glob", "a shell's * is not a regular expression's", both(head, `TO Issuer SELF PERMIT Subject "/DC=org/*"`), forbids, differs(noPolicies)),
		one("namespace-literal", "a name with brackets is tried as it stands", solo(rawName(name("/DC=org"), cn(cbasn1.UTF8String, "Jane [Grid]")), ".signing_policy", policy(soloName, "/DC=org/*"),
			".namespaces", lines(head, `TO Issuer SELF PERMIT Subject "/DC=org/CN=Jane [Grid]"`)), yes("rfc").of("/DC=org/CN=Jane [Grid]"), agrees),
		one("namespace-silent", "namespaces that speak of other CAs leave it to the signing policy", both(head, `TO Issuer "/CN=Other CA" PERMIT Subject "/CN=x"`), yes("rfc"), agrees),
		one("namespace-silent-alone", "the same without a signing policy", solo(name(janeName), ".namespaces", lines(head, `TO Issuer "/CN=Other CA" PERMIT Subject "/CN=x"`)),
			no("CHAIN-POLICY", "has no signing policy"), differs(noPolicies)),
		one("namespace-version", "another version of the format", both("#NAMESPACES-VERSION: 2.0", permit), unusable, differs(noPolicies)),
		one("namespace-broken", "a broken statement", both(head, permit, "TO Issuer SELF PERMIT everything"), unusable, differs(noPolicies)),
		one("namespace-bad-expression", "an expression that is none", both(head, `TO Issuer SELF PERMIT Subject "/DC=org/(.*"`), unusable, differs(noPolicies)),
		one("namespace-root-for-sub", "the root's namespaces forbid what its sub-CA signed", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.jane).in(w.trust.and().text(hash(w.root)+".namespaces",
				lines(head, `TO Issuer SELF PERMIT Subject "/DC=org/.*"`, `TO Issuer "`+subName+`" PERMIT Subject "/DC=x/.*"`)))
		}, no("CHAIN-POLICY", "do not let "+subName+" sign "+janeName), differs(noPolicies)),
	}
}
