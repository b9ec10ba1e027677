package page_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 0: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 59*time.Minute + 59*time.Second: "59 min",
		time.Hour: "1 h", 46*time.Hour + 48*time.Minute: "46 h 48 min", 71*time.Hour + 59*time.Minute: "71 h 59 min",
		3 * day: "3 d", 3*day + 4*time.Hour + 5*time.Minute: "3 d 4 h", 60 * day: "60 days", 400*day + time.Hour: "400 days",
	} {
		if got := page.Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// What can be copied is a command, and the rest is prose.
func TestRemedy(t *testing.T) {
	for _, c := range []struct{ remedy, command, advice string }{
		{"myproxy-init -s myproxy.cern.ch -d -n -t 48 -c 3000", "myproxy-init -s myproxy.cern.ch -d -n -t 48 -c 3000", ""},
		{"vobox-reconcile --force lcgadmin; if it has expired: log in with a fresh proxy", "vobox-reconcile --force lcgadmin", "if it has expired: log in with a fresh proxy"},
		{"vobox-reconcile renews it", "", "vobox-reconcile renews it"},
		{"vobox-reconcile", "vobox-reconcile", ""},
		{"vobox-reconcile doctor --only CLOCK", "vobox-reconcile doctor --only CLOCK", ""},
		{"chmod 0600 /etc/grid-security/hostkey.pem", "chmod 0600 /etc/grid-security/hostkey.pem", ""},
		{"/etc/init.d/alice-box-proxyrenewal restart", "/etc/init.d/alice-box-proxyrenewal restart", ""},
		{"ask your CA for a new host certificate", "", "ask your CA for a new host certificate"},
		{"run the job that makes it (/etc/init.d/x proxy), or let this program make it", "", "run the job that makes it (/etc/init.d/x proxy), or let this program make it"},
		{"correct /home/x/CE.env, or envFiles[].expect in the configuration", "", "correct /home/x/CE.env, or envFiles[].expect in the configuration"},
		{"set the clock of this box: chronyc tracking", "", "set the clock of this box: chronyc tracking"},
		{"nothing, if the one that is there lasts", "", "nothing, if the one that is there lasts"},
		{"find out what keeps changing its files: see the journal; or raise atMost", "", "find out what keeps changing its files: see the journal; or raise atMost"},
		{"install the VO's LSC files (wlcg-iam-lsc-alice)", "", "install the VO's LSC files (wlcg-iam-lsc-alice)"},
		{"ss -ltnp 'sport = :9555'; if another program has the port, stop it", "ss -ltnp 'sport = :9555'", "if another program has the port, stop it"},
		{"", "", ""},
	} {
		if command, advice := page.Remedy(c.remedy); command != c.command || advice != c.advice {
			t.Errorf("%q is the command %q and the advice %q", c.remedy, command, advice)
		}
	}
}

func TestBrief(t *testing.T) {
	path := "/var/lib/vobox/alice/proxy_repository/+2fDC+3dch+2fDC+3dcern-voms+20alice:lcgadmin"
	for s, want := range map[string]string{
		"X509_USER_PROXY: set to /tmp/x": "X509_USER_PROXY: set to /tmp/x",
		"set to " + path[:70]:            "set to /var/lib/vobox/alice/proxy…3dcern-voms+20al",
		strings.Repeat("é", 60):          strings.Repeat("é", 26) + "…" + strings.Repeat("é", 16),
	} {
		if got := page.Brief(s); got != want {
			t.Errorf("%q is cut to %q, want %q", s, got, want)
		}
	}
}

// The time line runs from left to right without a break, whatever there is to show.
func TestScale(t *testing.T) {
	docs := map[string]status.Doc{"quiet": quietBox().input().Status, "empty": {Time: now}}
	far := quietBox()
	far.want.Credentials[1].Lifetime = 20 * day
	far.want.Credentials[0].Lifetime = time.Minute
	docs["far"] = far.input().Status
	for name, d := range docs {
		last := -1.0
		for h := -24.0 * 100; h < 24*4000; h += 0.5 + math.Abs(h)/100 {
			x, beyond := page.Position(d, now.Add(time.Duration(h*float64(time.Hour))))
			if math.IsNaN(x) || x < last || x < 0 || x > 100 || x-last > 5 && h > -24*100 {
				t.Fatalf("%s: %v h is at %v %%, after %v %%", name, h, x, last)
			}
			if beyond != (x == 100 && h*float64(time.Hour) > 0) && beyond {
				t.Fatalf("%s: %v h is beyond, at %v %%", name, h, x)
			}
			last = x
		}
		if last != 100 {
			t.Errorf("%s: the right edge is at %v %%", name, last)
		}
	}
	d := docs["quiet"]
	for _, c := range []struct {
		at   time.Duration
		want float64
	}{{-30 * time.Hour, 0}, {-24 * time.Hour, 0}, {0, 70. / 3}, {24 * time.Hour, 140. / 3}, {48 * time.Hour, 70}, {4000 * day, 100}} {
		if x, _ := page.Position(d, now.Add(c.at)); math.Abs(x-c.want) > 1e-9 {
			t.Errorf("%v is at %v %%, want %v %%", c.at, x, c.want)
		}
	}
}

// However long proxies and certificates last, labels keep off each other.
func TestLabels(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 17, 0, 0, time.UTC)
	in := func(d time.Duration) *time.Time { at := now.Add(d); return &at }
	for _, proxy := range []time.Duration{time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 100 * time.Hour, 168 * time.Hour} {
		for _, days := range []time.Duration{1, 10, 60, 90, 200, 366, 500, 800, 1100, 4000} {
			d := status.Doc{Time: now, Credentials: []status.Credential{
				{Kind: "user", EffectiveEnd: in(proxy), LifetimeSeconds: int64(proxy.Seconds())}, {Kind: "stored", EffectiveEnd: in(days * 24 * time.Hour)}}}
			for phone, room := range map[bool]float64{false: 4.5, true: 10} {
				at := page.Labels(d, phone)
				if len(at) < 3 {
					t.Errorf("%v, %d days: labels at %v", proxy, days, at)
				}
				for i := range at[1:] {
					if at[i+1]-at[i] < room {
						t.Errorf("%v, %d days, on a phone %t: labels at %v", proxy, days, phone, at)
						break
					}
				}
			}
		}
	}
}
