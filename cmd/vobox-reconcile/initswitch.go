package main

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
)

// A switchStep is one thing to do when the old machinery is switched off, and how to go back. Commands are for root's
// shell.
type switchStep struct {
	What    string `json:"what"`
	Command string `json:"command"`
	Undo    string `json:"undo"`
}

// program is where this program is, for commands that people will type.
func (i *initiator) program() string {
	if path, err := os.Executable(); err == nil && filepath.Base(path) == "vobox-reconcile" {
		return path
	}
	return "/usr/local/bin/vobox-reconcile"
}

// switches says what to do, in order: first the new machinery runs beside the old one, which does no harm since both renew
// the same files and this program never puts a worse proxy in place of a better one; then the old pieces are switched off
// one by one. What is moved is kept in a directory of root's: an account must not be able to put anything into the way back.
func (i *initiator) switches() []switchStep {
	s := switcher{initiator: i, kept: filepath.Join(filepath.Dir(i.path), "old"), me: shellWord(i.program())}
	if i.path != config.DefaultPath {
		s.me += " --config " + shellWord(i.path)
	}
	first := "a first pass"
	if i.switchesOver() {
		first += ", beside the old daemon: both renew the same files"
	}
	s.add(first, s.me, "")
	if cron := i.below("/etc/cron.d/vobox-reconcile"); !there(cron) {
		s.add("a pass every hour from now on (or use a unit of examples/: --watch reacts to changes too)",
			s.printed("cron")+" > "+shellWord(cron), "rm "+shellWord(cron))
	}
	s.daemon()
	s.crontabs()
	s.initScript()
	s.unit()
	s.name()
	return s.steps
}

