package service

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// box gives a directory of accounts in files of its own; ask answers for getent and id.
func box(t *testing.T, nsswitch string, ask func(program string, args ...string) ([]byte, error)) accounts {
	t.Helper()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return accounts{
		passwd: file("passwd", "root:x:0:0:root:/root:/bin/bash\n\n# comment\n+::::::\n17069:x:5:5::/odd:/bin/sh\n"+
			"alicesgm:x:17069:1395:ALICE:/home/alicesgm:/bin/bash\nbad:x:4294967295:1::/:/bin/sh\n"),
		group: file("group", "root:x:0:\nalice:x:1395:\nbox:x:2000:a,alicesgm\nlong:x:2001:"+
			strings.Repeat("someone,", 20000)+"alicesgm\nnot:x:2002:alicesgm2\nbad:x:y:alicesgm\nbox2:x:2000:alicesgm\n"),
		nsswitch: file("nsswitch.conf", nsswitch),
		root:     true,
		ask:      ask,
	}
}

func never(t *testing.T) func(string, ...string) ([]byte, error) {
	return func(program string, args ...string) ([]byte, error) {
		t.Errorf("ran %s %q", program, args)
		return nil, errors.New("not to be run")
	}
}

func TestAccountInTheFiles(t *testing.T) {
	d := box(t, "passwd: files sss\ngroup: files [SUCCESS=merge] systemd # sss\n", never(t))
	a, err := d.lookup("alicesgm")
	if err != nil {
		t.Fatal(err)
	}
	if a.UID != 17069 || a.GID != 1395 || a.Home != "/home/alicesgm" || a.Shell != "/bin/bash" || !a.Set {
		t.Errorf("got %+v", a)
	}
	if want := []int{1395, 2000, 2001}; !slices.Equal(a.Groups, want) {
		t.Errorf("got groups %v, want %v", a.Groups, want)
	}
	if a, err := d.lookup("17069"); err != nil || a.UID != 5 {
		t.Errorf("got %+v, %v; want the account whose name looks like a number", a, err)
	}
}

func TestAccountInTheNameService(t *testing.T) {
	asked := []string{}
	d := box(t, "", func(program string, args ...string) ([]byte, error) {
		asked = append(asked, program+" "+strings.Join(args, " "))
		switch {
		case program == "getent" && args[1] == "ldapsgm":
			return []byte("ldapsgm:*:30000:30001:LDAP:/home/ldapsgm:/bin/bash\n"), nil
		case program == "id":
			return []byte("30001 30002\n"), nil
		}
		return nil, &exec.ExitError{}
	})
	a, err := d.lookup("ldapsgm")
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{30001, 30002}; a.UID != 30000 || !slices.Equal(a.Groups, want) {
		t.Errorf("got %+v, want groups %v", a, want)
	}
	if want := []string{"getent passwd ldapsgm", "id -G -- ldapsgm"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if _, err := d.lookup("bad"); !errors.Is(err, ErrUnknownAccount) || !strings.Contains(err.Error(), "getent passwd bad") {
		t.Errorf("got %v, want that it is unknown and what to type", err)
	}
}

func TestGroupsFromElsewhere(t *testing.T) {
	d := box(t, "group:\tfiles sss\n", func(program string, args ...string) ([]byte, error) {
		return []byte("1395 2000 9000\n"), nil
	})
	a, err := d.lookup("alicesgm")
	if want := []int{1395, 2000, 2001, 9000}; err != nil || !slices.Equal(a.Groups, want) {
		t.Errorf("got %v, %v, want %v", a.Groups, err, want)
	}
	d.root, d.ask = false, never(t)
	if a, err := d.lookup("alicesgm"); err != nil || len(a.Groups) != 3 {
		t.Errorf("got %v, %v without root", a.Groups, err)
	}
}

func FuzzParsePasswd(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash")
	f.Add("+::::::")
	f.Add("a:x:4294967295:4294967294:::")
	f.Fuzz(func(t *testing.T, line string) {
		a, ok := parsePasswd(line)
		if !ok {
			return
		}
		if a.UID < 0 || a.GID < 0 || a.UID >= 1<<32-1 || a.GID >= 1<<32-1 || a.Name == "" || !a.Set {
			t.Errorf("%q gave %+v", line, a)
		}
	})
}

// Nothing of a private key, and no password, gets into the log or an error.
func TestCaptureHidesSecrets(t *testing.T) {
	const key = "[a private key, not shown]"
	long := strings.Repeat("x", lineLimit+500)
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"-----END CERTIFICATE----------BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\nafter\n", []string{key, "", "", "after"}},
		{"-----BEGIN EC PRIVATE KEY-----\n-----END CERTIFICATE-----\ns3cret\n-----END EC PRIVATE KEY-----\nafter\n", []string{key, "", "", "", "after"}},
		{"-----BEGIN PRIVATE KEY-----s3cret-----END PRIVATE KEY-----\nafter\n", []string{key, "after"}},
		{"\x1b[1m-----BEGIN RSA PRI\x1b[0mVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\n", []string{key, "", ""}},
		{long + "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\nafter\n", []string{long[:lineLimit] + " […]", "", "", "after"}},
		{long[:lineLimit-9] + "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n" + long + "-----END RSA PRIVATE KEY-----\nafter\n",
			[]string{long[:lineLimit-9] + "-----BEGI […]", "", " […]", "after"}},
		{"DB_PASSWORD=s3cret s3cret\n", []string{"DB_PASSWORD=***"}},
		{"wget --password=s3cret\n", []string{"wget --password=***"}},
		{"GET https://me:s3cret@example.org/x\n", []string{"GET https://me:***@example.org/x"}},
		{"Authorization: Bearer s3cret.s3cret\n", []string{"Authorization: Bearer ***"}},
		{"X509_USER_KEY=/etc/key: permission denied\n", []string{"X509_USER_KEY=/etc/key: permission denied"}},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			var got []string
			out := &capture{emit: func(line string) { got = append(got, line) }}
			for p := range slices.Chunk([]byte(c.in), size) {
				out.Write(p)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("from %.60q in pieces of %d:\n got %.200q\nwant %.200q", c.in, size, got, c.want)
			}
			if strings.Contains(strings.Join(out.tail, "\n"), "s3cret") {
				t.Errorf("from %.60q the error has %q", c.in, out.tail)
			}
		}
	}
}

// Whatever a command prints, in whatever pieces, its lines are safe, short, and the same.
func FuzzCapture(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\x1b[31mred\x1b[0m\n"), 3)
	f.Add([]byte("\x1b[\x1b[3\xff\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nafter"), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var whole, pieces []string
		a := &capture{emit: func(line string) { whole = append(whole, line) }}
		b := &capture{emit: func(line string) { pieces = append(pieces, line) }}
		a.Write(data)
		size = max(1, min(size, 1<<16))
		for p := range slices.Chunk(data, size) {
			b.Write(p)
		}
		if !slices.Equal(whole, pieces) {
			t.Fatalf("in one piece %q, in pieces of %d bytes %q", whole, size, pieces)
		}
		if len(a.tail) > tailLines {
			t.Errorf("%d lines are kept for the error", len(a.tail))
		}
		for _, line := range whole {
			// A byte that is not UTF-8 becomes three.
			if !utf8.ValidString(line) || strings.IndexFunc(line, unicode.IsControl) >= 0 || len(line) > 3*lineLimit+10 {
				t.Errorf("got line %.100q", line)
			}
		}
	})
}
