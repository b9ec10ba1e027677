package cases

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Why OpenSSL says something else.
const (
	noLimited   = "it knows no limited proxies"
	noLanguages = "it leaves policy languages to the application"
	onlyRFC     = "it knows RFC 3820 proxies only"
	anyPCI      = "it does not ask for ProxyCertInfo to be critical"
	notOwnUsage = "it does not look at a proxy's own key usage"
	noSkew      = "it has no tolerance for clocks"
	noParse     = "it is not as strict about DER as crypto/x509"
)

// under is a proxy file of Jane's with proxies made by the changes, EEC's first.
func under(changes ...change) func(*world) made {
	return func(w *world) made { return w.chain(w.below(w.jane, changes...)...) }
}

// both applies several changes to one proxy.
func both(changes ...change) change {
	return func(s *spec) {
		for _, c := range changes {
			c(s)
		}
	}
}

// bodily is a proxy's identity in its own right: its name ends in a CN that we choose.
func bodily(value string) change { return called(cbasn1.PrintableString, value) }

func proxyCases() []entry {
	return slices.Concat(proxyForms(), proxyPolicies(), proxyPathLengths(), proxyMixes(), proxyExtensions(), proxySubjects(), proxyTimes(), proxyIssuers())
}

func proxyForms() []entry {
	return []entry{
		one("form-eec", "a user certificate alone", func(w *world) made { return w.chain(w.jane) }, yes("eec").until("user certificate"), agrees),
		one("form-rfc", "an RFC 3820 proxy", under(full), yes("rfc").until("proxy certificate"), agrees),
		one("form-rfc-three", "three RFC 3820 proxies", under(full, full, full), yes("rfc"), agrees),
		one("form-rfc-sixteen", "sixteen RFC 3820 proxies", under(slices.Repeat([]change{full}, 16)...), yes("rfc"), agrees),
		one("form-rfc-nineteen", "nineteen RFC 3820 proxies", under(slices.Repeat([]change{full}, 19)...), yes("rfc"), agrees),
		one("form-rfc-25", "25 RFC 3820 proxies", under(slices.Repeat([]change{full}, 25)...), yes("rfc"), agrees),
		one("form-rfc-90", "90 RFC 3820 proxies", under(slices.Repeat([]change{full}, 90)...), yes("rfc"), agrees),
		one("form-rfc-101", "101 proxies are more than anybody has", under(slices.Repeat([]change{full}, 101)...),
			no("CHAIN-PATHLEN", "longer than 100 certificates"), agrees),
		one("form-rfc-rsa", "an RSA key in a proxy", under(holding(rsaTwo())), yes("rfc"), agrees),
		one("form-draft", "a draft (GT3) proxy", under(draftProxy), yes("draft"), differs(onlyRFC)),
		one("form-draft-two", "two draft proxies", under(draftProxy, draftProxy), yes("draft"), differs(onlyRFC)),
		one("form-legacy", "a legacy (GT2) proxy", under(legacy), yes("legacy"), differs(onlyRFC)),
		one("form-legacy-two", "two legacy proxies", under(legacy, legacy), yes("legacy"), differs(onlyRFC)),
		one("form-legacy-serial", "a legacy proxy with its issuer's serial number, as grid-proxy-init made them", func(w *world) made {
			return w.chain(w.proxy(w.jane, legacy, serial(w.jane.serial...)), w.jane)
		}, yes("legacy"), differs(onlyRFC)),
		one("form-legacy-v1", "a legacy proxy of version 1, without extensions", under(both(legacy, bare, version(0))), yes("legacy"), differs(onlyRFC)),
		one("form-legacy-upper", "CN=Proxy is no legacy proxy: names of proxies are compared exactly", under(both(legacy, called(cbasn1.PrintableString, "Proxy"))),
			no("CHAIN-NOTCA", "it has no ProxyCertInfo"), agrees),
		one("form-plain", "a proxy without ProxyCertInfo, and not of a legacy name", under(without(idCertInfo)), no("CHAIN-NOTCA", "it has no ProxyCertInfo"), agrees),
		one("form-soft", "ProxyCertInfo that is not critical makes no proxy", under(softCertInfo), no("CHAIN-NOTCA", "its ProxyCertInfo is not critical"), differs(anyPCI)),
		one("form-soft-legacy", "ProxyCertInfo that is not critical leaves a legacy proxy what it is by name",
			under(both(softCertInfo, bodily("proxy"))), yes("legacy"), agrees),
		one("form-rfc-named-proxy", "a critical ProxyCertInfo counts more than the CN proxy", under(bodily("proxy")), yes("rfc"), agrees),
		one("form-both", "ProxyCertInfo of RFC 3820 and of the draft in one certificate", under(with(draftCertInfo(nil, langAll))),
			no("CHAIN-MALFORMED", "two of them"), agrees),
		one("form-serial-zero", "a proxy with serial number 0", under(serial(0)), yes("rfc"), agrees),
		one("form-serial-negative", "a proxy with a negative serial number, as 32-bit systems made them", under(serial(0x81, 2, 3, 4)), yes("rfc"), agrees),
		one("form-serial-huge", "a proxy with a serial number of 30 octets", under(serial(slices.Repeat([]byte{0x41}, 30)...)), yes("rfc"), agrees),
		one("form-twice", "ProxyCertInfo twice", under(also(certInfo(nil, langAll))), broken("duplicate extension"), agrees),
	}
}

