package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The arguments of the old names, in all the ways in which manuals and public scripts write them.
func TestOldArguments(t *testing.T) {
	const program = "/usr/local/bin/vobox-reconcile"
	for _, tt := range []struct{ argv, want string }{
		// The manuals.
		{"vobox-proxy register -t 48", "register --hours=48"},
		{"vobox-proxy query -dn all", "query --dn=all"},
		{"vobox-proxy --help", "vobox-proxy --help"},
		{"vobox-proxy", "vobox-proxy"},
		{"vobox-proxy register --proxy-safe 3600 --myproxy-safe 864000 --email a@example.org", "register --proxy-safe=3600 --myproxy-safe=864000 --email=a@example.org"},
		// Public scripts: README of StorageDumpDesy, PhEDEx at Lisbon, AliEn's LCG.pm and CREAM.pm, lcg-alien, lcg_vobox_test.
		{"vobox-proxy --vo cms --proxy-safe 3600 --myproxy-safe 259200 --email yourEmail register", "register --vo=cms --proxy-safe=3600 --myproxy-safe=259200 --email=yourEmail"},
		{"vobox-proxy --vo cms -proxy-safe 3600 register", "register --vo=cms --proxy-safe=3600"},
		{"vobox-proxy --vo alice query-dn", "query-dn --vo=alice"},
		{"vobox-proxy --vo alice --dn /CN=x query-proxy-filename", "query-proxy-filename --vo=alice --dn=/CN=x"},
		{"vobox-proxy --vo alice -dn /CN=x query-proxy-filename", "query-proxy-filename --vo=alice --dn=/CN=x"},
		{"vobox-proxy --vo alice --voms alice:/alice/Role=lcgadmin --dn /CN=x query-proxy-filename", "query-proxy-filename --vo=alice --voms=alice:/alice/Role=lcgadmin --dn=/CN=x"},
		{"vobox-proxy query-proxy-timeleft", "query-proxy-timeleft"},
		{"vobox-proxy --vo alice --dn all query", "query --vo=alice --dn=all"},
		{"vobox-proxy --vo dteam --force register", "register --vo=dteam --force"},
		{"vobox-proxy --vo dteam --voms dteam:/dteam/Role=lcgadmin query", "query --vo=dteam --voms=dteam:/dteam/Role=lcgadmin"},
		// Other forms.
		{"/usr/bin/vobox-proxy --t 24 register", "register --hours=24"},
		{"vobox-proxy register -t=24 --force=true", "register --hours=24 --force=true"},
		{"vobox-proxy register -h", "register --help"},
		{"vobox-proxy query all", "query all"},
		{"vobox-proxy query -o json", "query --output=json"},
		{"vobox-proxy -c /x.yaml query", "query --config=/x.yaml"},
		{"vobox-proxy query --nonsense", "query --nonsense"},
		{"vobox-proxy --nonsense query", "vobox-proxy --nonsense query"},
		{"vobox-proxy frob", "vobox-proxy frob"},
		{"vobox-proxy query -dn", "query -dn"},
		{"vobox-proxy query -- -dn", "query -- -dn"},
		{"vobox-proxy --name register query", "query --name=register"},
		// Under its own name: a pass has flags of its own.
		{program + " query -dn all", "query --dn=all"},
		{program + " -dn all query", "query --dn=all"},
		{program + " --force query", "--force query"},
		{program + " register --force", "register --force"},
		{program + " --only query", "--only query"},
		{program + " --dry-run", "--dry-run"},
		{program + " -c /x.yaml status", "-c /x.yaml status"},
		{program + " login --voms alice", "login --voms alice"},
		{program + " inspect query", "inspect query"},
		{program + "", ""},
		// The init script.
		{"/etc/init.d/alice-box-proxyrenewal start", "box-proxyrenewal --vo alice start"},
		{"/etc/rc3.d/S99alice-box-proxyrenewal start", "box-proxyrenewal --vo alice start"},
		{"/etc/rc0.d/K00my-vo.eu-box-proxyrenewal stop", "box-proxyrenewal --vo my-vo.eu stop"},
		{"Somebody-box-proxyrenewal proxy", "box-proxyrenewal --vo Somebody proxy"},
		{"-box-proxyrenewal proxy", "proxy"},
	} {
		got := strings.Join(oldOrder(namedArgs(strings.Fields(tt.argv))), " ")
		if got != tt.want {
			t.Errorf("%s\n  became %s\n  want   %s", tt.argv, got, tt.want)
		}
	}
	if got := namedArgs(nil); got != nil {
		t.Errorf("of nothing: %q", got)
	}
	in := []string{"-dn", "all", "query"}
	oldOrder(in)
	if !slices.Equal(in, []string{"-dn", "all", "query"}) {
		t.Errorf("the arguments were written to: %q", in)
	}
}

// What the commands of the old tools say of themselves.
func TestOldHelp(t *testing.T) {
	b := &box{t: t, env: map[string]string{}, now: time.Now}
	for _, command := range []string{"init", "register", "unregister", "query", "vobox-proxy", "box-proxyrenewal"} {
		r := b.must(0, command, "--help")
		golden(t, "help-"+command+".txt", r.stdout)
		if again := b.must(0, "help", command); again.stdout != r.stdout {
			t.Errorf("help %s and --help differ", command)
		}
	}
}

// Values that look like commands or flags stay values, and nothing is lost, whatever the arguments.
func FuzzOldArguments(f *testing.F) {
	f.Add("--vo\x00alice\x00-dn\x00query\x00register\x00--\x00x")
	f.Fuzz(func(t *testing.T, s string) {
		args := strings.Split(s, "\x00")
		for _, out := range [][]string{oldOrder(args), asVoboxProxy(args)} {
			if len(out) > len(args)+1 {
				t.Errorf("%q became %q", args, out)
			}
			words := strings.Join(out, "\x00")
			for _, arg := range args {
				if !strings.HasPrefix(arg, "-") && !strings.Contains(words, arg) {
					t.Errorf("%q is lost in %q", arg, out)
				}
			}
		}
	})
}
