package oldbox

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
)

// An EnvFile is one of the files that JAliEn, AliEn and MonALISA take their environment from.
type EnvFile struct {
	Path string
	Data []byte
}

// Names of env files below the account's home, as the manuals of JAliEn and AliEn have them.
const (
	CEEnv          = ".alien/config/CE.env"
	MLEnv          = ".alien/config/ml.env"
	VersionFile    = ".alien/config/version.properties"
	AliEnvironment = ".alien/Environment"
)

func (s Source) envFiles(home string) []EnvFile {
	if home == "" {
		return nil
	}
	var out []EnvFile
	for _, name := range []string{CEEnv, MLEnv, AliEnvironment, VersionFile} {
		path := filepath.Join(home, name)
		if data, err := s.read(path); err == nil {
			out = append(out, EnvFile{path, data})
		}
	}
	return out
}

// EnvFile returns the one of this name, such as [CEEnv]; ok is false when there is none.
func (vo *VO) EnvFile(name string) (EnvFile, bool) {
	for _, f := range vo.EnvFiles {
		if strings.HasSuffix(f.Path, "/"+name) {
			return f, true
		}
	}
	return EnvFile{}, false
}

// Value is the value of a variable; known is false when the shell computes it.
func (f EnvFile) Value(name string) (value string, set, known bool) {
	return envfile.FormatOf(f.Path).Lookup(f.Data, name)
}

// newestRule is the line of the manuals: $( ls -t PATTERN | sed q ), with head -1 and backquotes as well.
var newestRule = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("(?m)^[ \\t]*(?:export[ \\t]+)?([A-Za-z_][A-Za-z0-9_]*)=\"?(?:\\$\\(|`)[ \\t]*ls[ \\t]+-1?t1?[ \\t]+([^ \\t\\n|;&`$()<>\"']+)[ \\t]*\\|[ \\t]*" +
		"(?:sed[ \\t]+(?:-n[ \\t]+)?'?1?[qp]'?|head[ \\t]+-n?[ \\t]*1)[ \\t]*(?:\\)|`)\"?[ \\t]*(?:#.*)?$")
})

// NewestRule finds the line of the manuals that gives a variable the newest file of a pattern:
//
//	export X509_USER_PROXY=$( ls -t /var/lib/vobox/alice/proxy_repository/*lcgadmin | sed q )
//
// and returns the pattern.
func (f EnvFile) NewestRule(name string) (pattern string, ok bool) {
	if len(f.Data) > maxFile {
		return "", false
	}
	for _, m := range newestRule().FindAllSubmatch(f.Data, -1) {
		if string(m[1]) == name {
			pattern, ok = string(m[2]), true // the last assignment counts
		}
	}
	return pattern, ok
}

// servers are the MyProxy servers that the env files name, those of MonALISA first, which need one, and the site's profile.
func (s Source) servers(b *Box) []Setting {
	var out []Setting
	add := func(f EnvFile) {
		if v, set, known := f.Value("MYPROXY_SERVER"); set && known && v != "" {
			out = append(out, Setting{v, f.Path})
		}
	}
	for _, vo := range b.VOs {
		for _, name := range []string{MLEnv, CEEnv, AliEnvironment} {
			if f, ok := vo.EnvFile(name); ok {
				add(f)
			}
		}
	}
	for _, file := range []string{"/etc/profile.d/grid-env.sh", "/etc/profile.d/myproxy.sh", "/etc/environment"} {
		if data, err := s.read(s.path(file)); err == nil {
			add(EnvFile{s.path(file), data})
		}
	}
	return out
}