func proxyPolicies() []entry {
	return []entry{
		one("policy-limited", "a limited proxy", under(limited), yes("rfc").limited(), agrees),
		one("policy-limited-under-full", "a limited proxy below a full one", under(full, limited), yes("rfc").limited(), agrees),
		one("policy-limited-under-limited", "a limited proxy below a limited one", under(limited, limited), yes("rfc").limited(), agrees),
		one("policy-full-under-limited", "a full proxy below a limited one", under(limited, full), no("CHAIN-LIMITED", "a full proxy below a limited one"), differs(noLimited)),
		one("policy-full-two-under-limited", "limited stays limited further down", under(limited, limited, full), no("CHAIN-LIMITED", "below a limited one"), differs(noLimited)),
		one("policy-independent", "an independent proxy is somebody of its own", under(both(independent, bodily("7"))), yes("rfc").of(janeName+"/CN=7"), agrees),
		one("policy-independent-under-full", "an independent proxy below a full one", under(bodily("7"), both(independent, func(s *spec) { s.subject = name(janeName + "/CN=7/CN=8") })),
			yes("rfc").of(janeName+"/CN=7/CN=8"), agrees),
		one("policy-full-under-independent", "a full proxy below an independent one has its identity", under(both(independent, bodily("7")), full), yes("rfc").of(janeName+"/CN=7"), agrees),
		one("policy-limited-under-independent", "a limited proxy below an independent one", under(both(independent, bodily("7")), limited), yes("rfc").of(janeName+"/CN=7").limited(), agrees),
		one("policy-independent-under-limited", "an independent proxy below a limited one, which only GSI allows", under(limited, independent), no("CHAIN-LIMITED", "an independent proxy below a limited one"), differs(noLimited)),
		one("policy-any-language", "anyLanguage needs somebody who knows the language", under(language(langAny)), no("CHAIN-PROXY", "1.3.6.1.5.5.7.21.0"), differs(noLanguages)),
		one("policy-unknown", "an unknown policy language", under(language(langUnknown)), no("CHAIN-PROXY", "policy language 1.3.6.1.4.1.99999.2"), differs(noLanguages)),
		one("policy-unknown-above", "an unknown policy language above a full proxy", under(language(langUnknown), full), no("CHAIN-PROXY", "policy language"), differs(noLanguages)),
		one("policy-text", "an unknown language with a policy", under(language(langUnknown, octets([]byte("read only")))), no("CHAIN-PROXY", "policy text"), differs(noLanguages)),
		one("policy-text-limited", "limited with a policy", under(language(langLimited, octets([]byte("x")))), no("CHAIN-PROXY", "policy text"), differs(noLanguages)),
		one("policy-text-all", "inherit-all must not have a policy (RFC 3820 section 3.8.2)", under(language(langAll, octets([]byte("x")))),
			no("CHAIN-MALFORMED", "a policy beside inherit-all"), differs(noLanguages)),
		one("policy-draft-limited", "a limited draft proxy", under(draftLimited), yes("draft").limited(), differs(onlyRFC)),
		one("policy-draft-full-under-limited", "a full draft proxy below a limited one", under(draftLimited, draftProxy), no("CHAIN-LIMITED", "below a limited one"), agrees),
		one("policy-legacy-limited", "a limited legacy proxy", under(legacyLimited), yes("legacy").limited(), differs(onlyRFC)),
		one("policy-legacy-limited-under-full", "a limited legacy proxy below a full one", under(legacy, legacyLimited), yes("legacy").limited(), differs(onlyRFC)),
		one("policy-legacy-full-under-limited", "a full legacy proxy below a limited one", under(legacyLimited, legacy), no("CHAIN-LIMITED", "below a limited one"), agrees),
	}
}

