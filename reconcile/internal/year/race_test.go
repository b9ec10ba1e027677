//go:build race

package year_test

const race = true
