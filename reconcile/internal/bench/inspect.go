package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

const (
	thousands = 10_000 // proxies that inspect verifies in one call
	asked     = 200    // of them that the loop looks at; the rest is extrapolated
)

// inspectThousands compares one call over ten thousand proxies, each of them verified with its attributes, with a shell
// loop of grid-proxy-info, which verifies nothing; and that call with ten over a tenth.
func (b *bench) inspectThousands(x box) {
	all, tenth := filepath.Join(b.dir, "thousands"), filepath.Join(b.dir, "thousand")
	b.generate(x, all, thousands)
	b.generate(x, tenth, thousands/10)
	// Both write to the same place, not to a pipe that takes time to be read.
	args := []string{"-c", `exec "$@" >/dev/null`, "sh", b.binary, "inspect", "--certificates", b.grid.CertDir, "--vomsdir", b.grid.VOMSDir, "-r"}
	loop := fmt.Sprintf(`for f in $(ls "$1" | head -%d); do grid-proxy-info -file "$1/$f" >/dev/null || exit 1; done`, asked)
	var ours, less, theirs []sample
	for range rounds / 3 {
		ours = append(ours, b.time(0, b.env, "sh", append(args, all)...))
		less = append(less, b.time(0, b.env, "sh", append(args, tenth)...))
		theirs = append(theirs, b.time(0, x.grid, "sh", "-c", loop, "sh", all))
	}
	b.report(fmt.Sprintf("inspect of %d / loop of grid-proxy-info (%d, extrapolated)", thousands, asked), 0.02, median(ours),
		median(theirs)*thousands/asked, peak(ours))
	b.report(fmt.Sprintf("inspect of %d / 10 times that of %d", thousands, thousands/10), 1.2, median(ours), 10*median(less), peak(ours))
}

// generate writes different proxies of one user, with the attributes of the box's proxy.
func (b *bench) generate(x box, dir string, n int) {
	b.must(os.Mkdir(dir, 0o700))
	jane := b.grid.Identity(realgrid.Jane)
	user, err := credfile.LoadPair(jane.CertFile, jane.KeyFile, nil)
	b.must(err)
	with, _, err := credfile.Load(x.proxy)
	b.must(err)
	acs, err := attrcert.FromChain(with.Chain)
	b.must(err)
	var raw [][]byte
	for _, ac := range acs {
		raw = append(raw, ac.Raw)
	}
	key, err := proxycert.GenerateKey(proxycert.RSA2048)
	b.must(err)
	now := time.Now()
	var failed sync.Map
	var writers sync.WaitGroup
	for first := range 2 {
		writers.Go(func() {
			for i := first; i < n; i += 2 {
				t := proxycert.Template{Now: now, Lifetime: 12*time.Hour + time.Duration(i)*time.Second}
				t.Extensions = append(t.Extensions, attrcert.Extension(raw...))
				c, err := user.Delegate(key, t)
				var data []byte
				if err == nil {
					data, err = credfile.Marshal(c)
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("proxy%05d", i)), data, 0o600)
				}
				if err != nil {
					failed.Store(i, err)
					return
				}
			}
		})
	}
	writers.Wait()
	failed.Range(func(_, err any) bool {
		b.must(err.(error))
		return false
	})
}