func proxyPathLengths() []entry {
	tooMany := no("CHAIN-PATHLEN", "path length of a proxy above it")
	return []entry{
		one("length-zero", "a path length of 0 on the leaf", under(proxies(0)), yes("rfc"), agrees),
		one("length-zero-broken", "a proxy below a path length of 0", under(proxies(0), full), tooMany, agrees),
		one("length-one", "a path length of 1 kept", under(proxies(1), full), yes("rfc"), agrees),
		one("length-one-broken", "a path length of 1 broken", under(proxies(1), full, full), tooMany, agrees),
		one("length-nested", "path lengths one inside the other, kept", under(proxies(2), proxies(1), full), yes("rfc"), agrees),
		one("length-nested-broken", "a short path length inside a long one, broken", under(proxies(5), proxies(0), full), tooMany, agrees),
		one("length-grows", "a proxy cannot lengthen what it was given", under(proxies(1), proxies(9), full), tooMany, agrees),
		one("length-largest", "the largest path length", under(proxies(1<<31-1), full), yes("rfc"), agrees),
		one("length-negative", "a negative path length", under(proxies(-1)), no("CHAIN-MALFORMED", "not a number from 0"), differs("it takes a negative path length for none")),
		one("length-overflow", "a path length beyond 31 bits", under(proxies(1<<32)), no("CHAIN-MALFORMED", "not a number from 0"), differs("it keeps it as a long")),
		one("length-draft", "a draft path length kept", under(draftProxies(1), draftProxy), yes("draft"), differs(onlyRFC)),
		one("length-draft-broken", "a draft path length broken", under(draftProxies(0), draftProxy), tooMany, agrees),
		one("length-trailing", "ProxyCertInfo with something after it", under(with(ext{idCertInfo, true, append(certInfo(nil, langAll).value, 5, 0)})),
			no("CHAIN-MALFORMED", "not one SEQUENCE"), differs("it does not look behind the SEQUENCE")),
		one("length-draft-layout", "the draft's layout under the OID of RFC 3820", under(with(ext{idCertInfo, true, draftCertInfo(integer(1), langAll).value})),
			no("CHAIN-MALFORMED", "more than a path length and a policy"), agrees),
		one("length-empty", "an empty ProxyCertInfo", under(with(ext{idCertInfo, true, sequence()})), no("CHAIN-MALFORMED", "malformed policy"), agrees),
	}
}

