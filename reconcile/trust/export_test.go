package trust

import "math/big"

// RevokedForTest parses a CRL and returns whether a serial number is on it, or nil if it does not parse.
func RevokedForTest(der []byte) func(*big.Int) bool {
	c, err := parseCRLDER(der)
	if err != nil {
		return nil
	}
	return func(serial *big.Int) bool { _, ok := c.has(serial); return ok }
}
