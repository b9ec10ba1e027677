package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// Exit codes of an init script, as the LSB has them.
const (
	serviceDead     = 1 // status: it was started, and does not do its work
	serviceUsage    = 2
	serviceInactive = 3 // status: it is not started
)

// startLimit is how long the renewals of a pass may take that JAliEn's CE waits for: it reads the output to its end before it
// submits jobs.
const startLimit = 2 * time.Minute

// A boxService is the init script <vo>-box-proxyrenewal.
type boxService struct {
	*app
	vo   string
	cfg  *config.Config
	want plan.Desired
}

func (a *app) boxServiceCommand() *cobra.Command {
	var vo string
	cmd := &cobra.Command{
		Use:   "box-proxyrenewal start|stop|restart|status|proxy",
		Short: "Be the init script <vo>-box-proxyrenewal",
		Long: `Be the init script <vo>-box-proxyrenewal of a VO-box: what init calls at boot,
and JAliEn's CE every hour while the proxy's attributes have less than 46 h left.

  start    a pass that restarts no service, since a service may be what calls;
           the first time after a boot also the scripts in <root>/start, in the
           background, one after the other. Exit code 0 unless nothing could be
           tried: status tells whether the proxies can be used.
  stop     the scripts in <root>/stop, for 30 s at most. Passes that cron or
           systemd starts go on.
  restart  both
  status   exit code 0 when started and all proxies can be used, 1 when one
           cannot, 3 when not started
  proxy    a new machine proxy, made by root

The scripts run as the VO's account, as from a login, with the argument start or
stop. What they say goes to <root>/log/agents.log.`,
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return (&boxService{app: a, vo: vo}).run(cmd.Context(), args)
		},
	}
	cmd.Flags().StringVar(&vo, "vo", "", "the `VO`, as in the name of the init script")
	return cmd
}

func (s *boxService) name() string { return firstOf(s.vo, "<vo>") + "-box-proxyrenewal" }

func (s *boxService) run(ctx context.Context, args []string) error {
	verb := strings.Join(args, " ")
	if !slices.Contains([]string{"start", "stop", "restart", "status", "proxy", "adopt", "agents"}, verb) {
		fmt.Fprintf(s.stderr, "Usage: %s {start|stop|restart|status|proxy}\n", s.name())
		return exit(serviceUsage)
	}
	cfg, err := s.loadOrInit()
	if err != nil {
		return err
	}
	if s.vo != "" && !s.configured(cfg) {
		return fmt.Errorf("%s: the configuration %s is for the VO %s", s.name(), s.configPath(), cfg.VO)
	}
	s.cfg = cfg
	if verb == "proxy" {
		return s.proxy(ctx)
	}
	s.want = cfg.Desired()
	if err := checkInvoker(s.want); err != nil {
		return err
	}
	switch verb {
	case "start":
		return s.start(ctx)
	case "stop":
		return s.stop(ctx)
	case "restart":
		if err := s.stop(ctx); err != nil {
			return err
		}
		return s.start(ctx)
	case "status":
		return s.status()
	case "adopt":
		return s.mark()
	}
	return s.agents(ctx, "start")
}

// configured reports whether the configuration has anything to do with the VO in the script's name.
func (s *boxService) configured(cfg *config.Config) bool {
	return strings.EqualFold(cfg.VO, s.vo) || slices.ContainsFunc(cfg.Proxies, func(p config.Proxy) bool { return strings.EqualFold(p.VO, s.vo) })
}

// proxy makes a new machine proxy, whatever is left of the old one, as root's cron job always had it done. Like that it says
// nothing when all is well.
func (s *boxService) proxy(ctx context.Context) error {
	s.cfg.MachineProxy.Manage = true // who calls this is the other program that a configuration may speak of
	s.want = s.cfg.Desired()
	if err := checkInvoker(s.want); err != nil {
		return err
	}
	report, err := s.passWith(ctx, plan.Options{Only: []string{plan.MachineName}, Force: []string{plan.MachineName}, NoRestart: true})
	if err != nil {
		return err
	}
	if report.Failed() || s.out.terminal {
		return s.finish(report, s.want, false)
	}
	return nil
}

