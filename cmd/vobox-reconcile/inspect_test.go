package main

import "regexp"

var (
	hexNumbers = regexp.MustCompile(`\b[0-9a-f]{32,64}\b|\b[0-9A-F]{40}\b`)
	hexSerials = regexp.MustCompile(`(?m)(serial +:? ?)[0-9a-f]+$`)
)

// withoutNumbers replaces what is different for every certificate: serial numbers and fingerprints.
func withoutNumbers(text string) string {
	text = hexSerials.ReplaceAllString(text, "${1}SERIAL")
	return hexNumbers.ReplaceAllString(text, "HEX")
}