func proxyMixes() []entry {
	mixed := no("CHAIN-MIXED", "below one of form")
	return []entry{
		one("mixed-legacy-under-rfc", "a legacy proxy below an RFC one", under(full, legacy), mixed, agrees),
		one("mixed-rfc-under-legacy", "an RFC proxy below a legacy one", under(legacy, full), mixed, agrees),
		one("mixed-draft-under-rfc", "a draft proxy below an RFC one", under(full, draftProxy), mixed, agrees),
		one("mixed-rfc-under-draft", "an RFC proxy below a draft one", under(draftProxy, full), mixed, agrees),
		one("mixed-draft-under-legacy", "a draft proxy below a legacy one", under(legacy, draftProxy), mixed, agrees),
		one("mixed-legacy-under-draft", "a legacy proxy below a draft one", under(draftProxy, legacy), mixed, agrees),
	}
}

func proxyExtensions() []entry {
	dns := altName(element(0x82, []byte("a.example.org")))
	issuerAlt := ext{idIssuerAltName, false, dns.value}
	return []entry{
		one("extension-ca-bit", "a proxy with the CA bit", under(with(basicConstraints(true, -1))), no("CHAIN-NOTCA", "says by its basicConstraints that it is a CA"), agrees),
		one("extension-ca-bit-inside", "a proxy with the CA bit above another proxy", under(with(basicConstraints(true, -1)), full), no("CHAIN-NOTCA", "CA certificate"), agrees),
		one("extension-no-ca", "a proxy that says it is no CA, as those of voms-proxy-init do", under(with(basicConstraints(false, -1))), yes("rfc"), agrees),
		one("extension-cert-sign", "keyCertSign on a proxy", under(usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)), no("CHAIN-PROXY", "keyCertSign"), differs(notOwnUsage)),
		one("extension-no-usage", "a proxy without key usage", under(noKeyUsage), yes("rfc"), agrees),
		one("extension-no-usage-above", "a proxy without key usage may sign another", under(noKeyUsage, full), yes("rfc"), agrees),
		one("extension-no-signature-leaf", "a proxy without digitalSignature, which signs nothing", under(usage(x509.KeyUsageKeyEncipherment)), yes("rfc"), agrees),
		one("extension-no-signature", "a proxy without digitalSignature that signs another", under(usage(x509.KeyUsageKeyEncipherment), full), no("CHAIN-PROXY", "lacks digitalSignature"), agrees),
		one("extension-san", "subjectAltName on a proxy", under(with(dns)), no("CHAIN-PROXY", "has a subjectAltName"), agrees),
		one("extension-san-draft", "subjectAltName on a draft proxy", under(both(draftProxy, with(dns))), no("CHAIN-PROXY", "has a subjectAltName"), agrees),
		one("extension-san-eec", "subjectAltName on the user certificate above", func(w *world) made {
			eec := w.eec(w.sub, janeName, with(dns))
			return w.chain(w.proxy(eec), eec)
		}, yes("rfc"), agrees),
		one("extension-ian", "issuerAltName on a proxy", under(with(issuerAlt)), no("CHAIN-PROXY", "has an issuerAltName"), agrees),
		one("extension-unknown", "an unknown extension", under(with(unknown(false))), yes("rfc"), agrees),
		one("extension-unknown-critical", "an unknown critical extension", under(with(unknown(true))), no("CHAIN-CRITICAL", "1.3.6.1.4.1.99999.1"), agrees),
		one("extension-unknown-critical-above", "an unknown critical extension above the leaf", under(with(unknown(true)), full), no("CHAIN-CRITICAL", "1.3.6.1.4.1.99999.1"), agrees),
		one("extension-policies-critical", "critical certificatePolicies on a proxy", under(with(anyPolicy(true))), no("CHAIN-CRITICAL", "2.5.29.32"), differs("it knows certificate policies")),
		one("extension-eku", "extendedKeyUsage on a proxy, as grid-proxy-init copies it", under(with(clientAuth)), yes("rfc"), agrees),
		one("extension-eku-critical", "critical extendedKeyUsage on a proxy", under(with(ext{idExtKeyUsage, true, clientAuth.value})), yes("rfc"), agrees),
		one("extension-key-ids", "key identifiers on a proxy", func(w *world) made {
			k := rsaTwo()
			return w.chain(w.proxy(w.jane, holding(k), with(subjectKeyID(k)), with(authorityKeyID(w.jane.key))), w.jane)
		}, yes("rfc"), agrees),
		one("extension-key-id-other", "a proxy that names another key of its user", func(w *world) made {
			jane := w.eec(w.sub, janeName)
			return w.chain(w.proxy(jane, with(authorityKeyID(rsaTwo()))), jane)
		}, no("CHAIN-SIGNATURE", "its authorityKeyIdentifier names another"), agrees),
		one("extension-twice", "an extension twice", under(both(also(unknown(false)), also(unknown(false)))), broken("duplicate extension"), differs(noParse)),
		one("extension-netscape", "nsCertType on a proxy, critical", under(with(ext{idNetscapeCertType, true, []byte{3, 2, 7, 0x80}})), yes("rfc"), agrees),
	}
}