// switchesOver reports whether there is anything old to switch off.
func (i *initiator) switchesOver() bool {
	return i.vo.InitScript != "" && i.vo.InitLink == "" || len(i.vo.Units) > 0 ||
		slices.ContainsFunc(i.box.Jobs, func(j oldbox.Job) bool { return j.VO == i.vo.Name })
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

type switcher struct {
	*initiator
	kept  string
	me    string // this program, with its configuration
	steps []switchStep
}

func (s *switcher) add(what, command, undo string) {
	s.steps = append(s.steps, switchStep{what, command, undo})
}

func (s *switcher) printed(what string) string {
	return s.me + " init --print " + what + " --vo " + shellWord(s.vo.Name)
}

// daemon stops vobox-renewd. Where the init script would stop the VO's agents with it, the daemon is stopped as that script
// does it.
func (s *switcher) daemon() {
	service := s.vo.Name + "-box-proxyrenewal"
	for _, u := range s.vo.Units {
		s.add("the old daemon", "systemctl disable --now "+shellWord(u.Name), "systemctl enable --now "+shellWord(u.Name))
	}
	if s.vo.InitScript == "" || s.vo.InitLink != "" || len(s.vo.Units) > 0 {
		return
	}
	if len(s.vo.Start)+len(s.vo.Stop) == 0 {
		s.add("the old daemon", shellWord(s.vo.InitScript)+" stop", shellWord(s.vo.InitScript)+" start")
		return
	}
	user := s.vo.Account.Name
	run := fmt.Sprintf("%s/sbin/vobox-renewd %s %s %s", s.renewd(), s.vo.Name, user, filepath.Dir(s.vo.Dir))
	s.add(fmt.Sprintf("the old daemon alone: %s stop would also stop the agents in %s", service, filepath.Join(s.vo.Dir, "stop")),
		"su - "+shellWord(user)+" -c "+shellWord(run+" stop"), "su - "+shellWord(user)+" -c "+shellWord(run))
}

// renewd is the directory above that of vobox-renewd: the init script's profile may have another.
func (s *switcher) renewd() string {
	if s.vo.Profile == "" {
		return "/usr"
	}
	data, err := os.ReadFile(s.vo.Profile)
	if err != nil {
		return "/usr"
	}
	v, _, _ := oldbox.EnvFile{Data: data}.Value("VOBOX_LOCATION")
	return firstOf(v, "/usr")
}

// crontabs moves the files of cron.d that call the old init script away; in other crontabs there are lines of others.
func (s *switcher) crontabs() {
	var done []string
	for _, job := range s.box.Jobs {
		if job.VO != s.vo.Name || slices.Contains(done, job.File) {
			continue
		}
		done = append(done, job.File)
		if filepath.Dir(job.File) == s.below("/etc/cron.d") {
			back, forth := s.keep(job.File, ".cron")
			s.add("the old cron job, which made the machine proxy", forth, back)
			continue
		}
		s.add(fmt.Sprintf("the old cron job: take line %d out, %s", job.Line, oneComment(job.Text)), "${EDITOR:-vi} "+shellWord(job.File), "${EDITOR:-vi} "+shellWord(job.File))
	}
}

// initScript puts this program in the place of the init script: JAliEn's CE calls it every hour when a proxy runs low, and
// skips its check in silence when there is none.
func (s *switcher) initScript() {
	path := s.below("/etc/init.d/" + s.vo.Name + "-box-proxyrenewal")
	put := s.printed("init-script") + " > " + shellWord(path) + " && chmod 755 " + shellWord(path) + s.reload()
	switch {
	case s.vo.InitLink != "":
		return
	case s.vo.InitScript == "":
		s.add("the init script, which JAliEn's CE calls when a proxy runs low", put, "rm "+shellWord(path)+s.reload())
	default:
		back, forth := s.keep(path, "")
		s.add("the init script, which JAliEn's CE calls when a proxy runs low: from now on that makes a pass", forth+" && "+put, back+s.reload())
	}
	if len(s.vo.Start) > 0 {
		s.add("the agents are running: do not start them again", s.me+" box-proxyrenewal --vo "+shellWord(s.vo.Name)+" adopt", "")
	}
}

// keep moves a file to where old pieces are kept, and back.
func (s *switcher) keep(path, suffix string) (back, forth string) {
	if place := "mkdir -p " + shellWord(s.kept); !slices.ContainsFunc(s.steps, func(st switchStep) bool { return st.Command == place }) {
		s.add("a place for the old pieces", place, "")
	}
	to := filepath.Join(s.kept, filepath.Base(path)+suffix)
	return "mv " + shellWord(to) + " " + shellWord(path), "mv " + shellWord(path) + " " + shellWord(to)
}

// reload tells systemd of a changed init script or unit.
func (s *switcher) reload() string {
	if !there(s.below("/run/systemd/system")) {
		return ""
	}
	return " && systemctl daemon-reload"
}

// unit takes the place of the old unit where that started the VO's agents at boot.
func (s *switcher) unit() {
	if len(s.vo.Units) == 0 || len(s.vo.Start) == 0 {
		return
	}
	name := s.vo.Name + "-box-proxyrenewal.service"
	path := s.below("/etc/systemd/system/" + name)
	put := s.printed("unit") + " > " + shellWord(path) + s.reload() + " && systemctl enable " + shellWord(name)
	undo := "systemctl disable " + shellWord(name) + "; rm " + shellWord(path)
	if there(path) {
		back, forth := s.keep(path, "")
		put, undo = forth+" && "+put, undo+" && "+back
	}
	s.add("the unit, which starts the VO's agents at boot", put, undo+s.reload())
}

// name gives this program the name that people call.
func (s *switcher) name() {
	link := s.below("/usr/local/bin/vobox-proxy")
	put, undo := "ln -sn "+shellWord(s.program())+" "+shellWord(link), "rm "+shellWord(link)
	if there(link) {
		back, forth := s.keep(link, "")
		put, undo = forth+" && "+put, undo+" && "+back
	}
	s.add("the name that people call", put, undo)
}

// printFile prints one of the small files that go with the configuration.
func (i *initiator) printFile() error {
	vo := strings.ToLower(firstOf(i.f.vo, "alice"))
	if !formOK(vo) {
		return usage("--vo %q is not the name of a VO", i.f.vo)
	}
	var text string
	switch i.f.print {
	case "init-script":
		text = initScriptText
	case "unit":
		text = unitText
	case "cron":
		text = cronText
	default:
		return usage("--print takes init-script, unit or cron, not %q", i.f.print)
	}
	me := shellWord(i.program())
	if path := i.configPath(); path != config.DefaultPath {
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		me += " --config " + shellWord(abs)
	}
	_, err := fmt.Fprint(i.stdout, strings.NewReplacer("@VO@", vo, "@PROGRAM@", me, "@MINUTE@", fmt.Sprint(minuteOf(hostname()))).Replace(text))
	return err
}

func formOK(vo string) bool {
	return vo != "" && strings.Trim(vo, "abcdefghijklmnopqrstuvwxyz0123456789._-") == "" && strings.Trim(vo[:1], "._-") != ""
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// minuteOf spreads boxes over the hour: not all of them shall ask the servers in the same minute.
func minuteOf(host string) int {
	h := fnv.New32a()
	h.Write([]byte(host))
	return int(h.Sum32() % 60)
}

const initScriptText = `#!/bin/sh
# /etc/init.d/@VO@-box-proxyrenewal: the name by which JAliEn's CE, health tests and people know the renewal of proxies on
# a VO-box. All of it is done by vobox-reconcile:
#
#   start    a pass, and the scripts in <root>/start, once after each boot
#   stop     the scripts in <root>/stop, for 30 s at most
#   restart  both
#   status   exit 0 when started and the proxies can be used
#   proxy    a new machine proxy, as root
#
# chkconfig: 2345 99 00
# description: Renews user proxies and starts or stops the VO's agents.
#
### BEGIN INIT INFO
# Provides:          @VO@-box-proxyrenewal
# Required-Start:    $network $remote_fs $time
# Required-Stop:     $network $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Proxies of a VO-box and the VO's agents
### END INIT INFO

exec @PROGRAM@ box-proxyrenewal --vo @VO@ "$@"
`

const unitText = `# /etc/systemd/system/@VO@-box-proxyrenewal.service: the name of wlcg-vobox's service, for who asks for it. At boot it makes a
# pass and starts the VO's agents, the scripts in <root>/start; at shutdown it runs those in <root>/stop.
#
# The renewals in between are made by cron, vobox-reconcile.timer or vobox-reconcile-watch.service: see examples.
#
#   systemctl daemon-reload && systemctl enable --now @VO@-box-proxyrenewal
[Unit]
Description=Proxies of this VO-box, and the agents of @VO@
Documentation=https://github.com/vobox-reconcile/vobox-reconcile
Wants=network-online.target
After=network-online.target nss-user-lookup.target time-sync.target autofs.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=@PROGRAM@ box-proxyrenewal --vo @VO@ start
ExecStop=@PROGRAM@ box-proxyrenewal --vo @VO@ stop
TimeoutStartSec=10min
TimeoutStopSec=2min
# The agents that the scripts have started are theirs to stop.
KillMode=process

[Install]
WantedBy=multi-user.target
`

const cronText = `# A pass of vobox-reconcile every hour. One that changes nothing prints nothing, so that mail comes only when there is
# something to know.
MAILTO=root
@MINUTE@ * * * * root @PROGRAM@
`
