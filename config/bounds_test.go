package config_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLoadBounds reads configurations that were made to keep us busy. For each byte of one only so much memory may be
// allocated, and a large one must not take longer than small ones of as many bytes.
func TestLoadBounds(t *testing.T) {
	const (
		small, growth = 4 << 10, 16
		perByte       = 4000
		slackBytes    = 1 << 20
		moreTime      = 5
		least         = 60 * time.Millisecond // below this a ratio says nothing
		attempts      = 5
	)
	const head = "version: 1\nvo: alice\n"
	path := filepath.Join(t.TempDir(), "config.yaml")
	load := func(doc []byte) {
		if _, err := loadBytes(t, path, doc); err != nil {
			_ = err.Error()
		}
	}
	for name, parts := range map[string][3]string{
		"proxies":             {head + "proxies:\n", "  - name: a\n", ""},
		"proxies of one line": {head + "proxies: [", "{name: a}, ", "]\n"},
		"names":               {head + "proxies:\n  - name: ", "a", "\n"},
		"DNs":                 {head + "proxies:\n", "  - {name: a, dn: /CN=a}\n", ""},
		"a long DN":           {head + "proxies:\n  - {name: a, dn: \"/CN=a", "/CN=a", "\"}\n"},
		"a DN with slashes":   {head + "proxies:\n  - {name: a, dn: \"/CN=a", "/a", "\"}\n"},
		"FQANs":               {head + "proxies:\n  - name: a\n    attributes:\n", "      - /alice/b\n", ""},
		"an FQAN":             {head + "proxies:\n  - name: a\n    attributes: [/alice", "/b", "]\n"},
		"env files":           {head + "envFiles:\n", "  - {path: /a, set: {A: b}}\n", ""},
		"variables":           {head + "envFiles:\n  - path: /a\n    set:\n", "      A: b\n", ""},
		"references":          {head + "envFiles:\n  - path: /a\n    set:\n      A: \"", "${proxy.a}", "\"\n"},
		"open references":     {head + "envFiles:\n  - path: /a\n    set:\n      A: \"", "${", "\"\n"},
		"services":            {head + "services:\n", "  - {name: a, restart: [/bin/true]}\n", ""},
		"arguments":           {head + "services:\n  - name: a\n    restart:\n", "      - b\n", ""},
		"unknown keys":        {head, "a: b\n", ""},
		"different keys":      {head, "a%d: b\n", ""},
		"a long key":          {head, "a", ": b\n"},
		"nested lists":        {head + "proxies: ", "[", ""},
		"closed nested lists": {head + "proxies: " + strings.Repeat("[", 500), " ", strings.Repeat("]", 500)},
		"nested mappings":     {head + "proxies: ", "{a: ", ""},
		"dashes":              {head + "proxies:\n", "- ", "a\n"},
		"anchors":             {head, "- &a b\n", ""},
		"aliases":             {head + "vo: &a alice\nproxies: [", "*a, ", "]\n"},
		"aliases of aliases":  {head + "a: &a [x, x]\n", "b: &b [*a, *a]\n", ""},
		"merges":              {head + "a: &a {b: c}\n", "<<: *a\n", ""},
		"comments":            {"", "# comment\n", head},
		"comments at ends":    {head + "proxies:\n", "  - name: a # b\n", ""},
		"blank lines":         {head, "\n", ""},
		"documents":           {head, "---\n", ""},
		"a long text":         {head + "user: ", "a ", "\n"},
		"a folded text":       {head + "user: >\n", "  a\n\n", ""},
		"a quoted text":       {head + "user: \"", `\n`, "\"\n"},
		"tags":                {head, "!a ", "b\n"},
		"tabs":                {head, "\t", "\n"},
		"control characters":  {head + "user: ", "\x01", "\n"},
		"no UTF-8":            {head + "user: ", "\xff", "\n"},
		"durations":           {head + "watch: {interval: ", "1h", "}\n"},
		"question marks":      {head, "? ", "\n"},
		"colons":              {head, ": ", "\n"},
		"open quotes":         {head, "\"\n", ""},
		"directives":          {"", "%YAML 1.1\n", head},
	} {
		t.Run(name, func(t *testing.T) {
			doc := func(n int) []byte {
				n = max(1, (n-len(parts[0])-len(parts[2]))/len(parts[1]))
				text := strings.Repeat(parts[1], n)
				if strings.Contains(text, "%d") {
					text = numbered(parts[1], n)
				}
				return []byte(parts[0] + text + parts[2])
			}
			less, more := doc(small), doc(growth*small)
			var used int
			var one, many time.Duration
			for range attempts { // something else may have come between, but hardly every time
				used = allocated(func() { load(more) })
				if one = taken(func() { load(more) }); one > least {
					many = taken(func() {
						for range growth {
							load(less)
						}
					})
				}
				if used <= perByte*len(more)+slackBytes && (one <= least || one <= moreTime*many) {
					return
				}
			}
			t.Errorf("%d bytes are allocated for %d bytes of input; they take %v, and %d small ones of as many bytes %v", used, len(more), one, growth, many)
		})
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Replace(format, "%d", strings.Repeat("x", 1+i%7)+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676%26)), 1))
	}
	return b.String()
}

func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// taken is the processor's time for this thread.
func taken(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		const thread = 1 // RUSAGE_THREAD of getrusage(2)
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			panic(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	f()
	return used() - before
}
