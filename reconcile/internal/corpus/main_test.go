package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteElsewhere has a directory that is there and is not a corpus: it must not be lost to a slip of the hand.
func TestWriteElsewhere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(file, []byte("years of work"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "is no corpus") {
		t.Errorf("the error is %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "years of work" {
		t.Errorf("the file is %q, %v", data, err)
	}
}
