// Command vobox-reconcile keeps grid credentials, and what depends on them, up to date.
package main

import (
	"context"
	"os"
	"runtime"
	"time"
)

func main() { os.Exit(mainCode()) }

func mainCode() int {
	// Most runs find nothing to do, and last a few milliseconds. One processor and a stack that need not grow again and
	// again make them a tenth shorter; run is told how to get the others back when there is work for them.
	processors := runtime.GOMAXPROCS(1)
	growStack()
	return run(context.Background(), namedArgs(os.Args), world{
		getenv:  os.Getenv,
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		work:    func() { runtime.GOMAXPROCS(processors) },
		signals: true,
		now:     time.Now,
	})
}

// growStack makes the stack as large as a pass needs while there is little on it to copy.
//
//go:noinline
func growStack() byte {
	var room [48 << 10]byte
	return room[len(os.Args)%len(room)]
}
