package plan

import (
	"fmt"
	"strings"
	"time"
)

// Span prints a length of time as people write it in the configuration: 46h, 39h12m, 12m30s, 5d.
func Span(d time.Duration) string {
	if d < 0 {
		return "-" + Span(max(-d, -(d+1))) // the least duration, of a zero time for one, has no positive counterpart
	}
	if d < time.Hour {
		d = d.Round(time.Second)
	} else {
		d = d.Truncate(time.Minute)
	}
	if d >= 10*24*time.Hour {
		days, rest := d/(24*time.Hour), d%(24*time.Hour)
		if rest < time.Hour {
			return fmt.Sprintf("%dd", days)
		}
		return fmt.Sprintf("%dd%dh", days, rest/time.Hour)
	}
	h, m, s := d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second
	var b strings.Builder
	if h > 0 {
		fmt.Fprintf(&b, "%dh", h)
	}
	if m > 0 {
		fmt.Fprintf(&b, "%dm", m)
	}
	if s > 0 || b.Len() == 0 {
		fmt.Fprintf(&b, "%ds", s)
	}
	return b.String()
}

// Clock prints a moment for people, in UTC.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
