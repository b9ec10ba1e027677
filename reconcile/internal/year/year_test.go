package year_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/year"
)

var (
	seed  = flag.Uint64("year.seed", 0, "replay the life of this `seed`, and print its log")
	first = flag.Uint64("year.first", 1, "begin with this `seed` where several lives are lived")
)

// seeds are those to be lived: the one asked for, or n from the first on, or of VOBOX_YEARS as many times that.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if *seed != 0 {
		return []uint64{*seed}
	}
	if s := os.Getenv("VOBOX_YEARS"); s != "" {
		times, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("VOBOX_YEARS=%q: how many times as many seeds?", s)
		}
		n *= times
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = *first + uint64(i)
	}
	return list
}

// plainly reports whether the test is to go on. Under the race detector it is not: it is done by a process of its own
// without, which takes a tenth of the time and finds as much, where everything happens in one goroutine or in an order
// that a bubble prescribes.
func plainly(t *testing.T) bool {
	t.Helper()
	if !race {
		return true
	}
	program, err := plainBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$", "-test.timeout=15m", fmt.Sprintf("-year.seed=%d", *seed), fmt.Sprintf("-year.first=%d", *first))
	cmd.Env = append(os.Environ(), "GOGC=400") // there is little to keep, and a fifth less to do
	out, err := cmd.CombinedOutput()
	if err != nil || *seed != 0 {
		t.Logf("without the race detector:\n%s", out)
	}
	if err != nil {
		t.Error(err)
	}
	return false
}

var plainDir string

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if plainDir != "" {
		os.RemoveAll(plainDir)
	}
	os.Exit(code)
}

// plainBinary is the program of these tests without the race detector.
var plainBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "year-")
	if err != nil {
		return "", err
	}
	plainDir = dir
	path := filepath.Join(dir, "year.test")
	if out, err := exec.Command("go", "test", "-race=false", "-c", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the tests without the race detector: %w\n%s", err, out)
	}
	return path, nil
})

// judge fails the test with what must not have been, and says how to see the whole life.
func judge(t *testing.T, test string, o year.Options, log *year.Log) {
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
		t.Logf("replay: go test ./reconcile/internal/year -run '^%s$' -year.seed=%d -v", test, o.Seed)
	}
	if *seed != 0 {
		fmt.Println(log)
	}
}

// each lives the lives of all seeds, as many at a time as there are processors.
func each(t *testing.T, n int, live func(seed uint64)) {
	t.Helper()
	var wg sync.WaitGroup
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, s := range seeds(t, n) {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			live(s)
		})
	}
	wg.Wait()
}

// modelLife is what the model lives with a seed: whole years first, then two months in which as much happens as in eight.
// Every second is with --watch, the others from cron, mostly hourly.
func modelLife(seed uint64) year.Options {
	o := year.Options{Seed: seed, Watch: seed%2 == 0}
	if seed > 10 {
		o.Days, o.Busy = 60, 4
	}
	if !o.Watch {
		o.Every = map[uint64]time.Duration{31: 10 * time.Minute, 5: 30 * time.Minute, 15: 75 * time.Minute}[seed%40]
	}
	return o
}

// engineLife is what the engine lives with a seed: a fortnight in which as much happens as in a third of a year.
func engineLife(seed uint64) year.Options {
	return year.Options{Seed: seed, Watch: seed%2 == 0, Days: 14, Busy: 8}
}

// Hundreds of lives of a modelled box.
func TestModel(t *testing.T) {
	t.Parallel()
	if !plainly(t) {
		return
	}
	each(t, 200, func(s uint64) {
		o := modelLife(s)
		judge(t, "TestModel", o, year.Model(year.Write(o), nil, *seed != 0))
	})
}

// The end of a life in the middle of a pass ends it. (This one never did.)
func TestModelEnds(t *testing.T) {
	script := year.Write(modelLife(1119))
	if n := year.Model(script, nil, false).Renewals(); n < script.Days*12 {
		t.Errorf("%s: %d renewals", script.Options, n)
	}
}

// The real engine, on disk.
func TestEngine(t *testing.T) {
	t.Parallel()
	if !plainly(t) {
		return
	}
	for _, s := range seeds(t, 6) {
		o := engineLife(s)
		judge(t, "TestEngine", o, engine(t, o, year.Sabotage{}))
	}
}

// A few days of the same under the race detector.
func TestEngineRaces(t *testing.T) {
	for _, s := range seeds(t, 2) {
		o := engineLife(s)
		o.Days, o.Busy = 2, 50
		judge(t, "TestEngineRaces", o, engine(t, o, year.Sabotage{}))
	}
}

func engine(t *testing.T, o year.Options, sabot year.Sabotage) (log *year.Log) {
	t.Helper()
	return bubble(t, year.Write(o), shm(t), nil, sabot)
}

func bubble(t *testing.T, script *year.Script, dir string, wire *year.Wire, sabot year.Sabotage) (log *year.Log) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if log, err = year.Engine(t.Context(), script, dir, wire, sabot); err != nil {
			t.Fatal(err)
		}
	})
	os.RemoveAll(dir)
	return log
}

// A day through servers that speak the real protocols. From cron, it is the same day as with those that are modelled.
func TestWire(t *testing.T) {
	t.Parallel()
	if !plainly(t) {
		return
	}
	for _, s := range seeds(t, 2) {
		o := year.Options{Seed: s, Watch: s%2 == 0, Days: 1, Busy: 40}
		script := year.Write(o)
		wire, err := year.NewWire(script, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		log := bubble(t, script, shm(t), wire, year.Sabotage{})
		judge(t, "TestWire", o, log)
		if !o.Watch {
			mustBeTheSame(t, o, log, bubble(t, script, shm(t), nil, year.Sabotage{}))
		}
		if err := wire.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The model does what the engine does, in the same minute. With --watch it need not: a look has a random delay.
func TestModelIsTheEngine(t *testing.T) {
	t.Parallel()
	if !plainly(t) {
		return
	}
	for _, s := range seeds(t, 6) {
		o := year.Options{Seed: 100 + s, Days: 7, Busy: 15}
		script := year.Write(o)
		script.Kills = nil // which are at other moments
		mustBeTheSame(t, o, year.Model(script, nil, *seed != 0), bubble(t, script, shm(t), nil, year.Sabotage{}))
	}
}

func mustBeTheSame(t *testing.T, o year.Options, a, b *year.Log) {
	t.Helper()
	if diff := year.Differ(a, b); diff != "" {
		t.Errorf("%s: %s", o, diff)
	}
	if n, least := a.Renewals(), 5*o.Days; n < least {
		t.Errorf("%s: %d renewals, which shows little; want %d", o, n, least)
	}
	if *seed != 0 {
		fmt.Print(a, b)
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
