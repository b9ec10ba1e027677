package doctor

import "slices"

// Checks are all there are, in the order in which a person would look: the box first, then the servers.
func Checks() []Check {
	return slices.Concat(boxChecks(), onlineChecks())
}
