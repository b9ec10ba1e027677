// Package bound holds parsers to a bound on memory and time for each byte of what they read. Only tests import it.
//
// What is allocated is counted, and does not depend on the machine or on what else runs on it. Time is that of the
// processor for this thread alone, and only growth is judged: reading a large input once is compared with reading a small
// one as often as it takes to have read as much. For a parser that is linear the two are the same, whatever the machine, and
// for one that is quadratic the first takes sixteen times as long.
package bound

import (
	"bytes"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Growth is how much larger the large input is than the small one.
const Growth = 16

// What is allowed beyond the growth of the input.
const (
	slackBytes = 64 << 10 // allocated by any parse: buffers and tables that do not depend on the input
	moreMemory = 4        // times the growth: slices grow in steps
	moreTime   = 5
	least      = 40 * time.Millisecond // below this a ratio says nothing: some kernels count in steps of ten
	attempts   = 5
)

// An Input is one kind of hostile text: Make returns about n bytes of it.
type Input struct {
	Name string
	Make func(n int) []byte
}

// Linear has parse read every input, of the given size and [Growth] times as large. It wants no more than factor bytes
// allocated for each byte of input, and memory and time that grow as the input does. Whether parse takes the input or
// refuses it is all the same.
func Linear(t *testing.T, size, factor int, parse func(data []byte), inputs ...Input) {
	t.Helper()
	for _, in := range inputs {
		t.Run(in.Name, func(t *testing.T) {
			small, large := in.Make(size), in.Make(Growth*size)
			if len(small) > 4*size || 4*len(large) < Growth*len(small) {
				t.Fatalf("the inputs have %d and %d bytes, asked for were %d and %d", len(small), len(large), size, Growth*size)
			}
			checkMemory(t, factor, parse, small, large)
			checkTime(t, parse, small, large)
		})
	}
}

func checkMemory(t *testing.T, factor int, parse func([]byte), small, large []byte) {
	t.Helper()
	grown := float64(len(large)) / float64(len(small)) * moreMemory
	var less, more int
	for range attempts { // another goroutine may have allocated something meanwhile, but hardly every time
		less, more = allocated(parse, small), allocated(parse, large)
		if more <= factor*len(large)+slackBytes && float64(more) <= grown*float64(less)+slackBytes {
			return
		}
	}
	t.Errorf("%d bytes are allocated for %d bytes of input, and %d for %d; %d for each and linear growth are allowed", less, len(small), more, len(large), factor)
}

func allocated(parse func([]byte), data []byte) int {
	own := bytes.Clone(data)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	parse(own)
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// checkTime compares reading the large input once with reading the small one as often as it takes to have read as much.
func checkTime(t *testing.T, parse func([]byte), small, large []byte) {
	t.Helper()
	times := max(1, len(large)/max(1, len(small)))
	var less, more time.Duration
	for range attempts { // a collection of garbage may have come between
		if more = taken(parse, large, 1); more < least {
			return
		}
		if less = taken(parse, small, times); more <= moreTime*less {
			return
		}
	}
	t.Errorf("%d bytes of input take %v when read %d times, and %d take %v: that is more than linear", len(small), less, times, len(large), more)
}

// taken is the processor's time for so many runs.
func taken(parse func([]byte), data []byte, times int) time.Duration {
	own := make([][]byte, times)
	for i := range own {
		own[i] = bytes.Clone(data)
	}
	return Taken(func() {
		for i := range own {
			parse(own[i])
		}
	})
}

// Taken returns how much of the processor's time f takes on its thread, however long it has to wait for the processor.
func Taken(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := processor()
	f()
	return processor() - before
}

// processor is the time that this thread has used.
func processor() time.Duration {
	const thread = 1 // RUSAGE_THREAD of getrusage(2), which package syscall does not name
	var used syscall.Rusage
	if err := syscall.Getrusage(thread, &used); err != nil {
		panic(err) // there is no reason for it to fail
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Repeat is text over and over, between a beginning and an end.
func Repeat(name, begin, text, end string) Input {
	return Input{name, func(n int) []byte {
		times := max(1, (n-len(begin)-len(end))/len(text))
		return []byte(begin + strings.Repeat(text, times) + end)
	}}
}

// Nested is an opening over and over, then something, then as many closings.
func Nested(name, open, inside, shut string) Input {
	return Input{name, func(n int) []byte {
		times := max(1, (n-len(inside))/(len(open)+len(shut)))
		return []byte(strings.Repeat(open, times) + inside + strings.Repeat(shut, times))
	}}
}

// DER is one element of that tag with the content.
func DER(tag byte, content []byte) []byte {
	length := []byte{byte(len(content))}
	if n := len(content); n > 0x7f {
		length = nil
		for ; n > 0; n >>= 8 {
			length = append([]byte{byte(n)}, length...)
		}
		length = append([]byte{0x80 | byte(len(length))}, length...)
	}
	return append(append([]byte{tag}, length...), content...)
}

// Deep is elements of that tag one inside the other, in DER, about n bytes of them.
func Deep(tag byte, n int) []byte {
	// Written from the inside outwards, and turned round.
	out := []byte{0, tag}
	for len(out) < n {
		size := len(out)
		if size < 0x80 {
			out = append(out, byte(size), tag)
			continue
		}
		count := 0
		for rest := size; rest > 0; rest >>= 8 {
			out = append(out, byte(rest))
			count++
		}
		out = append(out, 0x80|byte(count), tag)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