// passWith makes a pass of its own, with the lock.
func (s *boxService) passWith(ctx context.Context, o plan.Options) (*reconcile.Report, error) {
	engine, err := s.engine(s.cfg, s.want, s.now)
	if err != nil {
		return nil, err
	}
	engine.Limit = startLimit
	unlock, err := s.lock(ctx, s.want, 30*time.Second)
	if err != nil {
		return nil, err
	}
	defer unlock()
	ctx, release := s.guard(ctx, engine)
	report, err := engine.Pass(ctx, s.want, o)
	if stopped := release(); err == nil {
		err = stopped
	}
	return report, err
}

func (s *boxService) start(ctx context.Context) error {
	running := s.started()
	if running {
		fmt.Fprintf(s.stdout, "%s: already running; making a pass\n", s.name())
	}
	report, err := s.passWith(ctx, plan.Options{NoRestart: true})
	switch {
	case errors.Is(err, reconcile.ErrLocked):
		fmt.Fprintf(s.stdout, "%s: another pass is under way\n", s.name())
	case err != nil:
		return err
	default:
		s.sayPass(report)
	}
	if running {
		return nil
	}
	if err := s.mark(); err != nil {
		return err
	}
	if len(s.scripts("start")) == 0 {
		return nil
	}
	fmt.Fprintf(s.stdout, "%s: starting VO agents in the background...\n", s.name())
	return s.background(ctx)
}

// sayPass prints what the pass did, one line for each step, for JAliEn's log.
func (s *boxService) sayPass(report *reconcile.Report) {
	r := printableReport(report)
	for _, o := range r.Outcomes {
		line := fmt.Sprintf("%s: %s", title(o.Step), o.Result)
		if o.Err != nil {
			line += ": " + o.Err.Error()
		}
		fmt.Fprintf(s.stdout, "%s: %s\n", s.name(), oneComment(line))
	}
	for _, al := range r.Alerts {
		fmt.Fprintf(s.stdout, "%s: %s %s: %s; %s> %s\n", s.name(), al.ID, al.Subject, oneComment(al.Message), al.Where, oneComment(al.Remedy))
	}
	if len(r.Outcomes) == 0 {
		fmt.Fprintf(s.stdout, "%s: all proxies are as they should be\n", s.name())
	}
}

func (s *boxService) stop(ctx context.Context) error {
	if len(s.scripts("stop")) > 0 {
		fmt.Fprintf(s.stdout, "%s: stopping VO agents, for %s at most...\n", s.name(), plan.Span(stopLimit))
		limited, cancel := context.WithTimeout(ctx, stopLimit)
		defer cancel()
		if err := s.agents(limited, "stop"); err != nil {
			fmt.Fprintf(s.stdout, "%s: %v; continuing...\n", s.name(), printableError(err))
		}
	}
	return s.unmark()
}

// status says whether the service was started, in the words that health tests look for, and how the proxies are.
func (s *boxService) status() error {
	engine, err := s.engine(s.cfg, s.want, s.now)
	if err != nil {
		return err
	}
	if !s.started() {
		fmt.Fprintf(s.stdout, "Service not running: %s is not started\n", s.name())
		return exit(serviceInactive)
	}
	// No process stays: cron or systemd start each pass. The old health tests look for the words, not for the number.
	fmt.Fprintf(s.stdout, "Service running in pid %d (which starts the passes of vobox-reconcile)\n", 1)
	have, code := engine.Observe(s.want), exitOK
	for _, c := range s.want.Credentials {
		st, now := have.Credentials[c.Name], s.now()
		words := ""
		if st.Usable(now) {
			words = plan.Span(st.EffectiveEnd.Sub(now)) + " left"
		} else {
			words, code = conditionOf(st), serviceDead
		}
		fmt.Fprintf(s.stdout, "%s: %s\n", c.Name, printable(words))
	}
	return exit(code)
}

func conditionOf(st plan.CredentialState) string {
	switch {
	case !st.Exists:
		return "there is no file " + st.Path
	case st.Fault != "":
		return st.Fault
	}
	return st.EndsWith + " expired on " + plan.Clock(st.EffectiveEnd)
}
