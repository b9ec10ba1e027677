package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A shape says what JSON must look like: every key of an object, and what its value is. Keys that end in "?" were added to
// what is documented, and may be missing.
type shape func(at string, v any) []string

func wrong(at, format string, args ...any) []string {
	return []string{at + ": " + fmt.Sprintf(format, args...)}
}

func object(keys map[string]shape) shape {
	return func(at string, v any) []string {
		m, ok := v.(map[string]any)
		if !ok {
			return wrong(at, "is %T, not an object", v)
		}
		var faults []string
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			name, optional := strings.CutSuffix(key, "?")
			switch value, ok := m[name]; {
			case ok:
				faults = append(faults, keys[key](at+"."+name, value)...)
			case !optional:
				faults = append(faults, wrong(at, "has no %q", name)...)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if keys[key] == nil && keys[key+"?"] == nil {
				faults = append(faults, wrong(at, "has %q, which is not documented", key)...)
			}
		}
		return faults
	}
}

func list(of shape) shape {
	return func(at string, v any) []string {
		l, ok := v.([]any)
		if !ok {
			return wrong(at, "is %T, not a list", v)
		}
		var faults []string
		for i, e := range l {
			faults = append(faults, of(fmt.Sprintf("%s[%d]", at, i), e)...)
		}
		return faults
	}
}

func value[T any](at string, v any) []string {
	if _, ok := v.(T); !ok {
		return wrong(at, "is %T, not %T", v, *new(T))
	}
	return nil
}

// text is a string that is not empty.
func text(at string, v any) []string {
	if s, ok := v.(string); !ok || s == "" {
		return wrong(at, "is %#v, not text", v)
	}
	return nil
}

func oneOf(words ...string) shape {
	return func(at string, v any) []string {
		if s, ok := v.(string); !ok || !slices.Contains(words, s) {
			return wrong(at, "is %#v, not one of %q", v, words)
		}
		return nil
	}
}

// aMoment is in UTC, to the second.
func aMoment(at string, v any) []string {
	s, _ := v.(string)
	if _, err := time.Parse("2006-01-02T15:04:05Z", s); err != nil {
		return wrong(at, "is %#v: %v", v, err)
	}
	return nil
}

func orNull(of shape) shape {
	return func(at string, v any) []string {
		if v == nil {
			return nil
		}
		return of(at, v)
	}
}

// natural is a whole number, not below zero.
func natural(at string, v any) []string {
	if n, ok := v.(float64); !ok || n < 0 || n != float64(int64(n)) {
		return wrong(at, "is %#v, not a natural number", v)
	}
	return nil
}

