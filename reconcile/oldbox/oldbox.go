// Package oldbox reads what a VO-box has that was looked after by vobox-proxy, its renewal daemon and root's cron job.
//
// [Source.Read] looks at the directories, the repository with its escaped file names, the environment files, the init
// script, cron and systemd, and says what it found as a [Box]. Nothing is changed, nothing is asked of the network, and what
// is not there is no error: an old box may lack any of it. The layout is that of wlcg-vobox 2 and lcg-vobox before it, as
// Quattor's templates for WLCG sites make it (personality/vobox); of vobox-renewd's own records nothing is known, and
// nothing is read.
//
// Much of this belongs to the VO's account while root looks: files are read by package atomicfile, and every name and text
// that comes out of them has to be made printable before a terminal sees it.
package oldbox

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// maxFile is the largest file that is read, in bytes.
const maxFile = 1 << 20

// maxEntries is how many files of one directory are looked at.
const maxEntries = 1000

// A Source says where to look.
type Source struct {
	Root  string       // directory that stands for /; empty: / itself
	Trust *trust.Store // what proxies are verified by
	Now   time.Time

	// Lookup finds an account by name or decimal number that is not in etc/passwd, as where accounts are in LDAP; nil: there
	// are none.
	Lookup func(name string) (Account, bool)
}

// An Account is one of the box, such as alicesgm.
type Account struct {
	Name string
	UID  int
	Home string // below Root
}

// A Box is what was found.
type Box struct {
	VOs     []*VO       // by name
	Host    Certificate // /etc/grid-security/hostcert.pem
	Jobs    []Job       // of cron, that make or renew proxies, whichever VO they are for
	Servers []Setting   // MyProxy servers that files name, the likeliest first
}

// A VO is what the box has for one VO.
type VO struct {
	Name       string
	Dir        string // /var/lib/vobox/<vo>, or /opt/vobox/<vo> as before EMI
	Account    Account
	Why        string // how the account was found, for people
	Repository string
	Entries    []Entry // of the repository, by file name
	Machine    Entry   // renewal-proxy.pem; its Path is set also if there is none
	Start      []string
	Stop       []string // names of the scripts in start and stop, as ls lists them
	EnvFiles   []EnvFile

	InitScript string // /etc/init.d/<vo>-box-proxyrenewal; empty: there is none
	InitLink   string // what it is a symbolic link to
	Profile    string // /etc/<account>-box-proxyrenewal, which the init script sources; empty: there is none
	Units      []Unit // of systemd
	RCLinks    []string
	PIDFile    string // of vobox-renewd; empty: there is none
}

// A Setting is a value, and where it was found.
type Setting struct{ Value, From string }

// Read looks at the box.
func (s Source) Read() *Box {
	b := &Box{Host: s.certificate("/etc/grid-security/hostcert.pem", "/etc/grid-security/hostkey.pem")}
	accounts := s.accounts()
	for _, vo := range s.find() {
		s.fill(vo, accounts)
		b.VOs = append(b.VOs, vo)
	}
	var users []string
	for _, vo := range b.VOs {
		users = append(users, vo.Account.Name)
	}
	b.Jobs = s.cron(users)
	b.Servers = s.servers(b)
	return b
}

// path is a path of the box as this program has to open it.
func (s Source) path(p string) string {
	if s.Root == "" || s.Root == "/" {
		return p
	}
	return filepath.Join(s.Root, p)
}

// initScripts is where the init scripts are; on Red Hat it is a link to /etc/rc.d/init.d.
const initScripts = "/etc/init.d"

// serviceSuffix ends the names of init scripts, cron files and units.
const serviceSuffix = "-box-proxyrenewal"

