package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// Whoever edits the configuration sees in the log that it was taken: also where no step comes of it, as with a new recipient
// of alerts in a new file.
func TestWatchSaysThatAnEditIsInForce(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).quick()
	w := b.watch(t)
	w.awaitStep("restart/service/jalien", "done")
	w.hears("all is as it should be")
	write(t, b.Config, "# a comment\n"+string(read(t, b.Config))) // says nothing new
	dir := filepath.Join(filepath.Dir(b.Config), "conf.d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "mine.yaml"), "alerts: [{command: [/bin/true]}]\n")
	if l := w.awaitMessage("changed configuration"); l.Level != "info" || !strings.Contains(l.Message, "in force") {
		t.Errorf("the edit is told as %+v", l)
	}
	w.signal(syscall.SIGTERM)
	w.ends(0)
}
