package service

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
)

// endGroup ends the process group: TERM, and KILL for what is still there when grace is over.
func endGroup(pgid int, grace time.Duration, waited <-chan error) {
	syscall.Kill(-pgid, syscall.SIGTERM)
	syscall.Kill(-pgid, syscall.SIGCONT) // a stopped process takes TERM only once it goes on
	if !groupEnds(pgid, grace, &waited) {
		syscall.Kill(-pgid, syscall.SIGKILL)
		groupEnds(pgid, time.Second, &waited)
	}
	if waited != nil {
		<-waited
	}
}

// groupEnds waits for the group to be gone, at most for limit. The kernel tells nobody when a group ends, so it asks.
func groupEnds(pgid int, limit time.Duration, waited *<-chan error) bool {
	over := time.NewTimer(limit)
	defer over.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-*waited:
			*waited = nil
		case <-look.C:
		case <-over.C:
			return false
		}
		if *waited == nil && !groupLives(pgid) {
			return true
		}
	}
}

// groupLives says whether a process of the group still runs. For kill(2) also those count that have ended and that init
// has not collected, which in a container without a real init it never does; so proc(5) has the last word.
func groupLives(pgid int) bool {
	if errors.Is(syscall.Kill(-pgid, 0), syscall.ESRCH) {
		return false
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return true
	}
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if stat, err := os.ReadFile("/proc/" + name + "/stat"); err == nil && runsIn(stat, pgid) {
			return true
		}
	}
	return false
}

// runsIn reads a line of /proc/PID/stat: "PID (name) state parent group …". The name may hold anything, also ") ".
func runsIn(stat []byte, pgid int) bool {
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(f) > 2 && string(f[2]) == strconv.Itoa(pgid) && f[0][0] != 'Z' && f[0][0] != 'X'
}
