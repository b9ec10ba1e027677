package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// searchPath is where a command without a slash is looked for, and the PATH it sees: what a stock box has, not what the
// invoking shell happened to have.
const searchPath = "/usr/local/bin:/usr/bin:/bin"

var errNoCommand = errors.New("no such command")

// A job is one run of one command.
type job struct {
	service, phase string
	argv           []string
	timeout        time.Duration
	asInvoker      bool // systemctl talks to the system's manager as root, whatever the account

	input *os.File // standard input; nil: /dev/null
	env   []string // beside the fixed environment
}

// run runs j to its end. The error is nil or an *Error; the interface, so that nil is nil.
func (r *Runner) run(ctx context.Context, j job) error {
	e := &Error{Service: j.service, Phase: j.phase, Argv: j.argv, ExitCode: -1, After: j.timeout}
	limited, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	out := r.capture(j)
	state, err := r.execute(limited, j, out)
	e.Output = out.tail
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		e.Timeout = true
		if err != context.DeadlineExceeded { // more than the bare deadline: it says what hung
			e.Err, e.Remedy = err, remedy(j, err)
		}
		return e
	case err != nil:
		e.Err = err
		e.Remedy = remedy(j, err)
		return e
	case state.Success():
		return nil
	}
	e.ExitCode = state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal().String()
	}
	return e
}

