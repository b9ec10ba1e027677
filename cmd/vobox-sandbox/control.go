package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

const controlHelp = `Usage: vobox-sandbox ctl --dir DIR COMMAND ...

  store [-t HOURS] [-c HOURS]   the user runs myproxy-init -d -n with these (default: -t 48 -c 3000)
  destroy                       the user runs myproxy-destroy
  login [HOURS]                 a new login proxy with VOMS attributes (default 12)
  register                      copy the login proxy into the box's repository, as vobox-proxy register does
  fault myproxy|voms KIND [--times N] [--stage request|delegate] [--at BYTES] [--lifetime TIME] [--text LINE]
                                misbehave from the next connection on; see below
  behave                        end all faults
  max-ac HOURS                  the longest AC the VOMS server gives
  suspend [REASON], resume      the user in the VO
  expel, admit                  the user's membership
  deny-box, allow-box           the box as authorized renewer of the MyProxy server
  revoke user|host              put the certificate on the CA's revocation list
  crl expired|fresh             write the revocation list anew, with a nextUpdate that has passed or has not
  requests                      what the servers were asked, as JSON
  stop                          end the sandbox

`

// A controller is the HTTP endpoint by which ctl reaches a running site. Its address and a token that keeps other users
// of the machine out are in DIR/control.json, mode 0600.
type controller struct {
	site  *gridtest.Site
	stop  func()
	token string
	srv   *http.Server
	file  string
}

type controlFile struct{ URL, Token string }

func listenControl(site *gridtest.Site, stop func()) (*controller, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for control: %w", err)
	}
	c := &controller{site: site, stop: stop, token: rand.Text(), file: filepath.Join(site.Dir, "control.json")}
	data, err := json.Marshal(controlFile{"http://" + ln.Addr().String() + "/", c.token})
	if err == nil {
		os.Remove(c.file)
		err = os.WriteFile(c.file, data, 0o600)
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("writing the control file: %w", err)
	}
	c.srv = &http.Server{Handler: c, ReadTimeout: 10 * time.Second}
	go c.srv.Serve(ln)
	return c, nil
}

// Close lets a command that is being answered finish.
func (c *controller) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.srv.Shutdown(ctx)
	os.Remove(c.file)
}

func (c *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.token)) != 1 {
		http.Error(w, "wrong token", http.StatusForbidden)
		return
	}
	var args []string
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&args); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, err := c.do(args)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	io.WriteString(w, out)
}

// do carries out one command.
func (c *controller) do(args []string) (string, error) {
	if len(args) == 0 {
		return "", fmt.Errorf("no command")
	}
	s, name, args := c.site, args[0], args[1:]
	switch name {
	case "store":
		return "", c.store(args)
	case "destroy":
		s.MyProxy.Remove(s.User.Identity().String(), "")
	case "login":
		d := 12 * time.Hour
		if len(args) > 0 {
			if err := hours(&d)(args[0]); err != nil {
				return "", fmt.Errorf("login %q: %w", args[0], err)
			}
		}
		return "", s.LogIn(d)
	case "fault":
		return "", c.fault(args)
	case "behave":
		s.MyProxy.SetFaults()
		s.VOMS.SetFaults()
	case "max-ac":
		var d time.Duration
		if len(args) != 1 {
			return "", fmt.Errorf("max-ac: a number of hours is wanted")
		}
		if err := hours(&d)(args[0]); err != nil {
			return "", fmt.Errorf("max-ac %q: %w", args[0], err)
		}
		s.SetMaxAC(d)
	case "suspend":
		s.Suspend(strings.Join(append(args, "by the VO manager"), " "))
	case "resume":
		s.Suspend("")
	case "expel":
		s.Expel()
	case "admit":
		s.Admit()
	case "allow-box", "deny-box":
		s.AllowBox(name == "allow-box")
	case "register":
		path, err := s.RegisterLogin()
		return path + "\n", err
	case "revoke":
		return "", c.revoke(args)
	case "crl":
		return "", c.crl(args)
	case "requests":
		return c.requests()
	case "stop":
		c.stop()
	default:
		return "", fmt.Errorf("unknown command %q", name)
	}
	return "", nil
}

func (c *controller) store(args []string) error {
	life, most := 3000*time.Hour, 48*time.Hour
	fs := flag.NewFlagSet("store", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("t", "", hours(&most))
	fs.Func("c", "", hours(&life))
	if err := fs.Parse(args); err != nil {
		return err
	}
	return c.site.Store(life, most)
}

func (c *controller) fault(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("fault: a server and a kind are wanted")
	}
	f := gridtest.Fault{Kind: gridtest.FaultKind(args[1])}
	known := false
	for _, k := range gridtest.FaultKinds() {
		known = known || k == f.Kind
	}
	if !known {
		return fmt.Errorf("fault: unknown kind %q", args[1])
	}
	fs := flag.NewFlagSet("fault", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.IntVar(&f.Times, "times", 0, "")
	fs.IntVar(&f.At, "at", 0, "")
	fs.Func("stage", "", func(s string) error { f.Stage = gridtest.Stage(s); return nil })
	fs.Func("lifetime", "", hours(&f.Lifetime))
	fs.Func("text", "", func(s string) error { f.Lines = append(f.Lines, s); return nil })
	if err := fs.Parse(args[2:]); err != nil {
		return err
	}
	switch args[0] {
	case "myproxy":
		c.site.MyProxy.SetFaults(f)
	case "voms":
		c.site.VOMS.SetFaults(f)
	default:
		return fmt.Errorf("fault: no server %q: myproxy or voms is wanted", args[0])
	}
	return nil
}

func (c *controller) revoke(args []string) error {
	switch strings.Join(args, " ") {
	case "user":
		return c.site.RevokeUser()
	case "host":
		return c.site.RevokeHost()
	}
	return fmt.Errorf("revoke: user or host is wanted")
}

func (c *controller) crl(args []string) error {
	switch strings.Join(args, " ") {
	case "fresh":
		return c.site.CA.WriteCRL(c.site.TrustDir)
	case "expired":
		now := time.Now()
		return c.site.CA.WriteCRLAt(c.site.TrustDir, now.AddDate(0, 0, -30), now.Add(-time.Hour))
	}
	return fmt.Errorf("crl: expired or fresh is wanted")
}

func (c *controller) requests() (string, error) {
	out, err := json.MarshalIndent(map[string]any{"myproxy": c.site.MyProxy.Requests(), "voms": c.site.VOMS.Requests()}, "", "  ")
	return string(out) + "\n", err
}

// control is the client side: vobox-sandbox ctl.
func control(ctx context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	fs := flag.NewFlagSet("vobox-sandbox ctl", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	dir := fs.String("dir", "", "`directory` of the running site (required)")
	kinds := "Kinds of faults:"
	for _, k := range gridtest.FaultKinds() {
		kinds += " " + string(k)
	}
	if err := parse(fs, args, stdout, controlHelp+kinds+"\n\nFlags:\n"); err != nil {
		return err
	}
	if *dir == "" || fs.NArg() == 0 {
		return usagef("--dir and a command are needed")
	}
	data, err := os.ReadFile(filepath.Join(*dir, "control.json"))
	if err != nil {
		return fmt.Errorf("finding the sandbox: %w", err)
	}
	var at controlFile
	if err := json.Unmarshal(data, &at); err != nil {
		return fmt.Errorf("finding the sandbox: %w", err)
	}
	body, err := json.Marshal(fs.Args())
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+at.Token)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the sandbox: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("asking the sandbox: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return usagef("%s", strings.TrimSpace(string(text)))
	}
	_, err = stdout.Write(text)
	return err
}
