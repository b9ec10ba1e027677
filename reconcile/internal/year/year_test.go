package year_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/year"
)

var seed = flag.Uint64("year.seed", 0, "replay the life of this seed; with -v its log is printed")

// seeds are those to be lived: the one asked for, or the first n; VOBOX_YEARS of them if that is set.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if *seed != 0 {
		return []uint64{*seed}
	}
	if s := os.Getenv("VOBOX_YEARS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i + 1)
	}
	return list
}

// judge fails the test with what must not have been, and says how to see the whole life.
func judge(t *testing.T, o year.Options, log *year.Log) {
	t.Helper()
	faults := log.Judge()
	for i, f := range faults {
		if i == 5 {
			t.Errorf("and %d more", len(faults)-i)
			break
		}
		t.Errorf("%s: %s", o, f)
	}
	if len(faults) > 0 {
		t.Logf("replay: go test ./reconcile/internal/year -run %s -year.seed=%d -v", t.Name(), o.Seed)
	}
	if *seed != 0 {
		fmt.Println(log)
	}
}

func TestModel(t *testing.T) {
	for _, s := range seeds(t, 20) {
		for _, w := range []bool{false, true} {
			o := year.Options{Seed: s, Watch: w}
			judge(t, o, year.Model(year.Write(o), nil, *seed != 0))
		}
	}
}

// shm is a directory in memory, where syncing a file costs nothing, if there is one.
func shm(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "year-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestEngine(t *testing.T) {
	for _, s := range seeds(t, 2) {
		for _, w := range []bool{false, true} {
			o := year.Options{Seed: s, Watch: w, Days: 10, Busy: 12}
			dir := shm(t)
			synctest.Test(t, func(t *testing.T) {
				log, err := year.Engine(t.Context(), year.Write(o), dir, year.Sabotage{})
				if err != nil {
					t.Fatal(err)
				}
				judge(t, o, log)
			})
		}
	}
}