func unknown(critical bool) ext { return ext{idUnknown, critical, []byte{5, 0}} }

// noUsage is a key usage that allows nothing.
var noUsage = ext{idKeyUsage, true, []byte{3, 1, 0}}

// anyPolicy is RFC 5280 section 4.2.1.4.
func anyPolicy(critical bool) ext {
	return ext{idPolicies, critical, sequence(sequence(oid(2, 5, 29, 32, 0)))}
}

func proxySubjects() []entry {
	wrong := no("CHAIN-PROXY", "is not that of its issuer")
	named := func(slash string) change { return subject(name(slash)) }
	return []entry{
		one("subject-other", "the subject is not below the issuer's", under(named("/DC=org/DC=corpus/OU=people/CN=Somebody Else/CN=1")), wrong, agrees),
		one("subject-same", "the subject is the issuer's", under(named(janeName)), wrong, agrees),
		one("subject-parent", "the subject is above the issuer's", under(named("/DC=org/DC=corpus/OU=people")), wrong, agrees),
		one("subject-two", "two CNs more", under(named(janeName+"/CN=1/CN=2")), wrong, agrees),
		one("subject-ou", "an OU more", under(named(janeName+"/OU=1")), wrong, agrees),
		one("subject-multi", "one part more that holds a CN and a UID", under(func(s *spec) {
			s.subject = rawName(s.issuer, oneRDN(part{idUID, cbasn1.UTF8String, "j"}, part{idCN, cbasn1.PrintableString, "1"}))
		}), wrong, agrees),
		one("subject-multi-cn", "one part more that holds two CNs", under(func(s *spec) {
			s.subject = rawName(s.issuer, oneRDN(part{idCN, cbasn1.PrintableString, "1"}, part{idCN, cbasn1.PrintableString, "2"}))
		}), wrong, agrees),
		one("subject-inside-last", "a CN more in the last part of the issuer's name, not after it", under(func(s *spec) {
			s.subject = rawName(name("/DC=org/DC=corpus/OU=people"), oneRDN(part{idCN, cbasn1.PrintableString, "1"}, part{idCN, cbasn1.PrintableString, "Jane Doe"}))
		}), wrong, agrees),
		one("subject-utf8", "a CN of type UTF8String", under(called(cbasn1.UTF8String, "12345")), yes("rfc"), agrees),
		one("subject-t61", "a CN of type T61String", under(called(cbasn1.T61String, "12345")), yes("rfc"), agrees),
		one("subject-bmp", "a CN of type BMPString", under(called(30, "\x001\x002")), yes("rfc"), agrees),
		one("subject-text", "a CN that is no number", under(called(cbasn1.UTF8String, "a proxy of my own")), yes("rfc"), agrees),
		one("subject-slash", "a CN with slashes, which is one CN in DER", under(called(cbasn1.UTF8String, "1/CN=2")), yes("rfc"), agrees),
		one("subject-recoded", "the issuer's part in other string types", under(func(s *spec) {
			s.subject = rawName(name("/DC=org/DC=corpus"), oneRDN(part{idOU, cbasn1.UTF8String, "people"}), cn(cbasn1.T61String, "Jane Doe"), cn(cbasn1.PrintableString, "1"))
		}), yes("rfc"), agrees),
		one("subject-case", "the issuer's part in another case and with more space", under(func(s *spec) {
			s.subject = rawName(name("/DC=ORG/DC=corpus/OU=People"), cn(cbasn1.PrintableString, "jane  doe "), cn(cbasn1.PrintableString, "1"))
		}), yes("rfc"), agrees),
		one("subject-issuer-recoded", "the name of the issuer in other string types and case", under(func(s *spec) {
			s.issuer = rawName(name("/DC=org/DC=corpus/OU=PEOPLE"), cn(cbasn1.UTF8String, "JANE DOE"))
		}), yes("rfc"), agrees),
		one("subject-empty", "a proxy with an empty subject", under(subject(sequence())), wrong, agrees),
	}
}

