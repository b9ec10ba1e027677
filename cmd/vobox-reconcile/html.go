package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// statusPage writes one look at the box as a page. The exit code is that of status.
func (a *app) statusPage(cmd *cobra.Command, s statusFlags) error {
	for _, other := range []string{"nagios", "watch", "output"} {
		if cmd.Flags().Changed(other) {
			return usage("--html and --%s exclude each other", other)
		}
	}
	v, err := a.view(s.at)
	if err != nil {
		return err
	}
	if err := a.writePage(s.html, v.doc, v.want); err != nil {
		return err
	}
	if v.doc.Bad() {
		return exit(exitFailed)
	}
	return nil
}

// writePage writes the page that watch.listen serves at / as a file that everybody may read, or to standard output for "-".
// Nothing else is printed.
func (a *app) writePage(path string, doc status.Doc, want plan.Desired) error {
	log := a.logger()
	host, err := os.Hostname()
	if err != nil {
		log.Debug().Err(err).Msg("the name of this box")
	}
	now := doc.Time.Add(time.Second) // it has whole seconds, and a pass may just have been made
	history, err := page.ReadHistory(want.State, now.Add(-page.Recent), now)
	if err != nil {
		log.Warn().Err(err).Msg("the page is without what was done")
	}
	html, err := page.Render(page.Input{Status: doc, History: history, Past: page.Recent, VO: want.VO, Host: host, Version: versionString()})
	if err != nil {
		return err
	}
	if path == "-" {
		_, err = a.stdout.Write(html)
	} else {
		_, err = atomicfile.Replace(path, html, atomicfile.Options{Mode: 0o644, UID: -1, GID: -1})
	}
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}
