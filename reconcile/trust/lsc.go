package trust

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// ParseLSC reads an LSC file: which chains of certificates may sign the attribute certificates of a VO's server. A chain is
// the DN of the signer, the DN of its issuer, and further such pairs upward. Lines that do not begin with a slash, bare or
// in double quotes, are passed over, as are comments; a line "------ NEXT CHAIN ------" begins an alternative.
//
//	/DC=ch/DC=cern/OU=computers/CN=alice-auth.cern.ch
//	/DC=ch/DC=cern/CN=CERN Grid Certification Authority
func ParseLSC(data []byte) ([][]dn.Name, error) {
	chains, err := parseLSC(data)
	if err != nil {
		return nil, err
	}
	out := make([][]dn.Name, len(chains))
	for i, chain := range chains {
		for _, text := range chain {
			name, err := dn.Parse(text)
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], name)
		}
	}
	return out, nil
}

// parseLSC leaves the DNs as they are written; see writtenName.
func parseLSC(data []byte) ([][]string, error) {
	var out [][]string
	var chain []string
	end := func() error {
		if len(chain) == 1 {
			return errors.New("there is a subject without the issuer after it")
		}
		// An odd line at the end belongs to no pair; the C++ library passes over it.
		if len(chain) > 0 {
			out = append(out, chain[:len(chain)/2*2])
		}
		chain = nil
		return nil
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		line = strings.TrimSpace(line)
		if isNextChain(line) {
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		if quoted, ok := strings.CutPrefix(line, `"`); ok {
			line, _, ok = strings.Cut(quoted, `"`)
			if !ok {
				return nil, fmt.Errorf("the quote in %.200q is not closed", quoted)
			}
		}
		if !strings.HasPrefix(line, "/") {
			continue
		}
		chain = append(chain, line)
	}
	if err := end(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("there is no DN in it")
	}
	return out, nil
}

// parseLSCFile is parseLSC for comparing.
func parseLSCFile(data []byte) ([][]writtenName, error) {
	chains, err := parseLSC(data)
	out := make([][]writtenName, len(chains))
	for i, chain := range chains {
		for _, text := range chain {
			out[i] = append(out[i], newWrittenName(text))
		}
	}
	return out, err
}

// isNextChain takes the separator with and without spaces and any number of dashes: C++ and Java differ in them.
func isNextChain(line string) bool {
	inner := strings.Trim(line, "-")
	return inner != line && strings.TrimSpace(inner) == "NEXT CHAIN"
}

// matchesLSC reports whether a signer's path, signer first, is what one of the chains says.
func matchesLSC(chains [][]writtenName, path []*node) bool {
	for _, chain := range chains {
		if len(chain) > 2*len(path) {
			continue
		}
		good := true
		for i, text := range chain {
			good = good && text.is(spelledAt(path, i))
		}
		if good {
			return true
		}
	}
	return false
}

// spelledAt is the subject of a path's certificate i/2, or its issuer. As the next one's subject, where the two are the same
// octets, that is known already.
func spelledAt(path []*node, i int) *spelling {
	n := path[i/2]
	if i%2 == 0 {
		return n.spelled()
	}
	if i/2+1 < len(path) {
		if above := path[i/2+1]; bytes.Equal(n.cert.RawIssuer, above.cert.RawSubject) {
			return above.spelled()
		}
	}
	return spell(n.issuer)
}
