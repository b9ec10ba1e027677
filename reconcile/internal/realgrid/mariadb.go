package realgrid

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A database is a private MariaDB server: own data directory, own socket, no
// TCP, no accounts.
type database struct {
	socket  string
	process *process
}

// startDatabase starts MariaDB with one database for each VO. It makes its own
// system tablespace in the empty directory and reads the schema as its init
// file, which takes half the time of mariadb-install-db: what that adds are
// the tables of accounts, and with --skip-grant-tables nobody looks at them.
func (w *world) startDatabase() (*database, error) {
	dir := filepath.Join(w.Dir, "mariadb")
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	init, err := initSQL()
	if err != nil {
		return nil, err
	}
	initFile := filepath.Join(dir, "init.sql")
	if err := os.WriteFile(initFile, []byte(init), 0o600); err != nil {
		return nil, err
	}
	// A socket's path may have 107 bytes; TMPDIR is not always /tmp.
	db := &database{socket: filepath.Join(w.Dir, "sql")}
	if len(db.socket) > 100 {
		return nil, fmt.Errorf("the path of the MariaDB socket is too long: %q; set TMPDIR to a shorter one", db.socket)
	}
	args := []string{toolPath("mariadbd"), "--no-defaults", "--datadir=" + data, "--socket=" + db.socket,
		"--skip-networking", "--skip-grant-tables", "--init-file=" + initFile,
		"--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF"}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	log := filepath.Join(dir, "log")
	if db.process, err = w.start("mariadbd", log, baseEnv(w.Dir), args...); err != nil {
		return nil, err
	}
	err = db.process.waitFor("ready for connections", startTimeout, func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "ready for connections")
	})
	if err != nil {
		return nil, err
	}
	// A fault in the init file does not stop the server.
	if text, err := os.ReadFile(log); err != nil || strings.Contains(string(text), "\nERROR: ") {
		return nil, fmt.Errorf("filling the databases: %v\n%s", err, tail(log))
	}
	return db, nil
}

// exec runs statements with the mariadb client.
func (db *database) exec(home, name, sql string) error {
	r, err := run(baseEnv(home), sql, toolPath("mariadb"), "--no-defaults", "--socket="+db.socket, name)
	if err == nil && r.ExitCode != 0 {
		err = fmt.Errorf("%v", r)
	}
	return err
}

// initSQL returns the statements that make both VOs. In an init file a
// statement ends where a line does.
func initSQL() (string, error) {
	schema, err := os.ReadFile(vomsSchema)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, vo := range []string{"alice", "dteam"} {
		fmt.Fprintf(&b, "CREATE DATABASE voms_%s CHARACTER SET latin1;\nUSE voms_%[1]s;\n%s\n", vo, schema)
		b.WriteString(voRows(vo))
	}
	return b.String(), nil
}

// The first five authorities are what the package's installer writes.
var authorities = []string{
	"/O=VOMS/O=System/CN=Dummy Certificate Authority",
	"/O=VOMS/O=System/CN=Authorization Manager Attributes",
	"/O=VOMS/O=System/CN=VOMS Group",
	"/O=VOMS/O=System/CN=VOMS Role",
	"/O=VOMS/O=System/CN=VOMS Capability",
	CADN,
}

// A member of both VOs. The rows of table m: the VO, each of the groups, each
// of the roles in the VO's own group.
type member struct {
	name   string
	groups []string
	roles  []string
}

var members = []member{
	{name: Jane, groups: []string{"team"}, roles: []string{"lcgadmin", "production"}},
	{name: Ending, roles: []string{"lcgadmin"}},
	{name: BigKey, roles: []string{"lcgadmin"}},
	{name: Elliptic, roles: []string{"lcgadmin"}},
	{name: Revoked, roles: []string{"lcgadmin"}},
	{name: Expired, roles: []string{"lcgadmin"}},
}

// voRows returns the INSERT statements of one VO. alice has the schema's
// layout 2; dteam has layout 3, which knows suspended certificates.
func voRows(vo string) string {
	var b strings.Builder
	insert := func(format string, args ...any) { fmt.Fprintf(&b, "INSERT INTO "+format+";\n", args...) }

	for i, ca := range authorities {
		insert("ca (cid, ca, cadescr) VALUES (%d, '%s', 'Test grid')", i+1, ca)
	}
	insert("`groups` (gid, dn, parent, must) VALUES (1, '/%s', 1, 1), (2, '/%[1]s/team', 1, 1)", vo)
	insert("roles (rid, role) VALUES (1, 'VO-Admin'), (2, 'lcgadmin'), (3, 'production'), (4, 'pilot')")
	insert("seqnumber VALUES ('00')")
	insert("attributes (a_id, a_name, a_desc, a_uniq) VALUES (1, 'nickname', 'login name', 1)")

	everybody := members
	if vo == "dteam" {
		everybody = append(everybody[:len(everybody):len(everybody)], member{name: Suspended, roles: []string{"lcgadmin"}})
	}
	for i, m := range everybody {
		insert("usr (userid, dn, ca, cn, mail) VALUES (%d, '%s', %d, '%s', '%[4]s@example.org')", i+1, DN(m.name), len(authorities), m.name)
		insert("m (userid, gid, rid) VALUES (%d, 1, NULL)", i+1)
		for range m.groups { // there is but the one
			insert("m (userid, gid, rid) VALUES (%d, 2, NULL)", i+1)
		}
		for _, role := range m.roles {
			insert("m (userid, gid, rid) SELECT %d, 1, rid FROM roles WHERE role = '%s'", i+1, role)
		}
		if m.name == Jane {
			insert("usr_attrs (a_id, u_id, a_value) VALUES (1, %d, 'jdoe')", i+1)
		}
	}
	if vo != "dteam" {
		insert("version VALUES (2)")
		return b.String()
	}
	insert("version VALUES (3)")
	b.WriteString("ALTER TABLE ca ADD COLUMN subject_string varchar(255);\n")
	b.WriteString("UPDATE ca SET subject_string = ca;\n")
	b.WriteString("CREATE TABLE certificate (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, ca_id smallint, subject_string varchar(255), suspended tinyint(1) NOT NULL, suspended_reason varchar(255), usr_id bigint);\n")
	insert("certificate (ca_id, subject_string, suspended, usr_id) SELECT ca, dn, 0, userid FROM usr")
	fmt.Fprintf(&b, "UPDATE certificate SET suspended = 1, suspended_reason = 'left the experiment' WHERE subject_string = '%s';\n", DN(Suspended))
	return b.String()
}
