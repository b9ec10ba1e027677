package credfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

// A Kind is what a file is to be checked as.
type Kind int

// Kinds of files.
const (
	Secret Kind = iota // a key, a proxy, a PKCS#12 container or a passphrase: for nobody but its owner
	Public             // certificates only: for everybody to read
)

// IDs of findings.
const (
	FindingRead     = "FILE-READ"     // the file is not there or cannot be looked at
	FindingType     = "FILE-TYPE"     // it is a directory, a device or a pipe
	FindingLink     = "FILE-LINK"     // it is a symbolic link that somebody else may have put there
	FindingOwner    = "FILE-OWNER"    // it belongs to somebody else
	FindingPerm     = "FILE-PERM"     // its mode lets others read or write it
	FindingHardLink = "FILE-HARDLINK" // it has several names
	FindingDir      = "FILE-DIR"      // others can replace it, because of a directory above it
)

// A Finding is something about a file, apart from its content, that makes grid programs refuse it or lets others read or
// replace it.
type Finding struct {
	ID      string
	Path    string // the file or directory that it is about
	Problem string // for instance: its mode is 0644, everybody can read it
	Remedy  string // a shell command
}

// CheckFile looks at a file's owner, mode and links and at the directories above it; it does not open it. The uid is whose
// the file ought to be, -1 if that is not known. Findings about the file come first, then those about directories, from
// the file upwards. Globus refuses a proxy or key for any finding of the kinds FILE-OWNER, FILE-PERM and FILE-HARDLINK.
func CheckFile(path string, kind Kind, uid int) []Finding {
	real, info, finding := locate(path)
	if finding != nil {
		return []Finding{*finding}
	}
	st := info.Sys().(*syscall.Stat_t)
	if uid < 0 {
		uid = int(st.Uid)
	}
	var found []Finding
	add := func(f *Finding) {
		if f != nil {
			found = append(found, *f)
		}
	}
	add(checkOwner(real, st, uid))
	add(checkMode(real, info.Mode(), kind))
	add(checkHardLinks(real, st, kind))
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		add(checkDir(dir, uid, st.Gid))
		if dir == filepath.Dir(dir) {
			return found
		}
	}
}

// locate follows links as far as that is safe and describes the file at their end.
func locate(path string) (real string, info fs.FileInfo, finding *Finding) {
	_, err := atomicfile.Follow(path)
	if errors.Is(err, atomicfile.ErrLink) {
		return "", nil, &Finding{FindingLink, path, err.Error(), fmt.Sprintf("ls -ld %s; if it is not yours, rm it", quote(path))}
	}
	if err == nil {
		if real, err = filepath.EvalSymlinks(path); err == nil {
			real, err = filepath.Abs(real)
		}
	}
	if err == nil {
		info, err = os.Lstat(real)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, &Finding{FindingRead, path, "there is no such file", "ls -l " + quote(filepath.Dir(path))}
	case err != nil:
		return "", nil, &Finding{FindingRead, path, err.Error(), "ls -ld " + quote(filepath.Dir(path))}
	case !info.Mode().IsRegular():
		return "", nil, &Finding{FindingType, path, "it is no regular file but " + typeWords(info.Mode()), "ls -ld " + quote(path)}
	}
	return real, info, nil
}

func typeWords(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

func checkOwner(path string, st *syscall.Stat_t, uid int) *Finding {
	if int(st.Uid) == uid {
		return nil
	}
	return &Finding{FindingOwner, path, fmt.Sprintf("it belongs to uid %d, not to uid %d", st.Uid, uid),
		fmt.Sprintf("chown %d %s", uid, quote(path))}
}

// checkMode: a secret has mode 0600 or 0400, a certificate is not writable by others.
func checkMode(path string, mode fs.FileMode, kind Kind) *Finding {
	perm := mode.Perm()
	if kind == Public {
		if perm&0o022 == 0 && perm&0o400 != 0 {
			return nil
		}
		return &Finding{FindingPerm, path, fmt.Sprintf("its mode is %04o, where 0644 is right: %s", perm, modeWords(perm&0o022)),
			"chmod 644 " + quote(path)}
	}
	if perm == 0o600 || perm == 0o400 {
		return nil
	}
	right := "600"
	if perm&0o600 == 0o400 {
		right = "400"
	}
	return &Finding{FindingPerm, path, fmt.Sprintf("its mode is %04o, where 0600 or 0400 is right: %s", perm, modeWords(perm)),
		fmt.Sprintf("chmod %s %s", right, quote(path))}
}

// modeWords says what is wrong with a mode, the worst first.
func modeWords(perm fs.FileMode) string {
	switch {
	case perm&0o002 != 0:
		return "everybody can write it"
	case perm&0o020 != 0:
		return "its group can write it"
	case perm&0o004 != 0:
		return "everybody can read it"
	case perm&0o040 != 0:
		return "its group can read it"
	case perm&0o400 == 0:
		return "its owner cannot read it"
	}
	return "it is marked as a program"
}

func checkHardLinks(path string, st *syscall.Stat_t, kind Kind) *Finding {
	if st.Nlink < 2 || kind == Public {
		return nil
	}
	p := quote(path)
	return &Finding{FindingHardLink, path,
		fmt.Sprintf("it has %d names (hard links), and Globus refuses it: under another one it may be kept or changed", st.Nlink),
		fmt.Sprintf("cp -p %s %s && mv %s %s", p, quote(path+".new"), quote(path+".new"), p)}
}

// checkDir reports who but root and the owner can replace what is in a directory. In one with the sticky bit, such as /tmp,
// only the owner of a file can. A group that the file has, too, is taken for the owner's own.
func checkDir(dir string, uid int, gid uint32) *Finding {
	info, err := os.Lstat(dir)
	if err != nil {
		return &Finding{FindingRead, dir, err.Error(), "ls -ld " + quote(dir)}
	}
	st := info.Sys().(*syscall.Stat_t)
	who, remedy := "", ""
	switch perm := info.Mode().Perm(); {
	case st.Uid != 0 && int(st.Uid) != uid:
		who, remedy = fmt.Sprintf("uid %d, whose directory it is", st.Uid), fmt.Sprintf("chown %d %s", uid, quote(dir))
	case info.Mode()&fs.ModeSticky != 0:
	case perm&0o002 != 0:
		who, remedy = "everybody", "chmod o-w "+quote(dir)
	case perm&0o020 != 0 && st.Gid != 0 && st.Gid != gid:
		who, remedy = fmt.Sprintf("the group %d", st.Gid), "chmod g-w "+quote(dir)
	}
	if who == "" {
		return nil
	}
	return &Finding{FindingDir, dir, fmt.Sprintf("%s can replace what is in it (mode %04o)", who, info.Mode().Perm()), remedy}
}

// quote makes a path one word for a shell.
func quote(path string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+,:@%=", r)
	}
	if path != "" && path[0] != '-' && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