// encoded has the times as they are, of type GeneralizedTime, or UTCTime after UTC.
func encoded(from, to string) change {
	encode := func(text string) []byte {
		if short, ok := strings.CutPrefix(text, "UTC "); ok {
			return element(cbasn1.UTCTime, []byte(short))
		}
		return element(cbasn1.GeneralizedTime, []byte(text))
	}
	return func(s *spec) { s.times = append(encode(from), encode(to)...) }
}

// until is encoded for a proxy that has begun an hour before, whenever the corpus is made.
func until(to string) change {
	return func(s *spec) { encoded("UTC "+s.from.Add(-55*time.Minute).Format("060102150405Z"), to)(s) }
}

func proxyTimes() []entry {
	// A proxy of the world lasts from five minutes before to twelve hours after.
	ends := func(after time.Duration) change { return valid(-24*time.Hour, after-12*time.Hour) }
	begins := func(after time.Duration) change { return valid(5*time.Minute+after, 24*time.Hour) }
	return []entry{
		one("time-expired", "an expired proxy", under(ends(-time.Hour)), no("CHAIN-EXPIRED", "the proxy certificate"), agrees),
		one("time-second-over", "a proxy that expired one second ago", under(ends(-time.Second)), no("CHAIN-EXPIRED", "expired on"), agrees),
		one("time-last-second", "a proxy in its last second", under(ends(0)), yes("rfc"), differs("for it a certificate ends with the beginning of its last second")),
		one("time-expired-inside", "an expired proxy above one that is not", under(ends(-time.Hour), full), no("CHAIN-EXPIRED", "the proxy certificate"), agrees),
		one("time-expired-eec", "an expired user certificate above a proxy that is not", func(w *world) made {
			eec := w.eec(w.sub, janeName, valid(0, -301*day))
			return w.chain(w.proxy(eec), eec)
		}, no("CHAIN-EXPIRED", "the user certificate"), agrees),
		one("time-future", "a proxy of tomorrow", under(begins(24*time.Hour)), no("CLOCK", "not valid before"), agrees),
		one("time-skew", "a proxy that begins in four minutes, by another clock", under(begins(4*time.Minute)), yes("rfc"), differs(noSkew)),
		one("time-beyond-skew", "a proxy that begins in six minutes", under(begins(6*time.Minute)), no("CLOCK", "not valid before"), agrees),
		one("time-outlives", "a proxy that outlives its issuer, as Java makes them", under(ends(500*day)), yes("rfc").until("user certificate"), agrees),
		one("time-outlives-proxy", "a proxy that outlives the proxy above it", under(ends(time.Hour), full), yes("rfc").until("proxy certificate"), agrees),
		one("time-before-issuer", "a proxy that begins before its issuer", under(valid(-1000*day, 0)), yes("rfc"), agrees),
		one("time-backwards", "a proxy that ends before it begins", under(valid(0, -13*time.Hour)), no("CHAIN-EXPIRED", "expired on"), agrees),
		one("time-2049", "an end in the last second of 2049, the last that UTCTime has", under(until("UTC 491231235959Z")), yes("rfc").until("user certificate"), agrees),
		one("time-1950", "an end in 50 by UTCTime, which is 1950", under(encoded("UTC 261121110000Z", "UTC 500101000000Z")), no("CHAIN-EXPIRED", "1950-01-01"), agrees),
		one("time-1950-begin", "a beginning in 1950", under(encoded("UTC 500101000000Z", "UTC 491231235959Z")), yes("rfc").until("user certificate"), agrees),
		one("time-zone", "UTCTime with a zone, which RFC 5280 forbids", under(encoded("UTC 261121110000Z", "UTC 491231235959+0100")), no("CHAIN-MALFORMED", "has times that are not in seconds and UTC"), agrees),
		one("time-no-seconds", "UTCTime without seconds, which RFC 5280 forbids", under(encoded("UTC 2611211100Z", "UTC 4912312359Z")), no("CHAIN-MALFORMED", "has times that are not in seconds and UTC"), agrees),
		one("time-fraction", "GeneralizedTime with fractions of a second, which RFC 5280 forbids", under(encoded("UTC 261121110000Z", "20491231235959.5Z")), broken("certificate 1"), agrees),
		one("time-leap", "the 29th of February of a year without", under(encoded("UTC 261121110000Z", "UTC 490229000000Z")), broken("certificate 1"), agrees),
		one("time-1900", "a beginning in GeneralizedTime before UTCTime begins", under(encoded("19000101000000Z", "UTC 491231235959Z")), yes("rfc").until("user certificate"), agrees),
		one("time-2050", "an end in GeneralizedTime", under(ends(50*365*day)), yes("rfc").until("user certificate"), agrees),
	}
}

