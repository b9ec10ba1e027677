package page_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
)

var write = flag.String("write", "", "write the sample pages to that directory, to look at them")

// samples are the boxes of this package's tests, by name.
func samples() map[string]page.Input {
	return map[string]page.Input{"quiet": quietBox().input(), "warned": warnedBox().input(), "broken": brokenBox().input(),
		"hostile": hostileBox().input(), "empty": {}}
}

func render(t testing.TB, in page.Input) string {
	t.Helper()
	data, err := page.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Whatever the box is like, there is a page of it, and the same one every time.
func TestRender(t *testing.T) {
	for name, in := range samples() {
		html := render(t, in)
		if again := render(t, in); again != html {
			t.Errorf("%s: two pages of one state differ", name)
		}
		if *write != "" {
			if err := os.WriteFile(filepath.Join(*write, name+".html"), []byte(html), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