// find lists the VOs: those with a directory that vobox-proxy uses, and those with an init script.
func (s Source) find() []*VO {
	var vos []*VO
	add := func(name, dir string) {
		if !isName(name) || slices.ContainsFunc(vos, func(v *VO) bool { return v.Name == name }) {
			return
		}
		vos = append(vos, &VO{Name: name, Dir: dir})
	}
	scripts := map[string]bool{}
	for _, file := range s.glob(initScripts, "*"+serviceSuffix) {
		scripts[strings.TrimSuffix(file, serviceSuffix)] = true
	}
	for _, top := range s.tops() {
		for _, name := range s.glob(top, "*") {
			dir := filepath.Join(s.path(top), name)
			if scripts[name] && s.isDir(dir) || s.isDir(filepath.Join(dir, "proxy_repository")) || s.exists(filepath.Join(dir, "renewal-proxy.pem")) {
				add(name, dir)
			}
		}
	}
	for name := range scripts {
		add(name, filepath.Join(s.path("/var/lib/vobox"), name))
	}
	slices.SortFunc(vos, func(a, b *VO) int { return strings.Compare(a.Name, b.Name) })
	return vos
}

// tops are the directories that hold those of VOs: what the init script's profile says, the place of EMI and UMD, and that
// of gLite.
func (s Source) tops() []string {
	var tops []string
	for _, file := range s.glob("/etc", "*"+serviceSuffix) {
		data, _ := s.read(filepath.Join(s.path("/etc"), file))
		if v := literal(data, "VOBOX_PROXY_ROOT"); strings.HasPrefix(v, "/") {
			tops = append(tops, filepath.Clean(v))
		}
	}
	tops = append(tops, "/var/lib/vobox", "/opt/vobox")
	return tops
}

func (s Source) fill(vo *VO, accounts []Account) {
	vo.Repository = filepath.Join(vo.Dir, "proxy_repository")
	if path := filepath.Join(s.path(initScripts), vo.Name+serviceSuffix); s.exists(path) {
		vo.InitScript = path
		vo.InitLink, _ = atomicfile.Readlink(path)
	}
	s.account(vo, accounts)
	if path := filepath.Join(s.path("/etc"), vo.Account.Name+serviceSuffix); vo.Account.Name != "" && s.exists(path) {
		vo.Profile = path
	}
	in := &inspect.Inspector{Store: s.Trust, Now: s.Now, UID: vo.Account.UID}
	for _, name := range s.list(vo.Repository, "*") {
		vo.Entries = append(vo.Entries, s.entry(in, filepath.Join(vo.Repository, name)))
	}
	vo.Machine = s.entry(in, filepath.Join(vo.Dir, "renewal-proxy.pem"))
	vo.Start = s.list(filepath.Join(vo.Dir, "start"), "*")
	vo.Stop = s.list(filepath.Join(vo.Dir, "stop"), "*")
	vo.EnvFiles = s.envFiles(vo.Account.Home)
	vo.Units = s.units(vo.Name)
	vo.RCLinks = s.rcLinks(vo.Name)
	if path := s.path("/var/run/vobox_" + vo.Name + "_renewd.pid"); s.exists(path) {
		vo.PIDFile = path
	}
}

const nameBytes = "-_.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// isName takes what the init script takes for the name of a VO, [-_.A-Za-z0-9], but for what begins with a dash or a dot.
func isName(s string) bool {
	return s != "" && !strings.HasPrefix(s, "-") && !strings.HasPrefix(s, ".") && strings.Trim(s, nameBytes) == ""
}

// The rest looks at files; what cannot be looked at counts as not there.

func (s Source) read(path string) ([]byte, error) {
	data, _, err := atomicfile.Read(path, maxFile)
	if err == nil {
		return data, nil
	}
	real, ferr := atomicfile.Follow(path)
	if ferr != nil || real == path {
		return nil, err
	}
	data, _, err = atomicfile.Read(real, maxFile)
	return data, err
}

// glob lists names of a directory of the box.
func (s Source) glob(dir, pattern string) []string { return s.list(s.path(dir), pattern) }

func (s Source) list(dir, pattern string) []string {
	names, err := atomicfile.Glob(dir, pattern)
	if err != nil {
		return nil
	}
	return names[:min(len(names), maxEntries)]
}

func (s Source) exists(path string) bool {
	_, err := atomicfile.Stat(path)
	return err == nil
}

func (s Source) isDir(path string) bool {
	real, err := atomicfile.Follow(path)
	if err != nil {
		return false
	}
	info, err := atomicfile.Stat(real)
	return err == nil && info.IsDir()
}
