package oldbox

import (
	"strconv"
	"strings"
	"syscall"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
)

// accounts reads etc/passwd.
func (s Source) accounts() []Account {
	data, err := s.read(s.path("/etc/passwd"))
	if err != nil {
		return nil
	}
	var out []Account
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) != 7 {
			continue
		}
		if uid, err := strconv.ParseUint(f[2], 10, 31); err == nil {
			out = append(out, Account{Name: f[0], UID: int(uid), Home: s.path(f[5])})
		}
	}
	return out
}

func (s Source) named(name string, accounts []Account) (Account, bool) {
	for _, a := range accounts {
		if a.Name == name {
			return a, true
		}
	}
	if s.Lookup != nil {
		return s.Lookup(name)
	}
	return Account{}, false
}

func (s Source) numbered(uid int, accounts []Account) (Account, bool) {
	for _, a := range accounts {
		if a.UID == uid {
			return a, true
		}
	}
	if s.Lookup != nil {
		return s.Lookup(strconv.Itoa(uid))
	}
	return Account{}, false
}

// account finds the VO's account: the one that the init script names, the owner of the VO's directory, or <vo>sgm.
func (s Source) account(vo *VO, accounts []Account) {
	take := func(a Account, ok bool, why string) bool {
		if ok {
			vo.Account, vo.Why = a, why
		}
		return ok
	}
	if vo.InitScript != "" && vo.InitLink == "" {
		data, _ := s.read(vo.InitScript)
		a, ok := s.named(literal(data, "voadmin"), accounts)
		if take(a, ok, "voadmin in "+vo.InitScript) {
			return
		}
	}
	sgm, there := s.named(vo.Name+"sgm", accounts)
	uid := s.owner(vo.Dir)
	if uid > 0 {
		a, ok := s.numbered(uid, accounts)
		if take(a, ok, "owner of "+vo.Dir) {
			return
		}
	}
	if take(sgm, there, "the account is there") || uid != 0 {
		return
	}
	a, ok := s.numbered(0, accounts)
	take(a, ok, "owner of "+vo.Dir)
}

// owner is whom a file belongs to; -1: not known.
func (s Source) owner(path string) int {
	info, err := atomicfile.Stat(path)
	if err != nil {
		return -1
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(st.Uid)
}

// literal is the value that a piece of shell gives a variable, if that is certain; scripts that cannot be followed are
// searched for a line that is nothing but the assignment.
func literal(data []byte, name string) string {
	if v, set, known := envfile.Lookup(data, name); set && known {
		return v
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if v, ok := strings.CutPrefix(line, name+"="); ok && v != "" && !strings.ContainsAny(v, " \t\"'`$\\;&|<>(){}*?[]#~") {
			return v
		}
	}
	return ""
}
