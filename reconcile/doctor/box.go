package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// boxChecks look at what can be seen without asking anybody.
func boxChecks() []Check {
	return []Check{
		{Name: "credentials", Title: "the machine proxy and the user proxies", Look: lookCredentials,
			IDs: []string{"HOST-PROXY", "PROXY-MISSING", "PROXY-LOW", "PROXY-IDENTITY", "PROXY-LIMITED", "PROXY-BITS", "VO-NONE", "VO-FQAN", "VO-AC", "VO-EXPIRED",
				"VO-HOLDER", "VO-LSC", "VO-SIGNER", "CHAIN-MALFORMED", "CHAIN-INCOMPLETE", "CHAIN-SIGNATURE", "CHAIN-EXPIRED", "CHAIN-PROXY", "CHAIN-MIXED", "CHAIN-LIMITED",
				"CHAIN-PATHLEN", "CHAIN-CRITICAL", "CHAIN-NOTCA", "CHAIN-POLICY", "CHAIN-NAMES", "CHAIN-REVOKED", "CHAIN-TYPE", "CA-MISSING", "CA-SHA1", "CRL-STALE",
				"CRL-INVALID", "CRL-MISSING", "CLOCK", "FILE-READ", "PROXY-KEY"}},
		{Name: "alerts", Title: "what the next pass would raise an alert for", Look: lookAlerts,
			IDs: []string{"MP-T12", "MP-STORED", "MP-SHORT", "VO-ACSHORT", "VO-SIGNER", "USER-CERT", "CRL-STALE", "ENV-EXPECT", "SVC-LIMIT"}},
		{Name: "files", Title: "owners, modes and links of keys and proxies", Look: lookFiles,
			IDs: []string{"FILE-READ", "FILE-TYPE", "FILE-LINK", "FILE-OWNER", "FILE-PERM", "FILE-HARDLINK", "FILE-DIR"}},
		{Name: "host-certificate", Title: "the host certificate and its key", Look: lookHostCertificate,
			IDs: []string{"HOST-CERT", "HOST-KEY", "HOST-EKU", "HOST-ECDSA"}},
		{Name: "robot-certificates", Title: "certificates on the box that user proxies are made from", Look: lookRobots, IDs: []string{"ROBOT-CERT", "P12-WEAK"}},
		{Name: "names", Title: "how distinguished names are written", Look: lookNames, IDs: []string{"DN-FORM", "DN-CHANGED"}},
		{Name: "trust-directory", Title: "trust anchors and revocation lists", Look: lookTrust,
			IDs: []string{"CA-MISSING", "CA-SHA1", "CRL-STALE", "CRL-MISSING"}},
		{Name: "vo-files", Title: "vomses and LSC files of the VO", Look: lookVOFiles, IDs: []string{"VO-VOMSES", "VO-LSC"}},
		{Name: "running-environment", Title: "the environment of the running CE and MonALISA", Look: lookRunning, IDs: []string{"ENV-RUNNING"}},
		{Name: "ce-proxy-check", Title: "JAliEn's own check of the proxy", Look: lookCECheck, IDs: []string{"CE-NOCHECK", "CE-THRESHOLD"}},
		{Name: "service-commands", Title: "what restarts need: CVMFS, commands, units", Look: lookServiceCommands, IDs: []string{"SVC-PREFLIGHT"}},
		{Name: "schedule", Title: "what starts vobox-reconcile", Look: lookSchedule, IDs: []string{"SCHEDULE"}},
		{Name: "rivals", Title: "other programs that renew the same files", Look: lookRivals, IDs: []string{"RIVAL"}},
		{Name: "channels", Title: "whether anybody would be told", Look: lookChannels, IDs: []string{"ALERT"}},
		{Name: "margins", Title: "margins in the configuration", Look: lookMargins, IDs: []string{"CFG"}},
		{Name: "space", Title: "room on the file systems that a pass writes to", Look: lookSpace, IDs: []string{"DISK-FULL"}},
	}
}

// maxFile is the largest file of the system that is read, in bytes.
const maxFile = 1 << 20

// system is a path of the system, below Root.
func (b *Box) system(path string) string { return filepath.Join(b.Root, path) }

// readSmall reads a file of the system's; what is longer than maxFile is cut off.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	data := make([]byte, maxFile)
	n := 0
	for n < len(data) {
		m, err := f.Read(data[n:])
		n += m
		if err != nil || m == 0 {
			break
		}
	}
	return data[:n], nil
}

// uid is whose the user proxies are.
func (b *Box) uid() int {
	if b.Want.UID >= 0 {
		return b.Want.UID
	}
	return os.Geteuid()
}

// users are the user proxies, and machine the machine proxy, if there is one.
func (b *Box) users() []plan.Credential {
	return slices.DeleteFunc(slices.Clone(b.Want.Credentials), func(c plan.Credential) bool { return c.Kind == plan.Machine })
}

func (b *Box) machine() (plan.Credential, bool) {
	for _, c := range b.Want.Credentials {
		if c.Kind == plan.Machine {
			return c, true
		}
	}
	return plan.Credential{}, false
}

// load reads the proxy file of a credential; nil if it cannot be read.
func (b *Box) load(c plan.Credential) *proxycert.Credential {
	cred, _, err := credfile.Load(b.Have.Credentials[c.Name].Path)
	if err != nil {
		return nil
	}
	return cred
}

// account is how the account is named in a remedy.
func (b *Box) account() string {
	if b.Want.User != "" {
		return b.Want.User
	}
	return "the account"
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func unreadable(err error) bool { return errors.Is(err, fs.ErrPermission) }

// shell quotes words for a remedy that is pasted into a shell.
func shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@,%~", r)
		}) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
