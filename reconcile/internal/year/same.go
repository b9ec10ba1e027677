package year

import (
	"fmt"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// near is how far apart two lives may do the same: pauses before a retry are random.
const near = time.Minute

// Differ says what two lives of the same script have not in common: when the user proxy was renewed, and until when.
// Nothing: they are the same. It shows that a model is one of what it models.
func Differ(a, b *Log) string {
	x, y := a.renewals(), b.renewals()
	for i := range min(len(x), len(y)) {
		if x[i].at.Sub(y[i].at).Abs() > near || x[i].end.Sub(y[i].end).Abs() > near {
			return fmt.Sprintf("renewal %d: %s, until %s, in one; %s, until %s, in the other", i+1, stamp(x[i].at), stamp(x[i].end), stamp(y[i].at), stamp(y[i].end))
		}
	}
	if len(x) != len(y) {
		return fmt.Sprintf("%d renewals in one, %d in the other", len(x), len(y))
	}
	return ""
}

// Renewals counts those of the user proxy.
func (l *Log) Renewals() int { return len(l.renewals()) }

func (l *Log) renewals() []placing {
	return slices.DeleteFunc(slices.Clone(l.placed), func(p placing) bool { return p.name == plan.MachineName || p.end.IsZero() })
}
