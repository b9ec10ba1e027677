package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// checkReader refuses to judge a box to an account that may not read what is to be judged: a monitoring system that runs
// as another account would take private files for broken ones.
func checkReader(want plan.Desired) error {
	if checkInvoker(want) == nil {
		return nil
	}
	paths := []string{want.State}
	for _, c := range want.Credentials {
		paths = append(paths, c.Path) // of a pattern nothing is known, and nothing said
	}
	for _, path := range paths {
		if err := unix.Access(path, unix.R_OK); errors.Is(err, unix.EACCES) {
			return usage("%s is private to the account %s, and you are uid %d: run it as root or as %s (sudo -u %s vobox-reconcile …)", path, want.User, os.Geteuid(), want.User, want.User)
		}
	}
	return nil
}
