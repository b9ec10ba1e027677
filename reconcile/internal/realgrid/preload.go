package realgrid

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed preload/preload.c
var preloadSource []byte

// preload compiles the library that the servers run with and returns its path.
func (w *world) preload() (string, error) {
	return w.library.get(func() (string, error) {
		source := filepath.Join(w.Dir, "preload.c")
		library := filepath.Join(w.Dir, "preload.so")
		if err := os.WriteFile(source, preloadSource, 0o644); err != nil {
			return "", err
		}
		out, err := exec.Command("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("compiling the preloaded library: %w\n%s", err, out)
		}
		return library, nil
	})
}