var (
	aString, aBool, aNumber = shape(value[string]), shape(value[bool]), shape(value[float64])

	anAlert = object(map[string]shape{"id": text, "severity": oneOf("warning", "critical"), "subject": text, "message": text, "remedy": text, "where": text})

	aReport = object(map[string]shape{
		"version": func(at string, v any) []string {
			if v != 1.0 {
				return wrong(at, "is %v, not 1", v)
			}
			return nil
		},
		"time": aMoment, "changed": aBool, "alerts": list(anAlert), "nextLook": orNull(aMoment),
		"steps": list(object(map[string]shape{
			"id": text, "action": oneOf("renew", "write", "link", "restart"), "kind": text, "target": text, "path": aString, "reason": text,
			"needs": list(text), "result": oneOf("planned", "done", "failed", "skipped", "deferred"), "error": aString, "tookSeconds": aNumber,
			"diff?": text, "notBefore?": aMoment,
		})),
	})

	credentialKeys = map[string]shape{
		"name": aString, "kind": oneOf("machine", "user", "stored"), "path": aString, "identity": aString, "subject": aString, "issuer": aString,
		"type": oneOf("rfc", "draft", "legacy", "eec", ""), "limited": aBool, "keyType": oneOf("rsa", "ec", ""), "keyBits": natural, "vo": aString,
		"fqans": list(text), "notAfter": orNull(aMoment), "secondsLeft": natural, "acNotAfter": orNull(aMoment), "acSecondsLeft": natural,
		"effectiveEnd": orNull(aMoment), "effectiveSecondsLeft": natural,
		"state": oneOf("ok", "due", "alert", "expired", "missing", "invalid", "unknown"), "reason": aString,
	}

	aStep = object(map[string]shape{
		"id": text, "action": oneOf("renew", "write", "link", "restart"), "kind": text, "target": text, "reason": text, "when": aMoment,
	})

	aForecast = object(map[string]shape{
		"givesSeconds": natural, "shortFrom": orNull(aMoment), "shortBy": aString, "renewableUntil": orNull(aMoment), "renewableBy": aString, "end": orNull(aMoment),
		"remedy": aString, "where": aString,
	})

	aBreak = object(map[string]shape{"subject": text, "when": aMoment, "reason": text, "impact": text, "remedy?": text, "where?": text})

	statusKeys = with(credentialKeys, map[string]shape{
		"lifetimeSeconds?": natural, "renewBelowSeconds?": natural, "lateBelowSeconds?": natural, "alertBelowSeconds?": natural, "endsWith?": text, "lastRenewal?": aMoment,
		"nextRenewal?": aMoment, "forecast?": aForecast,
		"ends?": list(object(map[string]shape{"what": text, "name": text, "when": aMoment, "secondsLeft": natural, "renewed": aBool, "counts": aBool})),
	})

	aStatus = object(map[string]shape{
		"credentials":  list(object(statusKeys)),
		"envFiles":     list(object(map[string]shape{"path": text, "state": oneOf("ok", "due", "alert", "invalid"), "reason": aString})),
		"services":     list(object(map[string]shape{"name": text, "state": oneOf("ok", "due", "alert", "unknown"), "reason": aString, "lastRestart?": orNull(aMoment)})),
		"alerts":       list(anAlert),
		"firstToBreak": orNull(aBreak),
		"time?":        aMoment, "nextLook?": orNull(aMoment), "steps?": list(aStep),
		"rehearsal?": object(map[string]shape{"seen": aMoment, "unmended": list(aBreak), "later": orNull(aBreak), "renewed": list(object(map[string]shape{
			"name": text, "state": oneOf("ok", "alert", "expired", "missing", "unknown"), "effectiveEnd": orNull(aMoment), "secondsLeft": natural, "reason": aString,
		}))}),
	})

	anInspection = list(object(with(credentialKeys, map[string]shape{
		"file": text, "verified": aBool, "fault": aString,
		"chain": list(object(map[string]shape{
			"subject": text, "issuer": text, "serial": text, "notBefore": aMoment, "notAfter": aMoment, "type": oneOf("rfc", "draft", "legacy", "eec", "ca"),
			"keyType": oneOf("rsa", "ec"), "keyBits": natural, "signatureAlgorithm": text, "pathLen": orNull(natural), "policy": aString,
		})),
		"acs": list(object(map[string]shape{
			"vo": text, "issuer": text, "serial": text, "notBefore": aMoment, "notAfter": aMoment, "fqans": list(text),
			"attributes": list(object(map[string]shape{"name": text, "value": text, "qualifier": text})),
			"verified":   aBool, "fault": aString, "uri": text,
		})),
		"findings?": list(object(map[string]shape{"id": text, "message": text, "remedy": text})),
	})))
)

func with(a, b map[string]shape) map[string]shape {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// decode holds JSON against a shape, and reads it into what is easier to ask.
func decode[T any](t *testing.T, text string, s shape) T {
	t.Helper()
	var raw any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, f := range s("$", raw) {
		t.Error(f)
	}
	var out T
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if t.Failed() {
		t.Logf("the JSON is\n%s", text)
	}
	return out
}

// steps are a report in short.
func (r reportDoc) steps() []string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, s.ID+" "+string(s.Result))
	}
	return out
}

func (r reportDoc) alerts() []string {
	var out []string
	for _, a := range r.Alerts {
		out = append(out, a.ID)
	}
	return out
}

