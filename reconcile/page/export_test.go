package page

import (
	"fmt"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// Rules that have no door of their own.
var (
	Remedy = remedy
	Span   = span
	Brief  = brief
	Style  = style
)

// Position is where on the time line of a status a moment is, in percent, and whether it is to the right of it.
func Position(d status.Doc, t time.Time) (x float64, beyond bool) {
	s := scaleFor(d)
	return s.x(t), s.beyond(t)
}

// Labels are where those above the time line of a status are: on a desk, or only those that a phone shows.
func Labels(d status.Doc, phone bool) (at []float64) {
	for _, t := range scaleFor(d).axis().Ticks {
		var x float64
		if _, err := fmt.Sscanf(t.X, "%f%%", &x); err == nil && t.Label != "" && !(phone && t.Class == "minor") {
			at = append(at, x)
		}
	}
	return at
}