// execute starts the command and waits for it and for nothing that it leaves behind.
func (r *Runner) execute(ctx context.Context, j job, out *capture) (*os.ProcessState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd, err := r.command(ctx, j)
	if err != nil {
		return nil, err
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for its output: %w", err)
	}
	defer pr.Close()
	// One pipe for both streams keeps the order of what was said. A file, not an io.Writer: Wait then waits for the
	// process alone and not for the last holder of the pipe.
	cmd.Stdout, cmd.Stderr = pw, pw
	cmd, err = start(cmd)
	pw.Close()
	if err != nil {
		return nil, err
	}
	read := make(chan struct{})
	go func() { defer close(read); out.readFrom(pr) }()
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()

	select {
	case err = <-waited:
	case <-ctx.Done():
		endGroup(cmd.Process.Pid, r.grace(), waited)
		err = ctx.Err()
	}
	open := out.finish(pr, read)
	if open && ctx.Err() == nil {
		leaveDrain(pr, cmd)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return cmd.ProcessState, err
}

func (r *Runner) grace() time.Duration {
	if r.Grace > 0 {
		return r.Grace
	}
	return 10 * time.Second
}

// command makes the process ready to start, as the account.
func (r *Runner) command(ctx context.Context, j job) (*exec.Cmd, error) {
	path, err := find(ctx, j.argv[0])
	if err != nil {
		return nil, err
	}
	account := r.Account.orInvoker()
	if j.asInvoker {
		account = Account{}.orInvoker()
	}
	cmd := &exec.Cmd{
		Path: path,
		Args: j.argv,
		Env:  append(environment(account, j), j.env...),
		Dir:  directory(ctx, account.Home),
		// A session of its own is a process group of its own, without a terminal to ask for passwords on.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if j.input != nil {
		cmd.Stdin = j.input
	}
	if !account.Set || account.UID == os.Geteuid() {
		return cmd, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("cannot become %q (uid %d): only root can; run vobox-reconcile as root or as that account",
			account.Name, account.UID)
	}
	if account.UID < 0 || account.GID < 0 {
		return nil, fmt.Errorf("account %q has uid %d and gid %d", account.Name, account.UID, account.GID)
	}
	cred := &syscall.Credential{Uid: uint32(account.UID), Gid: uint32(account.GID), Groups: []uint32{}}
	for _, g := range account.Groups {
		cred.Groups = append(cred.Groups, uint32(g))
	}
	cmd.SysProcAttr.Credential = cred
	return cmd, nil
}

// start starts cmd, from / if the account may not enter its home.
func start(cmd *exec.Cmd) (*exec.Cmd, error) {
	err := cmd.Start()
	if err == nil || cmd.Dir == "/" || !errors.Is(err, fs.ErrPermission) {
		return cmd, err
	}
	again := &exec.Cmd{
		Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Dir: "/", SysProcAttr: cmd.SysProcAttr,
		Stdin: cmd.Stdin, Stdout: cmd.Stdout, Stderr: cmd.Stderr,
	}
	return again, again.Start()
}

// environment is all that the command sees of ours.
func environment(a Account, j job) []string {
	lang := os.Getenv("LANG")
	if lang == "" {
		lang = "C.UTF-8"
	}
	home, shell := a.Home, a.Shell
	if home == "" {
		home = "/"
	}
	if shell == "" {
		shell = "/bin/sh"
	}
	env := []string{
		"HOME=" + home, "SHELL=" + shell, "PATH=" + searchPath, "LANG=" + lang,
	}
	if j.phase != PhaseCall {
		env = append(env, "VOBOX_RECONCILE_SERVICE="+j.service)
	}
	if a.Name != "" {
		env = append(env, "USER="+a.Name, "LOGNAME="+a.Name)
	}
	return env
}

// find gives the path of a command: as it stands if absolute, else from searchPath.
func find(ctx context.Context, name string) (string, error) {
	if filepath.IsAbs(name) {
		if _, err := probe(ctx, name); err != nil && !errors.Is(err, fs.ErrPermission) {
			return "", err // on a home that root may not read, the account may still run it
		}
		return name, nil
	}
	if strings.Contains(name, "/") {
		return "", fmt.Errorf("%q is a relative path; write it from / on", name)
	}
	for _, dir := range filepath.SplitList(searchPath) {
		path := filepath.Join(dir, name)
		if info, err := probe(ctx, path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w as %q in %s", errNoCommand, name, searchPath)
}

// directory gives home if it is one, else /.
func directory(ctx context.Context, home string) string {
	if info, err := probe(ctx, home); err == nil && info.IsDir() && filepath.IsAbs(home) {
		return home
	}
	return "/"
}

// probe looks at path, in a goroutine that a dead CVMFS or NFS mount may keep. Starting a program from such a mount
// without looking first would stop this whole process, beyond the reach of any timeout: the thread that forks waits
// inside the kernel for the exec, and Go cannot schedule around it.
func probe(ctx context.Context, path string) (fs.FileInfo, error) {
	type answer struct {
		info fs.FileInfo
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		info, err := os.Stat(path)
		got <- answer{info, err}
	}()
	select {
	case a := <-got:
		return a.info, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("looking at %q: no answer from its file system: %w", path, ctx.Err())
	}
}

// leaveDrain hands the read end of a pipe that a daemon still holds to a cat that outlives us. Closed instead, the
// daemon would be ended by SIGPIPE at the next line that it prints.
func leaveDrain(pr *os.File, owner *exec.Cmd) {
	cat, err := exec.LookPath("/bin/cat")
	if err != nil {
		return
	}
	drain := &exec.Cmd{
		Path: cat, Args: []string{cat}, Env: []string{}, Dir: "/", Stdin: pr,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: owner.SysProcAttr.Credential},
	}
	raw, err := pr.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { syscall.SetNonblock(int(fd), false) })
	if drain.Start() == nil {
		go drain.Wait()
	}
}

// systemctl gives the path of systemctl.
func (r *Runner) systemctl() string {
	if r.Systemctl != "" {
		return r.Systemctl
	}
	for _, path := range []string{"/usr/bin/systemctl", "/bin/systemctl"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "/usr/bin/systemctl"
}

// remedy says what to do about a command that could not be started.
func remedy(j job, err error) string {
	path := j.argv[0]
	var lookup *fs.PathError
	missing := errors.As(err, &lookup) && lookup.Op == "stat"
	switch {
	case j.asInvoker && errors.Is(err, fs.ErrNotExist):
		return "there is no systemd here: use services[].restart with an argument list instead of unit"
	case strings.HasPrefix(path, "/cvmfs/"):
		repo, _, _ := strings.Cut(strings.TrimPrefix(path, "/cvmfs/"), "/")
		return "is CVMFS mounted? type: cvmfs_config probe " + repo
	case missing:
		return "correct it in the configuration; type: ls -l " + quoted(path)
	case errors.Is(err, fs.ErrNotExist):
		return "if the file is there, its #! line names an interpreter that is not; type: ls -l " + quoted(path)
	case errors.Is(err, errNoCommand):
		return "write its whole path; type: command -v -- " + quoted(path)
	case errors.Is(err, fs.ErrPermission):
		return "the account may not run it; type: ls -ld " + quoted(path)
	case errors.Is(err, syscall.ENOEXEC):
		return "a script needs a #! line as its first; type: head -n 1 " + quoted(path)
	}
	return ""
}

// quoted gives a path as it can be typed.
func quoted(path string) string {
	if strings.IndexFunc(path, func(r rune) bool { return r <= ' ' || strings.ContainsRune("'\"\\$`&|;<>()*?[]{}~#!", r) }) < 0 {
		return path
	}
	return strconv.Quote(path)
}