func proxyIssuers() []entry {
	return []entry{
		one("issuer-eec-no-signature", "a user certificate without digitalSignature that signs a proxy", func(w *world) made {
			eec := w.eec(w.sub, janeName, usage(x509.KeyUsageKeyEncipherment))
			return w.chain(w.proxy(eec), eec)
		}, no("CHAIN-PROXY", "lacks digitalSignature"), agrees),
		one("issuer-eec-no-signature-alone", "the same without a proxy", func(w *world) made {
			return w.chain(w.eec(w.sub, janeName, usage(x509.KeyUsageKeyEncipherment)))
		}, yes("eec"), agrees),
		one("issuer-eec-empty-usage", "a user certificate whose key usage has no bit set, which signs a proxy", func(w *world) made {
			eec := w.eec(w.sub, janeName, with(noUsage))
			return w.chain(w.proxy(eec), eec)
		}, no("CHAIN-PROXY", "lacks digitalSignature"), agrees),
		one("issuer-eec-no-usage", "a user certificate without key usage", func(w *world) made {
			eec := w.eec(w.sub, janeName, noKeyUsage)
			return w.chain(w.proxy(eec), eec)
		}, yes("rfc"), agrees),
		one("issuer-eec-is-ca", "a user certificate that is a CA", func(w *world) made {
			eec := w.eec(w.sub, janeName, with(basicConstraints(true, -1)))
			return w.chain(w.proxy(eec), eec)
		}, no("CHAIN-NOTCA", "signed by the CA certificate"), differs("it lets a CA with digitalSignature sign proxies")),
		one("issuer-ca-alone", "a CA certificate alone", func(w *world) made { return w.file(blocks(w.sub)) }, no("CHAIN-NOTCA", "that of a CA, not of a user"), differs("any certificate will do")),
		one("issuer-ca", "a proxy directly below a CA", func(w *world) made { return w.chain(w.proxy(w.sub), w.sub) }, no("CHAIN-NOTCA", "signed by the CA certificate"), agrees),
		one("issuer-root", "a proxy directly below a root", func(w *world) made { return w.chain(w.proxy(w.root), w.root) }, no("CHAIN-NOTCA", "signed by the CA certificate"), agrees),
		one("issuer-eec-signs-eec", "a user certificate signed by a user certificate", func(w *world) made {
			return w.chain(w.eec(w.jane, "/DC=org/DC=corpus/OU=people/CN=Mallory"), w.jane)
		}, no("CHAIN-NOTCA", "which is no CA"), agrees),
		one("issuer-proxy-signs-eec", "a user certificate signed by a proxy", func(w *world) made {
			p := w.proxy(w.jane)
			return w.chain(w.eec(p, "/DC=org/DC=corpus/OU=people/CN=Mallory"), p, w.jane)
		}, no("CHAIN-NOTCA", "which is no CA"), agrees),
		one("issuer-wrong-key", "a proxy signed by another key under Jane's name", under(signedBy(rsaTwo())), no("CHAIN-SIGNATURE", "is not by the key of"), agrees),
		one("issuer-spoilt", "a proxy whose signature was changed in one bit", under(spoilt), no("CHAIN-SIGNATURE", "is not by the key of"), agrees),
		one("issuer-spoilt-inside", "the same above the leaf", under(spoilt, full), no("CHAIN-SIGNATURE", "is not by the key of"), agrees),
		one("issuer-algorithms", "two names for one signature, inside and outside", under(claiming(ecdsaSHA384)), broken("inner and outer signature algorithm"), agrees),
		one("issuer-missing-eec", "the user certificate is not in the file", func(w *world) made { return w.chain(w.proxy(w.jane)) }, no("CHAIN-INCOMPLETE", "is not with it"), agrees),
		one("issuer-missing-proxy", "the proxy between is not in the file", func(w *world) made {
			chain := w.below(w.jane, full, full)
			return w.chain(chain[0], chain[2])
		}, no("CHAIN-INCOMPLETE", "is not with it"), agrees),
		one("issuer-renewed", "a renewed user certificate with the same key beside the expired one", func(w *world) made {
			old := w.eec(w.sub, janeName, valid(-365*day, -301*day), holding(w.jane.key))
			return w.chain(w.proxy(w.jane), old, w.jane)
		}, yes("rfc"), agrees),
		one("issuer-rekeyed", "an old user certificate of the same name, with another key", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.eec(w.sub, janeName), w.jane)
		}, yes("rfc"), differs("it takes the first of that name")),
		one("issuer-two-cas", "user certificates of one name and key by two CAs, and the one that lasts longer is by an unknown CA", func(w *world) made {
			other := w.eec(w.ca(nil, "/DC=org/DC=elsewhere/CN=CA"), janeName, holding(w.jane.key), valid(0, 100*day))
			return w.chain(w.proxy(w.jane), other, w.jane)
		}, yes("rfc"), differs("it takes the first of that name")),
		one("issuer-itself", "a proxy that is its own issuer", func(w *world) made {
			p := w.proxy(w.jane, holding(rsaTwo()), signedBy(rsaTwo()), subject(w.jane.subject))
			return w.chain(p)
		}, no("CHAIN-INCOMPLETE", "is not with it"), agrees),
		one("issuer-loop", "two proxies that signed one another", func(w *world) made {
			a, b := name(janeName+"/CN=1"), name(janeName+"/CN=2")
			one := w.proxy(w.jane, holding(rsaOne()), signedBy(rsaTwo()), subject(a), issuerName(b))
			two := w.proxy(w.jane, holding(rsaTwo()), signedBy(rsaOne()), subject(b), issuerName(a))
			return w.chain(one, two)
		}, no("CHAIN-PATHLEN", "longer than 100 certificates"), agrees),
	}
}
