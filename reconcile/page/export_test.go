package page

import (
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
