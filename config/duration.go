package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// durationPattern is what ParseDuration accepts, in the common subset of Go's and JSON Schema's regular expressions.
const durationPattern = `^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(d|h|m|s|ms|us|µs|μs|ns))+$`

// ParseDuration reads a Go duration in which d stands for days of 24 hours: 48h, 30m, 1d12h. It is not negative.
func ParseDuration(s string) (time.Duration, error) {
	if strings.HasPrefix(s, "-") {
		return 0, errors.New("is negative")
	}
	var total time.Duration
	for rest := s; ; {
		var number, unit string
		number, rest = span(rest, func(c byte) bool { return c == '.' || '0' <= c && c <= '9' })
		unit, rest = span(rest, func(c byte) bool { return c != '.' && (c < '0' || c > '9') })
		d, err := oneUnit(number, unit)
		if err != nil {
			return 0, err
		}
		if total += d; total < 0 {
			return 0, errTooLong
		}
		if rest == "" {
			return total, nil
		}
	}
}

var (
	errTooLong     = errors.New("is longer than 290 years")
	errNotDuration = errors.New("is not a duration")
)

// oneUnit reads one number with its unit.
func oneUnit(number, unit string) (time.Duration, error) {
	whole, fraction, dot := strings.Cut(number, ".")
	switch {
	case whole == "" && fraction == "" || strings.Contains(fraction, "."):
		return 0, errNotDuration
	case unit == "":
		return 0, errors.New("has no unit")
	case unit != "d":
		if _, err := time.ParseDuration("1" + unit); err != nil {
			return 0, fmt.Errorf("has the unknown unit %q", unit)
		}
		d, err := time.ParseDuration(number + unit)
		if err != nil {
			return 0, errTooLong // nothing else is left that could be wrong
		}
		return d, nil
	case !dot:
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || n > int64((1<<63-1)/day) {
			return 0, errTooLong
		}
		return time.Duration(n) * day, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f*float64(day) >= 1<<63 {
		return 0, errTooLong
	}
	return time.Duration(f * float64(day)), nil
}

// span cuts off the bytes at the start of s for which in holds.
func span(s string, in func(byte) bool) (head, rest string) {
	for i := range len(s) {
		if !in(s[i]) {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// FormatDuration writes a duration as people do, for ParseDuration to read: 48h, 30m, 1h23m20s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
