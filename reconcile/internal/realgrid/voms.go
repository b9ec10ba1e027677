package realgrid

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A VOMS is a running vomsd, which serves one VO.
type VOMS struct {
	VO     string
	Host   string // "localhost": what the server's certificate is good for, and the name in the AC
	Port   int
	DN     string // of the server's certificate, which signs the ACs
	Vomses string // a vomses file with this server alone; [Grid].Vomses has all that were started
	Log    string

	process *process
}

// Addr returns localhost:port.
func (v *VOMS) Addr() string { return net.JoinHostPort(v.Host, strconv.Itoa(v.Port)) }

// VomsesLine returns the server's line of a vomses file, without line end.
func (v *VOMS) VomsesLine() string {
	return fmt.Sprintf(`"%s" "%s" "%d" "%s" "%s"`, v.VO, v.Host, v.Port, v.DN, v.VO)
}

// Alice returns the server of VO alice, which speaks REST and the older XML,
// and writes FQANs in the long form, /alice/Role=lcgadmin/Capability=NULL.
//
// Debian's vomsd as it is shipped closes a REST connection without an answer;
// here it runs with upstream's correction (see preload.c).
func (g *Grid) Alice() *VOMS {
	g.t.Helper()
	return g.voms("alice", &g.alice)
}

// Dteam returns the server of VO dteam: Debian's vomsd as it is shipped, so
// XML only. It has a suspended member, and writes FQANs in the short form,
// /dteam/Role=lcgadmin.
func (g *Grid) Dteam() *VOMS {
	g.t.Helper()
	return g.voms("dteam", &g.dteam)
}

// SQL runs statements on the database of a VO, whose server must have been
// started. Use it on a grid of the test's own ([Start]).
func (g *Grid) SQL(vo, statements string) {
	g.t.Helper()
	db, err := g.database.get(g.startDatabase)
	if err == nil {
		err = db.exec(g.Dir, "voms_"+vo, statements)
	}
	if err != nil {
		g.t.Fatalf("realgrid: SQL on %s: %v", vo, err)
	}
}

func (g *Grid) voms(vo string, server *lazy[*VOMS]) *VOMS {
	g.t.Helper()
	RequireTools(g.t, "voms", "mariadbd", "mariadb", "libvomsmysql.so", "voms-mysql.data", "gcc")
	v, err := server.get(func() (*VOMS, error) { return g.startVOMS(vo) })
	if err != nil {
		g.t.Fatalf("realgrid: %v", err)
	}
	return v
}

func (w *world) startVOMS(vo string) (*VOMS, error) {
	db, err := w.database.get(w.startDatabase)
	if err != nil {
		return nil, fmt.Errorf("starting the database: %w", err)
	}
	host, err := w.identity(vomsHost)
	if err != nil {
		return nil, err
	}
	library, err := w.preload()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.Dir, "voms-"+vo)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	v := &VOMS{VO: vo, Host: "localhost", DN: host.DN, Vomses: filepath.Join(dir, "vomses"), Log: filepath.Join(dir, "log")}
	// Without the line end vomsd says "Missing new line at end of file!".
	passFile := filepath.Join(dir, "voms.pass")
	if err := os.WriteFile(passFile, []byte("not looked at\n"), 0o640); err != nil {
		return nil, err
	}
	env := append(baseEnv(w.Dir), "LD_PRELOAD="+library)
	if vo == "alice" {
		env = append(env, "REALGRID_REST=1")
	}
	err = onFreePort(func(port int) error {
		v.Port = port
		config := []string{
			"--vo=" + vo, fmt.Sprintf("--port=%d", port), "--uri=" + v.Addr(),
			"--dbname=voms_" + vo, "--username=voms", "--passfile=" + passFile,
			"--contactstring=localhost", "--mysql-socket=" + db.socket, "--sqlloc=" + vomsPlugin,
			"--logfile=" + v.Log, "--loglevel=4", "--logtype=7", "--timeout=86400",
			"--x509_cert_dir=" + w.CertDir, "--x509_user_cert=" + host.CertFile, "--x509_user_key=" + host.KeyFile,
			"--debug", // stay in the foreground
		}
		if vo == "dteam" {
			config = append(config, "--shortfqans")
		}
		configFile := filepath.Join(dir, "voms.conf")
		if err := os.WriteFile(configFile, []byte(strings.Join(config, "\n")+"\n"), 0o644); err != nil {
			return err
		}
		v.process, err = w.start("vomsd of "+vo, filepath.Join(dir, "output"), env, toolPath("voms"), "--conf", configFile)
		if err != nil {
			return err
		}
		return v.process.waitFor("listening", startTimeout, func() bool { return listensOn(v.process.cmd.Process.Pid, port) })
	})
	if err != nil {
		return nil, err
	}
	return v, w.publish(v)
}

// publish writes what clients must know of a VOMS server: its vomses line, and
// the LSC file with the DNs that its attribute certificates must show.
func (w *world) publish(v *VOMS) error {
	lscDir := filepath.Join(w.VOMSDir, v.VO)
	if err := os.MkdirAll(lscDir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(lscDir, v.Host+".lsc"), []byte(v.DN+"\n"+CADN+"\n"), 0o644); err != nil {
		return err
	}
	line := v.VomsesLine() + "\n"
	if err := os.WriteFile(v.Vomses, []byte(line), 0o644); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	all, err := os.OpenFile(w.Vomses, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := all.WriteString(line); err != nil {
		all.Close()
		return err
	}
	return all.Close()
}
