package plan

import (
	"io/fs"
	"time"
)

// Observed is what was found before anything was changed. What was not found is a state, not an error.
type Observed struct {
	Credentials map[string]CredentialState // by Credential.Name
	EnvFiles    map[string]EnvFileState    // by EnvFile.Path
	Services    map[string]ServiceState    // by Service.Name
}

// A CredentialState describes a proxy file as it is on disk.
type CredentialState struct {
	Path   string // the file that was looked at; where a new one goes if there is none
	Exists bool
	Digest string // SHA-256 of the file, hex
	// Newest is the file that was written last of those that match a pattern, where Path is another of them; else empty.
	Newest string

	// Fault says in one line why the file cannot be used, FaultID is its id in the catalogue; both empty if it can.
	Fault, FaultID string
	// Misplaced says what is wrong with the mode or owner of a file that is otherwise good.
	Misplaced string

	Identity, Subject, Issuer string
	Type                      string // rfc, draft, legacy or eec
	Limited                   bool
	KeyType                   string
	KeyBits                   int
	VO                        string
	FQANs                     []string

	NotAfter     time.Time // earliest end in the chain
	ACNotAfter   time.Time // earliest end of the attribute certificates; zero without any
	EffectiveEnd time.Time // the smallest of all, the attribute certificates' issuers included
	EndsWith     string    // what ends then, for people: "the attribute certificate"
	UserCertEnd  time.Time // end of the end-entity certificate
	Backing      Backing   // what else has to last for it to verify

	Links  map[string]string // by Credential.Links: what is wrong with the link; empty string if nothing is
	Grant  *Grant            // what the servers gave when they were last asked
	Rhythm Rhythm            // of the passes
	Source SourceState
}

// Usable reports whether consumers can work with the file at that time.
func (s CredentialState) Usable(now time.Time) bool {
	return s.Exists && s.Fault == "" && now.Before(s.EffectiveEnd)
}

// NoLink is what is wrong with a link that does not exist yet.
const NoLink = "there is no link yet"

// A SourceState describes the certificate on the box that a credential is made from.
type SourceState struct {
	Path           string
	Identity       string
	NotAfter       time.Time
	Fault, FaultID string
}

// A Limit names what kept a grant shorter than what was asked.
type Limit string

const (
	LimitNone   Limit = ""
	LimitStored Limit = "stored" // stored with a shorter -t, or the server's own maximum
	LimitEnd    Limit = "end"    // the stored credential is about to end
	LimitCert   Limit = "cert"   // the end-entity certificate is about to end
	LimitAC     Limit = "ac"     // the VOMS server's maximum
	LimitSigner Limit = "signer" // the certificate of the VOMS server, or of a CA, is about to end
)

// A Share is how long one of the servers gave, and what it was limited by.
type Share struct {
	Granted time.Duration `json:"granted"` // nanoseconds
	Limit   Limit         `json:"limit,omitempty"`
}

// A Grant is what the servers gave when a credential was last asked for.
type Grant struct {
	Source    string        `json:"source"` // Source.String of the time: a grant of another source says nothing
	Time      time.Time     `json:"time"`
	Taken     bool          `json:"taken"`              // false: what is in place was better and stayed
	Asked     time.Duration `json:"asked"`              // nanoseconds
	Granted   time.Duration `json:"granted"`            // of the effective lifetime, nanoseconds
	Proxy     Share         `json:"proxy"`              // of the MyProxy server, or the certificate on the box
	AC        Share         `json:"ac"`                 // of the VOMS server; zero without attributes
	StoredEnd time.Time     `json:"storedEnd,omitzero"` // end of the credential on the MyProxy server
	ACServer  string        `json:"acServer,omitempty"`

	// Stale says that the clock was set since, or was ahead already: what was measured by it is not believed, but for the
	// moments in it that the servers named.
	Stale bool `json:"stale,omitempty"`
}

// short reports whether less was granted than asked, beyond the rounding of servers that work in whole minutes.
func (g *Grant) short() bool {
	return g != nil && !g.Stale && (g.Proxy.Limit != LimitNone || g.AC.Limit != LimitNone) && g.Granted < g.Asked-Slack(g.Asked)
}

// Slack is how much shorter than asked a lifetime may be before it counts as short: servers truncate to minutes, and
// time passes between the request and the look at its result.
func Slack(asked time.Duration) time.Duration {
	return min(5*time.Minute, asked/20)
}

// An EnvFileState describes an environment file, and what it would become.
type EnvFileState struct {
	Exists  bool
	Mode    fs.FileMode
	Fault   string   // why it cannot be edited
	Changes []string // what has to change, one entry for each variable; empty if the file is right
	Diff    string   // the same as a unified diff
	Values  string   // digest of the managed variables' wanted values
	Unmet   []string // expectations that do not hold, for people
}

// A ServiceState is what the record says of a service's last restart.
type ServiceState struct {
	Known        bool   // false: never seen before
	RestartedFor string // digest of what it was last restarted for
	Pending      string // reason of a restart that was announced but not done
	Restarts     []time.Time
}
