package plan

import "time"

// RenewedBelow returns the effective time left below which a credential that is in place is renewed at that time, and how
// much before that it already counts as due, because the next pass could come too late. Both are what [Due] goes by.
func RenewedBelow(cred Credential, st CredentialState, now time.Time) (below, ahead time.Duration) {
	l := limitsOf(cred, st, now)
	return l.below, l.ahead
}
