package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

// storeHours is a lifetime: a bare number is hours, as in myproxy-init, everything else a duration of the configuration.
type storeHours time.Duration

func (h *storeHours) String() string {
	if *h == 0 {
		return ""
	}
	return fmt.Sprint(time.Duration(*h).Hours())
}

func (*storeHours) Type() string { return "hours" }

func (h *storeHours) Set(s string) error {
	d, err := parseHours(s)
	*h = storeHours(d)
	return err
}

func parseHours(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 20); err == nil {
		if n > 100*365*24 {
			return 0, fmt.Errorf("%d hours are more than a hundred years", n)
		}
		return time.Duration(n) * time.Hour, nil
	}
	d, err := config.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("it takes a number of hours, or a lifetime such as 90d")
	}
	return d, nil
}

// hoursNotConfig tells the two meanings of -c apart, in commands that store: with a lifetime behind it, it is
// myproxy-init's, else the configuration file that it is everywhere.
func hoursNotConfig(cmd *cobra.Command, args []string) []string {
	if cmd.Flags().Lookup("cred-lifetime") == nil {
		return args
	}
	for i, arg := range args {
		value, short := strings.CutPrefix(arg, "-c")
		switch {
		case arg == "--":
			return args
		case !short:
		case value != "":
			if _, err := parseHours(value); err == nil {
				args[i] = "--cred-lifetime=" + value
			}
		case i+1 < len(args):
			if _, err := parseHours(args[i+1]); err == nil {
				args[i] = "--cred-lifetime"
			}
		}
	}
	return args
}