func TestJSON(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	env := func(result string) []string {
		return []string{"renew/machine-proxy " + result, "renew/proxy/lcgadmin " + result, "write/env-file" + b.CEEnv + " " + result,
			"write/env-file" + b.MLEnv + " " + result, "restart/service/jalien " + result}
	}
	report := func(code int, args ...string) reportDoc {
		t.Helper()
		r := b.must(code, append(args, "-o", "json")...)
		if r.stderr != "" {
			t.Errorf("%q says on standard error: %s", args, r.stderr)
		}
		return decode[reportDoc](t, r.stdout, aReport)
	}
	status := func(code int, args ...string) status.Doc {
		t.Helper()
		return decode[status.Doc](t, b.must(code, append([]string{"status", "--output=json"}, args...)...).stdout, aStatus)
	}
	mustBe := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}

	d := report(2, "--dry-run")
	mustBe("planned", d.steps(), env("planned"))
	mustBe("changed", d.Changed, true)
	mustBe("needs", d.Steps[1].Needs, "[renew/machine-proxy]")
	mustBe("reason", d.Steps[0].Reason, "there is none yet")
	if diff := d.Steps[2].Diff; !strings.HasPrefix(diff, "--- "+b.CEEnv+"\n+++ "+b.CEEnv+"\n@@ ") || !strings.Contains(diff, "\n+export X509_USER_PROXY=") {
		t.Errorf("the env file's diff is not unified:\n%s", diff)
	}
	st := status(1)
	mustBe("credentials", len(st.Credentials), 3)
	mustBe("machine proxy", st.Credentials[0].Kind+" "+st.Credentials[0].State, "machine missing")
	mustBe("stored credential", st.Credentials[2].Kind+" "+st.Credentials[2].State, "stored unknown")

	d = report(0)
	mustBe("done", d.steps(), env("done"))
	mustBe("changed", d.Changed, true)
	if next := d.NextLook.Sub(d.Time); next < time.Hour || next > 3*time.Hour {
		t.Errorf("the next look is in %v, not in about two hours", next)
	}
	d = report(0)
	mustBe("nothing", d.steps(), "[]")
	mustBe("changed", d.Changed, false)

	st = status(0)
	c := st.Credentials[1]
	mustBe("state", c.State, "ok")
	mustBe("identity", c.Identity, b.User.Identity())
	mustBe("type", c.Type, "rfc")
	mustBe("primary FQAN", c.FQANs[0], b.Role)
	for name, left := range map[string]int64{"": c.SecondsLeft, "ac": c.ACSecondsLeft, "effective": c.EffectiveSecondsLeft} {
		if left < 47*3600 || left > 48*3600 {
			t.Errorf("%s seconds left: %d, want nearly 48 hours", name, left)
		}
	}
	mustBe("first to break", st.FirstToBreak.Subject, "lcgadmin")
	st = status(1, "--at", b.now().Add(50*time.Hour).UTC().Format(time.RFC3339))
	mustBe("state in 50 hours", st.Credentials[1].State, "expired")

	in := decode[[]inspectDoc](t, b.must(0, "inspect", "-ojson", b.userProxy(), b.UserCert).stdout, anInspection)
	mustBe("files", in[0].File+" "+in[1].File, b.userProxy()+" "+b.UserCert)
	mustBe("chain", len(in[0].Chain), 5)
	mustBe("types", in[0].Type+" "+in[1].Type, "rfc eec")
	mustBe("ac", in[0].ACs[0].VO+" "+in[0].ACs[0].FQANs[0], "alice "+b.Role+"/Capability=NULL")
	mustBe("ac verified", in[0].ACs[0].Verified, true)
	in = decode[[]inspectDoc](t, b.must(1, "inspect", "-ojson", b.userProxy(), b.Dir+"/none", b.CEEnv).stdout, anInspection)
	mustBe("verified", fmt.Sprint(in[0].Verified, in[1].Verified, in[2].Verified), "true false false")
	mustBe("states", in[0].State+" "+in[1].State+" "+in[2].State, "ok missing invalid")

	// A pass that fails, one that is told to leave the service alone, and a restart that has to wait.
	b.edit(b.Config, "restart]\n", "restart]\n    atMost: 2 per 24h\n")
	b.AllowBox(false)
	write(t, b.CEEnv, "export X509_USER_PROXY=/tmp/x\n")
	d = report(1, "--force", "lcgadmin", "--no-restart")
	mustBe("failed", d.steps(), "[renew/proxy/lcgadmin failed write/env-file"+b.CEEnv+" done]")
	mustBe("alerts", d.alerts(), "[MP-PASS]")
	if d.Steps[0].Error == "" {
		t.Errorf("a failed step has no error")
	}
	if err := os.Remove(b.userProxy()); err != nil {
		t.Fatal(err)
	}
	write(t, b.CEEnv, "export X509_USER_PROXY=/tmp/x\n")
	d = report(1)
	mustBe("skipped", d.steps(), "[renew/proxy/lcgadmin failed write/env-file"+b.CEEnv+" skipped restart/service/jalien skipped]")
	b.AllowBox(true)
	d = report(0)
	mustBe("restarted", d.steps(), "[renew/proxy/lcgadmin done write/env-file"+b.CEEnv+" done restart/service/jalien done]")
	write(t, b.CEEnv, "export X509_USER_PROXY=/tmp/x\n")
	d = report(0)
	mustBe("deferred", d.steps(), "[write/env-file"+b.CEEnv+" done restart/service/jalien deferred]")
	mustBe("alerts", d.alerts(), "[SVC-ATMOST]")
	if d.Steps[1].NotBefore == nil {
		t.Errorf("it is not said until when the restart waits")
	}
	st = status(0)
	mustBe("service", st.Services[0].State, "due")
}
